"""Floors and ceilings for codes: real-valued similarity, canonical correlations, the labels themselves."""

import numpy as np

from anchors.hashing.views import Views


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return cosine similarities (n, m) of rows; a row of zeros is similar to nothing (0)."""

    def unit(x: np.ndarray) -> np.ndarray:
        norm = np.linalg.norm(x, axis=1, keepdims=True)
        return x / np.where(norm > 0, norm, 1)

    return unit(np.asarray(a, float)) @ unit(np.asarray(b, float)).T


def ranked_map(similarity: np.ndarray, relevant: np.ndarray) -> float:
    """Return mAP of real-valued similarities (nq, nd), ties in database order, queries without relevant items as 0."""
    order = np.argsort(-similarity, axis=1, kind="stable")
    hits = np.take_along_axis(relevant, order, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    found = hits.sum(axis=1)
    return float(((precision * hits).sum(axis=1) / np.maximum(found, 1)).mean())


def cosine_map(queries: np.ndarray, database: np.ndarray, query_labels, database_labels) -> float:
    """Return mAP of ranking ``database`` (nd, d) by cosine with ``queries`` (nq, d)."""
    from anchors.hashing.metrics import relevance

    return ranked_map(cosine(queries, database), relevance(query_labels, database_labels))


def principal(train: np.ndarray, other: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of ``train`` and ``other`` on the first k principal components of ``train``."""
    mean = train.mean(axis=0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:k].T
    return (train - mean) @ axes, (other - mean) @ axes


def canonical(x: np.ndarray, y: np.ndarray, k: int, ridge: float = 1e-2) -> tuple[np.ndarray, np.ndarray]:
    """Return projections (d1, k), (d2, k) of ridge CCA of centred paired rows (Hotelling 1936).

    ``ridge`` is relative to the mean variance of each view; at most min(d1, d2) directions exist.
    """
    n = len(x)

    def whitener(z: np.ndarray) -> np.ndarray:
        c = z.T @ z / n
        values, vectors = np.linalg.eigh(c + ridge * np.trace(c) / len(c) * np.eye(len(c)))
        return vectors / np.sqrt(values) @ vectors.T

    wx, wy = whitener(x), whitener(y)
    u, _, vt = np.linalg.svd(wx @ (x.T @ y / n) @ wy, full_matrices=False)
    return wx @ u[:, :k], wy @ vt[:k].T


def frame(train: Views, queries: Views) -> tuple[dict[str, float], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Return what no pair enters: mAP within each modality and of the labels, and the components by modality.

    Within a modality: cosine of the first 64 principal components, of ``train`` (n, 64) and ``queries`` (nq, 64). The
    label oracle gives every class one code, and so ranks perfectly.
    """
    from anchors.hashing.metrics import relevance

    labels = queries.labels, train.labels
    parts = {m: principal(getattr(train, m), getattr(queries, m), 64) for m in ("image", "text")}
    scores = {f"within {m}": cosine_map(new, own, *labels) for m, (own, new) in parts.items()}
    relevant = relevance(*labels)
    return scores | {"label oracle": ranked_map(relevant.astype(float), relevant)}, parts


def reference_scores(
    train: Views, queries: Views, pairs: np.ndarray, k: int = 10, framed: tuple | None = None
) -> dict[str, float]:
    """Return mAP of what frames the codes: within each modality, real-valued CCA on the pairs, and the labels.

    CCA: cosine of k canonical directions of the principal components, learnt from the linked rows ``pairs``, database
    coded by its own projection (protocol B). ``framed`` is :func:`frame` of the same views, where it is known.
    """
    labels = queries.labels, train.labels
    scores, parts = framed or frame(train, queries)
    (image, new_image), (text, new_text) = parts["image"], parts["text"]
    a, b = canonical(image[pairs] - image[pairs].mean(0), text[pairs] - text[pairs].mean(0), k)
    across = {"CCA I2T": cosine_map(new_image @ a, text @ b, *labels)}
    across["CCA T2I"] = cosine_map(new_text @ b, image @ a, *labels)
    return scores | across
