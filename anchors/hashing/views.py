"""Two views of the same things: an image feature matrix and a text feature matrix with labels and a split.

``load(name)`` is the only door to data; unlike the rest of this folder its loaders may read files.
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion.errors import InputError

NAMES = ("emoji", "digits", "synthetic", "wiki")


@dataclass(frozen=True)
class Views:
    """Paired samples in two modalities; rows are samples.

    Attributes
    ----------
    image, text : (n, d1) and (n, d2) float arrays; row i of both is the same thing.
    labels : (n,) int class numbers, or (n, C) 0/1 for several labels a sample.
    split : (n,) of "train", "test" (the queries) and, in a user's file, "database".
    items : n names to show.
    classes : C names.
    fingerprint : 64 hex digits of the content.
    notes : what a reader should know: counts, parameters, licence.
    extras : further arrays with one row per sample (latent points, picture codes, split groups).
    """

    name: str
    image: np.ndarray
    text: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    items: list[str]
    classes: list[str]
    fingerprint: str
    notes: dict[str, Any] = field(default_factory=dict)
    extras: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.split)

    def take(self, rows: np.ndarray, split: np.ndarray | None = None) -> "Views":
        """Return the selected rows (a mask or indices), with ``split`` as their new split if given."""
        index = np.arange(len(self))[rows]
        chosen = self.split[index] if split is None else split
        return build(
            self.name,
            (self.image[index], self.text[index]),
            self.labels[index],
            chosen,
            [self.items[i] for i in index],
            self.classes,
            self.notes,
            {key: value[index] for key, value in self.extras.items()},
        )

    def train(self) -> "Views":
        """Return the training samples."""
        return self.take(self.split == "train")

    def test(self) -> "Views":
        """Return the test samples, the queries."""
        return self.take(self.split == "test")

    def database(self) -> "Views":
        """Return what is searched: the database rows where the data set has its own, else the training samples."""
        own = self.split == "database"
        return self.take(own) if own.any() else self.train()


def build(
    name: str,
    views: tuple[np.ndarray, np.ndarray],
    labels: np.ndarray,
    split: np.ndarray,
    items: list[str],
    classes: list[str],
    notes: dict[str, Any] | None = None,
    extras: dict[str, np.ndarray] | None = None,
) -> Views:
    """Return checked Views with their fingerprint.

    Raises
    ------
    InputError
        Unequal row counts, NaN or infinity, or an empty split.
    """
    image, text = views
    counts = {"image": len(image), "text": len(text), "labels": len(labels), "split": len(split), "items": len(items)}
    if len(set(counts.values())) != 1:
        raise InputError(f"{name}: rows", counts, "equal counts", "Row i of every view must be the same thing.")
    for view, array in (("image", image), ("text", text)):
        if not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).any(axis=1).argmax())
            raise InputError(f"{name}: {view}", f"NaN or infinity in row {bad}", "finite numbers", "Repair that row.")
    mark = _fingerprint(image, text, labels, split)
    return Views(name, image, text, labels, split, items, classes, mark, notes or {}, extras or {})


def _fingerprint(*arrays: np.ndarray) -> str:
    hasher = hashlib.sha256()
    for array in arrays:
        hasher.update(f"{array.dtype.str}{array.shape}".encode())
        hasher.update(np.ascontiguousarray(array).tobytes())
    return hasher.hexdigest()


def load(name: str = "emoji", **params: Any) -> Views:
    """Return a data set by name, or a user's own file or folder by path.

    Parameters
    ----------
    name : ``emoji`` | ``digits`` | ``synthetic`` | ``wiki``, or a path to .mat, .npz, .h5 or a folder of CSV files.
    params : the loader's parameters: see :func:`anchors.hashing.emoji_views.load_emoji` and
        :mod:`anchors.hashing.loaders`.

    Raises
    ------
    InputError
        Unknown name or parameter, or a bad file.
    MissingData
        The data set is not here and cannot be downloaded.
    """
    from anchors.hashing import loaders
    from anchors.hashing.emoji_views import load_emoji

    known = dict(zip(NAMES, (load_emoji, loaders.load_digits, loaders.load_synthetic, loaders.load_wiki), strict=True))
    if name in known:
        return known[name](**_known(known[name], name, params))
    if Path(name).suffix or os.path.exists(name):  # False for a name that no file can have
        return loaders.load_file(name, **_known(loaders.load_file, name, params))
    raise InputError("data set", repr(str(name)), " | ".join(NAMES) + " | a path", "Mind the spelling.")


def _known(loader: Any, name: str, params: dict[str, Any]) -> dict[str, Any]:
    import inspect

    allowed = [key for key in inspect.signature(loader).parameters if key != "path"]
    unknown = sorted(set(params) - set(allowed))
    if unknown:
        raise InputError(f"{name}: parameter", ", ".join(unknown), " | ".join(allowed), "Mind the spelling.")
    return params


def validation_split(views: Views, seed: int, fraction: float = 0.2) -> Views:
    """Return the training samples alone, a share of them now marked "test": for tuning without the test queries.

    Samples of one group (``extras["group"]``, near duplicates) stay on one side. Text weights fitted on the training
    rows (TF-IDF) are kept as they are.

    Raises
    ------
    InputError
        ``fraction`` is not between 0 and 1, or leaves a side empty.
    """
    if not 0 < fraction < 1:
        raise InputError("fraction", fraction, "a number between 0 and 1", "The default is 0.2.")
    rows = np.flatnonzero(views.split == "train")
    groups = views.extras["group"][rows] if "group" in views.extras else rows
    held_out = group_split(groups, round(fraction * len(rows)), np.random.default_rng(seed))
    if held_out.all() or not held_out.any():
        raise InputError("fraction", fraction, f"a share that leaves both sides of {len(rows)} rows filled", "")
    return views.take(rows, np.where(held_out, "test", "train"))


def group_split(groups: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a mask (n,) of at most ``size`` rows made of whole groups in random order; ``groups`` is (n,)."""
    number, counts = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    order = rng.permutation(len(counts))
    chosen = order[np.cumsum(counts[order]) <= size]
    return np.isin(number, chosen)


def pictures(views: Views, index: np.ndarray, size: int = 72) -> np.ndarray:
    """Return pictures (k, size, size, 4) uint8 RGBA of the rows ``index`` (k,), for drawing.

    Raises
    ------
    InputError
        The data set has no pictures (``emoji`` and ``digits`` have).
    """
    index = np.atleast_1d(np.asarray(index, dtype=int))
    if "code" in views.extras:
        from anchors.hashing.emoji_views import render

        return render(views.extras["code"][index].tolist(), size)
    if views.name == "digits":
        return _scans(views.image[index], size)
    raise InputError(f"{views.name}: pictures", "none", "emoji | digits", "Only these two can be drawn.")


def _scans(pixels: np.ndarray, size: int) -> np.ndarray:
    pick = np.arange(size) * 8 // size
    ink = pixels.reshape(-1, 8, 8)[:, pick][:, :, pick]  # (k, size, size), 0..1
    rgba = np.full((*ink.shape, 4), 255, dtype=np.uint8)
    rgba[..., :3] = (255 * (1 - ink)).astype(np.uint8)[..., None]
    return rgba
