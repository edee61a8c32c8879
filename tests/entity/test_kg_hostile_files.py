"""Files of a graph that would wait, unpack without end or hold one endless line: one line each, at once."""

import gzip
import lzma
import os
import time

import pytest

from anchors.companion.errors import InputError
from anchors.entity import loaders
from anchors.models import tensors


def bomb(pack):
    return lambda path: path.write_bytes(pack(bytes(1 << 24)))


def write(content):
    return lambda path: path.write_bytes(content)


BOMB = "found more than 1,048,576 bytes, unpacked; expected a smaller file. Split the graph."
LINES = b"a\tb\tc\n" * 1000
FILES = {
    "bomb.tsv.xz": (bomb(lzma.compress), BOMB),
    "bomb.tsv.gz": (bomb(gzip.compress), BOMB),
    "plain.txt": (write(bytes(1 << 21)), BOMB),
    "line.tsv": (write(b"a\t" * 500_000), "found a line of 1,000,000 characters; expected at most 65,536. Mend it."),
    "line.csv": (write(b"a," * 500_000), "found a line of 1,000,000 characters; expected at most 65,536. Mend it."),
    "cut.tsv.xz": (write(lzma.compress(LINES)[:-20]), "found Compressed file ended before the end-of-stream marker"),
    "cut.tsv.gz": (write(gzip.compress(LINES)[:-9]), "found Compressed file ended before the end-of-stream marker"),
    "crc.tsv.gz": (write(gzip.compress(LINES)[:-8] + bytes(8)), "found CRC check failed"),
    "wrong.tsv.xz": (
        write(LINES),
        "found Input format not supported by decoder; expected a whole file. Fetch it again.",
    ),
    "wrong.tsv.gz": (write(LINES), "found Not a gzipped file (b'a\\t'); expected a whole file. Fetch it again."),
    "utf16.tsv": (write("a\tb\tc".encode("utf-16")), "found byte 0xff at position 0; expected UTF-8 text."),
    "quote.csv": (write(b'"a,b,c'), "found line 1: unexpected end of data; expected a whole CSV file. Mend it."),
    "two.tsv": (write(b"a\tb\n"), "found line 1 with 2 cells: a | b; expected head, relation, tail"),
    "pipe.tsv": (os.mkfifo, "found a pipe, socket or device; expected a readable file. Mind the path."),
    "pipe.tsv.xz": (os.mkfifo, "found a pipe, socket or device; expected a readable file. Mind the path."),
    "round.tsv": (lambda p: p.symlink_to(p.name), "found Too many levels of symbolic links; expected a readable file."),
    "none.tsv.gz": (lambda p: None, "found no such file; expected a readable file. Mind the path."),
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_at_once(tmp_path, monkeypatch, name):
    make, words = FILES[name]
    make(tmp_path / name)
    monkeypatch.setattr(loaders, "TEXT", 1 << 20)
    monkeypatch.setattr(loaders, "LINE", 1 << 16)
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        loaders.rows_of(tmp_path / name, 3)
    assert str(caught.value).startswith(f"{tmp_path / name}: {words}")
    assert "\n" not in str(caught.value)
    assert time.process_time() - started < 1


def test_a_folder_of_pipes_is_a_folder_without_files(tmp_path):
    for split in loaders.SPLITS:
        os.mkfifo(tmp_path / f"{split}.tsv")
    with pytest.raises(InputError, match="no file for train"):
        loaders.read_folder(tmp_path)


def test_a_damaged_file_of_texts_in_the_cache(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"\xff" * 99)
    with pytest.raises(InputError, match="the header alone being") as caught:
        tensors.load(tmp_path / "x.safetensors")
    assert str(caught.value).endswith(tensors.CURE)
