"""Text, JSON and YAML that would hang their reader or fill the memory: one line each, at once."""

import json
import os
import time
from itertools import pairwise

import pytest

from anchors.companion import plain
from anchors.companion.errors import InputError
from anchors.companion.files import read_json, sha256
from anchors.companion.notebooks import own_files
from anchors.rubric.documents import read_lines, read_mapping
from anchors.rubric.rubric import read

LETTERS = "abcdefghijklmnopqrstuvwxyz"
ALIASES = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise(LETTERS[:20])
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 9)}]}}\n" for old, new in pairwise(LETTERS[:20])
)
MANY = "over 50,000 values, aliases written out; expected fewer. Split the file; mind its aliases."
DEEP = "over 100 levels; expected fewer levels. Mend its brackets and indentation."
LONG = "a number of {} characters; expected a shorter number. Put a text in quotes."
BROKEN = "; expected whole YAML. Mend it."
END = "; expected values that end. Leave the alias out."
YAML = [
    (ALIASES, MANY),
    (MERGES, MANY),
    ("a: 1\n" * 60_000, MANY),
    ("[" * 1_000_000, DEEP),
    ("? " * 100_000, DEEP),
    ("".join(" " * i + "a:\n" for i in range(200)), DEEP),
    ("a: &a [*a]", f"an alias of what it stands in, *a, in line 1{END}"),
    ("a: 1\nb: &b {c: [{d: *b}]}", f"an alias of what it stands in, *b, in line 2{END}"),
    ("a: 1" + ":10" * 300_000, LONG.format("900,001")),
    ("a: " + "9" * 5000, LONG.format("5,000")),
    ("a: !!int '" + "1:10" * 5000 + "'", LONG.format("20,000")),
    ("a: !!timestamp x", "broken YAML ('NoneType' object has no attribute 'groupdict')" + BROKEN),
    ("a: !!int ''", "broken YAML (string index out of range)" + BROKEN),
    ("a: !!bool x", "broken YAML ('x')" + BROKEN),
    ("a: *x", "broken YAML in line 1 (found undefined alias 'x')" + BROKEN),
    ("!!set [a]", "broken YAML (cannot unpack non-iterable ScalarNode object)" + BROKEN),
]


@pytest.mark.parametrize(("text", "words"), YAML, ids=range(len(YAML)))
def test_hostile_yaml_is_refused_at_once(tmp_path, text, words):
    path, started = tmp_path / "a.yml", time.process_time()
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: found {words}"
    assert time.process_time() - started < 2


def test_aliases_within_the_bound_are_read():
    assert plain.from_yaml("a: &a {x: 1}\nb: {<<: *a, y: *a}", "f") == {"a": {"x": 1}, "b": {"x": 1, "y": {"x": 1}}}
    assert plain.from_yaml("[" * 99 + "7" + "]" * 99, "f")
    assert plain.from_yaml(f"a: {'1' * 900}", "f") == {"a": int("1" * 900)}


JSON = [
    ("[" * 100_000, "more than 100 brackets within one another"),
    ("[" * 101 + "]" * 101, "more than 100 brackets within one another"),
    ('{"a":' * 300 + "1" + "}" * 300, "more than 100 brackets within one another"),
    ("9" * 5000, "Exceeds the limit (4300 digits) for integer string conversion"),
    ('{"a": "\x00"}', "Invalid control character at"),
]


@pytest.mark.parametrize(("text", "words"), JSON, ids=range(len(JSON)))
def test_hostile_json_is_refused_by_every_reader(tmp_path, text, words):
    path = tmp_path / "a.json"
    path.write_text(text)
    for read_it in (lambda: read_mapping(path), lambda: list(read_lines(path)), lambda: read_json(path, dict)):
        with pytest.raises(InputError) as caught:
            read_it()
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    assert plain.from_json("[" * 100 + "]" * 100)


def test_many_values_take_linear_time(tmp_path):
    started = time.process_time()
    rows = [{"id": f"c{i}", "description": "x", "kind": "llm_judge"} for i in range(20_000)]
    (tmp_path / "a.json").write_text(json.dumps({"id": "a", "criteria": [*rows, rows[-1]]}))
    with pytest.raises(InputError, match="criteria: found the id 'c19999' twice; expected distinct ids"):
        read(tmp_path / "a.json")
    pairs = ",".join(f'"k{i}": 1' for i in range(100_000))
    (tmp_path / "b.json").write_text(f'{{{pairs}, "k99999": 1}}')
    with pytest.raises(InputError, match="the key 'k99999' twice in one object"):
        read(tmp_path / "b.json")
    assert time.process_time() - started < 5


def places(tmp_path):
    """Return things that are no files, and their names in words."""
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "round.json").symlink_to("round.json")
    (tmp_path / "folder.json").mkdir()
    return {
        tmp_path / "pipe.json": "a pipe, socket or device",
        tmp_path / "round.json": "Too many levels of symbolic links",
        tmp_path / "folder.json": "a folder",
        tmp_path / "none.json": "no such file",
        tmp_path / ("x" * 300 + ".json"): "File name too long",
        tmp_path / "\0.json": "embedded null byte",
        "/dev/zero": "a pipe, socket or device",
        "/dev/stdin/x.json": "Not a directory",
    }


def test_what_is_no_file_is_not_waited_for(tmp_path):
    for path, found in places(tmp_path).items():
        with pytest.raises(InputError) as caught:
            plain.read_text(path)
        assert f": found {found}; expected a readable file. Mind the path." in str(caught.value)
        with pytest.raises(InputError):
            read_json(path, dict)


def test_a_file_of_many_bytes_is_not_read(tmp_path):
    with (tmp_path / "a.json").open("wb") as handle:
        handle.truncate(1 << 40)  # sparse: no block on the disk
    with pytest.raises(InputError) as caught:
        read_json(tmp_path / "a.json", dict)
    words = "found more than 67,108,864 bytes; expected a smaller file. Mind the path, or split the file."
    assert str(caught.value) == f"{tmp_path / 'a.json'}: {words}"
    (tmp_path / "b.json").write_text("[1, 2, 3, 4]")
    with pytest.raises(InputError, match="more than 9 bytes"):
        plain.read_text(tmp_path / "b.json", 9)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc here")
@pytest.mark.parametrize("path", ["/proc/self/status", "/proc/kmsg", "/proc/kcore", "/proc/self/mem", "/proc/version"])
def test_files_of_the_running_system_are_neither_read_nor_hashed(path):
    if not os.path.exists(path):
        return
    for use in (plain.read_bytes, sha256):
        with pytest.raises(InputError) as caught:
            use(path)
        assert str(caught.value).endswith(
            ": found a file of the running system; expected a readable file. Mind the path."
        )


@pytest.mark.skipif(not os.path.exists("/proc/version"), reason="no /proc here")
def test_a_folder_of_the_running_system_as_data_is_not_hashed():
    started = time.process_time()
    with pytest.raises(InputError, match="found a file of the running system"):
        own_files({"datasets": ["/proc"]})
    assert time.process_time() - started < 2


def test_one_line_of_many_characters_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text("[" + "1," * (plain.LINE // 2) + "1]")
    with pytest.raises(InputError, match=r"line 1: found 4,194,307 characters; expected at most 4,194,304 a line"):
        list(read_lines(tmp_path / "a.jsonl"))
