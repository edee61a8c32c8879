"""One trial: a data set, a method, a share of pairs and a seed go in; retrieval quality comes out.

All randomness of a trial comes from its seed: which pairs keep their link (nested: a larger share contains a smaller
one), the anchors, the landmarks and the rotation. Methods with the same seed therefore see the same pairs.
"""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anchors.companion.codehash import digest
from anchors.companion.errors import InputError
from anchors.companion.paths import ROOT, cache_dir
from anchors.companion.used import remembered
from anchors.hashing import views as views_module
from anchors.hashing.settings import tuned
from anchors.hashing.views import Views

TASKS = ("I2T", "T2I")
PROTOCOLS = ("A", "B")
SCORES = tuple(f"{task}_{protocol}" for protocol in PROTOCOLS for task in TASKS)
EMOJI = {
    "emoji": {"text": "tfidf"},
    "emoji-minilm": {"text": "minilm"},
    "emoji-minilm-third": {"text": "minilm", "every": 3, "test": 280},  # of every third emoji
}
VALIDATION_SEED = 2024  # one fixed validation split for all choices
TOP_N = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Task(NamedTuple):
    """Semi-paired training rows (linked pairs, unpaired images, unpaired texts), the queries and what they search.

    ``shelf`` is a database of its own, where the data set has one; otherwise the training rows are searched.
    """

    train: Views
    queries: Views
    pairs: np.ndarray
    images: np.ndarray
    texts: np.ndarray
    shelf: Views | None = None

    def rows(self, modality: str) -> np.ndarray:
        """Training rows in the order of the learnt codes: the pairs, then the unpaired rows of the modality."""
        return np.concatenate([self.pairs, self.images if modality == "image" else self.texts])


@remembered(6)
def dataset(name: str, split: str = "test") -> Views:
    """Return a data set by name (``emoji-minilm`` is emoji with sentence embeddings) or path.

    ``split="validation"`` drops the test rows and holds a fifth of the training rows out instead.
    """
    if name in EMOJI:
        views = views_module.load("emoji", **EMOJI[name], cache_dir=cache_dir() / "views")
    else:
        views = views_module.load(name if name in views_module.NAMES else own_path(name))
    return views_module.validation_split(views, VALIDATION_SEED) if split == "validation" else views


def own_path(name: str) -> str:
    """Return a user's path, relative ones taken from the repository: a notebook's own folder is no one's expectation.

    A word that is no path is returned as it is, so that the error about it lists the known names.
    """
    return str(ROOT / name) if Path(name).suffix or (ROOT / name).exists() else name


def fingerprints(names: list[str]) -> dict[str, str]:
    """Return the content hash of each data set."""
    return {name: dataset(name).fingerprint for name in names}


def salt(names: list[str]) -> str:
    """Return one hash of the contents of several data sets, for cache keys."""
    return digest(fingerprints(names))


def semi_paired(views: Views, ratio: float, seed: int, regime: str = "broken") -> Task:
    """Keep the link of a share ``ratio`` of the training pairs.

    ``regime="broken"``: the other rows keep both modalities without the link. ``"disjoint"``: half of them lose the
    text, the other half the image.
    """
    if not 0 < ratio <= 1:
        raise InputError("ratio", ratio, "a share of pairs above 0 and at most 1", "0.1 keeps one link in ten.")
    train = views.train()
    order = np.random.default_rng([seed, 1]).permutation(len(train))
    n = max(1, round(ratio * len(train)))
    pairs, rest = order[:n], order[n:]
    if regime == "broken":
        images, texts = rest, np.random.default_rng([seed, 2]).permutation(rest)
    elif regime == "disjoint":
        images, texts = np.array_split(rest, 2)
    else:
        raise InputError("regime", repr(regime), "broken | disjoint")
    shelf = views.database() if (views.split == "database").any() else None
    return Task(train, views.test(), pairs, images, texts, shelf)


def fit(task: Task, method: str, bits: int, seed: int, params: dict[str, Any]):
    """Return ``method`` fitted on the task's semi-paired rows."""
    from anchors.hashing.baselines import METHODS

    if method not in METHODS:
        raise InputError("method", repr(method), " | ".join(METHODS))
    model = METHODS[method](bits=bits, random_state=seed, **params)
    image, text = task.train.image, task.train.text
    return model.fit(
        image[task.pairs], text[task.pairs],
        unpaired_images=image[task.images] if len(task.images) else None,
        unpaired_texts=text[task.texts] if len(task.texts) else None,
    )  # fmt: skip


def codes(task: Task, model) -> tuple[dict, dict, dict]:
    """Return query codes, database codes by protocol, and database labels by modality.

    Protocol A: the codes learnt in training, where a pair's image and text share one. Protocol B: the database is
    coded by the hash function of its own modality, as new data would be. A database of its own was not trained on, so
    that both protocols are the same there.
    """
    query = {"image": model.transform(images=task.queries.image), "text": model.transform(texts=task.queries.text)}
    if task.shelf is not None:
        coded = {"image": model.transform(images=task.shelf.image), "text": model.transform(texts=task.shelf.text)}
        return query, {"A": coded, "B": coded}, dict.fromkeys(coded, task.shelf.labels)
    rows = {modality: task.rows(modality) for modality in ("image", "text")}
    database = {
        "A": {modality: np.asarray(model.codes_[modality]) for modality in rows},
        "B": {
            "image": model.transform(images=task.train.image[rows["image"]]),
            "text": model.transform(texts=task.train.text[rows["text"]]),
        },
    }
    return query, database, {modality: task.train.labels[index] for modality, index in rows.items()}


def score(
    data: str, method: str, bits: int, ratio: float, seed: int,
    split: str = "test", regime: str = "broken", params: dict[str, Any] | None = None,
) -> dict[str, float]:  # fmt: skip
    """Return tie-aware mAP of one trial, both directions and protocols; time of the fit (s); largest rise of J.

    ``params`` overrides the tuned settings of (data, method); keys are ``I2T_A`` ... and ``I2T_A@50`` ....
    """
    from anchors.hashing.metrics import evaluate

    task = semi_paired(dataset(data, split), ratio, seed, regime)
    start = time.perf_counter()
    model = fit(task, method, bits, seed, tuned(data, method) | (params or {}))
    seconds = time.perf_counter() - start
    query, database, labels = codes(task, model)
    result = evaluate(query, database, task.queries.labels, labels, bits)
    return result | {"fit_seconds": round(seconds, 4), "n_pairs": len(task.pairs), "rise": largest_rise(model)}


def largest_rise(model) -> float:
    """Return the largest relative rise of a fitted model's objective between two rounds; 0 without an objective."""
    j = np.asarray(getattr(model, "objective_", [1.0, 1.0]))
    return float(max(0.0, ((j[1:] - j[:-1]) / np.abs(j[:-1])).max()))


def curves(
    data: str, method: str, bits: int, ratio: float, seed: int, params: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return precision and recall by Hamming radius, and precision of the first N, of one trial.

    One row per task and protocol: ``precision``, ``recall`` (bits + 1 values), ``top`` (one value per N in TOP_N that
    the database can fill) and ``radius2``, the precision within radius 2 (an empty ball counts as 0).
    """
    from anchors.hashing.histograms import distance_histograms
    from anchors.hashing.metrics import precision_at_radius, precision_recall_by_radius, top_n_precision

    task = semi_paired(dataset(data), ratio, seed)
    model = fit(task, method, bits, seed, tuned(data, method) | (params or {}))
    query, database, labels = codes(task, model)
    rows = []
    for protocol in PROTOCOLS:
        for name, source, target in (("I2T", "image", "text"), ("T2I", "text", "image")):
            targets = database[protocol][target], task.queries.labels, labels[target]
            hist = distance_histograms(query[source], *targets, bits)
            curve = precision_recall_by_radius(hist)
            ns = [n for n in TOP_N if n <= len(labels[target])]
            rows.append({
                "task": name, "protocol": protocol,
                "precision": curve.precision.tolist(), "recall": curve.recall.tolist(),
                "top": top_n_precision(hist, np.array(ns)).tolist(), "radius2": precision_at_radius(hist),
            })  # fmt: skip
    return rows


def grid(function, jobs: list[dict], label: str, datasets: list[str] | None = None) -> list[Any]:
    """Return the cached results of ``function(**job)`` for every job, keyed on the data sets' contents too."""
    from anchors.companion.cache import cached_grid

    names = sorted({job["data"] for job in jobs}) if datasets is None else datasets
    return cached_grid(function, jobs, label, salt(names))


def score_table(jobs: list[dict], label: str, timed: bool = False):
    """Return a DataFrame with one row per job: the job's own fields, then its scores; the time of the fit on demand."""
    import pandas as pd

    results = [{k: v for k, v in r.items() if timed or k != "fit_seconds"} for r in grid(score, jobs, label)]
    flat = [{k: v for k, v in job.items() if k != "params"} for job in jobs]
    return pd.DataFrame([job | result for job, result in zip(flat, results, strict=True)])
