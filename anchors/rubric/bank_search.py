"""Search in short texts: by words (BM25) and by meaning (sentence embeddings)."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from anchors.companion.codehash import digest
from anchors.companion.files import atomic_write, read_npz

SATURATION, LENGTH = 1.5, 0.75  # k1 and b


class Index:
    """Okapi BM25 over texts (Robertson and Zaragoza 2009; inverse document frequencies are never negative)."""

    def __init__(self, texts: Iterable[str]):
        from scipy.sparse import csc_array
        from sklearn.feature_extraction.text import CountVectorizer

        self._words = CountVectorizer(token_pattern=r"(?u)\w+(?:['’]\w+)*")
        counts = self._words.fit_transform(list(texts)).tocoo()
        length = np.asarray(counts.sum(1)).ravel()
        norm = SATURATION * (1 - LENGTH + LENGTH * length / max(length.mean(), 1e-9))
        rows, columns = counts.coords
        values = counts.data * (SATURATION + 1) / (counts.data + norm[rows])
        holding = np.bincount(columns, minlength=counts.shape[1])
        rarity = np.log1p((counts.shape[0] - holding + 0.5) / (holding + 0.5))
        self._weights = csc_array((values * rarity[columns], (rows, columns)), shape=counts.shape)

    def scores(self, text: str) -> np.ndarray:
        """Return the scores (n,) of a query; each of its words counts once."""
        known = {self._words.vocabulary_.get(word) for word in self._words.build_analyzer()(text)} - {None}
        return np.asarray(self._weights[:, sorted(known)].sum(1)).ravel()


def embedded(texts: Sequence[str]) -> np.ndarray:
    """Return unit-norm embeddings (n, 384) of texts by all-MiniLM-L6-v2."""
    from anchors.models.embed import embed

    return embed(list(texts))


def kept(texts: Sequence[str], folder: str | Path | None = None) -> np.ndarray:
    """Return :func:`embedded` texts, from memory, or from a file in ``folder`` made for the same texts and model."""
    return _kept(tuple(texts), None if folder is None else str(folder))


@lru_cache(2)
def _kept(texts: tuple[str, ...], folder: str | None) -> np.ndarray:
    if folder is None:
        return embedded(texts)
    from anchors.models.embed import identity

    path = Path(folder) / f"bank_{digest(texts, identity())[:16]}.npz"
    if not path.is_file():
        vectors = embedded(texts)
        atomic_write(path, lambda handle: np.savez(handle, vectors=vectors.astype(np.float16)))
    return read_npz(path)["vectors"].astype(np.float32)
