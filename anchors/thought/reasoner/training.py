"""Trains the shipped reasoner from scratch: ``python -m anchors.thought.reasoner.training``.

First copying of repeated random words, which makes an induction head; then arithmetic; then the skills, with the loss
on what is looked up or computed; then whole solutions of the process with the loss on the solution, a tenth of them
cut short and forced to answer. A phase that does not reach its loss has stalled, and another seed is tried.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion import provenance, recorded
from anchors.companion.codehash import source_hash
from anchors.companion.errors import AnchorsError
from anchors.companion.files import atomic_write, sha256
from anchors.companion.paths import cache_dir
from anchors.models.language import SHIPPED
from anchors.models.pins import TOLD
from anchors.models.tiny import IGNORED, Architecture, Example, Phase, train
from anchors.thought.reasoner.program import (
    FORCED_SUFFIX,
    LETTERS,
    OPERATIONS,
    Problem,
    apply,
    sample_problem,
    sample_trace,
)
from anchors.thought.reasoner.truth import forced_distribution
from anchors.thought.reasoner.vocabulary import END, IDS, TOKENS, UNKNOWN, encode, save_tokenizer

SEEDS = (2, 3, 4, 5)
ARITHMETIC = 10  # computations in one example of the arithmetic phase
RECALLS, COMPUTATIONS = 10, 6  # lines recalled and computed in one example of the skills phase
FORCED = 0.1  # share of the solutions that are cut and forced to answer
ARCHITECTURE = Architecture(vocabulary=len(TOKENS))
CODE = ["anchors.models.tiny", "anchors.thought.reasoner.training"]


def copy_example(rng: np.random.Generator) -> Example:
    """Return random words three times over; what follows a word that occurred before is to be learnt (induction)."""
    words = rng.choice(np.arange(IDS[UNKNOWN] + 1, len(TOKENS)), int(rng.integers(8, 25)), replace=False).tolist()
    return words * 3, [IGNORED] * (len(words) + 1) + words[1:] + [IGNORED] + words[1:]


def arithmetic_example(rng: np.random.Generator) -> Example:
    """Return computations of random variables; only the results are to be learnt."""
    ids: list[int] = []
    labels: list[int] = []
    for _ in range(ARITHMETIC):
        source, made = rng.choice(list(LETTERS), 2, replace=False)
        operation, x = f"{rng.choice(list(OPERATIONS))}{rng.integers(1, 10)}", int(rng.integers(10))
        result = apply(operation, x)
        found = encode(f"take {made}= {source} {operation} with {source}: {x} so {made}: {result} .")
        ids += found
        labels += [IGNORED] * (len(found) - 2) + [found[-2], IGNORED]
    return ids, labels


def skill_example(rng: np.random.Generator) -> Example:
    """Return a ledger, recalls of random lines, and computations with random operands; what they state is learnt."""
    problem = sample_problem(rng)
    ids = encode(problem.text)
    labels = [IGNORED] * len(ids)
    for line in rng.choice(problem.lines, RECALLS):
        found = encode(f"recall {line[:-1]}.")
        ids += found
        labels += [IGNORED, IGNORED, *found[2:-1], IGNORED]
    for line in rng.choice([line for line in problem.lines if "=" in line], COMPUTATIONS):
        made, source, operation = line.split()[:3]
        x = int(rng.integers(10))
        found = encode(f"take {line[:-2]} with {source}: {x} so {made[0]}: {apply(operation, x)} .")
        ids += found
        labels += [IGNORED, IGNORED, *found[2:6], IGNORED, *found[7:]]
    return ids, labels


def solution_example(rng: np.random.Generator) -> Example:
    """Return a problem with a solution of the process to be learnt, or a part of one and a forced answer."""
    problem = sample_problem(rng)
    sentences = sample_trace(problem, rng).sentences
    prompt = encode(problem.text)
    if rng.random() < FORCED:
        return _forced(problem, sentences[: rng.integers(len(sentences))], prompt, rng)
    solution = [*encode(" ".join(sentences)), IDS[END]]
    return prompt + solution, [IGNORED] * len(prompt) + solution


def _forced(problem: Problem, kept: tuple[str, ...], prompt: list[int], rng: np.random.Generator) -> Example:
    digit = rng.choice(10, p=forced_distribution(problem, kept))
    ids = [*prompt, *encode(" ".join(kept) + FORCED_SUFFIX), IDS[str(digit)]]
    return ids, [IGNORED] * (len(ids) - 1) + ids[-1:]


PHASES = (
    Phase("copying", copy_example, steps=1500, rate=1e-3, until=0.3),
    Phase("arithmetic", arithmetic_example, steps=1500, rate=1e-3, until=0.05),
    Phase("skills", skill_example, steps=1500, rate=1e-3, until=0.05),
    Phase("solutions", solution_example, steps=500, rate=1e-3),
    Phase("refinement", solution_example, steps=600, rate=8e-4, decay=True),
)


def write_model(network: Any, folder: Path, about: dict[str, Any]) -> None:
    """Write a model folder in hub format with ``provenance.json``, whose hash the loader checks."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    atomic_write(folder / "model.safetensors", save(weights, metadata={"format": "pt"}))
    network.config.architectures = [type(network).__name__]
    network.config.save_pretrained(folder)
    save_tokenizer(folder)
    record = about | {"sha256": sha256(folder / "model.safetensors")}
    record["files"] = {name: sha256(folder / name) for name in TOLD}
    atomic_write(folder / "provenance.json", (json.dumps(record, indent=1) + "\n").encode())


def main() -> None:
    """Train, write the model, and record the losses and the audit."""
    import pandas as pd
    import torch

    torch.set_num_threads(1)
    started, origin = time.perf_counter(), provenance.record(CODE, {})
    network, training = train(ARCHITECTURE, PHASES, SEEDS, cache_dir() / "reasoner")
    facts = {
        "seed": training.seed,
        "parameters": sum(p.numel() for p in network.parameters()),
        "licence": "MIT",
        "program": source_hash(["anchors.thought.reasoner.program"])[:16],
    }
    seconds = round(time.perf_counter() - started, 1)
    write_model(network, SHIPPED / "reasoner", {**facts, **origin, "seconds": seconds})
    command = f"python -m {__spec__.name}"
    log = pd.DataFrame(training.log)
    recorded.save("thought/reasoner_training", log, command, origin | {"seconds": seconds}, **facts)
    print(record_audit("python -m anchors.thought.recorded_runs reasoner_audit").to_string(index=False))


def record_audit(command: str, seed: int = 1_000_000) -> Any:
    """Audit the shipped reasoner on problems of ``seed``, record the table under ``command``, and return it."""
    from anchors.thought.reasoner.audit import audit

    started = time.perf_counter()
    about = json.loads((SHIPPED / "reasoner" / "provenance.json").read_text(encoding="utf-8"))
    origin = provenance.record(["anchors.thought.reasoner.audit"], {"reasoner": about["sha256"][:16]})
    table = audit(seed=seed)
    origin |= {"seconds": round(time.perf_counter() - started, 1)}
    facts = {"seeds": [seed], "program": about["program"], "after": ["thought/reasoner_training"]}
    recorded.save("thought/reasoner_audit", table, command, origin, **facts)
    return table


if __name__ == "__main__":
    try:
        main()
    except AnchorsError as error:
        sys.exit(f"error: {error}")
