import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion.errors import InputError
from anchors.hashing import codes


def random_signs(n, bits, seed=0):
    return codes.sign(np.random.default_rng(seed).normal(size=(n, bits)))


def test_sign_of_zero_is_plus_one():
    signs = codes.sign(np.array([[-2.0, 0.0, -0.0, 3.0]]))
    assert signs.tolist() == [[-1, 1, 1, 1]]
    assert signs.dtype == np.int8


def test_sign_keeps_dask_lazy():
    scores = np.random.default_rng(0).normal(size=(7, 5))
    lazy = codes.sign(da.from_array(scores, chunks=3))
    assert isinstance(lazy, da.Array)
    assert lazy.dtype == np.int8
    assert np.array_equal(lazy.compute(), codes.sign(scores))


def test_pack_by_hand():
    signs = np.array([[1, -1, -1, -1, -1, -1, -1, 1, 1]])
    assert codes.pack(signs).tolist() == [[0b10000001, 0b10000000]]


@settings(max_examples=30, deadline=None)
@given(n=st.integers(0, 9), bits=st.integers(1, 300), seed=st.integers(0, 99))
def test_unpack_inverts_pack_and_hamming_agrees_with_the_signs(n, bits, seed):
    queries, database = random_signs(n, bits, seed), random_signs(4, bits, seed + 1)
    packed = codes.pack(queries)
    assert packed.shape == (n, -(-bits // 8))
    assert np.array_equal(codes.unpack(packed, bits), queries)
    slow = (queries[:, None, :] != database[None]).sum(axis=2)
    assert np.array_equal(codes.hamming(packed, codes.pack(database)), slow)


def test_hamming_in_blocks_and_types(monkeypatch):
    monkeypatch.setattr(codes, "BLOCK_BYTES", 100)
    for bits, dtype in ((64, np.uint8), (248, np.uint8), (256, np.uint16)):
        a, b = random_signs(11, bits), random_signs(5, bits, 1)
        distances = codes.hamming(codes.pack(a), codes.pack(b))
        assert distances.dtype == dtype
        assert np.array_equal(distances, (bits - a.astype(int) @ b.T) // 2)
    ends = codes.pack(np.array([[1] * 256, [-1] * 256]))
    assert codes.hamming(ends, ends).tolist() == [[0, 256], [256, 0]]


@pytest.mark.parametrize(
    "call",
    [
        lambda: codes.sign(np.array([np.nan])),
        lambda: codes.pack(np.array([[1, 0]])),
        lambda: codes.pack(np.array([[2, -1]])),
        lambda: codes.pack(np.array([1, -1])),
        lambda: codes.pack(np.ones((3, 0))),
        lambda: codes.unpack(np.zeros((2, 2), np.uint8), 17),
        lambda: codes.unpack(np.zeros((2, 2)), 16),
        lambda: codes.hamming(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8)),
        lambda: codes.hamming(np.zeros(2, np.uint8), np.zeros((2, 3), np.uint8)),
    ],
)
def test_bad_input(call):
    with pytest.raises(InputError):
        call()
