"""Trains the shipped writer from scratch: ``python -m anchors.rubric.writer.training``.

The loss is that of the text given its prompt: first prompts as they are, then half of them with many constraints, so
that obeying is learnt, which is rare otherwise.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion import provenance
from anchors.companion.codehash import digest, text_hash
from anchors.companion.errors import AnchorsError
from anchors.companion.files import atomic_write, sha256
from anchors.companion.paths import cache_dir
from anchors.models.language import SHIPPED
from anchors.models.pins import TOLD
from anchors.models.tiny import Architecture, Example, Phase, train
from anchors.rubric.writer import lexicon, program, prompts
from anchors.rubric.writer.audit import TEXTS, measured, taught
from anchors.rubric.writer.vocabulary import TOKENS, save_tokenizer

NAME, SEEDS = "writer", (1, 2)
ARCHITECTURE = Architecture(vocabulary=len(TOKENS), layers=2, positions=256)
CODE = ["anchors.models.tiny", "anchors.rubric.writer.training"]
PROGRAM = ("lexicon", "program", "prompts", "vocabulary")  # what the weights were trained on
DENSE = 0.6  # probability of each constraint in a dense prompt


def example(rng: np.random.Generator) -> Example:
    """Return a prompt with a text of the program to be learnt; half of the prompts have constraints."""
    prompt = prompts.sample(rng)
    return taught(prompt, program.sample(prompt, rng)[0])


def dense_example(rng: np.random.Generator) -> Example:
    """Return an example whose prompt has each constraint with probability :data:`DENSE`."""
    asked = {
        "sentences": int(rng.choice(list(lexicon.NUMBERS.values()))), "word": str(rng.choice(list(lexicon.KEYWORDS))),
    }  # fmt: skip
    wanted = [name for name in prompts.CONSTRAINTS if rng.random() < DENSE]
    prompt = replace(prompts.sample(rng, "creative"), **{name: asked.get(name, True) for name in wanted})
    return taught(prompt, program.sample(prompt, rng)[0])


def either_example(rng: np.random.Generator) -> Example:
    """Return an example of either kind."""
    return example(rng) if rng.random() < 0.5 else dense_example(rng)


PHASES = (
    Phase("texts", example, steps=200, rate=3e-3),
    Phase("refinement", example, steps=1300, rate=3e-3, decay=True),
    Phase("constraints", either_example, steps=1000, rate=3e-3, decay=True),
)


def program_hash() -> str:
    """Return 16 hex digits for the program as it is today; weights that were trained on another one are stale."""
    sources = [Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in PROGRAM]
    return digest([text_hash(source) for source in sources])[:16]


def train_and_ship(
    folder: Path = SHIPPED / NAME, phases: Sequence[Phase] = PHASES, texts: int = TEXTS
) -> tuple[list[dict], dict[str, Any]]:
    """Train, write the model folder that ``anchors.models.language.load("writer")`` reads, and audit it.

    Training continues where it was killed.

    Parameters
    ----------
    texts : so many are held out, and so many audited.

    Returns
    -------
    The log of losses (rows with phase, step, loss, running), and what ``provenance.json`` holds: seed, program, code,
    versions, seconds, held-out loss, rates, and the hash of the weights.
    """
    import torch

    torch.set_num_threads(1)
    started, origin = time.perf_counter(), provenance.record(CODE, {})
    network, training = train(ARCHITECTURE, phases, SEEDS, cache_dir() / NAME)
    facts = {
        "seed": training.seed,
        "parameters": sum(p.numel() for p in network.parameters()),
        "licence": "MIT",
        "command": f"python -m {CODE[1]}",
        "program": program_hash(),
    }
    seconds = {"seconds": round(time.perf_counter() - started, 1)}
    return training.log, ship(network, folder, facts | origin | seconds, texts)


def ship(network: Any, folder: Path, about: dict[str, Any], texts: int = TEXTS) -> dict[str, Any]:
    """Write weights, configuration and tokenizer in hub format; the record, written last, holds the weights' hash."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().contiguous() for name, value in network.state_dict().items()}
    atomic_write(folder / "model.safetensors", save(weights, metadata={"format": "pt"}))
    network.config.architectures = [type(network).__name__]
    network.config.save_pretrained(folder)
    save_tokenizer(folder)
    record = about | measured(network, texts) | {"sha256": sha256(folder / "model.safetensors")}
    record["files"] = {name: sha256(folder / name) for name in TOLD}
    atomic_write(folder / "provenance.json", (json.dumps(record, indent=1) + "\n").encode())
    return record


def main() -> None:
    """Train the writer and print how near it came."""
    _, found = train_and_ship()
    print(json.dumps({name: found[name] for name in ("seed", "seconds", "held_out", "audit")}, indent=1))


if __name__ == "__main__":
    try:
        main()
    except AnchorsError as error:
        sys.exit(f"error: {error}")
