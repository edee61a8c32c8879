"""The case study: one released trace, sentence by sentence (sec. 2.4; problem 4682, correct trace, v1/v2)."""

from fractions import Fraction

import numpy as np
import pandas as pd

from anchors.companion.cache import cached
from anchors.companion.datasets import fingerprint
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict
from anchors.thought import official
from anchors.thought.importance import different

PROBLEM, ANCHOR, DOUBT = "4682", 13, 12
THRESHOLD, ROLLOUTS = 0.8, 100
SUPPRESSED = ((13, 14), (13, 15), (12, 13), (12, 14), (14, 15))
ONE_ROLLOUT = 0.0105  # ours counts rollouts without an answer too


def compute(profile: str, seed: int) -> pd.DataFrame:
    """Return one row per sentence of the trace: text, category, released labels, and what follows from them.

    ``from_differences`` is the accuracy rebuilt from the first one and the stored resampling importances; ``forced``
    the sum of the stored forced importances, which is the forced accuracy up to its unknown start; ``outgoing`` the
    mean of the sentence's row in the sentence-to-sentence matrix; ``different`` our share of rollouts with another
    sentence (sentences 12 and 13 only); ``low`` and ``high`` the 95 % interval of the resampling importance.
    """
    trace = official.released_trace(PROBLEM)
    labels, m = trace.labels, len(trace.sentences)
    table = pd.DataFrame({"sentence": range(m), "text": trace.sentences, "category": trace.categories} | labels)
    steps = labels["resampling_importance_accuracy"]
    table["from_differences"] = labels["accuracy"][0] + np.append(0, np.cumsum(steps)[:-1])
    table["difference"] = np.append(np.diff(labels["accuracy"]), 0)
    table["forced"] = np.append(0, np.cumsum(labels["forced_importance_accuracy"])[:-1])
    matrix = official.step_importance(PROBLEM)
    table["outgoing"] = np.append(np.nansum(matrix[:-1], axis=1) / np.arange(m - 1, 0, -1), 0)
    table["different"] = np.nan
    salt = fingerprint(official.TRACES)
    for k in (DOUBT, ANCHOR):
        table.loc[k, "different"] = cached(different_share, salt, sentence=k)
    table["low"], table["high"] = step_intervals(labels["accuracy"], choose(profile, 200, 4000, 4000), seed)
    return table


def different_share(sentence: int) -> float:
    """Return the share of rollouts whose first sentence is another one, by our embedding of the released sentences.

    All released sentences count, also those of rollouts without an answer, which the files do not tell apart.
    """
    from anchors.models.embed import embed

    resampled = official.resampled_sentences(PROBLEM)[sentence]
    vectors = embed([official.released_trace(PROBLEM).sentences[sentence], *resampled])
    owner = np.zeros(len(resampled), int)
    return float(different(vectors[:1], vectors[1:], owner, THRESHOLD).mean())


def step_intervals(accuracy: np.ndarray, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends ``(M,)`` of 95 % intervals of ``accuracy[i+1] - accuracy[i]`` (parametric bootstrap, derived).

    The number of answered rollouts is not released: the largest one up to 100 that can give the stored share is taken.
    """
    shares = [Fraction(a).limit_denominator(ROLLOUTS).denominator for a in accuracy]
    answered = np.array([d * (ROLLOUTS // d) for d in shares])
    drawn = np.random.default_rng(seed).binomial(answered, accuracy, (draws, len(accuracy))) / answered
    low, high = np.quantile(np.diff(drawn, axis=1), [0.025, 0.975], axis=0)
    return np.append(low, np.nan), np.append(high, np.nan)


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the released values of the case beside what follows from the files, and the verdict."""
    rows = [
        *_accuracies(table), *_importances(table), *_effects(table), *_forced(table), *_suppression()
    ]  # fmt: skip
    largest, first = int(table["outgoing"].idxmax()), _first_forced(table)
    rise = table.loc[ANCHOR]
    text = (
        f"In problem {PROBLEM} sentence {largest} has the largest mean effect on later sentences "
        f"({table['outgoing'].max():.3f}; the next has {table['outgoing'].nlargest(2).iloc[1]:.3f}), and keeping "
        f"sentence {ANCHOR} raises the accuracy by {rise['difference']:.3f} ({rise['low']:.2f} to {rise['high']:.2f}). "
        f"Forced answers do not move before sentence {first}. One trace, chosen by the authors because it is clear."
    )
    found = largest == table["difference"].abs().idxmax() == ANCHOR and rise["low"] > 0 and first > ANCHOR
    return rows, Verdict("holds" if found else "does not hold", text)


def _row(quantity: str, value: float, tolerance: float, **more) -> Row:
    return Row(quantity, float(value), n=1, source="live", same_scale=True, tolerance=tolerance, **more)


def _accuracies(table: pd.DataFrame) -> list[Row]:
    shown = (0, 6, 7, 8, 9, 10, 11, 12, 13, 14)
    return [_row(f"accuracy before sentence {k}", table["from_differences"][k], 0.0005) for k in shown]


def _importances(table: pd.DataFrame) -> list[Row]:
    at, cf = table.loc, "counterfactual_importance"
    rows = [
        _row(f"resampling importance of sentence {k}, accuracy", at[k, "difference"], 0.0005) for k in (DOUBT, ANCHOR)
    ]
    for k in (DOUBT, ANCHOR):
        quantity = f"counterfactual importance of sentence {k}, accuracy, official sign"
        rows.append(_row(quantity, at[k, f"{cf}_accuracy"], 0.0005))
    rows.append(
        _row("resampling importance of sentence 13, KL", at[ANCHOR, "resampling_importance_kl"], 5e-4, unit="nats")
    )
    rows.append(_row("counterfactual importance of sentence 13, KL", at[ANCHOR, f"{cf}_kl"], 5e-4, unit="nats"))
    rows.append(_row("rollouts with a different sentence 13", at[ANCHOR, "different"], ONE_ROLLOUT))
    return rows


def _effects(table: pd.DataFrame) -> list[Row]:
    rows = [_row(f"mean effect of sentence {k} on later sentences", table["outgoing"][k], 5e-5) for k in (13, 131, 98)]
    return [*rows, _row("sentence with the largest mean effect on later ones", table["outgoing"].idxmax(), 0)]


def _first_forced(table: pd.DataFrame) -> int:
    return int(np.flatnonzero(table["forced_importance_accuracy"])[0])


def _forced(table: pd.DataFrame) -> list[Row]:
    rows = [_row("first sentence that moves the forced accuracy", _first_forced(table), 0)]
    values = table["forced_importance_accuracy"]
    return rows + [_row(f"forced importance of sentence {k}, accuracy", values[k], 0.005) for k in (61, 62, 63)]


def _suppression() -> list[Row]:
    matrix = official.step_importance(PROBLEM, "suppression")
    return [_row(f"suppression effect {i} to {j}", matrix[i, j], 0.005, unit="log units") for i, j in SUPPRESSED]
