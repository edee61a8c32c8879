"""Profiles and parameters: what a parameters cell may hold, and what overrides are accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchors.companion.errors import InputError
from anchors.companion.notebooks import notebooks
from anchors.companion.params import check_jobs, choose, parse_cell, parse_overrides, resolve

CELL = """bits: int = 32  # code length
ratio: float = 0.3  # share of pairs
data: str = "emoji"  # a data set
sets: list = ["emoji"]  # several
fast: bool = False  # skip
"""
NESTED = """bits: int = 32  # code length
ratio: float = 0.3  # share of pairs
data: str = "emoji"  # a data set
sets: list = ["emoji"]  # several
datasets: list[str] = ["emoji"]  # several
fast: bool = False  # skip
seed: int = 0  # the first
heads: int = 0  # 0 for the paper's
noise: float = 0.5  # deviation
shift: float = -1.0  # of the mean
angle: int = 90  # degrees, in [-180, 180]
counts: list = [0, 32]  # of negatives
grid: list = [[1], [2]]  # nested
table: dict = {"a": 1}  # by name
"""


def test_cell_gives_name_annotation_default_and_help():
    declared = parse_cell(CELL)
    assert list(declared) == ["bits", "ratio", "data", "sets", "fast"]
    assert (declared["bits"].annotation, declared["bits"].default, declared["bits"].help) == ("int", 32, "code length")


@pytest.mark.parametrize("line", ["bits = 32", "import os", "bits: int", "print('x')"])
def test_cell_accepts_annotated_literals_only(line):
    with pytest.raises(InputError, match="name: type = literal"):
        parse_cell(line)


def test_overrides_are_read_as_literals_where_they_are_some():
    words = parse_overrides("bits=64 ratio=1 data=digits sets=['a', 'b'] fast=True")
    values = resolve(parse_cell(CELL), words, "nb")
    assert values == {"bits": 64, "ratio": 1.0, "data": "digits", "sets": ["a", "b"], "fast": True}
    assert isinstance(values["ratio"], float)


def test_a_word_that_looks_like_a_number_stays_text_where_text_is_due():
    assert resolve(parse_cell(CELL), {"data": "2024"}, "nb") == {"data": "2024"}


@pytest.mark.parametrize("words", ["bits=6.5", "bits=many", "ratio=half", "fast=1", "sets=emoji", "bits=True"])
def test_ill_typed_values_are_refused(words):
    with pytest.raises(InputError, match="The default is"):
        resolve(parse_cell(CELL), parse_overrides(words), "nb")


def test_unknown_names_are_refused_and_the_known_ones_listed():
    with pytest.raises(InputError, match=r"'bit'.*bits \| ratio"):
        resolve(parse_cell(CELL), {"bit": "1"}, "nb")


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_numbers_survive_the_way_through_text(whole, real):
    values = resolve(parse_cell(CELL), parse_overrides(f"bits={whole} ratio={real!r}"), "nb")
    assert values == {"bits": whole, "ratio": real}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("datasets=['a[1].npz']", {"datasets": ["a[1].npz"]}),
        ("bits=64 datasets=['a]b', \"it's\"] fast=True", {"bits": 64, "datasets": ["a]b", "it's"], "fast": True}),
        ("grid=[[1, 2], [3]]", {"grid": [[1, 2], [3]]}),
        ("grid=[[1,[2,[3]]],[]] bits=8", {"grid": [[1, [2, [3]]], []], "bits": 8}),
        ("table={'a': [1, 2], 'b c': {'d': '}'}}", {"table": {"a": [1, 2], "b c": {"d": "}"}}}),
        ("table={} grid=[[7]]", {"table": {}, "grid": [[7]]}),
        ("data='two words'", {"data": "two words"}),
        (r"data='it\'s' bits=4", {"data": "it's", "bits": 4}),
        ("data=it's", {"data": "it's"}),
        ("data=a[1].npz", {"data": "a[1].npz"}),
        ("data=[1]", {"data": "[1]"}),
        ("  bits=1\n\tratio=.5  ", {"bits": 1, "ratio": 0.5}),
        ("data=a=b", {"data": "a=b"}),
        ("ratio=1e-3", {"ratio": 0.001}),
        ("", {}),
    ],
)
def test_what_a_value_may_look_like(words, found):
    assert resolve(parse_cell(NESTED), parse_overrides(words), "nb") == found


SEPARATE = 'Separate pairs by blanks: P="bits=64 ratio=0.1".'


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("bits=32 bits=64", "P: found bits twice: '32' and '64'; expected each name once."),
        ("bits=32 ratio=1 bits=32", "P: found bits twice: '32' and '32'; expected each name once."),
        ("bits", "P: found 'bits'; expected name=value."),
        ("bits=", "P: found 'bits='; expected name=value."),
        ("bits= 64", "P: found 'bits= 64'; expected name=value."),
        ("=64", "P: found '=64'; expected name=value."),
        ("1bits=64", "P: found '1bits=64'; expected name=value."),
        ("--force", "P: found '--force'; expected name=value."),
        ("sets=['a'", "P: found \"sets=['a'\"; expected name=value."),
        ("sets=['a]", 'P: found "sets=[\'a]"; expected name=value.'),
        ("sets=['a'}", "P: found \"sets=['a'}\"; expected name=value."),
        ("sets=[(]) bits=1", "P: found 'sets=[(]) bits=1'; expected name=value."),
        ("data='a", 'P: found "data=\'a"; expected name=value.'),
        ("bits=1;ratio=2 x", "P: found 'x'; expected name=value."),
        ("x" * 5000, f"P: found 'xxxxx{'x' * 54} … xxxxxxxxx' (5,002 characters); expected name=value."),
    ],
)
def test_words_that_are_no_pairs_are_one_line(words, line):
    with pytest.raises(InputError) as told:
        parse_overrides(words)
    assert str(told.value) == f"{line} {SEPARATE}"


DEEP, LONG = "[" * 59, "a" * 59
IMPOSSIBLE = [
    ("bits=0", "0; expected a number from 1 to 1,000,000. The default is 32."),
    ("bits=-3", "-3; expected a number from 1 to 1,000,000. The default is 32."),
    ("bits=1000001", "1000001; expected a number from 1 to 1,000,000. The default is 32."),
    ("bits=1" + "0" * 40, f"1{'0' * 40}; expected a number from 1 to 1,000,000. The default is 32."),
    ("bits=0x" + "f" * 9000, "a number of 36000 bits; expected a number from 1 to 1,000,000. The default is 32."),
    ("bits=" + "9" * 5000, f"'{'9' * 59} … 999999999' (5,002 characters); expected int. The default is 32."),
    ("bits=1e3", "'1e3'; expected int. The default is 32."),
    ("bits=nan", "'nan'; expected int. The default is 32."),
    ("bits=" + "[" * 3000 + "]" * 3000, f"'{DEEP} … ]]]]]]]]]' (6,002 characters); expected int. The default is 32."),
    ("heads=-1", "-1; expected a number from 0 to 1,000,000. The default is 0."),
    ("seed=-1", "-1; expected a number from 0 to 1,000,000,000. The default is 0."),
    ("seed=99999999999999999999", "99999999999999999999; expected a number from 0 to 1,000,000,000. The default is 0."),
    ("ratio=-0.1", "-0.1; expected a number from 0 to 1. The default is 0.3."),
    ("ratio=1.5", "1.5; expected a number from 0 to 1. The default is 0.3."),
    ("ratio=1e400", "inf; expected a number from 0 to 1. The default is 0.3."),
    ("noise=1e400", "inf; expected a number from 0 to 1,000,000. The default is 0.5."),
    ("noise=-1e400", "-inf; expected a number from 0 to 1,000,000. The default is 0.5."),
    ("noise=nan", "'nan'; expected float. The default is 0.5."),
    ("noise=-.5", "-0.5; expected a number from 0 to 1,000,000. The default is 0.5."),
    ("shift=1e999", "inf; expected a number from -1,000,000 to 1,000,000. The default is -1.0."),
    ("counts=[1,-2]", "[1, -2]; expected numbers from 0 to 1,000,000. The default is [0, 32]."),
    ("counts=[1,'2']", '"[1,\'2\']"; expected list[int]. The default is [0, 32].'),
    ("counts=[]", "[]; expected at least one entry. The default is [0, 32]."),
    ("counts=[5,5]", "[5, 5]; expected no entry twice. The default is [0, 32]."),
    ("angle=200", "200; expected a number from -180 to 180. The default is 90."),
    ("grid=[[1],[-1]]", "[[1], [-1]]; expected numbers from 1 to 1,000,000. The default is [[1], [2]]."),
    ("sets=['a','a']", "['a', 'a']; expected no entry twice. The default is ['emoji']."),
    ("sets=[['a']]", "\"[['a']]\"; expected list[str]. The default is ['emoji']."),
    (r"data='a\0b'", r"'a\x00b'; expected printable text on one line. The default is 'emoji'."),
    (r"data='a\nb'", r"'a\nb'; expected printable text on one line. The default is 'emoji'."),
    (r"data='\x1b[2J'", r"'\x1b[2J'; expected printable text on one line. The default is 'emoji'."),
    ("data=\udcff", r"'\udcff'; expected printable text on one line. The default is 'emoji'."),
    ("data=" + "a" * 5000, f"'{LONG} … aaaaaaaaa' (5,002 characters); expected texts of at most 4,096 characters. "
     "The default is 'emoji'."),
    ("table={'a': -1}", "{'a': -1}; expected numbers from 1 to 1,000,000. The default is {'a': 1}."),
]  # fmt: skip


@pytest.mark.parametrize(("words", "line"), IMPOSSIBLE)
def test_an_impossible_value_is_one_line(words, line):
    with pytest.raises(InputError) as told:
        resolve(parse_cell(NESTED), parse_overrides(words), "nb")
    name = words.partition("=")[0]
    assert str(told.value) == f"nb: parameter '{name}': found {line}"


@pytest.mark.parametrize(
    ("words", "value"),
    [("bits=1", 1), ("heads=0", 0), ("seed=1000000000", 10**9), ("ratio=0", 0.0), ("ratio=1", 1.0), ("noise=7", 7.0),
     ("shift=-3", -3.0), ("counts=[0]", [0]), ("angle=-180", -180), ("data='2024'", "2024"), ("data=é…", "é…")],
)  # fmt: skip
def test_the_ends_of_a_range_belong_to_it(words, value):
    assert list(resolve(parse_cell(NESTED), parse_overrides(words), "nb").values()) == [value]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("bits: int = (", "SyntaxError in line 1"),
        ("bits: int = 1\n  bits", "IndentationError in line 2"),
        ("bits: int = len('a')", "\"bits: int = len('a')\""),
        ("bits: int = {[]: 1}", "'bits: int = {[]: 1}'"),
        ("bits: Path = 1", "'bits: Path = 1'"),
        ("bits: ().__class__ = 1", "'bits: ().__class__ = 1'"),
        ("bits: int[3] = 1", "'bits: int[3] = 1'"),
        ("bits: print('x') = 1", "\"bits: print('x') = 1\""),
        ("bits: int = 1\nbits: int = 2", "bits twice"),
        ("bits: int = 1; import os", "'bits: int = 1; import os'"),
        ("b\0: int = 1", ""),
    ],
)
def test_a_cell_that_declares_nothing_is_one_line(cell, found):
    with pytest.raises(InputError) as told:
        parse_cell(cell, "a.ipynb")
    assert str(told.value).startswith(f"a.ipynb: found {found}")
    assert "; expected " in str(told.value)


def test_help_is_found_beside_letters_of_more_than_one_byte():
    assert parse_cell('word: str = "é…"  # a word')["word"].help == "a word"


@pytest.mark.parametrize("text", ["0", "-1", "abc", "", "2.0", "1e1", "65", "9" * 5000, "1 2", "²", " 2", "nan", 0, -2])
def test_an_impossible_number_of_jobs_is_one_line(text):
    with pytest.raises(
        InputError, match=r"^JOBS: found .*; expected a number from 1 to 64\. Say for example JOBS=2\.$"
    ):
        check_jobs(text)


def test_jobs():
    assert [check_jobs(text) for text in ("1", "64", 2)] == [1, 64, 2]


@pytest.mark.parametrize("notebook", notebooks(), ids=lambda notebook: notebook.id)
def test_no_notebook_takes_an_impossible_number_and_each_takes_its_own_defaults(notebook):
    declared = notebook.parameters
    own = {name: one.default for name, one in declared.items() if name != "profile"}
    assert resolve(declared, own, notebook.id) == own
    for name, default in own.items():
        numbers = default if isinstance(default, list) else [default]
        if isinstance(numbers[0], str):
            continue
        zero = isinstance(numbers[0], int) and 0 not in numbers and ", in [0," not in declared[name].help
        wrong = ["-3", "1" + "0" * 30, "1e400", "nan", "inf", "'a'", "None", "1j", *(["0"] if zero else [])]
        for text in wrong:
            with pytest.raises(InputError) as told:
                resolve(declared, {name: f"[{text}]" if isinstance(default, list) else text}, notebook.id)
            assert str(told.value).startswith(f"{notebook.id}: parameter '{name}': found ")
            assert str(told.value).endswith(f"The default is {default!r}.")


def test_profiles():
    assert [choose(p, 1, 2, 3) for p in ("smoke", "laptop", "paper")] == [1, 2, 3]
    with pytest.raises(InputError, match=r"smoke \| laptop \| paper"):
        choose("desktop", 1, 2, 3)
