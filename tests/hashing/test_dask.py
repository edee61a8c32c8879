"""RREH on dask arrays gives the codes it gives in memory, also on a cluster of two processes."""

import dask.array as da
import numpy as np
import pytest

from anchors.companion.errors import InputError
from anchors.hashing.baselines import CVH, NoReconstruction
from anchors.hashing.rreh import RREH


@pytest.fixture(scope="module")
def cluster():
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "processes": True, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as workers, Client(workers) as client:
        yield client


@pytest.fixture
def rows():
    rng = np.random.default_rng(3)
    z = rng.standard_normal((230, 5))
    images = np.tanh(z @ rng.standard_normal((5, 9))) + 0.1 * rng.standard_normal((230, 9)) + 4
    texts = np.tanh(z @ rng.standard_normal((5, 7))) + 0.1 * rng.standard_normal((230, 7))
    return images, texts


SETTINGS = [{"kernel": None}, {"kernel": "rbf", "n_landmarks": 20}, {"reconstruction": "knn", "kernel": None}]


def same_codes(a, b):
    for view in ("image", "text"):
        np.testing.assert_array_equal(np.asarray(a.codes_[view]), np.asarray(b.codes_[view]))


def test_cluster_equals_memory(cluster, rows):
    images, texts = rows
    parts = images[:100], texts[:100], None, images[100:], texts[150:]
    for setting in SETTINGS:
        memory = RREH(bits=6, max_iter=2, **setting).fit(*parts)
        chunked = [None if p is None else da.from_array(p, chunks=(70, 4)) for p in parts]
        lazy = RREH(bits=6, max_iter=2, **setting).fit(*chunked)
        assert isinstance(lazy.codes_["image"], da.Array)
        assert lazy.codes_["text"].shape == (180, 1)
        same_codes(memory, lazy)
        np.testing.assert_allclose(memory.objective_, lazy.objective_, rtol=1e-9)
        codes = lazy.transform(images=chunked[0])
        assert isinstance(codes, da.Array)
        np.testing.assert_array_equal(codes.compute(), memory.transform(images=images[:100]))


def test_masks_and_free_latent(rows):
    images, texts = rows
    mask = np.random.default_rng(0).random(230) < 0.4
    setting = {"bits": 5, "kernel": None, "max_iter": 3, "anchors": "leverage", "n_anchors": 30, "orthogonal": False}
    memory = RREH(**setting).fit(images, texts, paired=mask)
    lazy = RREH(**setting).fit(da.from_array(images, chunks=(60, 9)), da.from_array(texts, chunks=(50, 7)), paired=mask)
    same_codes(memory, lazy)
    np.testing.assert_array_equal(memory.anchor_index_, lazy.anchor_index_)


def test_rank_deficient_start_does_not_depend_on_chunks(rows):
    images, texts = rows[0][:, :2], rows[1][:, :2]
    setting = {"bits": 8, "kernel": None, "max_iter": 2}
    memory = RREH(**setting).fit(images, texts)
    lazy = RREH(**setting).fit(da.from_array(images, chunks=(60, 2)), da.from_array(texts, chunks=(60, 2)))
    same_codes(memory, lazy)


def test_pairs_only_control_on_dask(rows):
    images, texts = rows
    mask = np.arange(230) % 2 == 0
    lazy = [da.from_array(a, chunks=(60, -1)) for a in rows]
    memory = NoReconstruction(bits=5, kernel=None, max_iter=3).fit(images, texts, mask)
    same_codes(memory, NoReconstruction(bits=5, kernel=None, max_iter=3).fit(*lazy, mask))


def test_baselines_refuse_dask(rows):
    lazy = [da.from_array(a, chunks=(60, -1)) for a in rows]
    with pytest.raises(InputError, match="dask"):
        CVH(bits=5).fit(*lazy)


def test_unknown_chunks_are_refused(rows):
    images = da.from_array(rows[0], chunks=(60, -1))
    images = images[images[:, 0] > -100]
    with pytest.raises(InputError, match="chunk"):
        RREH(bits=5).fit(images, images)
