"""Features of pictures and texts: arrays in, arrays out, all pictures at once."""

from collections.abc import Sequence

import numpy as np

WIDTH = 784  # 288 gradients + 64 colours + 432 thumbnail


def image_features(rgba: np.ndarray, chunk: int = 256) -> np.ndarray:
    """Return simple features of pictures (n, 784) float32: gradients, colours and a thumbnail (derived).

    Parameters
    ----------
    rgba : (n, s, s, 4) uint8, side s a multiple of 12; transparent parts are seen on white.
    chunk : pictures at a time, which bounds the memory.
    """
    parts = [_features(rgba[start : start + chunk]) for start in range(0, len(rgba), chunk)]
    return np.concatenate(parts) if parts else np.zeros((0, WIDTH), dtype=np.float32)


def _features(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3].astype(np.float32) / 255  # (n, s, s)
    colour = rgba[..., :3].astype(np.float32) / 255 * alpha[..., None] + 1 - alpha[..., None]  # (n, s, s, 3)
    parts = [gradient_histogram(colour.mean(-1)), colour_histogram(colour, alpha), thumbnail(colour)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def gradient_histogram(grey: np.ndarray, cells: int = 6, bins: int = 8) -> np.ndarray:
    """Return unit-norm histograms (n, cells * cells * bins) of unsigned gradient directions, weighted by magnitude.

    ``grey`` is (n, s, s) with s a multiple of ``cells``.
    """
    down, right = np.gradient(grey, axis=(1, 2))
    size = np.hypot(down, right)  # (n, s, s)
    direction = (np.arctan2(down, right) % np.pi * (bins / np.pi)).astype(np.int8) % bins
    histogram = [_block_sum(size * (direction == b), cells) for b in range(bins)]  # bins of (n, cells, cells)
    return unit(np.stack(histogram, axis=-1).reshape(len(grey), -1))


def colour_histogram(colour: np.ndarray, weight: np.ndarray, levels: int = 4) -> np.ndarray:
    """Return square roots of colour shares (n, levels**3), unit norm; ``weight`` (n, s, s) is the opacity."""
    step = np.minimum((colour * levels).astype(np.int64), levels - 1)  # (n, s, s, 3)
    cell = (step[..., 0] * levels + step[..., 1]) * levels + step[..., 2]  # (n, s, s)
    n, size = len(colour), levels**3
    index = (np.arange(n)[:, None, None] * size + cell).ravel()
    counts = np.bincount(index, weights=weight.ravel(), minlength=n * size).reshape(n, size)
    return unit(np.sqrt(counts))


def thumbnail(colour: np.ndarray, side: int = 12) -> np.ndarray:
    """Return thumbnails (n, side * side * 3): block means of ``colour`` (n, s, s, 3), zero mean, unit norm."""
    n, full = colour.shape[:2]
    block = full // side
    small = colour.reshape(n, side, block, side, block, 3).mean((2, 4)).reshape(n, -1)
    return unit(small - small.mean(1, keepdims=True))


def fourier_magnitudes(scans: np.ndarray) -> np.ndarray:
    """Return Fourier magnitudes (n, s * (s // 2 + 1)) of scans (n, s, s): they forget where the ink is."""
    return np.abs(np.fft.rfft2(scans)).reshape(len(scans), -1)


def tfidf(documents: Sequence[str], train: np.ndarray, min_df: int = 3) -> tuple[np.ndarray, list[str]]:
    """Return TF-IDF vectors (n, words) float32, unit norm or zero, and the words.

    Vocabulary and document frequencies come from the rows where ``train`` (n,) is True alone.
    English stop words are dropped; term frequency counts as 1 + log(tf); a word is kept from ``min_df`` documents on.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectoriser = TfidfVectorizer(min_df=min_df, stop_words="english", sublinear_tf=True, dtype=np.float32)
    vectoriser.fit([document for document, keep in zip(documents, train, strict=True) if keep])
    return vectoriser.transform(documents).toarray(), vectoriser.get_feature_names_out().tolist()


def unit(rows: np.ndarray) -> np.ndarray:
    """Return ``rows`` (n, d) scaled to unit length; rows of zeros stay zero."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norm > 0, norm, 1)


def _block_sum(plane: np.ndarray, cells: int) -> np.ndarray:
    n, side = plane.shape[:2]
    return plane.reshape(n, cells, side // cells, cells, side // cells).sum((2, 4))
