"""Whether the reasoner is an instrument: its solutions of unseen problems against the rates of the process."""

import re
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.stats import wilson
from anchors.thought.reasoner import program
from anchors.thought.reasoner.program import Problem, apply, grammatical, read_trace, sample_problem, sample_trace
from anchors.thought.sentences import split

COMPUTED = re.compile(r"(take|check) (\w)= (\w) (\S+) with (\w): (\d) so (\w): (\d) \.")
RECALLED = re.compile(r"recall \w(?:= \w \S+|: \d) \.")
SKILLS = ("recalls right", "operand look-ups right", "computations wrong", "checks wrong", "grammatical solutions")


def tally(problem: Problem, text: str) -> Counter:
    """Return counts of what a solution's text does: of each skill (tried, succeeded), categories, answers by plan."""
    counts: Counter = Counter()
    sentences = [s.text for s in split(text)]
    ledger = {f"recall {line[:-1]}." for line in problem.lines}
    values: dict[str, str] = {}
    for sentence in sentences:
        if sentence.startswith("recall"):
            counts["recalls right", "n"] += 1
            counts["recalls right", "k"] += sentence in ledger
            if found := re.fullmatch(r"recall (\w): (\d) \.", sentence):
                values[found[1]] = found[2]
        elif found := COMPUTED.fullmatch(sentence):
            verb, made, source, operation, operand, x, result, value = found.groups()
            counts["operand look-ups right", "n"] += 1
            counts["operand look-ups right", "k"] += values.get(operand) == x and operand == source
            skill = "computations wrong" if verb == "take" else "checks wrong"
            counts[skill, "n"] += 1
            counts[skill, "k"] += int(value) != apply(operation, int(x)) or result != made
            values[result] = value
    counts["grammatical solutions", "n"] += 1
    if grammatical(problem, sentences):
        counts["grammatical solutions", "k"] += 1
        trace = read_trace(problem, sentences)
        counts.update((f"share of {name}", "k") for name in trace.categories)
        counts["sentences", "n"] += len(trace.categories)
        counts[f"right answers, {trace.plan}", "n"] += 1
        counts[f"right answers, {trace.plan}", "k"] += trace.correct
        counts[f"plans: {trace.plan}", "k"] += 1
    return counts


def rates(counts: Counter) -> dict[str, tuple[float, int]]:
    """Return every rate with the number it is out of."""
    names = dict.fromkeys(name for name, kind in counts if kind == "k" or (name, "k") in counts)
    found = {}
    for name in names:
        base = ("sentences", "n") if name.startswith("share") else (name, "n")
        base = ("grammatical solutions", "k") if name.startswith("plans") else base
        found[name] = (counts[name, "k"] / max(counts[base], 1), counts[base])
    return found


def audit(
    model: Any = "reasoner", problems: int = 400, solutions: int = 8, seed: int = 1_000_000, times: int = 6
) -> pd.DataFrame:
    """Return one row per rate: the reasoner's with its 95 % interval (Wilson), the process's on the same problems.

    The process is sampled ``times`` as often, so that its rates are the more certain ones. The problems are drawn from
    ``seed``, which no training used; sampling is at temperature 1 without top-p.
    """
    rng = np.random.default_rng(seed)
    drawn = [sample_problem(rng) for _ in range(problems)]
    own, process = Counter(), Counter()
    for problem, texts in zip(drawn, solve(model, drawn, solutions, seed), strict=True):
        for text in texts:
            own += tally(problem, text)
            for _ in range(times):
                process += tally(problem, " ".join(sample_trace(problem, rng).sentences))
    return compared(rates(own), rates(process))


EXACT = {"computations wrong": program.ERROR, "checks wrong": program.CHECK_ERROR}
Z = 1.96  # of the 95 % intervals, as recorded


def compared(own: dict[str, tuple[float, int]], process: dict[str, tuple[float, int]]) -> pd.DataFrame:
    """Return the rows of :func:`audit`; a rate that the reasoner gave no chance to is 0 in (0, 1), of n = 0."""
    names = sorted(process, key=lambda name: (name not in SKILLS, name))
    value, n = (np.array(column) for column in zip(*(own.get(name, (0.0, 0)) for name in names), strict=True))
    low, high = wilson(value, n, Z)
    truth = [EXACT.get(name, process[name][0]) for name in names]
    return pd.DataFrame({
        "rate": names, "reasoner": value, "low": np.where(n > 0, low, 0.0), "high": np.where(n > 0, high, 1.0),
        "n": n, "process": truth,
    })  # fmt: skip


def solve(model: Any, problems: list[Problem], solutions: int, seed: int, batch: int = 256) -> list[list[str]]:
    """Return ``solutions`` texts per problem, sampled by plain ``generate`` at temperature 1."""
    import torch

    if isinstance(model, str):
        from anchors.models.language import load

        model = load(model)
    tokenizer, network = model.tokenizer, model.network
    tokenizer.padding_side = "left"
    prompts = [problem.text for problem in problems for _ in range(solutions)]
    texts: list[str] = []
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        for start in range(0, len(prompts), batch):
            tokens = tokenizer(prompts[start : start + batch], padding=True, return_tensors="pt")
            tokens.pop("token_type_ids", None)
            out = network.generate(**tokens, do_sample=True, temperature=1.0, top_p=1.0, top_k=0, max_new_tokens=320)
            width = tokens["input_ids"].shape[1]
            texts += tokenizer.batch_decode(out[:, width:], skip_special_tokens=True)
    return [texts[i : i + solutions] for i in range(0, len(texts), solutions)]
