"""Answers with receiver heads ablated, beside as many random heads and as many heads of the same layers (sec. 2.6)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion import recorded
from anchors.companion.cache import cached_grid
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, in_words, mean_within, paired_interval
from anchors.models.language import load
from anchors.thought import answers, receivers, word_problems
from anchors.thought.ablation import ablated
from anchors.thought.studies import corpus, methods

RUN, RECORDED = "thought/head_ablation", ("reasoner", "smollm2")
FEW = 1 / 80, 1 / 30, 1 / 12  # of the heads outside layer 0: 3, 9 and 22 of SmolLM2's 261, which end its answers
MANY = 1 / 12, 1 / 6, 1 / 3  # 1, 2 and 4 of the reasoner's twelve
KINDS = {"none": "no head", "receiver": "receiver heads", "layer": "other heads of their layers", "random": "any heads"}
KEYS = ["model", "kind", "share", "draw"]


@dataclass(frozen=True)
class Plan:
    """How much is sampled: problems, rollouts of each, draws of the random heads, traces that choose the receivers."""

    problems: int
    rollouts: int
    draws: int
    traces: int
    shares: tuple[float, ...] = FEW


def plan(model: str, profile: str) -> Plan:
    """Return the plan for a model: the reasoner is fast, so it solves more."""
    if model == "reasoner":
        return choose(profile, Plan(2, 4, 1, 4, MANY[1:2]), Plan(24, 16, 2, 24, MANY), Plan(96, 64, 5, 96, MANY))
    return choose(profile, Plan(2, 4, 1, 4), Plan(8, 16, 1, 24), Plan(32, 100, 5, 40))


def conditions(model: str, profile: str, problems: int = 0) -> list[dict[str, Any]]:
    """Return kind, share, draw and problem (the first ``problems``, or all) of everything that is sampled."""
    p = plan(model, profile)
    found = [("none", 0.0, 0)] + [("receiver", share, 0) for share in p.shares]
    found += [(kind, share, draw) for kind in ("layer", "random") for share in p.shares for draw in range(p.draws)]
    return [
        {"kind": kind, "share": round(share, 6), "draw": draw, "problem": problem}
        for kind, share, draw in found for problem in range(problems or p.problems)
    ]  # fmt: skip


def solve(model: str, style: str, prompt: str, right: str, heads: list, first: int, rollouts: int) -> dict[str, Any]:
    """Return how many rollouts of a problem, with seeds from ``first`` on, are answered and right without ``heads``."""
    with ablated(load(model).network, heads):
        texts = [c.text for c in corpus.sample(model, prompt, list(range(first, first + rollouts)), style)]
    given = [answer for answer in (answers.boxed(text).strip() for text in texts) if answer]
    return {"n": rollouts, "answered": len(given), "right": sum(bool(answers.equal(one, right)) for one in given)}


def asked_of(model: str, profile: str, seed: int, problem: int) -> Any:
    """Return a problem: for SmolLM2 one that it solves at times (its recorded traces), else one no trace is of."""
    if corpus.is_recorded(model, profile):
        log = recorded.load(corpus.RUN)[0]
        own = log[log.correct & (log.seed == seed)]
        return corpus.problem_of(model, seed, int(own.problem.iloc[problem]))
    if model == "reasoner":
        return corpus.problem_of(model, seed + 1, problem)
    number = plan(model, profile).traces + problem  # beyond those of the traces, where problems are a list
    return corpus.problem_of(model, seed + 1, number, corpus.style_of(model, profile))


def heads_of(
    vertical: list[np.ndarray], seed: int, kind: str, share: float, draw: int, problem: int
) -> list[list[int]]:
    """Return the heads that a condition ablates; random ones are drawn anew for every problem.

    ``vertical`` are the vertical scores (L, H, M) of the traces that choose the receiver heads.
    """
    if kind == "none":
        return []
    layers, width = vertical[0].shape[:2]
    chosen, _ = methods.receiver_heads(vertical, max(1, round(share * (layers - 1) * width)))
    if kind != "receiver":
        rng = np.random.default_rng([seed, 61, draw, problem])
        chosen = receivers.matched_heads(chosen, (layers, width), rng, by_layer=kind == "layer")
    return [list(one) for one in chosen]


def compute(models: list[str], profile: str, seed: int) -> tuple[pd.DataFrame, float]:
    """Return one row per model, condition and problem, and the largest |live − recorded| of a share.

    The reasoner and SmolLM2 are recorded (laptop profile); of the reasoner's run the first problem is repeated. In
    smoke the reasoner solves less, now; SmolLM2, whose tokens cost a hundred times as much, is read from the record.
    """
    tables, gap = [], float("nan")
    for model in models:
        if model in recorded_in(profile) and seed == 0:
            log = recorded.load(RUN)[0]
            tables.append(log[log.model == model].assign(source="recorded"))
            if model == "reasoner":
                gap = _gap(solved(model, profile, seed, 1), tables[-1])
        else:
            tables.append(solved(model, profile, seed).assign(source="cached"))
    return pd.concat(tables, ignore_index=True), gap


def recorded_in(profile: str) -> tuple[str, ...]:
    """Return the models whose answers a profile reads from the recorded run."""
    return choose(profile, (corpus.RECORDED,), RECORDED, ())


def solved(model: str, profile: str, seed: int, problems: int = 0) -> pd.DataFrame:
    """Return one row per condition and problem of a model, cached."""
    p, style = plan(model, profile), corpus.style_of(model, profile)
    _, vertical = methods.vertical_scores(model, profile, seed, p.traces)
    asked = [asked_of(model, profile, seed, problem) for problem in range(problems or p.problems)]
    rows, jobs = conditions(model, profile, problems), []
    for c in rows:
        one = asked[c["problem"]]
        prompt = one.text if model == "reasoner" else word_problems.prompt(one, style)
        first = methods.SEEDS + corpus.APART * (500 + c["problem"])
        job = {"model": model, "style": style, "prompt": prompt, "right": str(one.answer), "first": first}
        jobs.append(job | {"heads": heads_of(vertical, seed, **c), "rollouts": p.rollouts})
    found = cached_grid(solve, jobs, f"ablation {model}", salt=corpus.identity(model))
    return pd.DataFrame([{"model": model} | c | one for c, one in zip(rows, found, strict=True)])


def _gap(live: pd.DataFrame, log: pd.DataFrame) -> float:
    """Return the largest difference of the share of right answers between two tables over the live rows."""
    both = live.merge(log, on=[*KEYS, "problem"], suffixes=("", "_log"), validate="one_to_one")
    if len(both) < len(live):
        return float("inf")
    return float((both.right / both.n - both.right_log / both.n_log).abs().max())


def accuracies(table: pd.DataFrame, column: str = "right") -> pd.DataFrame:
    """Return the share of right (or answered) rollouts, rows (model, problem), columns (kind, share); draws pooled."""
    total = table.groupby(["model", "problem", "kind", "share"])[[column, "n"]].sum()
    return (total[column] / total["n"]).unstack(["kind", "share"]).sort_index(axis=1)


def condition(table: pd.DataFrame, model: str, kind: str, share: float, column: str = "right") -> Interval:
    """Return the mean share of a condition over problems, with its interval."""
    return mean_within(accuracies(table, column).loc[model][(kind, share)].to_numpy())


def difference(table: pd.DataFrame, model: str, control: str, share: float) -> Interval:
    """Return receiver − control of the accuracy, paired by problem."""
    own = accuracies(table).loc[model]
    base = own[("none", 0.0)] if control == "none" else own[(control, share)]
    return paired_interval(own[("receiver", share)].to_numpy(), base.to_numpy())


def shares_of(table: pd.DataFrame) -> list[float]:
    """Return the shares of heads in a table, without zero."""
    return sorted(set(table.share) - {0.0})


def summarise(table: pd.DataFrame, gap: float) -> tuple[list[Row], Verdict]:
    """Return the accuracy of every condition, the differences by number of heads, and the verdict."""
    rows = []
    for model in table.model.unique():
        own = table[table.model == model]
        source = own.source.iloc[0]
        n, name = own.problem.nunique(), corpus.name_of(model)
        rows.append(row(f"{name}: accuracy, no head ablated", condition(own, model, "none", 0.0), n, source=source))
        for share in shares_of(own):
            for kind in ("receiver", "layer", "random"):
                quantity = f"{name}: accuracy, {share:.0%} ablated: {KINDS[kind]}"
                rows.append(row(quantity, condition(own, model, kind, share), n, source=source))
            for control in ("layer", "random"):
                quantity = f"{name}: receiver heads − {KINDS[control]}, {share:.0%} ablated"
                rows.append(row(quantity, difference(own, model, control, share), n, source=source))
    if np.isfinite(gap):
        two = 2 / plan("reasoner", "laptop").rollouts  # of the rollouts may end otherwise on another processor
        rows.append(Row("reasoner: largest |live − recorded| share of one problem", gap, n=1, slack=two))
    return rows, _verdict(table)


def at_floor(table: pd.DataFrame, model: str, share: float) -> bool:
    """Return whether nothing is right with receiver heads or with others of their layers ablated: no comparison."""
    return all(condition(table, model, kind, share).mean == 0 for kind in ("receiver", "layer"))


def _verdict(table: pd.DataFrame) -> Verdict:
    """Return whether receiver heads hurt more than the heads of the same layers, by model and number of heads."""
    words, worse, better, total, floor = [], 0, 0, 0, 0
    for model in table.model.unique():
        shares = shares_of(table[table.model == model])
        floor += sum(at_floor(table, model, share) for share in shares)
        usable = [share for share in shares if not at_floor(table, model, share)]
        found = {share: [difference(table, model, kind, share) for kind in ("layer", "random")] for share in usable}
        worse += sum(layer.high < 0 for layer, _ in found.values())
        better += sum(layer.low > 0 for layer, _ in found.values())
        total += len(found)
        each = [f"{in_words(layer)} and {in_words(free)} at {share:.0%}" for share, (layer, free) in found.items()]
        none = condition(table, model, "none", 0.0).mean
        words.append(
            f"{corpus.name_of(model)} ({none:.2f} right with all heads) {', '.join(each) or 'nothing to compare'}"
        )
    kind = "measured" if not total else "holds" if worse == total else "mixed" if worse else "does not hold"
    text = (
        f"Right answers with receiver heads ablated, less those with other heads of their layers, and with any heads: "
        f"{'; '.join(words)}. Ablating receiver heads costs clearly more than as many heads of the same layers in "
        f"{worse} of {total} cases, clearly less in {better}"
        f"{f'; in {floor} further ones nothing is right either way' if floor else ''}."
    )
    return Verdict(kind, text)
