"""Controls and CCA hashing, and the registry of every method compared with RREH."""

import zlib
from collections.abc import Callable
from functools import partial

import numpy as np

from anchors.hashing.cmfh import CMFH
from anchors.hashing.codes import sign
from anchors.hashing.estimator import InMemoryHasher, SemiPairedHasher, check_number
from anchors.hashing.imh import IMH
from anchors.hashing.pairs import VIEWS, is_dask, split_rows
from anchors.hashing.rfdh import RFDHLinear
from anchors.hashing.rreh import RREH
from anchors.hashing.spdh import SPDHStyle


class NoReconstruction(RREH):
    """RREH on the pairs alone: the control that shows whether unpaired rows help (derived).

    Unpaired rows are never seen, not even by the features; their ``codes_`` are those of ``transform``.
    Parameters and attributes are those of `RREH`; theta and gamma have no effect.
    """

    def fit(self, images, texts, paired=None, unpaired_images=None, unpaired_texts=None):
        """Learn from the linked rows of ``images`` and ``texts``; see `SemiPairedHasher.fit`."""
        data = split_rows(images, texts, paired, unpaired_images, unpaired_texts)
        linked = None if paired is None else data.order[0][: data.n_pairs]
        both = [rows if is_dask(rows) else np.asarray(rows) for rows in (images, texts)]
        super().fit(*(both if linked is None else [rows[linked] for rows in both]))
        if linked is not None:
            self.anchor_index_ = linked[self.anchor_index_]
        for view, rows, extra in zip(VIEWS, both, (unpaired_images, unpaired_texts), strict=True):
            self.codes_[view] = self._all_codes(view, rows, extra, linked)
        return self

    def _all_codes(self, view, rows, extra, linked):
        """Return learnt codes of pairs and hashed codes of every other row, in training-row order."""
        codes = self.codes_[view]
        if linked is not None:
            learnt, codes = codes, self.transform(**{f"{view}s": rows})
            codes[linked] = learnt
        if extra is None or extra.shape[0] == 0:
            return codes
        return np.concatenate([codes, self.transform(**{f"{view}s": extra})])


class SelfTraining(RREH):
    """RREH without reconstruction, whose hash functions also learn from pseudo-codes of unpaired rows (derived).

    B_v = sgn(Xb_v W_v) is fed back into the hash functions: as `RREH` with theta = 0 and gamma = 1
    (``theta`` has no effect). In ``codes_`` unpaired rows have these pseudo-codes.
    """

    reconstructs = False


class CVH(InMemoryHasher):
    """Cross-view hashing as canonical correlation analysis (Kumar and Udupa, IJCAI 2011; unsupervised case).

    Only min(D_1, D_2) directions exist: further bits are constant (``n_directions_`` are informative). CVH has no
    learnt training codes, so ``codes_`` are those of ``transform``: an image and its text differ.

    Parameters
    ----------
    bits, kernel, n_landmarks, dtype, random_state : see `RREH`.
    reg : ridge of each covariance, relative to its mean variance.

    Attributes
    ----------
    correlations_ : (n_directions_,) canonical correlations of the pairs, falling.
    """

    def __init__(self, bits=32, reg=1e-2, kernel="rbf", n_landmarks=300, dtype="float64", random_state=0):
        self.bits = bits
        self.reg = reg
        self.kernel = kernel
        self.n_landmarks = n_landmarks
        self.dtype = dtype
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("reg", self.reg, 0, strict=True)

    def _learn_arrays(self, pairs, unpaired):
        first, second = (x - x.mean(axis=0) for x in pairs)
        whiten = [inverse_root(x.T @ x / len(x), self.reg) for x in (first, second)]
        left, values, right = np.linalg.svd(whiten[0] @ (first.T @ second / len(first)) @ whiten[1])
        self.n_directions_ = min(self.bits, len(values))
        self.correlations_ = values[: self.n_directions_]
        self.W_ = {}
        for view, root, axes in zip(VIEWS, whiten, (left, right.T), strict=True):
            w = np.zeros((len(root), self.bits))
            w[:, : self.n_directions_] = root @ axes[:, : self.n_directions_]
            self.W_[view] = w
        return [(self._hash(p, v), self._hash(u, v)) for v, p, u in zip(VIEWS, pairs, unpaired, strict=True)]


def inverse_root(cov: np.ndarray, reg: float) -> np.ndarray:
    """Return (cov + reg tr(cov)/d I)^(-1/2) of a symmetric (d, d) matrix."""
    values, vectors = np.linalg.eigh(cov)
    values = np.maximum(values, 0) + reg * np.trace(cov) / len(cov)
    return (vectors / np.sqrt(values)) @ vectors.T


class RandomCodes(InMemoryHasher):
    """Random codes: the floor (derived). They depend on the seed, the modality and the rows, not on their meaning."""

    def __init__(self, bits=32, kernel=None, n_landmarks=300, dtype="float64", random_state=0):
        self.bits = bits
        self.kernel = kernel
        self.n_landmarks = n_landmarks
        self.dtype = dtype
        self.random_state = random_state

    def _learn_arrays(self, pairs, unpaired):
        self.W_ = {view: np.zeros((x.shape[1], self.bits)) for view, x in zip(VIEWS, pairs, strict=True)}
        return [(self._draw(p, v), self._draw(u, v)) for v, p, u in zip(VIEWS, pairs, unpaired, strict=True)]

    def _draw(self, x, view: str) -> np.ndarray:
        seed = [int(self.random_state), VIEWS.index(view), zlib.crc32(np.ascontiguousarray(x).tobytes())]
        return sign(np.random.default_rng(seed).random((len(x), self.bits)) - 0.5)

    def _scores(self, x, view):
        super()._scores(x, view)  # the same checks
        return self._draw(x, view).astype(self.dtype)


METHODS: dict[str, Callable[..., SemiPairedHasher]] = {
    "RREH": RREH,
    "RREH-kNN": partial(RREH, reconstruction="knn"),
    "NoReconstruction": NoReconstruction,
    "SelfTraining": SelfTraining,
    "CVH": CVH,
    "IMH": IMH,
    "CMFH": CMFH,
    "RFDH-linear": RFDHLinear,
    "SPDH-style": SPDHStyle,
    "Random": RandomCodes,
}
