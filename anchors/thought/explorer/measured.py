"""What rollouts say of a trace, as fields of the bundle: importances, curves, answers, alternatives, links.

A table of rollouts has columns sentence (number of kept sentences), first_sentence, text, answer, correct, and error
where some failed, as :meth:`anchors.thought.rollouts.RolloutStore.table` and ``official.read_rollouts`` give it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.companion.stats import difference
from anchors.thought.explorer import bundle
from anchors.thought.importance import MINIMUM, THRESHOLD, answer_codes, mark_different, trace_importances
from anchors.thought.sentences import split
from anchors.thought.steps import match_rates

if TYPE_CHECKING:
    from pandas import DataFrame

ORDER = (("counterfactual", "kl"), ("counterfactual", "accuracy"), ("resampling", "kl"), ("resampling", "accuracy"))
UNITS = {"kl": "nats", "accuracy": "share of right answers"}
WORDS = {"kl": "KL", "accuracy": "accuracy (+ helps)"}
FORCED = " with forced answers"
METHODS = {"counterfactual": "Counterfactual", "resampling": "Resampling", "forced": "Forced-answer"}
ANSWERS, ALTERNATIVES = 12, 30  # of a prefix, and of a sentence, that are kept: the most frequent ones
CUT = f"Of what was written instead, the {ALTERNATIVES} most frequent sentences are kept."
TEXTS = 5000  # distinct sentences of rollouts up to which the links of resampling are computed
BOOTSTRAP = 1000  # resamples behind an interval, unless asked otherwise


@dataclass(frozen=True)
class Counting:
    """How rollouts become numbers: who embeds sentences, resamples of the bootstrap, their seed."""

    embed: Callable[[Sequence[str]], np.ndarray]
    bootstrap: int = BOOTSTRAP
    seed: int = 0


def label_of(method: str, unit: str) -> str:
    """Return the name of an importance, as in ``Counterfactual importance, KL``."""
    return f"{METHODS[method]} importance, {WORDS[unit]}"


def fields(
    texts: Sequence[str], table: "DataFrame", counting: Counting, forced: "DataFrame | None" = None
) -> dict[str, Any]:  # fmt: skip
    """Return the fields of a trace with sentences ``texts`` that its rollouts give, and notes on what they lack.

    ``forced`` are rollouts whose answer was forced. InputError when no rollout has an answer.
    """
    table, failed = _good(table)
    forced, spoilt = (None, 0) if forced is None else _good(forced)
    if not len(table):
        raise InputError("rollouts", f"{failed} failed ones, no other", "rollouts of the trace", "Sample them again.")
    size, parts = len(texts), _sentences(table)
    vectors = _vectors(texts, table, parts, counting.embed)
    table = table.assign(different=mark_different(table, texts, vectors))
    notes = dropped(failed) + dropped(spoilt, FORCED)
    found = {"alternatives": alternatives(texts, table, vectors)}
    if parts is None:
        notes.append(f"Links of resampling are left out: over {TEXTS:,} distinct sentences would have to be embedded.")
    else:
        found["links"] = [said_more("measured", *steps(texts, table, parts, vectors))]
    found["importances"], more = importances(table, forced, size, counting)
    notes += cut(found["alternatives"])
    if (table.answer != "").any():
        found |= {"accuracy": curve(table, size), "answers": answers(table, size)}
    if forced is not None and len(forced):
        found["forced"] = curve(forced, size)
    return found | {"notes": notes + more}


def importances(
    table: "DataFrame", forced: "DataFrame | None", size: int, counting: Counting
) -> tuple[list[dict[str, Any]], list[str]]:  # fmt: skip
    """Return the importances whose rollouts have answers, and notes on what is missing; no rollout is a failed one."""
    if not (table.answer != "").any():
        return [], ["No rollout has an answer: there are no importances."]
    found = [_importance(table, method, unit, size, counting) for method, unit in ORDER]
    if forced is not None and (forced.answer != "").any():
        found += [_importance(forced, "forced", unit, size, counting) for unit in UNITS]
    few = sum(value is None for value in found[0]["values"])
    words = f"{few} sentences have no counterfactual importance: fewer than {MINIMUM} rollouts to compare."
    return found, [words] if few else []


def curve(table: "DataFrame", size: int) -> dict[str, Any]:
    """Return the share of right answers after the first 0 … M sentences, of rollouts with an answer.

    M values when the whole text was not continued.
    """
    given = table[table.answer != ""]
    kept, right = given.sentence.to_numpy(int), given.correct.fillna(False).to_numpy(bool)
    count = size + bool((kept == size).any())
    total = [np.bincount(k, minlength=size + 1)[:count] for k in (kept[right], kept)]
    return bundle.shares(*total)


def answers(table: "DataFrame", size: int) -> list[list[list[Any]]]:
    """Return for each prefix its most frequent answers with their shares; equal values count as one answer."""
    codes, _ = answer_codes(table.answer)
    raw, kept = table.answer.to_numpy(object), table.sentence.to_numpy(int)
    spelling = {code: Counter(raw[codes == code]).most_common(1)[0][0] for code in set(codes.tolist()) - {-1}}
    rows = []
    for prefix in range(size + bool((kept == size).any())):
        own = Counter(codes[(kept == prefix) & (codes >= 0)].tolist())
        total = sum(own.values())
        ranked = sorted(own.items(), key=lambda item: (-item[1], spelling[item[0]]))
        rows.append([[spelling[code], bundle.number(n / total)] for code, n in ranked[:ANSWERS]])
    return rows


def alternatives(texts: Sequence[str], table: "DataFrame", vectors: Callable) -> list[list[dict[str, Any]]]:
    """Return for each sentence what was written in its place and the answer that followed, the most frequent first.

    ``similarity`` is the cosine with the sentence; ``count`` says how many rollouts have both sentence and answer.
    """
    found, known = [Counter() for _ in texts], (table.answer != "") & table.correct.notna()
    columns = (table.sentence, table.first_sentence, table.answer, known, table.correct, table.different)
    for kept, text, answer, judged, right, different in zip(*columns, strict=True):
        if kept < len(texts) and text:
            found[kept][text, answer, bool(right) if judged else None, bool(different)] += 1
    return [_alternatives(text, own, vectors) for text, own in zip(texts, found, strict=True)]


def compared(texts: Sequence[str], table: "DataFrame", counting: Counting | None) -> list[list[dict[str, Any]]]:
    """Return :func:`alternatives` of a table without answers; without an embedder only texts and their counts."""
    if counting is not None:
        vectors = _vectors(texts, table, None, counting.embed)
        return alternatives(texts, table.assign(different=mark_different(table, texts, vectors)), vectors)
    own = table[table.first_sentence != ""].groupby("sentence").first_sentence.agg(Counter)
    found = [own.get(k, Counter()) for k in range(len(texts))]
    return [[{"text": text, "count": count} for text, count in own.most_common(ALTERNATIVES)] for own in found]


def cut(found: list[list[dict[str, Any]]]) -> list[str]:
    """Return a note when there are sentences of which not all alternatives may be kept."""
    return [CUT] if any(len(own) >= ALTERNATIVES for own in found) else []


def dropped(failed: int, which: str = "") -> list[str]:
    """Return a note when rollouts failed; ``which`` of them, as :data:`FORCED`."""
    return [f"{failed} failed rollouts{which} are left out."] if failed else []


def _alternatives(text: str, found: Counter, vectors: Callable) -> list[dict[str, Any]]:
    ranked = sorted(found.items(), key=lambda item: (-item[1], str(item[0])))[:ALTERNATIVES]
    if not ranked:
        return []
    own, others = vectors([text])[0], vectors([key[0] for key, _ in ranked])
    cosine = others @ own / np.maximum(np.linalg.norm(others, axis=1) * np.linalg.norm(own), 1e-12)
    return [
        {"text": new, "answer": answer or None, "right": right, "different": other,
         "similarity": bundle.number(alike), "count": count}
        for ((new, answer, right, other), count), alike in zip(ranked, cosine, strict=True)
    ]  # fmt: skip


def steps(
    texts: Sequence[str], table: "DataFrame", parts: list[list[str]], vectors: Callable
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sentence-to-sentence importance (M, M) and the ends of its 95 % intervals (sec. 2.8).

    Both match rates are shares of independent rollouts, so that the interval of their difference is Newcombe's.
    """
    size, kept = len(texts), table.sentence.to_numpy(int)
    rollout = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    found, place = np.unique([s for part in parts for s in part] or [""], return_inverse=True)
    rates = match_rates(vectors(texts), vectors(found.tolist()), rollout, place[: len(rollout)], kept, THRESHOLD)
    n = np.bincount(kept, minlength=size + 1)[:, None]
    low, high = difference(rates[:-1], n[:-1], rates[1:], n[1:])
    return rates[1:] - rates[:-1], low, high


def said_more(origin: str, matrix: np.ndarray, low: Any = None, high: Any = None) -> dict[str, Any]:
    """Return links of a sentence-to-sentence matrix (M, M): how much more often the later sentence is said."""
    label = "Counterfactual, sentence to sentence"
    return bundle.links("counterfactual", label, "difference of match rates", origin, matrix, low, high)


def _importance(table: "DataFrame", method: str, unit: str, size: int, counting: Counting) -> dict[str, Any]:
    rng = np.random.default_rng(counting.seed)
    rows = trace_importances(table, method, unit, bootstrap=counting.bootstrap, rng=rng, count=size)
    ends = (rows.low, rows.high) if counting.bootstrap else ()
    return bundle.importance(f"{method}_{unit}", label_of(method, unit), UNITS[unit], "measured", rows.value, *ends)


def _good(table: "DataFrame") -> tuple["DataFrame", int]:
    """Return the rollouts that did not fail, and how many did; missing texts are empty."""
    failed = table.error.notna() if "error" in table else np.zeros(len(table), bool)
    good = table[~failed].reset_index(drop=True)
    texts = [name for name in ("answer", "first_sentence", "text") if name in good]
    blank = {name: good[name].fillna("").astype(str) for name in texts}
    return good.assign(**blank), int(np.sum(failed))


def _sentences(table: "DataFrame") -> list[list[str]] | None:
    """Return the sentences of every rollout, None when too many distinct ones would have to be embedded."""
    parts, found = [], set()
    for text in table.text:
        parts.append([sentence.text for sentence in split(text)])
        found.update(parts[-1])
        if len(found) > TEXTS:
            return None
    return parts


def _vectors(texts: Sequence[str], table: "DataFrame", parts: list | None, embed: Callable) -> Callable:
    """Return ``vectors(texts)`` (n, d) of all texts that will be asked for, each embedded once."""
    known = sorted({*texts, *table.first_sentence, *(s for part in parts or [] for s in part), ""})
    place, rows = {text: k for k, text in enumerate(known)}, np.asarray(embed(known), float)
    return lambda wanted: rows[[place[text] for text in wanted]]
