"""Receiver heads of models: how peaked their attention, how reliable, which categories they look at (sec. 2.6)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, in_words, known_interval, known_mean
from anchors.thought import attention, receivers
from anchors.thought.estimators import interval
from anchors.thought.ranking import spearman
from anchors.thought.studies import corpus, methods

PLAN, COMPUTE, DOUBT = "plan_generation", "active_computation", "uncertainty_management"
PAIRS = ((PLAN, COMPUTE), (DOUBT, COMPUTE))
WORDS = {PLAN: "plans", COMPUTE: "computations", DOUBT: "doubts"}
UNIT, SCALE = "1e-3", 1000.0  # of receiver-head scores, as the paper's axis


@dataclass(frozen=True)
class Heads:
    """What attention shows of one model over its traces.

    ``vertical`` is one array (L, H, M) per trace, ``kurtoses`` (traces, L, H), ``chosen`` the receiver heads.
    """

    model: str
    traces: list[corpus.Trace]
    vertical: list[np.ndarray]
    kurtoses: np.ndarray
    chosen: list[tuple[int, int]]

    def scores(self, trace: int) -> np.ndarray:
        """Return the receiver-head score (M,) of each sentence of a trace; NaN for the last ones."""
        return attention.receiver_scores(self.vertical[trace], self.chosen)

    @property
    def problems(self) -> np.ndarray:
        """The problem (traces,) of each trace, numbered from 0; two traces may share one."""
        return np.unique([trace.problem for trace in self.traces], return_inverse=True)[1]

    @property
    def half(self) -> np.ndarray:
        """The half (traces,), 0 or 1, that each trace belongs to: every other problem, so that none is in both."""
        return self.problems % 2

    def held_out(self) -> list[list[tuple[int, int]]]:
        """Return for each trace the heads that the traces of the other half choose."""
        halves = [attention.receiver_heads(self.kurtoses[self.half != one], len(self.chosen)) for one in (0, 1)]
        return [halves[one] for one in self.half]

    def over_problems(self, values: np.ndarray) -> Interval:
        """Return the mean of (traces,) with its Student interval over problems; what is not known is left out."""
        by_problem = [known_mean(values[self.problems == p], 0) for p in np.unique(self.problems)]
        return known_interval(np.array(by_problem), fewest=2)


def compute(models: list[str], profile: str, seed: int, traces: int, heads: int, proximity: int) -> list[Heads]:
    """Return :class:`Heads` of every model over ``traces`` traces, in paper four times as many; in smoke 4 or 3."""
    found = []
    for model in models:
        count = choose(profile, 4 if model == "reasoner" else 3, traces, 4 * traces)
        own, vertical = methods.vertical_scores(model, profile, seed, count, proximity)
        chosen, kurtoses = methods.receiver_heads(vertical, heads)
        found.append(Heads(model, own, vertical, kurtoses, chosen))
    return found


def shown(heads: Heads) -> tuple[corpus.Trace, tuple[int, int], np.ndarray, np.ndarray]:
    """Return the longest trace, a head, its sentence matrix (M, M) [reading, read], and its layer's scores (H, M).

    Of the receiver heads it is the one that attends most to sentences: kurtosis knows no scale.
    """
    number = int(np.argmax([len(t.categories) for t in heads.traces]))
    strength = attention_given(heads)
    layer, head = max(heads.chosen, key=lambda one: strength[one])
    trace = heads.traces[number]
    matrix = methods.attention_matrix(heads.model, trace, layer, head)
    return trace, (layer, head), matrix, heads.vertical[number][layer]


def attention_given(heads: Heads) -> np.ndarray:
    """Return the mean vertical score (L, H) of each head over sentences and traces: how much it attends to them."""
    return np.mean([np.nanmean(v, axis=-1) for v in heads.vertical], axis=0)


def faint(heads: Heads) -> int:
    """Return how many receiver heads give sentences less than a hundredth of the attention of the median head."""
    strength = attention_given(heads)
    return sum(strength[one] < 0.01 * np.median(strength[1:]) for one in heads.chosen)


def head_table(found: list[Heads]) -> pd.DataFrame:
    """Return one row per model and head: layer, head, mean kurtosis over traces, and over each half of them."""
    tables = []
    for heads in found:
        layers, width = heads.kurtoses.shape[1:]
        layer, head = np.indices((layers, width)).reshape(2, -1)
        first, second = (
            np.concatenate([np.full(width, np.nan), half]) for half in receivers.half_means(heads.kurtoses, heads.half)
        )
        mean = known_mean(heads.kurtoses.reshape(len(heads.kurtoses), -1), 0)
        columns = {"model": heads.model, "layer": layer, "head": head, "kurtosis": mean, "first": first}
        chosen = [(a, b) in set(heads.chosen) for a, b in zip(layer.tolist(), head.tolist(), strict=True)]
        tables.append(pd.DataFrame(columns | {"second": second, "receiver": chosen}))
    return pd.concat(tables, ignore_index=True)


def peaked(heads: Heads) -> tuple[Interval, Interval, Interval]:
    """Return the kurtosis of receiver heads chosen on the other half, of all heads, and the difference by trace."""
    own = np.array([
        np.nanmean([heads.kurtoses[n][h] for h in chosen]) for n, chosen in enumerate(heads.held_out())
    ])  # fmt: skip
    every = np.array([np.nanmean(k[1:]) for k in heads.kurtoses])
    return heads.over_problems(own), heads.over_problems(every), heads.over_problems(own - every)


def summarise_existence(found: list[Heads]) -> tuple[list[Row], Verdict]:
    """Return how peaked receiver heads are on traces that did not choose them, where they sit, and the verdict."""
    rows, words, clear = [], [], []
    for heads in found:
        n, model = len(heads.traces), corpus.name_of(heads.model)
        own, every, gap = peaked(heads)
        rows.append(row(f"{model}: kurtosis of receiver heads, held out", own, n))
        rows.append(row(f"{model}: kurtosis of all heads", every, n))
        rows.append(row(f"{model}: receiver heads − all heads, by trace", gap, n))
        depth = _depth(heads)
        rows.append(row(f"{model}: rank correlation of kurtosis and layer", depth, n))
        rows.append(Row(f"{model}: receiver heads", len(heads.chosen), n=heads.kurtoses[0].size))
        rows.append(
            Row(f"{model}: receiver heads that hardly attend to sentences", int(faint(heads)), n=len(heads.chosen))
        )
        clear.append(gap.low > 0 and own.low > 0)  # above other heads, and above a normal distribution's
        words.append(
            f"{model}: kurtosis {in_words(own, '.2f')} of {len(heads.chosen)} receiver heads "
            f"against {every.mean:.2f} of all (difference {gap.low:.2f} to {gap.high:.2f}) on traces of problems that "
            f"did not choose them; kurtosis goes with the layer at {depth.mean:+.2f}"
        )
    kind = "holds" if all(clear) else "mixed" if any(clear) else "does not hold"
    return rows, Verdict(kind, "; ".join(words) + ". Small models and short traces: reduced scale.")


def _depth(heads: Heads) -> Interval:
    """Return the rank correlation of kurtosis and layer over heads outside layer 0, mean over traces."""
    layer = np.indices(heads.kurtoses.shape[1:])[0][1:].ravel().astype(float)
    return heads.over_problems(np.array([spearman(k[1:].ravel(), layer) for k in heads.kurtoses]))


def reliability(heads: Heads, draws: int, seed: int) -> Interval:
    """Return the split-half correlation of head kurtosis, with a bootstrap interval over problems.

    Problems drawn twice make halves less reliable: the draws are moved so that their mean is the estimate.
    """
    rng, count, found = np.random.default_rng(seed), len(np.unique(heads.problems)), []
    halves = [np.unique(heads.problems[heads.half == one]) for one in (0, 1)]
    for _ in range(draws):
        picked = [np.concatenate([np.flatnonzero(heads.problems == p) for p in rng.choice(h, len(h))]) for h in halves]
        first, second = (known_mean(heads.kurtoses[one][:, 1:].reshape(len(one), -1), 0) for one in picked)
        known = np.isfinite(first) & np.isfinite(second)
        found.append(np.corrcoef(first[known], second[known])[0, 1])
    value = receivers.reliability(heads.kurtoses, heads.half)
    low, high = interval(np.array(found), np.array(value), kind="centred")
    return Interval(value, float(low), min(float(high), 1.0), count)


def agreements(heads: Heads) -> dict[str, np.ndarray]:
    """Return (traces,) mean correlations of vertical scores among receiver heads, held-out ones, and all heads."""
    own = heads.held_out()
    return {
        "top": np.array([receivers.agreement(v, heads.chosen) for v in heads.vertical]),
        "held out": np.array([receivers.agreement(v, own[n]) for n, v in enumerate(heads.vertical)]),
        "arbitrary": np.array([receivers.agreement(v) for v in heads.vertical]),
    }


def summarise_reliability(found: list[Heads], profile: str, seed: int) -> tuple[list[Row], Verdict]:
    """Return split-half reliability and agreement of heads beside the quoted values, and the verdict."""
    rows, words, clear = [], [], []
    for heads in found:
        mark = corpus.mark_of(heads.model)
        n, both = len(heads.traces), agreements(heads)
        r = reliability(heads, choose(profile, 50, 500, 2000), seed)
        gain = heads.over_problems(both["held out"] - both["arbitrary"])
        rows.append(row(f"{mark}split-half reliability of head kurtosis (Pearson r)", r, n))
        quantity = f"{mark}mean correlation of vertical scores among the top heads"
        rows.append(row(quantity, heads.over_problems(both["top"]), n))
        quantity = f"{mark}mean correlation of vertical scores among top heads of the other half"
        rows.append(row(quantity, heads.over_problems(both["held out"]), n))
        quantity = f"{mark}mean correlation of vertical scores among arbitrary heads"
        rows.append(row(quantity, heads.over_problems(both["arbitrary"]), n))
        rows.append(row(f"{mark}top heads of the other half − arbitrary heads", gain, n))
        clear += [r.low > 0, gain.low > 0]
        words.append(
            f"{corpus.name_of(heads.model)}: split-half r = {in_words(r, '.2f')}; vertical "
            f"scores of receiver heads correlate at {np.nanmean(both['held out']):.2f} (held out), of arbitrary "
            f"heads at {np.nanmean(both['arbitrary']):.2f}"
        )
    kind = "holds" if all(clear) else "mixed" if any(clear) else "does not hold"
    quoted = "Quoted of the paper's model: .84, and .56 against .35 (secondary)."
    return rows, Verdict(kind, f"{'; '.join(words)}. {quoted}")


def sentence_table(found: list[Heads]) -> pd.DataFrame:
    """Return one row per model and sentence: category, receiver-head score [1e-3], and what position leaves of it."""
    rows = []
    for heads in found:
        for number, trace in enumerate(heads.traces):
            score = heads.scores(number) * SCALE
            known = np.isfinite(score)
            left = np.full(len(score), np.nan)
            left[known] = beyond_position(score[known])
            about = {"model": heads.model, "trace": number, "problem": heads.problems[number]}
            about["sentence"] = range(len(score))
            rows.append(pd.DataFrame(about | {"category": trace.categories, "score": score, "beyond": left}))
    return pd.concat(rows, ignore_index=True)


def beyond_position(score: np.ndarray) -> np.ndarray:
    """Return a score (n,) less its least-squares fit on index and logarithm of the index (derived)."""
    index = np.arange(len(score), dtype=float)
    basis = np.stack([np.ones_like(index), index, np.log1p(index)], 1)
    return score - basis @ np.linalg.lstsq(basis, score, rcond=None)[0]


def contrast(table: pd.DataFrame, model: str, first: str, second: str, column: str) -> Interval:
    """Return first − second category of a column, means by problem, paired over the problems that have both."""
    own = table[table.model == model].dropna(subset=[column])
    means = own.groupby(["problem", "category"])[column].mean().unstack("category")
    both = means.reindex(columns=[first, second]).dropna()
    return known_interval((both[first] - both[second]).to_numpy(), fewest=2)


def summarise_categories(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return what plans and doubts receive above computations, with and without position, and the verdict."""
    rows, words, clear, against = [], [], [], []
    for model in table.model.unique():
        for first, second in PAIRS:
            name = f"{corpus.name_of(model)}: {WORDS[first]} − {WORDS[second]}"
            raw, left = (contrast(table, model, first, second, column) for column in ("score", "beyond"))
            rows.append(row(f"{name}, receiver-head score", raw, raw.n, UNIT))
            rows.append(row(f"{name}, beyond position", left, left.n, UNIT))
            clear += [raw.low > 0, left.low > 0]
            words.append(f"{name} {in_words(raw, '+.1f')}, beyond position {in_words(left, '+.1f')}")
            against += [raw.high < 0, left.high < 0]
    kind = "holds" if all(clear) else "mixed" if any(clear) else "does not hold"
    most = f"As claimed and clear in {sum(clear)} of {len(clear)} comparisons"
    counts = f"{most}, clearly the other way in {sum(against)}."
    return rows, Verdict(kind, f"In thousandths of attention: {'; '.join(words)}. {counts}")
