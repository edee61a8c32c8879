"""Graphs: inverse relations, known tails against dictionaries, cardinality, neighbours, and the counts of real ones."""

import lzma

import numpy as np
import pytest
from entity.kg_case import small_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion import datasets
from anchors.companion.errors import MissingData
from anchors.entity.graph import CLASSES, SPLITS, Graph, Known, adjacency, components, statistics
from anchors.entity.loaders import REGISTERED, freebase_texts, load, rows_of, wordnet_texts

SHA256 = {
    "wn18rr": {
        "train.tsv.xz": "d28f9017a9483c8116761d31694b42b44b767da8ddd1c0c66c4ad912b80401f5",
        "valid.tsv.xz": "94299f68b86f6e7bce9dc53e6377c3532242f48910e07e75fea57f96772bbafe",
        "test.tsv.xz": "4dc40b56ed9a63c40ac53aab5829033c54f03600145766cc1a943dc9e6d01221",
        "entity2text.tsv.xz": "1fd78d05e168a256850bf8ecfee657821548f28592010bc937b227af3a6069fe",
        "relation2text.tsv.xz": "2818e35e",
    },
    "fb15k237": {
        "train.tsv.xz": "ec62bc50cdccc525e7c7d308f0acbc128c4ce15fdedfad71b27b8b5b2aaed7b0",
        "valid.tsv.xz": "2bacfd76e8b0353696542f9a72f7f8da5ebb15cff7f86523628b99b54c35571e",
        "test.tsv.xz": "11121cad16f82b8396f55858acf31e75229aa8518808dd7597b36f8050000129",
        "entities.tsv.xz": "f605ed36bcbc431870b0f3c7054a9db8146b0980e1a4625ee360195eae7113c8",
        "relation2text.tsv.xz": "3ad89bd18d91495cdf92b5865433996fcef10bab0ef5b1fac65e640464146e49",
    },
    "grail_splits": {
        "teru_inductive_splits.tar.xz": "a06fb8eea7066631dd2af70dc7d981300cdb7056cdcdee8bfe68f47db7d3916f",
    },
}
COUNTS = {
    "wn18rr": {
        "entities": 40_943, "relations": 11, "entities in train": 40_559, "train": 86_835, "valid": 3_034,
        "test": 3_134, "valid unseen": 210, "test unseen": 210, "degree median": 3, "degree p90": 8, "degree max": 482,
    },
    "fb15k-237": {
        "entities": 14_541, "relations": 237, "entities in train": 14_505, "train": 272_115, "valid": 17_535,
        "test": 20_466, "valid unseen": 9, "test unseen": 28, "degree median": 22, "degree p90": 68,
        "degree max": 7_614,
    },
    "umls": {"entities": 135, "relations": 46, "train": 5_216, "valid": 652, "test": 661},
    "nations": {"entities": 14, "relations": 55, "train": 1_592, "valid": 199, "test": 201},
    "kinships": {"entities": 104, "relations": 25, "train": 8_544, "valid": 1_068, "test": 1_074},
}  # fmt: skip
MEAN_DEGREE = {"wn18rr": (4.28, 0.005), "fb15k-237": (37.5, 0.05)}
COMPONENTS = {"wn18rr": (430, 40_442, 384), "fb15k-237": (41, 14_496, 36)}
LARGE = [pytest.param(name, marks=pytest.mark.needs(needed)) for name, needed in REGISTERED.items()]


@pytest.fixture(scope="module", params=LARGE)
def large(request):
    return request.param


# ---- real graphs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHA256)
def test_registered_checksums_are_those_of_the_dossier(name):
    registered = {file.path.split("/")[-1]: file.sha256 for file in datasets.dataset(name).files}
    assert set(registered) == set(SHA256[name])
    for file, expected in SHA256[name].items():
        assert registered[file].startswith(expected), file


def test_the_files_have_the_registered_checksums(large):
    found = datasets.fetch(REGISTERED[large])
    assert set(found) == set(SHA256[REGISTERED[large]])
    plain = lzma.decompress(found["test.tsv.xz"].read_bytes())
    assert plain.count(b"\n") == COUNTS[large]["test"]
    assert b"\r" not in plain


def test_counts_of_the_large_graphs(large):
    found = statistics(load(large))
    assert {key: found[key] for key in COUNTS[large]} == COUNTS[large]
    mean, tolerance = MEAN_DEGREE[large]
    assert found["degree mean"] == pytest.approx(mean, abs=tolerance)


@pytest.mark.parametrize("name", ["umls", "nations", "kinships"])
def test_counts_of_the_packaged_graphs(name):
    found = statistics(load(name))
    assert {key: found[key] for key in COUNTS[name]} == COUNTS[name]
    assert found["test unseen"] == 0


def test_no_duplicates_and_no_leaks(large):
    graph = load(large)
    everything = np.concatenate([graph.splits[split] for split in SPLITS])
    assert len(np.unique(everything, axis=0)) == len(everything) == {"wn18rr": 93_003, "fb15k-237": 310_116}[large]
    assert not [note for note in graph.notes if "duplicate" in note or "leak" in note]
    unseen = [note for note in graph.notes if "entity that training lacks" in note]
    assert [int(note.split()[1]) for note in unseen] == [COUNTS[large]["valid unseen"], COUNTS[large]["test unseen"]]


def test_components_of_the_large_graphs(large):
    sizes = components(load(large))
    assert (len(sizes), sizes[0], int((sizes == 1).sum())) == COMPONENTS[large]
    assert sizes.sum() == COUNTS[large]["entities"]


def test_texts_of_the_large_graphs(large):
    graph = load(large)
    assert len(graph.texts) == graph.size
    assert all(text.strip() and "\n" not in text for text in graph.texts)
    if large == "wn18rr":
        entity = graph.entities.index("00001930")
        assert graph.texts[entity] == "physical entity: an entity that has physical existence"
        assert set(wordnet_texts()) == set(graph.entities)
        assert {"hypernym", "verb group", "synset domain topic of"} <= set(graph.relation_texts)
    else:
        rows = rows_of(datasets.fetch("fb15k237")["entities.tsv.xz"], 6)[1:]
        assert sum(not row[3] for row in rows) == 875, "names without a description"
        assert set(freebase_texts()) == set(graph.entities)
        assert "genre film" in graph.relation_texts
        assert len(set(graph.relation_texts)) == 237, "no two relations share their words"


@pytest.mark.needs("fb15k237")
def test_the_test_set_of_fb15k237_never_links_neighbours():
    graph = load("fb15k-237")
    heads, _, tails = graph.splits["test"].T
    near = np.asarray(graph.neighbours[heads, tails]).ravel()
    assert near.sum() == 0


def test_a_data_set_that_is_nowhere_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.delenv("ANCHORS_DATA_MIRROR", raising=False)
    monkeypatch.setenv("ANCHORS_DOWNLOADS", str(tmp_path))
    monkeypatch.setenv("ANCHORS_OFFLINE", "1")
    for name in ("wn18rr", "fb15k237"):
        with pytest.raises(MissingData, match=f"data set '{name}' .*ANCHORS_DATA_MIRROR"):
            datasets.fetch(name)


# ---- directions -----------------------------------------------------------------------------------------------------


def toy(train, size=4, relations=2):
    nothing = np.zeros((0, 3), np.int64)
    splits = {"train": np.array(train, np.int64).reshape(-1, 3), "valid": nothing, "test": nothing}
    names = tuple("abcdefgh"[:size])
    return Graph("toy", names, ("eats", "likes")[:relations], splits, names, ("eats", "likes")[:relations])


def test_every_triple_is_read_forwards_and_backwards():
    graph = toy([(0, 1, 2), (3, 0, 0)])
    assert graph.directed("train").tolist() == [[0, 1, 2], [3, 0, 0], [2, 3, 0], [0, 2, 3]]
    assert graph.directed_texts == ("eats", "likes", "inverse eats", "inverse likes")
    assert graph.directions == 4
    assert graph.directed("test").shape == (0, 3)


def test_degrees_count_triples_and_links_count_neighbours():
    graph = toy([(0, 0, 1), (0, 1, 1), (1, 0, 0), (2, 0, 2)])
    assert graph.degree.tolist() == [3, 3, 2, 0]
    assert graph.links.tolist() == [1, 1, 0, 0]
    assert graph.in_train.tolist() == [True, True, True, False]
    assert components(graph).tolist() == [2, 1, 1]
    assert graph.with_train(graph.splits["train"][:1]).degree.tolist() == [1, 1, 0, 0]


def test_the_filter_knows_all_splits_and_both_directions():
    graph = small_graph()
    for split in SPLITS:
        triples = graph.directed(split)
        hits = graph.filter.mask(triples[:, 0], triples[:, 1], triples[:, 2]).diagonal()
        assert hits.all()
    assert not graph.known().mask(*graph.directed("test").T).diagonal().any()


def test_cardinality_by_hand():
    # 0: one to one; 1: a head has two tails; 2: a tail has two heads; 3: both; 4: never in training
    many = [(0, 1, 2), (0, 1, 3), (1, 2, 4), (0, 2, 4)]
    both = [(h, 3, t) for h in (0, 1) for t in (2, 3)]
    train = np.array([(0, 0, 1), (2, 0, 3), *many, *both])
    graph = Graph("toy", tuple("abcde"), tuple("rstuv"), {"train": train}, tuple("abcde"), tuple("rstuv"))
    forward = [CLASSES[i] for i in graph.cardinality[:5]]
    backward = [CLASSES[i] for i in graph.cardinality[5:]]
    assert forward == ["1-1", "1-N", "N-1", "N-N", "N-N"]
    assert backward == ["1-1", "N-1", "1-N", "N-N", "N-N"]


def test_a_mean_of_one_and_a_half_is_not_many():
    train = np.array([(0, 0, 1), (0, 0, 2), (3, 0, 4)])  # 3 tails for 2 heads
    graph = Graph("toy", tuple("abcde"), ("r",), {"train": train}, tuple("abcde"), ("r",))
    assert [CLASSES[i] for i in graph.cardinality] == ["1-1", "1-1"]
    more = graph.with_train(np.r_[train, [[0, 0, 3]]])
    assert [CLASSES[i] for i in more.cardinality] == ["1-N", "N-1"]


# ---- properties -----------------------------------------------------------------------------------------------------

TRIPLES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 3), st.integers(0, 7)), min_size=0, max_size=40)
QUERIES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 3)), min_size=1, max_size=12)


def array(triples, width=3):
    return np.array(triples, np.int64).reshape(-1, width)


def dictionary(triples):
    found = {}
    for head, relation, tail in triples:
        found.setdefault((head, relation), set()).add(tail)
    return found


@settings(max_examples=150, deadline=None)
@given(TRIPLES, QUERIES)
def test_known_tails_equal_a_dictionary(triples, queries):
    slow = dictionary(triples)
    rows, tails = Known.of(array(triples), 4).pairs(*array(queries, 2).T)
    expected = [(row, tail) for row, query in enumerate(queries) for tail in sorted(slow.get(query, ()))]
    assert list(zip(rows.tolist(), tails.tolist(), strict=True)) == expected


@settings(max_examples=150, deadline=None)
@given(TRIPLES, QUERIES, st.lists(st.integers(0, 7), max_size=10))
def test_the_mask_equals_a_dictionary(triples, queries, candidates):
    slow = dictionary(triples)
    got = Known.of(array(triples), 4).mask(*array(queries, 2).T, np.array(candidates, np.int64))
    expected = [[candidate in slow.get(query, ()) for candidate in candidates] for query in queries]
    assert got.shape == (len(queries), len(candidates))
    assert got.tolist() == expected


@settings(max_examples=100, deadline=None)
@given(TRIPLES)
def test_neighbours_are_symmetric_ones_without_loops(triples):
    got = adjacency(array(triples), 8).toarray()
    expected = np.zeros((8, 8))
    for head, _, tail in triples:
        if head != tail:
            expected[head, tail] = expected[tail, head] = 1
    np.testing.assert_array_equal(got, expected)


@settings(max_examples=100, deadline=None)
@given(TRIPLES.filter(bool))
def test_cardinality_equals_counting(triples):
    train = array(sorted(set(triples)))
    graph = Graph("toy", tuple("abcdefgh"), tuple("rstu"), {"train": train}, (), tuple("rstu"))
    for relation in range(4):
        pairs = {(h, t) for h, r, t in triples if r == relation}
        if pairs:
            heads, tails = ({pair[side] for pair in pairs} for side in (0, 1))
            name = f"{'N' if len(pairs) / len(tails) > 1.5 else '1'}-{'N' if len(pairs) / len(heads) > 1.5 else '1'}"
        else:
            name = "N-N"
        assert CLASSES[graph.cardinality[relation]] == name
        assert CLASSES[graph.cardinality[relation + 4]] == name[::-1]
