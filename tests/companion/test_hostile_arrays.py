"""Files of arrays that would eat the memory, read another file or break a parser: one line each, at once."""

import io
import os
import time
import zipfile
import zlib

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from anchors.companion import files
from anchors.companion.errors import InputError
from anchors.companion.files import read_arrays
from anchors.hashing.views import load

SECRET = b"\x07" * 64
GIB = "found arrays of {} GiB or more, dense and unpacked; expected at most {} GiB. Save fewer samples or features"
SHAPED = "{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}"
OTHER = "; expected values in this file. Save the array itself."
OBJECT = "an object, cell, struct or function; expected a numeric array. Nothing is unpickled here"


def npy(header: str, content: bytes = b"") -> bytes:
    """Return a NumPy file with a header of one's own."""
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def npz(path, content, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("I_tr.npy", content)


def zeros(path):
    """Write a zip member of zeros, a thousandth packed."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("I_tr.npy", "w", force_zip64=True) as member,
    ):
        for _ in range(15):
            member.write(bytes(1 << 24))


def bomb(path):
    """Write a MATLAB file with one compressed part that unpacks to a thousand times its size."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1 << 24)) for _ in range(9)) + packer.flush()
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    path.write_bytes(head + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed)


def sparse(path, shape):
    savemat(path, {"I_tr": csc_matrix(([1.0], ([0], [0])), shape=shape)}, do_compression=True)


def wild(path):
    """Write a sparse matrix whose one index points far beyond its shape."""
    savemat(path, {"I_tr": csc_matrix(([1.0], ([77], [0])), shape=(100, 1))})
    content = path.read_bytes()
    assert content.count((77).to_bytes(4, "little")) == 1
    path.write_bytes(content.replace((77).to_bytes(4, "little"), (2**30).to_bytes(4, "little")))


def h5(make):
    def write(path):
        (path.parent / "secret").write_bytes(SECRET)
        with h5py.File(path.parent / "other.h5", "w") as other:
            other["x"] = np.eye(2)
        with h5py.File(path, "w") as store:
            make(store, path.parent)

    return write


def outside(store, folder):
    store.create_dataset("I_tr", (8,), "f8", external=[(str(folder / "secret"), 0, 64)])


def virtual(store, folder):
    layout = h5py.VirtualLayout((2, 2), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (2, 2))
    store.create_virtual_dataset("I_tr", layout)


def linked(store, folder):
    store["deep/I_tr"] = h5py.ExternalLink(str(folder / "other.h5"), "x")


def soft(store, _):
    store["I_tr"] = h5py.SoftLink("/nowhere")


def vast(store, _):
    store.create_dataset("I_tr", (10**9, 10**6), "f8", chunks=(10, 10))


def chunk(store, _):
    store.create_dataset("I_tr", (2, 2), "f8", chunks=(2**16, 6144), maxshape=(None, None), compression="gzip")


def empty(store, _):
    store["I_tr"] = h5py.Empty("f8")


def texts(store, _):
    store.create_dataset("I_tr", data=["a", "b"], dtype=h5py.string_dtype())


def compound(store, _):
    store["I_tr"] = np.zeros(3, [("a", "f8"), ("b", "i4")])


FILES = {
    "zeros.npz": (zeros, GIB.format("0.2", 0.125)),
    "shape.npz": (lambda p: npz(p, npy(SHAPED.format("<f8", "10**9, 10**9"))), "found a file that cannot be read"),
    "count.npz": (lambda p: npz(p, npy(SHAPED.format("<f8", "99999999999999,"))), "found a file that cannot be read"),
    "minus.npz": (lambda p: npz(p, npy(SHAPED.format("<f8", "-5,"))), "found a file that cannot be read"),
    "object.npz": (lambda p: npz(p, npy(SHAPED.format("|O", "1,"))), f"I_tr: found {OBJECT}"),
    "field.npz": (lambda p: npz(p, npy(SHAPED.format("V8", "0,"))), f"I_tr: found {OBJECT}"),
    "header.npz": (lambda p: npz(p, b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{"), "found a file that cannot be read"),
    "nested.npz": (lambda p: npz(p, npy("(" * 110)), "found a file that cannot be read"),
    "plain.npz": (
        lambda p: zipfile.ZipFile(p, "w").writestr("I_tr", "x"),
        "I_tr: found bytes; expected a numeric array",
    ),
    "bomb.mat": (bomb, GIB.format("0.1", 0.125)),
    "sparse.mat": (lambda p: sparse(p, (2**31 - 1, 2**16)), GIB.format("1,048,576.0", 2)),
    "wild.mat": (wild, "found a file that cannot be read (ValueError"),
    "object.mat": (lambda p: savemat(p, {"c": np.array([[1, "a"]], dtype=object)}), f"c: found {OBJECT}"),
    "cut.mat": (lambda p: (sparse(p, (9, 9)), p.write_bytes(p.read_bytes()[:-9])), "found a file that cannot be read"),
    "outside.h5": (h5(outside), f"I_tr: found values kept in another file{OTHER}"),
    "virtual.h5": (h5(virtual), f"I_tr: found values kept in another file{OTHER}"),
    "linked.h5": (h5(linked), f"deep/I_tr: found a external link{OTHER}"),
    "soft.hdf5": (h5(soft), f"I_tr: found a soft link{OTHER}"),
    "vast.h5": (h5(vast), GIB.format("7,450,580.6", 2)),
    "chunk.h5": (h5(chunk), GIB.format("3.0", 2)),
    "empty.h5": (h5(empty), f"I_tr: found {OBJECT}"),
    "texts.h5": (h5(texts), f"I_tr: found {OBJECT}"),
    "compound.h5": (h5(compound), f"I_tr: found {OBJECT}"),
    "links.mat": (h5(linked), f"deep/I_tr: found a external link{OTHER}"),
    "pipe.npz": (os.mkfifo, "found a pipe, socket or device; expected a readable file. Mind the path."),
    "round.mat": (lambda p: p.symlink_to(p.name), "found Too many levels of symbolic links"),
    "null.h5": (lambda p: p.write_bytes(bytes(1 << 16)), "found a file that cannot be read"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_is_refused_at_once(tmp_path, name, monkeypatch):
    make, words = FILES[name]
    if "0.125" in words:  # 128 MiB: packing some GiB takes long
        monkeypatch.setattr(files, "LARGEST", 1 << 27)
    make(tmp_path / name)
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        read_arrays(tmp_path / name)
    assert str(caught.value).removeprefix(f"{tmp_path / name}: ").startswith(words)
    assert "\n" not in str(caught.value)
    assert time.process_time() - started < 2
    with pytest.raises(InputError):
        load(str(tmp_path / name))


def test_hard_links_in_a_circle_end(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as store:
        store["a/x"] = np.eye(2)
        store["a/b"] = store["a"]
        group = store["a"]
        for _ in range(2000):
            group = group.create_group("g")
    assert list(read_arrays(tmp_path / "a.h5")) == ["a/x"]


@pytest.mark.parametrize("name", ["/proc", "/dev", "/", "/proc/self/mem", "x" * 300, "a\0b", "a\0b.npz", "/dev/zero"])
def test_places_that_hold_no_data_are_refused_at_once(name):
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        load(name)
    assert "\n" not in str(caught.value)
    assert time.process_time() - started < 1


def test_csv_folders(tmp_path):
    cases = {
        "pipe": "a pipe, socket or device",
        "sparse": "more than 512 MiB of CSV files",
        "line": "a first line of more",
    }
    for name, words in cases.items():
        path = tmp_path / name / "I_tr.csv"
        path.parent.mkdir()
        if name == "pipe":
            os.mkfifo(path)
        elif name == "sparse":
            with path.open("wb") as handle:
                handle.truncate(1 << 40)
        else:
            path.write_bytes(b"1," * (5 << 20))
        with pytest.raises(InputError, match=words):
            read_arrays(path.parent)
    (tmp_path / "line" / "I_tr.csv").write_bytes(b"1,2\n3,\x00\n")
    with pytest.raises(InputError, match="found a file that cannot be read"):
        read_arrays(tmp_path / "line")


def test_arrays_below_the_bound_are_read(tmp_path):
    savemat(tmp_path / "a.mat", {"I_tr": csc_matrix(np.eye(3)), "T": np.eye(2), "n": "text"}, do_compression=True)
    found = read_arrays(tmp_path / "a.mat")
    np.testing.assert_array_equal(found["I_tr"], np.eye(3))
    np.testing.assert_array_equal(found["T"], np.eye(2))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=np.zeros(10**6))
    (tmp_path / "a.npz").write_bytes(buffer.getvalue())
    assert read_arrays(tmp_path / "a.npz")["x"].shape == (10**6,)
