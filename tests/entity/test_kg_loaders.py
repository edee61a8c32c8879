"""Own folders, well- and ill-formed; what is counted when a graph is read; names; the inductive splits."""

import gzip
import importlib.resources
import lzma

import numpy as np
import pytest

from anchors.companion import datasets
from anchors.companion.errors import InputError
from anchors.entity.graph import SPLITS, components
from anchors.entity.loaders import (
    GRAPHS,
    INDUCTIVE,
    fingerprint,
    fingerprints,
    inductive,
    load,
    read_folder,
    relation_words,
    rows_of,
    spoken,
    texts_of,
    title,
    variant,
)

TRAIN = "anna\tknows\tbert\nbert\tknows\tcarl\ncarl\tlives_in\tduisburg\n"
OWN = {"train.tsv": TRAIN, "valid.tsv": "anna\tknows\tcarl\n", "test.tsv": "anna\tlives_in\tduisburg\n"}


@pytest.fixture
def own(tmp_path):
    """Return a function that writes an own folder; files are texts or bytes, None leaves one out."""

    def write(**changes):
        files = {name: text for name, text in {**OWN, **changes.pop("files", {})}.items() if text is not None}
        for name, text in files.items():
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return write


def words(graph, split="train"):
    """Return the triples of a split as texts."""
    return [(graph.entities[h], graph.relations[r], graph.entities[t]) for h, r, t in graph.splits[split]]


def failure(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    assert "found" in text
    assert "expected" in text
    return text


# ---- an own folder --------------------------------------------------------------------------------------------------


def test_an_own_folder(own):
    graph = load(str(own()))
    assert graph.entities == ("anna", "bert", "carl", "duisburg")
    assert graph.relations == ("knows", "lives_in")
    assert words(graph) == [tuple(line.split("\t")) for line in TRAIN.splitlines()]
    assert words(graph, "test") == [("anna", "lives_in", "duisburg")]
    assert graph.texts == graph.entities
    assert graph.relation_texts == ("knows", "lives in")
    assert graph.notes == ()
    assert all(triples.dtype == np.int64 for triples in graph.splits.values())


def packed(name, text):
    return {".gz": gzip.compress, ".xz": lzma.compress}.get(name[-3:], bytes)(text)


@pytest.mark.parametrize("suffix", [".tsv", ".txt", ".csv", ".tsv.gz", ".csv.gz", ".txt.xz", ".csv.xz"])
def test_every_form_of_a_file_gives_the_same_graph(own, suffix):
    plain = TRAIN.replace("\t", "," if ".csv" in suffix else "\t").encode()
    graph = read_folder(own(files={"train.tsv": None, f"train{suffix}": packed(suffix, plain)}))
    assert words(graph) == [tuple(line.split("\t")) for line in TRAIN.splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        TRAIN.replace("\n", "\r\n"),
        "\ufeff" + TRAIN,
        "\ufeff" + TRAIN.replace("\n", "\r\n"),
        TRAIN.replace("\n", "\r"),
        TRAIN.rstrip("\n"),
        TRAIN.replace("\n", "\n\n \t \n"),
        TRAIN.replace("\t", " \t "),
    ],
    ids=["crlf", "bom", "bom crlf", "cr", "no last line end", "blank lines", "blanks around"],
)
def test_line_ends_marks_and_blanks_do_not_count(own, text):
    graph = read_folder(own(files={"train.tsv": text}))
    assert words(graph) == [tuple(line.split("\t")) for line in TRAIN.splitlines()]


def test_csv_with_quotes(own):
    text = '"Anna, the first",knows,"a ""b"""\ncarl,knows,bert\n'
    files = {
        "train.tsv": None,
        "train.csv": text,
        "valid.tsv": "carl\tknows\tbert\n",
        "test.tsv": "carl\tknows\tbert\n",
    }
    assert words(read_folder(own(files=files)))[0] == ("Anna, the first", "knows", 'a "b"')


def test_dev_is_valid(own):
    graph = read_folder(own(files={"valid.tsv": None, "dev.txt": OWN["valid.tsv"]}))
    assert words(graph, "valid") == [("anna", "knows", "carl")]


def test_letters_of_any_script(own):
    graph = read_folder(own(files={"train.tsv": TRAIN + "Ève\tknows\t李\n"}))
    assert ("Ève", "knows", "李") in words(graph)


def test_valid_and_test_may_be_empty(own):
    graph = read_folder(own(files={"valid.tsv": "", "test.tsv": "\n"}))
    assert [graph.splits[split].shape for split in SPLITS] == [(3, 3), (0, 3), (0, 3)]


# ---- what is wrong is said ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"test.tsv": None}, ["no file for test", "test.tsv (or .csv, .txt)"]),
        ({"valid.tsv": None}, ["no file for valid", "valid.tsv (or .csv, .txt)"]),
        ({"train.tsv": ""}, ["no training triple", "head, relation, tail in each line"]),
        ({"train.tsv": "\n\n"}, ["no training triple"]),
        ({"train.tsv": TRAIN + "anna\tknows\n"}, ["train.tsv", "line 4 with 2 cells", "head, relation, tail"]),
        ({"train.tsv": "\n" + TRAIN + "a\tb\tc\td\n"}, ["line 5 with 4 cells", "separated by tabs"]),
        ({"train.tsv": TRAIN.replace("\t", " ")}, ["line 1 with 1 cells"]),
        ({"valid.tsv": "anna\t \tbert\n"}, ["valid.tsv", "line 1 with 3 cells", "head, relation, tail"]),
        ({"test.tsv": "anna\tknows\t\n"}, ["test.tsv", "line 1 with 3 cells"]),
        ({"test.tsv": None, "test.csv": "a,b,c\na,b\n"}, ["test.csv", "line 2 with 2 cells", "separated by commas"]),
        ({"train.tsv": TRAIN.encode() + b"caf\xe9\tknows\tanna\n"}, ["train.tsv", "byte 0xe9", "UTF-8"]),
        ({"train.tsv": TRAIN.encode("utf-16")}, ["train.tsv", "UTF-8"]),
    ],
)
def test_bad_folders_are_one_clear_line(own, files, message):
    text = failure(read_folder, own(files=files))
    for part in message:
        assert part in text


@pytest.mark.parametrize("kind", ["xz", "gz"])
def test_truncated_damaged_and_misnamed_archives(own, kind):
    whole = {"xz": lzma.compress, "gz": gzip.compress}[kind](TRAIN.encode() * 50)
    middle = len(whole) // 2
    damaged = whole[:middle] + bytes([whole[middle] ^ 0xFF] * 4) + whole[middle + 4 :]
    for content in (whole[:-9], whole[:middle], damaged, TRAIN.encode()):
        text = failure(read_folder, own(files={"train.tsv": None, f"train.tsv.{kind}": content}))
        assert f"train.tsv.{kind}" in text
        assert "a whole file" in text


def test_a_csv_whose_quote_never_closes(own):
    text = 'anna,knows,bert\n"anna,knows,bert\n' + "carl,knows,bert\n" * 10_000
    assert "train.csv" in failure(read_folder, own(files={"train.tsv": None, "train.csv": text}))


def test_the_line_of_a_csv_counts_line_breaks_inside_quotes(own):
    text = '"an\nna",knows,bert\ncarl,knows\n'
    assert "line 3 with 2 cells" in failure(read_folder, own(files={"train.tsv": None, "train.csv": text}))


@pytest.mark.parametrize("name", ["fb15k", "WN18", "no/such/folder"])
def test_an_unknown_name_lists_the_graphs(name):
    text = failure(load, name)
    for part in (repr(name), *GRAPHS, "a folder"):
        assert part in text
    failure(fingerprint, name)


def test_a_file_is_no_folder(own):
    failure(load, str(own() / "train.tsv"))


# ---- what is counted ------------------------------------------------------------------------------------------------


def notes(graph, word):
    return [note for note in graph.notes if word in note]


def test_duplicates_in_training_are_counted_and_dropped(own):
    graph = read_folder(own(files={"train.tsv": TRAIN + TRAIN + "anna\tknows\tbert\n"}))
    assert words(graph) == [tuple(line.split("\t")) for line in TRAIN.splitlines()]
    assert notes(graph, "duplicate") == ["train: 4 duplicate triples, dropped"]


def test_duplicates_elsewhere_are_counted_and_kept(own):
    graph = read_folder(own(files={"test.tsv": OWN["test.tsv"] * 3}))
    assert len(graph.splits["test"]) == 3
    assert notes(graph, "duplicate") == ["test: 2 duplicate triples, kept"]


def test_leaks_between_splits_are_counted_and_kept(own):
    files = {"valid.tsv": TRAIN + "anna\tknows\tcarl\n", "test.tsv": "anna\tknows\tcarl\nbert\tknows\tcarl\n"}
    graph = read_folder(own(files=files))
    assert notes(graph, "leak") == [
        "leak: 3 triples are both in train and in valid, kept",
        "leak: 1 triples are both in train and in test, kept",
        "leak: 2 triples are both in valid and in test, kept",
    ]
    assert [len(graph.splits[split]) for split in SPLITS] == [3, 4, 2]


def test_unseen_entities_and_relations_are_counted_and_kept(own):
    files = {"valid.tsv": "zoe\tknows\tyves\nanna\tknows\tbert2\n", "test.tsv": "anna\thates\tbert\nzoe\thates\tanna\n"}
    graph = read_folder(own(files=files))
    assert notes(graph, "training lacks") == [
        "valid: 2 triples with an entity that training lacks, kept",
        "test: 1 triples with an entity that training lacks, kept",
        "test: 2 triples with a relation that training lacks, kept",
    ]
    assert not graph.in_train[graph.entities.index("zoe")]


# ---- texts ----------------------------------------------------------------------------------------------------------

LISTED = "anna\tAnna: a person\nbert\tBert\ncarl\t\nduisburg\nemil_the_last\t \n"


def test_texts_of_entities_and_relations(own):
    graph = read_folder(own(files={"entities.tsv": LISTED, "relations.txt": "knows\tis acquainted with\n"}))
    assert dict(zip(graph.entities, graph.texts, strict=True)) == {
        "anna": "Anna: a person",
        "bert": "Bert",
        "carl": "carl",
        "duisburg": "duisburg",
        "emil_the_last": "emil the last",
    }
    assert notes(graph, "no text") == ["3 of 5 entities have no text: their identifier stands for it"]
    assert graph.relation_texts == ("is acquainted with", "lives in")


def test_entities_that_are_only_listed_are_isolated_but_kept(own):
    graph = read_folder(own(files={"entities.tsv": LISTED}))
    emil = graph.entities.index("emil_the_last")
    assert (graph.size, graph.degree[emil], graph.links[emil]) == (5, 0, 0)
    assert components(graph).tolist() == [4, 1]


def test_a_list_that_lacks_entities(own):
    text = failure(read_folder, own(files={"entities.tsv": "anna\tAnna\ncarl\tCarl\n"}))
    assert "2 entities of the triples are not listed, the first is 'bert'" in text
    assert "entities" in text


def test_two_texts_for_one_entity(own):
    text = failure(read_folder, own(files={"entities.tsv": LISTED + "anna\tanother Anna\n"}))
    assert "'anna' with two texts" in text
    assert "entities.tsv" in text
    assert read_folder(own(files={"entities.tsv": LISTED + "anna\tAnna: a person\n"})).texts[0] == "Anna: a person"


def test_a_text_may_hold_separators(own):
    graph = read_folder(own(files={"entities.tsv": LISTED.replace("Anna: a", "Anna:\ta")}))
    assert " ".join(graph.texts[0].split()) == "Anna: a person"


def test_a_text_in_a_csv_may_hold_commas_or_be_missing(own):
    lines = 'anna,"Anna, a person"\nbert,Bert, also a person\ncarl\nduisburg,"a ""big"" city"\n'
    graph = read_folder(own(files={"entities.csv": lines}))
    assert graph.texts == ("Anna, a person", "Bert, also a person", "carl", 'a "big" city')


def test_a_text_without_its_entity(own):
    text = failure(read_folder, own(files={"entities.tsv": LISTED + "\tnobody's\n"}))
    assert "line 6" in text
    assert "entities.tsv" in text


def test_texts_of_a_file(tmp_path):
    path = tmp_path / "entities.tsv"
    path.write_text("a\tone\r\n\r\nb\n", encoding="utf-8", newline="")
    assert texts_of(path) == {"a": "one", "b": ""}
    assert rows_of(path, 2) == [["a", "one"], ["b", ""]]


# ---- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identifier", "expected"), [("member_of", "member of"), ("_also__see_", "also see"), ("_", "unnamed"), ("a", "a")]
)
def test_identifiers_as_words(identifier, expected):
    assert spoken(identifier) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/film/film/genre", "genre film"),
        ("/people/person/profession", "profession person people"),
        ("/location/country/form_of_government", "form of government country location"),
        ("/film/actor/film./film/performance/film", "performance actor film"),
        (
            "/award/award_nominee/award_nominations./award/award_nomination/award",
            "award award nomination award nominations award nominee award",
        ),
        (
            "/award/award_nominee/award_nominations./award/award_nomination/award_nominee",
            "award nomination award nominations award nominee award",
        ),
    ],
)
def test_freebase_relations_as_words(path, expected):
    assert relation_words(path) == expected


def test_titles():
    assert [title(name) for name in ("wn18rr", "fb15k-237", "nations")] == ["WN18RR", "FB15k-237", "Nations"]
    assert title("/somewhere/own") == "own"


# ---- fingerprints ---------------------------------------------------------------------------------------------------


def test_a_fingerprint_stands_for_the_content(own):
    folder = own()
    first = fingerprint(str(folder))
    assert fingerprint(str(folder)) == first
    (folder / "test.tsv").write_text("carl\tknows\tanna\n")
    assert fingerprint(str(folder)) != first
    found = fingerprints(["nations", "kinships", str(folder)])
    assert found["nations"].startswith("pykeen 1.")
    assert len(set(found.values())) == 2


# ---- graphs with texts ----------------------------------------------------------------------------------------------


def test_umls_without_its_descriptions_says_so_everywhere():
    graph, words = load("umls"), "names of entities instead of descriptions"
    assert set(graph.texts) == {spoken(entity) for entity in graph.entities}
    assert variant("umls") == graph.notes[-1] == words
    assert (title("umls"), title("umls", texts=False)) == ("UMLS (names only)", "UMLS")
    assert fingerprint("umls") == fingerprint("umls", texts=False) == fingerprint("nations")
    assert variant("nations") == variant("wn18rr") == ""
    assert not load("nations").notes


@pytest.mark.needs("umls_texts")
def test_umls_with_its_descriptions_has_the_same_triples():
    graph = load("umls")
    assert (variant("umls"), title("umls"), graph.notes) == ("", "UMLS", ())
    assert fingerprint("umls") == datasets.fingerprint("umls_texts")[:16]
    assert fingerprint("umls", texts=False) == fingerprint("nations")
    packaged = importlib.resources.files("pykeen.datasets") / "umls"
    for split in SPLITS:
        rows = rows_of(packaged / f"{split}.txt", 3)
        named = [[graph.entities[h], graph.relations[r], graph.entities[t]] for h, r, t in graph.splits[split]]
        assert named == rows


@pytest.mark.needs("umls_texts")
def test_the_texts_of_umls():
    graph = load("umls")
    assert len(set(graph.texts)) == graph.size == 135
    assert np.mean([len(text.split()) for text in graph.texts]) > 5
    assert not any(note for note in graph.notes if "no text" in note)


def test_kinships_and_nations_have_names_only():
    assert "person0" in load("kinships").texts
    assert {"brazil", "usa"} <= set(load("nations").texts)


@pytest.mark.needs("grail_splits")
@pytest.mark.parametrize(
    ("name", "training", "test"),
    [
        pytest.param("WN18RR_v1", (5_410, 630, 638), (1_618, 185, 188), marks=pytest.mark.needs("wn18rr")),
        pytest.param("fb237_v1", (4_245, 489, 492), (1_993, 206, 205), marks=pytest.mark.needs("fb15k237")),
    ],
)
def test_inductive_splits(name, training, test):
    one, two = inductive(name)
    assert tuple(len(one.splits[split]) for split in SPLITS) == training
    assert tuple(len(two.splits[split]) for split in SPLITS) == test
    assert not set(one.entities) & set(two.entities), "no entity is in both"
    assert set(two.relations) <= set(one.relations)
    assert two.relations == one.relations[: len(two.relations)], "numbered alike"
    assert load(name).size == one.size
    assert len(fingerprint(name)) == 16


@pytest.mark.parametrize("name", ["nell_v1", "WN18RR_v5", "wn18rr"])
def test_unknown_inductive_splits(name):
    assert "WN18RR_v1 | WN18RR_v2" in failure(inductive, name)
    assert len(INDUCTIVE) == 12
