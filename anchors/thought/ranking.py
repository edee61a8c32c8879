"""How well scores rank what is true: rank correlation, calibration slope, AUROC, precision, and position alone."""

from collections.abc import Sequence

import numpy as np


def spearman(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return Spearman's correlation over (n,) pairs without NaN; 0 when one side is constant, NaN below 3 pairs.

    Values that differ by less than 1e-9 are ties (definition).
    """
    from scipy.stats import rankdata

    scores, truth = np.asarray(scores, float), np.asarray(truth, float)
    keep = np.isfinite(scores) & np.isfinite(truth)
    if keep.sum() < 3:
        return float("nan")
    a, b = (rankdata(np.round(x[keep], 9)) for x in (scores, truth))
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float(a @ b / size) if size > 0 else 0.0


def slope(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Return the least-squares slope of ``estimate`` (n,) on ``truth`` (n,): 1 when calibrated; NaN for flat truth."""
    estimate, truth = np.asarray(estimate, float), np.asarray(truth, float)
    keep = np.isfinite(estimate) & np.isfinite(truth)
    x, y = truth[keep], estimate[keep]
    spread = ((x - x.mean()) ** 2).sum() if keep.sum() > 1 else 0.0
    return float(((x - x.mean()) * (y - y.mean())).sum() / spread) if spread > 1e-12 else float("nan")


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the chance that a true item outranks a false one, ties half (Mann-Whitney); NaN with one class only.

    ``scores`` (n,), ``labels`` (n,) bool; items whose score is NaN rank last.
    """
    from scipy.stats import rankdata

    labels = np.asarray(labels, bool)
    scores = np.where(np.isnan(np.asarray(scores, float)), -np.inf, scores)
    true, false = labels.sum(), (~labels).sum()
    if not true or not false:
        return float("nan")
    return float((rankdata(scores)[labels].sum() - true * (true + 1) / 2) / (true * false))


def precision_at(scores: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Return the share of true items among the ``k`` with the highest scores; ties share their places evenly."""
    labels = np.asarray(labels, bool)
    scores = np.where(np.isnan(np.asarray(scores, float)), -np.inf, scores)
    k = min(k, len(scores))
    if k == 0:
        return float("nan")
    edge = np.sort(scores)[::-1][k - 1]
    above, level = scores > edge, scores == edge
    return float((labels[above].sum() + (k - above.sum()) * labels[level].mean()) / k)


def top(values: np.ndarray, k: int) -> np.ndarray:
    """Return (n,) bool: the ``k`` largest values above zero; NaN is never among them."""
    values = np.where(np.isnan(np.asarray(values, float)), -np.inf, values)
    chosen = np.zeros(len(values), bool)
    chosen[np.argsort(-values, kind="stable")[:k]] = True
    return chosen & (values > 0)


def position_scores(features: Sequence[np.ndarray], labels: Sequence[np.ndarray], folds: int = 5) -> list[np.ndarray]:
    """Return for each trace the chances a logistic regression on positions gives, fitted on the traces of other folds.

    ``features`` are (n, f) arrays of positions only, ``labels`` (n,) bool, one pair per trace: what a method must beat
    (derived). Where the other folds hold one class only, all scores are equal.
    """
    scores: list[np.ndarray] = [np.zeros(len(x)) for x in features]
    for fold in range(min(folds, len(features))):
        held = [i for i in range(len(features)) if i % folds == fold]
        others = [i for i in range(len(features)) if i % folds != fold]
        y = np.concatenate([labels[i] for i in others]) if others else np.zeros(0, bool)
        if len(set(y.tolist())) == 2:
            model = _fitted(np.concatenate([features[i] for i in others]), y)
            for i in held:
                scores[i] = model.predict_proba(features[i])[:, 1]
    return scores


def _fitted(x: np.ndarray, y: np.ndarray):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)


def pair_features(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sources (n,), targets (n,) and positions (n, 5) of all pairs i < j among ``count`` sentences.

    The positions are distance, its logarithm, inverse, and both indices (derived).
    """
    i, j = np.triu_indices(count, 1)
    distance = (j - i).astype(float)
    return i, j, np.stack([distance, np.log(distance), 1 / distance, i, j], 1)


def sentence_features(count: int) -> np.ndarray:
    """Return positions (count, 4) of sentences: index, its square, its logarithm, and the share of the trace."""
    i = np.arange(count, dtype=float)
    return np.stack([i, i**2, np.log1p(i), i / max(count - 1, 1)], 1)
