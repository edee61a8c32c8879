"""Features: centring by the training mean, and an optional RBF map onto landmarks."""

from dataclasses import dataclass

import numpy as np

from anchors.companion.errors import InputError
from anchors.hashing.blocks import gather, load


@dataclass(frozen=True)
class FeatureMap:
    """Centred features of one modality, fitted on training rows only.

    Attributes
    ----------
    shift : (d,) mean of the raw features.
    dtype : "float32" or "float64", the type of the features.
    landmarks : (k, d) rows minus ``shift``, or None for linear features.
    sigma2 : mean squared distance between training rows and landmarks.
    mean : (k,) training mean of the kernel features.
    """

    shift: np.ndarray
    dtype: str
    landmarks: np.ndarray | None = None
    sigma2: float = 1.0
    mean: np.ndarray | None = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the centred features of raw rows ``x`` (n, d): (n, d) linear or (n, k) kernel."""
        x = centre(x, self.shift, self.dtype)
        if self.landmarks is None:
            return x
        k = rbf(x, self.landmarks.astype(self.dtype, copy=False), self.sigma2)
        if self.mean is not None:
            k -= self.mean.astype(k.dtype)
        return k


def centre(x: np.ndarray, shift: np.ndarray, dtype: str) -> np.ndarray:
    """Return ``x - shift`` as ``dtype``; float32 rows are never copied to float64."""
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float64)
    return (x - shift.astype(x.dtype)).astype(dtype, copy=False)


def rbf(x: np.ndarray, landmarks: np.ndarray, sigma2: float) -> np.ndarray:
    """Return exp(-||x_i - l_j||^2 / (2 sigma2)) for rows (n, d) and landmarks (k, d): (n, k)."""
    k = x @ landmarks.T
    k *= 2
    k -= np.einsum("ij,ij->i", x, x)[:, None]
    k -= np.einsum("ij,ij->i", landmarks, landmarks)
    np.minimum(k, 0, out=k)
    k *= k.dtype.type(0.5 / sigma2)
    return np.exp(k, out=k)


def _sum_step(block):
    return None, (load(block).sum(axis=0, dtype=np.float64),)


def _square_step(block, *, feature_map):
    x = load(block, feature_map)
    return None, (np.array(np.vdot(x, x), dtype=np.float64),)


def _kernel_step(block, *, feature_map):
    k = load(block, feature_map)
    return k, (k.sum(axis=0, dtype=np.float64),)


def _minus_step(block, *, mean):
    return block - mean.astype(block.dtype), (np.zeros(1),)


def fit_features(runner, blocks, sizes, kernel, n_landmarks, rng, dtype, name):
    """Fit the feature map of one modality on its training rows.

    Returns
    -------
    feature_map : the fitted `FeatureMap`.
    blocks : the column to train on: the raw blocks (linear) or stored centred kernel features.
    loader : the map a training step applies to a block (None when features are stored).

    Raises
    ------
    InputError : a NaN or an infinity, or features that do not vary at all.
    """
    n = sum(sizes)
    shift = runner.run(_sum_step, blocks)[1][0] / n
    if not np.isfinite(shift).all():
        raise InputError(name, "NaN or infinity", "finite numbers", "Remove or impute those rows.")
    linear = FeatureMap(shift, dtype)
    squares = float(runner.run(_square_step, blocks, feature_map=linear)[1][0])
    if squares <= n * (10 * np.finfo(dtype).eps) ** 2 * (shift @ shift):
        raise InputError(name, "constant features", "at least one feature that varies", "Check how they were loaded.")
    if kernel is None:
        return linear, blocks, linear
    index = rng.choice(n, min(n_landmarks, n), replace=False)
    landmarks = gather(runner, blocks, sizes, index, linear)
    sigma2 = squares / n + (landmarks**2).sum(axis=1).mean()  # cross term vanishes: rows are centred
    raw = FeatureMap(shift, dtype, landmarks, sigma2)
    stored, (total,) = runner.run(_kernel_step, blocks, feature_map=raw)
    mean = total / n
    stored, _ = runner.run(_minus_step, stored, mean=mean)
    return FeatureMap(shift, dtype, landmarks, sigma2, mean), stored, None
