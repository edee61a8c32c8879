"""What every hashing estimator here shares: features, checks, codes, projections, saving and loading."""

import json
from copy import copy

import numpy as np
from sklearn.base import BaseEstimator

from anchors import __version__
from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write, read_json, read_npz
from anchors.hashing.blocks import LocalRunner, cut, load
from anchors.hashing.codes import pack, sign
from anchors.hashing.kernel import FeatureMap, fit_features
from anchors.hashing.pairs import VIEWS, as_rows, is_dask, split_rows
from anchors.hashing.steps import pack_step


def check_option(name: str, value, choices: tuple) -> None:
    """Raise InputError unless ``value`` is one of ``choices``."""
    if not isinstance(value, str | None) or value not in choices:
        raise InputError(name, repr(value), f"one of {choices}")


def check_number(name: str, value, low: float, high: float = np.inf, strict=False, whole=False) -> None:
    """Raise InputError unless ``value`` is a number in [low, high] (above ``low`` when strict)."""
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    right = isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high
    if not right or (strict and value == low):
        expected = f"a{' whole' if whole else ''} number {'>' if strict else '>='} {low}"
        raise InputError(name, repr(value), expected + (f" and <= {high}" if np.isfinite(high) else ""))


class SemiPairedHasher(BaseEstimator):
    """Base of the estimators: two modalities in, binary codes out.

    Subclasses set ``bits``, ``kernel``, ``n_landmarks``, ``dtype`` and ``random_state`` and implement ``_learn``.

    Attributes
    ----------
    codes_ : dict "image", "text" -> uint8 (N_v, ceil(bits / 8)): packed learnt codes of the training rows, rows of
        ``images`` (``texts``) first, then the unpaired extra ones (dask arrays after a fit on dask arrays).
    W_ : dict view -> (D_v, bits) hash functions on centred features.
    offsets_ : dict view -> (bits,) thresholds.
    features_ : dict view -> fitted `FeatureMap`.
    """

    def fit(self, images, texts, paired=None, unpaired_images=None, unpaired_texts=None):
        """Learn hash functions and training codes.

        Parameters
        ----------
        images : (n, d1); texts : (n, d2) rows that correspond where ``paired`` says so; numpy or dask arrays.
        paired : None (all rows correspond), a boolean mask (n,) or the row numbers whose link is known. The other
            rows are broken pairs: both their image and their text are used, without the link.
        unpaired_images, unpaired_texts : (·, d1), (·, d2) extra rows without a partner.

        Returns
        -------
        self

        Raises
        ------
        InputError : wrong parameters, shapes or counts, NaN, features that do not vary, or too few pairs.
        """
        self._check_parameters()
        data = split_rows(images, texts, paired, unpaired_images, unpaired_texts)
        self._check_size(data)
        fitted = [self._fit_view(data, v) for v in (0, 1)]
        self.features_ = dict(zip(VIEWS, [f[0] for f in fitted], strict=True))
        edge = len(data.pair_sizes)
        data.pairs = [f[1][:edge] for f in fitted]
        data.unpaired = [f[1][edge:] for f in fitted]
        self.offsets_ = dict.fromkeys(VIEWS, np.zeros(self.bits))
        signs = self._learn(data, [f[2] for f in fitted])
        self.codes_ = {v: self._training_codes(data, signs[i], i) for i, v in enumerate(VIEWS)}
        return self

    def project(self, images=None, texts=None):
        """Return real-valued projections (n, bits) of new rows of one modality; their signs are the codes."""
        return self._map_rows(images, texts, lambda scores: scores, self.dtype, self.bits)

    def transform(self, images=None, texts=None):
        """Return packed codes, uint8 (n, ceil(bits / 8)), of new rows of one modality.

        Raises
        ------
        InputError : not exactly one modality, not fitted, wrong number of features, or NaN.
        """
        return self._map_rows(images, texts, lambda scores: pack(sign(scores)), "uint8", -(-self.bits // 8))

    def save(self, path) -> None:
        """Write the fitted estimator to ``path``.npz (arrays) and ``path``.json (parameters, shapes, versions)."""
        self._check_fitted()
        arrays = self._arrays()
        shapes = {name: list(a.shape) for name, a in arrays.items()}
        versions = {"anchors": __version__, "numpy": np.__version__}
        about = {"estimator": type(self).__name__, "parameters": self.get_params(), "shapes": shapes}
        text = json.dumps(about | {"versions": versions}, indent=1, default=lambda number: number.item())
        atomic_write(f"{path}.npz", lambda file: np.savez(file, **arrays))
        atomic_write(f"{path}.json", text.encode())

    @classmethod
    def load(cls, path):
        """Read an estimator written by `save`.

        Raises
        ------
        InputError : missing files, another estimator's files, or arrays that do not fit the description.
        """
        about, arrays = read_json(f"{path}.json", dict), read_npz(f"{path}.npz")
        if about.get("estimator") != cls.__name__:
            raise InputError(f"saved model {path}", about.get("estimator"), cls.__name__, "Load it with that class.")
        if about.get("shapes") != {name: list(a.shape) for name, a in arrays.items()}:
            raise InputError(f"saved model {path}", "arrays of other shapes", "those the .json lists", "Save it again.")
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise InputError(f"saved model {path}: {name}", "NaN or infinity", "finite numbers", "Save it again.")
        try:
            found = cls(**about["parameters"])
            found._check_parameters()
            return found._restore(arrays)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, IndexError) as error:
            found = f"what does not fit ({type(error).__name__}: {error})"[:120]
            raise InputError(f"saved model {path}", found, "what save wrote", "Save it again.") from error

    # what subclasses may extend

    def _check_parameters(self) -> None:
        check_number("bits", self.bits, 1, whole=True)
        check_number("n_landmarks", self.n_landmarks, 1, whole=True)
        check_number("random_state", self.random_state, 0, whole=True)
        check_option("kernel", self.kernel, ("rbf", None))
        check_option("dtype", self.dtype, ("float64", "float32"))

    def _check_size(self, data) -> None:
        if data.n_pairs <= self.bits:
            cure = "Use fewer bits or more pairs."
            raise InputError("bits", f"{self.bits} bits and {data.n_pairs} pairs", "more pairs than bits", cure)

    def _learn(self, data, maps) -> list[tuple[list, list]]:
        """Set ``W_`` and return per view the columns of signs of pairs and of unpaired rows."""
        raise NotImplementedError

    def _rng(self, purpose: str) -> np.random.Generator:
        """Return the generator for one purpose; both modalities share it, so that they can be swapped."""
        return np.random.default_rng([int(self.random_state), *purpose.encode()])

    def _fit_view(self, data, v: int):
        blocks, sizes = data.pairs[v] + data.unpaired[v], data.pair_sizes + data.unpaired_sizes[v]
        rng = self._rng("landmarks")
        return fit_features(data.runner, blocks, sizes, self.kernel, self.n_landmarks, rng, self.dtype, f"{VIEWS[v]}s")

    def _training_codes(self, data, signs, v: int):
        packed, _ = data.runner.run(pack_step, [*signs[0], *signs[1]])
        if isinstance(data.runner, LocalRunner):
            codes = np.vstack(packed)
        else:
            import dask.array as da

            sizes, width = data.pair_sizes + data.unpaired_sizes[v], -(-self.bits // 8)
            codes = da.concatenate(
                [da.from_delayed(p, (s, width), np.uint8) for p, s in zip(packed, sizes, strict=True)]
            )
        return codes if data.order[v] is None else codes[np.argsort(data.order[v])]

    def _check_fitted(self) -> None:
        if not hasattr(self, "codes_"):
            raise InputError(type(self).__name__, "not fitted", "a fitted estimator", "Call fit first.")

    def _scores(self, x, view: str) -> np.ndarray:
        """Return projections of the raw rows ``x`` (one block)."""
        if not np.isfinite(x.sum(dtype=np.float64)):
            raise InputError(f"{view}s", "NaN or infinity", "finite numbers", "Remove or impute those rows.")
        f = self.features_[view](x)
        return f @ self.W_[view].astype(f.dtype) - self.offsets_[view].astype(f.dtype)

    def _map_rows(self, images, texts, finish, dtype, width):
        self._check_fitted()
        if (images is None) == (texts is None):
            raise InputError("transform", "both or no modality", "exactly one of images= and texts=")
        view, x = ("image", images) if texts is None else ("text", texts)
        x, d = as_rows(x, f"{view}s"), len(self.features_[view].shift)
        if x.shape[1] != d:
            raise InputError(f"{view}s", f"{x.shape[1]} features", f"{d}, as in training")
        if is_dask(x):
            x = x.rechunk({1: -1})
            light = copy(self)
            light.codes_ = None  # the training codes do not travel to the workers
            step = lambda block: finish(light._scores(block, view))  # noqa: E731
            return x.map_blocks(step, dtype=dtype, chunks=(x.chunks[0], (width,)), meta=np.empty((0, 0), dtype))
        out = np.empty((len(x), width), dtype)
        for block in cut(x)[0]:
            out[block[1]] = finish(self._scores(load(block), view))
        return out

    def _arrays(self) -> dict[str, np.ndarray]:
        """Return every fitted array by a flat name."""
        arrays = {}
        for view in VIEWS:
            f = self.features_[view]
            arrays |= {f"codes_.{view}": np.asarray(self.codes_[view]), f"offsets_.{view}": self.offsets_[view]}
            arrays |= {f"W_.{view}": self.W_[view], f"shift.{view}": f.shift}
            if f.landmarks is not None:
                arrays |= {f"landmarks.{view}": f.landmarks, f"mean.{view}": f.mean}
                arrays[f"sigma2.{view}"] = np.array(f.sigma2)
        return arrays

    def _restore(self, arrays):
        for name in ("codes_", "offsets_", "W_"):
            setattr(self, name, {view: arrays[f"{name}.{view}"] for view in VIEWS})
        self.features_ = {}
        for view in VIEWS:
            kernel = {}
            if f"landmarks.{view}" in arrays:
                kernel = {"landmarks": arrays[f"landmarks.{view}"], "mean": arrays[f"mean.{view}"]}
                kernel["sigma2"] = float(arrays[f"sigma2.{view}"])
            self.features_[view] = FeatureMap(arrays[f"shift.{view}"], self.dtype, **kernel)
        return self


class InMemoryHasher(SemiPairedHasher):
    """Base of the baselines, which work on whole arrays: subclasses implement ``_learn_arrays``."""

    def _learn(self, data, maps):
        if not isinstance(data.runner, LocalRunner):
            raise InputError(
                type(self).__name__, "dask arrays", "numpy arrays", "Only RREH and its variants take dask."
            )
        pairs = [stack(c, f) for c, f in zip(data.pairs, maps, strict=True)]
        unpaired = [
            stack(c, f) if c else np.empty((0, p.shape[1]), p.dtype)
            for c, f, p in zip(data.unpaired, maps, pairs, strict=True)
        ]
        signs = self._learn_arrays(pairs, unpaired)
        return [([a], [b] if len(b) else []) for a, b in signs]

    def _learn_arrays(self, pairs, unpaired):
        """Set ``W_`` from the features of pairs (n, D_v) and unpaired rows (n_v, D_v); return signs per view."""
        raise NotImplementedError

    def _hash(self, x: np.ndarray, view: str) -> np.ndarray:
        """Return the signs of the hash functions on centred features."""
        return sign(x @ self.W_[view].astype(x.dtype) - self.offsets_[view].astype(x.dtype))


def stack(blocks: list, feature_map) -> np.ndarray:
    """Return all centred features of a column as one array."""
    return np.vstack([load(b, feature_map) for b in blocks])
