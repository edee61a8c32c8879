"""How much a sentence moves the final answer: forced-answer, resampling and counterfactual importance (sec. 2.4).

One sign for all of ours: a positive accuracy importance means that keeping the sentence raises the share of correct
answers. A divergence has no direction. All of ours compare with R(i+1), the rollouts that keep the sentence. The
official variants keep the official choices: counterfactual accuracy has the opposite sign, its divergence compares with
R(i+1) and the rollouts of R(i) that say the sentence again, no count is too small, and missing rollouts count as 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.thought.estimators import VARIANTS, bootstrap_counts, interval, kl

if TYPE_CHECKING:
    from pandas import DataFrame

METHODS, UNITS, THRESHOLD, MINIMUM = ("forced", "resampling", "counterfactual"), ("accuracy", "kl"), 0.8, 10
INTERVAL = "centred"  # of the bootstrap: moved by its own bias, which percentiles of a divergence would count twice
KIND = {"forced": "forced", "resampling": "resample", "counterfactual": "resample"}  # which rollouts a method reads
_BLOCK = 20_000_000  # numbers held by one block of bootstrap draws


@dataclass(frozen=True)
class Importance:
    """An importance with its 95 % bootstrap interval; ``reason`` says why a value is NaN, else it is ``""``.

    ``n_before`` counts the answered rollouts without the sentence (the different ones, for counterfactual), ``n_after``
    those it is compared with.
    """

    value: float
    low: float
    high: float
    n_before: int
    n_after: int
    variant: str
    sign: str
    reason: str = ""


def sign_of(method: str, unit: str, variant: str) -> str:
    """Return in words what a positive value means."""
    if unit == "kl":
        return "size only"
    hurts = method == "counterfactual" and variant.startswith("official")
    return "positive = the sentence hurts" if hurts else "positive = the sentence helps"


def resampling(before: np.ndarray, after: np.ndarray, correct: np.ndarray, **options: Any) -> Importance:
    """Return the importance of one sentence from answers without it and with it (sec. 2.4).

    Parameters
    ----------
    before, after : (N,) answer codes of R(i) and R(i+1), -1 for no answer.
    correct : (V,) whether each code is the right answer.
    options : ``unit``, ``variant``, ``minimum``, ``bootstrap``, ``rng`` as in :func:`trace_importances`.
    """
    return _single(before, np.ones(len(before), bool), after, correct, "resampling", options)


def forced(before: np.ndarray, after: np.ndarray, correct: np.ndarray, **options: Any) -> Importance:
    """Return :func:`resampling` of answers that were forced right after the prefix (sec. 2.4)."""
    return _single(before, np.ones(len(before), bool), after, correct, "forced", options)


def counterfactual(
    before: np.ndarray, different: np.ndarray, after: np.ndarray, correct: np.ndarray, **options: Any
) -> Importance:
    """Return the importance of one sentence against rollouts that begin differently, ``different`` (N,) (sec. 2.4)."""
    return _single(before, different, after, correct, "counterfactual", options)


def different(
    sentence_vectors: np.ndarray, rollout_vectors: np.ndarray, owner: np.ndarray, threshold: float = THRESHOLD
) -> np.ndarray:
    """Return (R,) whether each rollout's first sentence has cosine < ``threshold`` with the sentence it replaces.

    ``sentence_vectors`` (M, d), ``rollout_vectors`` (R, d), ``owner`` (R,) index of the replaced sentence; False where
    there is none (owner ≥ M), True for a zero vector (sec. 2.4).
    """
    own, new, owner = np.asarray(sentence_vectors, float), np.asarray(rollout_vectors, float), np.asarray(owner, int)
    real = (owner >= 0) & (owner < len(own))
    replaced = own[np.where(real, owner, 0)]
    size = np.linalg.norm(replaced, axis=1) * np.linalg.norm(new, axis=1)
    cosine = (replaced * new).sum(1) / np.maximum(size, 1e-12)
    return real & (cosine < threshold)


def mark_different(
    table: "DataFrame", sentences: Sequence[str], embed: Callable, threshold: float = THRESHOLD
) -> np.ndarray:
    """Return (rows,) :func:`different` for a table of rollouts; each distinct text is embedded once (sec. 2.4)."""
    firsts = table.first_sentence.fillna("").astype(str)
    found, index = np.unique([*sentences, *firsts], return_inverse=True)
    vectors = np.array(embed(found.tolist()), float)
    vectors[found == ""] = 0.0
    count = len(sentences)
    return different(vectors[index[:count]], vectors[index[count:]], table.sentence.to_numpy(int), threshold)


def answer_codes(answers: Sequence[str], rule: str = "exact") -> tuple[np.ndarray, list[str]]:
    """Return codes (N,), -1 for an empty answer, and the distinct answers; equal values share a code (sec. 2.3)."""
    from anchors.thought.answers import normalise
    from anchors.thought.expressions import value

    found, index = np.unique([str(answer) for answer in answers], return_inverse=True)
    forms = [normalise(answer, rule) for answer in found]
    keys = [(value(form) if rule == "exact" and form else None) for form in forms]
    named = {}
    codes = [
        -1 if not form else named.setdefault(_key(form, key), len(named)) for form, key in zip(forms, keys, strict=True)
    ]
    names = {code: forms[i] for i, code in reversed(list(enumerate(codes)))}
    return np.array(codes, int)[index.ravel()] if len(found) else np.zeros(0, int), [
        names[k] for k in range(len(named))
    ]


def trace_importances(
    table: "DataFrame", method: str = "counterfactual", unit: str = "accuracy", variant: str = "corrected",
    minimum: int = MINIMUM, bootstrap: int = 1000, rng: np.random.Generator | None = None, rule: str = "exact",
    count: int | None = None,
) -> "DataFrame":  # fmt: skip
    """Return one row per sentence of one trace with its importance and bootstrap interval (sec. 2.4).

    Parameters
    ----------
    table : rollouts of one trace (:meth:`RolloutStore.table`) with columns sentence, answer, correct, error, kind,
        first_sentence, and ``different`` (bool, from :func:`mark_different`) for the counterfactual method. Failed and
        unanswered rollouts are left out and counted.
    unit : ``"accuracy"`` (change of a share) or ``"kl"`` (nats).
    variant : an estimator of :data:`anchors.thought.estimators.VARIANTS`; the official ones bring the official sign,
        reference set and handling of missing rollouts, for accuracy too.
    minimum : answered rollouts needed on both sides, else NaN with a reason (the official variants have no minimum).
    bootstrap : resamples of the rollouts for the interval, 0 for none.
    count : number of sentences M; the rollouts keep 0 … M of them. Default: the largest number found.

    Raises
    ------
    InputError
        No rollouts, only failed ones, no answers, several traces at once, an unknown method, unit or variant.
    """
    if variant not in VARIANTS:
        raise InputError("variant", repr(variant), " | ".join(VARIANTS))
    cells, different_, frame = _cells(table, method, unit, rule, count)
    rng = rng or np.random.default_rng(0)
    options = {"unit": unit, "variant": variant, "method": method, "right": frame["right"], "answer": frame["answer"]}
    rows = _estimates(cells, minimum, bootstrap, rng, options)
    before = cells.sum((1, 2))[:-1]
    right = (cells.sum(1) @ frame["right"]) / np.maximum(cells.sum((1, 2)), 1)
    rows["accuracy_before"] = np.where(before > 0, right[:-1], np.nan)
    rows["accuracy_after"] = np.where(cells.sum((1, 2))[1:] > 0, right[1:], np.nan)
    rows["different_trajectories_fraction"] = different_
    rows["overdeterminedness"] = frame["overdetermined"]
    rows["errors"] = frame["errors"]
    return rows.assign(method=method, unit=unit, variant=variant, sign=sign_of(method, unit, variant))


def overdeterminedness(first_sentences: Sequence[str]) -> float:
    """Return 1 − distinct / all first sentences, NaN when there is none (sec. 2.4)."""
    texts = list(first_sentences)
    return 1 - len(set(texts)) / len(texts) if texts else float("nan")


def _key(form: str, number: Any) -> Any:
    """Return what equal answers share: their value, to 12 digits where it is not exact, else the form."""
    return form if number is None else float(f"{number:.12g}") if isinstance(number, float) else number


def _cells(table: "DataFrame", method: str, unit: str, rule: str, count: int | None):
    """Return counts (M+1, 2, C) [kept sentences, similar | different, answer and correctness], and side metrics."""
    good, errors = _usable(table, method, unit)
    codes, names = answer_codes(good.answer, rule)
    good, codes = good[codes >= 0], codes[codes >= 0]
    if not len(good):
        raise InputError("rollouts", "no answers", "answered rollouts", "See the column answer.")
    size = int(table.sentence.max()) if count is None else count
    right = good.correct.fillna(False).to_numpy(bool)
    pairs, cell = np.unique(np.stack([codes, right], 1), axis=0, return_inverse=True)
    other = good.different.to_numpy(bool) if "different" in good else np.ones(len(good), bool)
    kept = good.sentence.to_numpy(int)
    if kept.max() > size:
        raise InputError("sentence", int(kept.max()), f"at most {size}, the number of sentences")
    cells = np.zeros((size + 1, 2, len(pairs)), int)
    np.add.at(cells, (kept, other.astype(int), cell.ravel()), 1)
    total = cells.sum((1, 2))[:-1]
    share = np.where(total > 0, cells[:-1, 1].sum(1) / np.maximum(total, 1), np.nan)
    repeats = good.groupby("sentence").first_sentence.agg(overdeterminedness)
    one_hot = np.eye(len(names))[pairs[:, 0]]  # (C, V)
    side = {
        "right": pairs[:, 1].astype(float), "answer": one_hot,
        "overdetermined": repeats.reindex(range(size)).to_numpy(float),
        "errors": errors.reindex(range(size), fill_value=0).to_numpy(),
    }  # fmt: skip
    return cells, share if "different" in good else np.full(size, np.nan), side


def _usable(table: "DataFrame", method: str, unit: str):
    """Return the rollouts of the method's kind that did not fail, and the number of failed ones by sentence."""
    if method not in METHODS or unit not in UNITS:
        raise InputError("method, unit", f"{method!r}, {unit!r}", f"{' | '.join(METHODS)}, {' | '.join(UNITS)}")
    table = table[table.kind == KIND[method]] if "kind" in table else table
    if not len(table):
        raise InputError("rollouts", "none", f"rollouts of kind {KIND[method]!r}")
    if "prefix_hash" in table and (table.groupby("sentence").prefix_hash.nunique() > 1).any():
        raise InputError("rollouts", "several traces", "those of one trace", "Select by model, problem, prefix_hash.")
    failed = table.error.notna() if "error" in table else np.zeros(len(table), bool)
    if np.all(failed):
        raise InputError(
            "rollouts", f"{len(table)} failed ones", "at least one that did not fail", "Sample them again."
        )
    if method == "counterfactual" and "different" not in table:
        raise InputError("rollouts", "no column different", "mark_different(table, sentences, embed)")
    return table[~failed], table[failed].groupby("sentence").size()


def _estimates(cells: np.ndarray, minimum: int, bootstrap: int, rng: np.random.Generator, options: dict) -> "DataFrame":
    import pandas as pd

    value = _statistic(cells, **options)
    draws = _draws(cells, bootstrap, rng, options)
    low, high = interval(draws, value, kind=INTERVAL) if bootstrap else (np.full_like(value, np.nan),) * 2
    method, official = options["method"], options["variant"].startswith("official")
    n_before, n_after = _sizes(cells, method, official and options["unit"] == "kl")
    few = np.zeros(len(value), bool) if official else (n_before < minimum) | (n_after < minimum)
    words = [f"{a} and {b} answered rollouts, fewer than {minimum}" for a, b in zip(n_before, n_after, strict=True)]
    hide = few | np.isnan(value)
    return pd.DataFrame({
        "sentence": np.arange(len(value)), "value": np.where(hide, np.nan, value), "low": np.where(hide, np.nan, low),
        "high": np.where(hide, np.nan, high), "n_before": n_before, "n_after": n_after,
        "reason": np.where(hide, words, ""),
    })  # fmt: skip


def _draws(cells: np.ndarray, bootstrap: int, rng: np.random.Generator, options: dict) -> np.ndarray:
    """Return (B, M) bootstrap draws of the statistic: the rollouts of each prefix are resampled, in blocks of draws."""
    flat = cells.reshape(len(cells), -1)
    step, parts = max(1, _BLOCK // max(flat.size, 1)), []
    for start in range(0, bootstrap, step):
        block = bootstrap_counts(flat, min(step, bootstrap - start), rng)
        parts.append(_statistic(block.reshape(len(block), *cells.shape), **options))
    return np.concatenate(parts) if parts else np.zeros((0, len(cells) - 1))


def _sides(cells: np.ndarray, method: str, with_similar: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the counts (…, M, C) of both sides: without the sentence, and what they are compared with."""
    both = cells.sum(-2)
    if method != "counterfactual":
        return both[..., :-1, :], both[..., 1:, :]
    return cells[..., :-1, 1, :], both[..., 1:, :] + (cells[..., :-1, 0, :] if with_similar else 0)


def _sizes(cells: np.ndarray, method: str, with_similar: bool) -> tuple[np.ndarray, np.ndarray]:
    before, after = _sides(cells, method, with_similar)
    return before.sum(-1), after.sum(-1)


def _statistic(
    cells: np.ndarray, method: str, unit: str, variant: str, right: np.ndarray, answer: np.ndarray
) -> np.ndarray:
    """Return the importances (…, M) of counts (…, M+1, 2, C)."""
    official = variant.startswith("official")
    before, after = _sides(cells, method, with_similar=official and unit == "kl")
    if unit == "kl":
        value = kl(before @ answer, after @ answer, variant)
        return np.nan_to_num(value) if official else value
    first, second = _accuracy(before, right), _accuracy(after, right)
    if not official:
        return second - first
    if method == "forced":
        return np.nan_to_num(second) - np.nan_to_num(first)
    return np.nan_to_num((first - second) if method == "counterfactual" else (second - first))


def _accuracy(counts: np.ndarray, right: np.ndarray) -> np.ndarray:
    total = counts.sum(-1)
    return np.where(total > 0, (counts @ right) / np.maximum(total, 1), np.nan)


def _single(before, different_, after, correct, method: str, options: dict) -> Importance:
    """Return the importance of one sentence through the same path as that of a whole trace."""
    unit, variant = options.get("unit", "accuracy"), options.get("variant", "corrected")
    before, after, right = np.asarray(before, int), np.asarray(after, int), np.asarray(correct, float)
    if unit not in UNITS:
        raise InputError("unit", repr(unit), " | ".join(UNITS))
    if max(before.max(initial=-1), after.max(initial=-1)) < 0:
        raise InputError("answers", "none", "codes of answered rollouts")
    cells = np.zeros((2, 2, len(right)), int)
    given = before >= 0
    np.add.at(cells, (0, np.asarray(different_, int)[given], before[given]), 1)
    np.add.at(cells, (1, 1, after[after >= 0]), 1)
    settings = {"unit": unit, "variant": variant, "method": method, "right": right, "answer": np.eye(len(right))}
    rng = options.get("rng") or np.random.default_rng(0)
    row = _estimates(cells, options.get("minimum", MINIMUM), options.get("bootstrap", 1000), rng, settings).iloc[0]
    numbers = (float(row.value), float(row.low), float(row.high), int(row.n_before), int(row.n_after))
    return Importance(*numbers, variant, sign_of(method, unit, variant), row.reason)
