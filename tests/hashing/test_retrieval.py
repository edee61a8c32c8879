import numpy as np
import pytest

from anchors.companion.errors import InputError
from anchors.hashing import codes, retrieval


def packed_codes(n, bits, seed=0):
    return codes.pack(codes.sign(np.random.default_rng(seed).normal(size=(n, bits))))


@pytest.mark.parametrize("bits", [12, 16, 32, 64, 100, 128])
def test_flat_equals_the_exact_search(bits):
    database, queries = packed_codes(300, bits), packed_codes(7, bits, 1)
    index = retrieval.build_index(database, bits)
    distances, ids = index.search(queries, 10)
    exact, _ = retrieval.exact_numpy_search(queries, database, 10)
    assert np.array_equal(distances, exact)
    assert retrieval.recall_at_k(ids, exact, queries, database) == 1
    assert index.index.code_size % 8 == 0


def test_exact_search_takes_ties_in_database_order(monkeypatch):
    monkeypatch.setattr(retrieval, "BLOCK_ENTRIES", 8)
    database = np.array([[0b11], [0b1], [0b0], [0b10]], np.uint8)
    distances, ids = retrieval.exact_numpy_search(np.zeros((3, 1), np.uint8), database, 3)
    assert distances.tolist() == [[0, 1, 1]] * 3
    assert ids.tolist() == [[2, 1, 3]] * 3


def test_ivf_over_all_cells_is_exact_and_repeatable():
    database, queries = packed_codes(500, 32), packed_codes(9, 32, 1)
    exact, _ = retrieval.exact_numpy_search(queries, database, 5)
    index = retrieval.build_index(database, 32, "ivf", nlist=10, nprobe=10)
    assert np.array_equal(index.search(queries, 5)[0], exact)
    first, second = (retrieval.build_index(database, 32, "ivf", random_state=3) for _ in range(2))
    assert np.array_equal(first.search(queries, 5)[0], second.search(queries, 5)[0])


@pytest.mark.parametrize("kind", ["ivf", "multihash"])
@pytest.mark.parametrize("bits", [12, 16, 64])
def test_approximate_indexes_find_the_item_itself(kind, bits):
    database = packed_codes(400, bits)
    distances, ids = retrieval.build_index(database, bits, kind).search(database[:20], 1)
    assert (distances == 0).all()
    assert np.array_equal(database[ids[:, 0]], database[:20])


def test_multihash_marks_missing_neighbours():
    database = np.array([[0x00] * 8, [0xFF] * 8], np.uint8)
    _, ids = retrieval.build_index(database, 64, "multihash", b=16, nflip=0).search(database, 2)
    assert ids[:, 0].tolist() == [0, 1]
    assert (ids[:, 1] == -1).all()
    exact, _ = retrieval.exact_numpy_search(database, database, 2)
    assert retrieval.recall_at_k(ids, exact, database, database) == 0.5


def test_recall_counts_ties_but_not_repeats():
    database = np.array([[0], [1], [2], [7]], np.uint8)
    query = np.zeros((1, 1), np.uint8)
    exact, _ = retrieval.exact_numpy_search(query, database, 2)
    recalls = [retrieval.recall_at_k(np.array([found]), exact, query, database) for found in ([0, 2], [0, 0], [3, -1])]
    assert recalls == [1, 0.5, 0]


@pytest.mark.parametrize("kind", ["flat", "ivf", "multihash"])
def test_save_and_load(tmp_path, kind):
    database, queries = packed_codes(200, 24), packed_codes(5, 24, 1)
    index = retrieval.build_index(database, 24, kind)
    index.save(tmp_path / "codes.faiss")
    again = retrieval.load_index(tmp_path / "codes.faiss", 24)
    for ours, theirs in zip(index.search(queries, 3), again.search(queries, 3), strict=True):
        assert np.array_equal(ours, theirs)
    assert [p.name for p in tmp_path.iterdir()] == ["codes.faiss"]
    with pytest.raises(InputError):
        retrieval.load_index(tmp_path / "codes.faiss", 128)


def test_unreadable_files(tmp_path):
    (tmp_path / "bad.faiss").write_bytes(b"not an index")
    for name in ("bad.faiss", "missing.faiss"):
        with pytest.raises(InputError):
            retrieval.load_index(tmp_path / name, 64)


DATABASE = packed_codes(20, 16)


@pytest.mark.parametrize(
    "call",
    [
        lambda: retrieval.build_index(DATABASE[:0], 16),
        lambda: retrieval.build_index(DATABASE, 32),
        lambda: retrieval.build_index(DATABASE.astype(int), 16),
        lambda: retrieval.build_index(DATABASE, 16, "tree"),
        lambda: retrieval.build_index(DATABASE, 16, "flat", nlist=3),
        lambda: retrieval.build_index(DATABASE, 16, "ivf", nlist=21),
        lambda: retrieval.build_index(DATABASE, 16, "ivf", nlist=4, nprobe=5),
        lambda: retrieval.build_index(DATABASE, 16, "multihash", nhash=3, b=8),
        lambda: retrieval.build_index(DATABASE, 16).search(DATABASE, 21),
        lambda: retrieval.build_index(DATABASE, 16).search(DATABASE, 0),
        lambda: retrieval.build_index(DATABASE, 16).search(packed_codes(2, 64), 1),
        lambda: retrieval.exact_numpy_search(DATABASE, DATABASE, 21),
        lambda: retrieval.exact_numpy_search(DATABASE, DATABASE[:0], 1),
        lambda: retrieval.recall_at_k(np.zeros((2, 3), int), np.zeros((2, 4)), DATABASE[:2], DATABASE),
        lambda: retrieval.recall_at_k(np.full((2, 1), 20), np.zeros((2, 1)), DATABASE[:2], DATABASE),
    ],
)
def test_bad_input(call):
    with pytest.raises(InputError):
        call()
