"""Safe readers and the atomic writer."""

import builtins
import errno
import io
import os
import pickle

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from scipy.sparse import csr_matrix

from anchors.companion import files
from anchors.companion.errors import AnchorsError, InputError

ARRAYS = {"I_tr": np.arange(12.0).reshape(4, 3), "L_tr": np.array([[1], [2], [1], [2]], dtype=np.uint8)}


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def write(path, arrays=ARRAYS):
    if path.suffix == ".mat":
        savemat(path, arrays)
    elif path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as store:
            for name, array in arrays.items():
                store[name] = array
    return path


@pytest.mark.parametrize("name", ["a.mat", "a.npz", "a.h5", "a.hdf5"])
def test_round_trip(tmp_path, name):
    same(files.read_arrays(write(tmp_path / name)), ARRAYS)


def test_matlab_7_3_is_hdf5_transposed(tmp_path):
    path = tmp_path / "v73.mat"
    with h5py.File(path, "w", userblock_size=512) as store:
        for name, array in ARRAYS.items():
            store[name] = array.T
            store[name].attrs["MATLAB_class"] = np.bytes_("double")
    same(files.read_mat(path), ARRAYS)


def test_sparse_matlab_matrix_becomes_dense(tmp_path):
    savemat(tmp_path / "s.mat", {"T": csr_matrix(np.eye(3))})
    np.testing.assert_array_equal(files.read_mat(tmp_path / "s.mat")["T"], np.eye(3))


@pytest.mark.parametrize("name", ["a.mat", "a.npz", "a.h5", "folder"])
def test_missing_file_is_named(tmp_path, name):
    with pytest.raises(InputError, match=name):
        files.read_csv_views(tmp_path / name) if name == "folder" else files.read_arrays(tmp_path / name)


@pytest.mark.parametrize("name", ["a.mat", "a.npz", "a.h5"])
@pytest.mark.parametrize("content", [b"", b"hello, this is no such file", pickle.dumps([1, 2])])
def test_wrong_format_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name) as caught:
        files.read_arrays(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_unknown_suffix(tmp_path):
    with pytest.raises(InputError, match=r"suffix '\.pkl'"):
        files.read_arrays(tmp_path / "a.pkl")


@pytest.mark.parametrize("name", ["a.mat", "a.npz", "a.h5"])
def test_truncated_file(tmp_path, name):
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="truncated"):
        files.read_arrays(path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), name=st.sampled_from(["a.mat", "a.npz", "a.h5"]))
def test_truncated_anywhere_is_refused_or_holds_whole_arrays(tmp_path, share, name):
    whole = write(tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    try:
        found = files.read_arrays(tmp_path / name)
    except InputError:
        return
    same(found, {key: ARRAYS[key] for key in found})


class Bomb:
    """Unpickling this would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickle_inside_npz_is_never_opened(tmp_path):
    path, trap = tmp_path / "bad.npz", tmp_path / "trap"
    np.savez(path, fine=np.eye(2), bad=np.array([Bomb(trap)], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"bad\.npz: bad: found an object"):
        files.read_npz(path)
    assert not trap.exists()


@pytest.mark.parametrize("value", [np.array([[1], "two"], dtype=object), {"field": 1.0}])
def test_matlab_cells_and_structs_are_refused(tmp_path, value):
    savemat(tmp_path / "cell.mat", {"c": value})
    with pytest.raises(InputError, match=r"cell\.mat: c: found an object, cell, struct"):
        files.read_mat(tmp_path / "cell.mat")


def test_hdf5_references_are_refused(tmp_path):
    with h5py.File(tmp_path / "r.h5", "w") as store:
        store["x"] = np.eye(2)
        store.create_dataset("r", data=[store["x"].ref], dtype=h5py.ref_dtype)
    with pytest.raises(InputError, match=r"r\.h5: r: found an object"):
        files.read_hdf5(tmp_path / "r.h5")


@pytest.mark.parametrize("header", ["", "a,b,c\n"])
def test_csv_folder_with_and_without_header(tmp_path, header):
    (tmp_path / "I_tr.csv").write_text(header + "1,2,3\n4,5.5,-6e1\n")
    (tmp_path / "L_tr.csv").write_text("1\n2\n")
    found = files.read_arrays(tmp_path)
    np.testing.assert_array_equal(found["I_tr"], [[1, 2, 3], [4, 5.5, -60]])
    assert found["L_tr"].shape == (2, 1)


@pytest.mark.parametrize("text", ["1,2\n3,x\n", "1,2\n3\n", "1,2\n3,\n"])
def test_csv_bad_cell_names_the_file(tmp_path, text):
    (tmp_path / "I_tr.csv").write_text(text)
    with pytest.raises(InputError, match=r"I_tr\.csv"):
        files.read_csv_views(tmp_path)


def test_csv_folder_without_csv(tmp_path):
    with pytest.raises(InputError, match=r"no \.csv file"):
        files.read_csv_views(tmp_path)


def test_sha256_of_known_text(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_atomic_write_of_bytes_and_of_a_function(tmp_path):
    assert files.atomic_write(tmp_path / "new" / "a", b"one").read_bytes() == b"one"
    files.atomic_write(tmp_path / "new" / "a", lambda handle: np.savez(handle, x=np.eye(2)))
    same(files.read_npz(tmp_path / "new" / "a"), {"x": np.eye(2)})
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a"]


def failing(code):
    def fail(*_args, **_kwargs):
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
def test_full_or_read_only_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, code, step):
    path = files.atomic_write(tmp_path / "a.json", b"old")
    content = failing(code) if step == "write" else b"new"
    if step == "open":
        monkeypatch.setattr(builtins, "open", failing(code))
    elif step != "write":
        monkeypatch.setattr(os, step, failing(code))
    with pytest.raises(AnchorsError, match=r"a\.json: cannot be written") as caught:
        files.atomic_write(path, content)
    monkeypatch.undo()
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"old"


def test_an_error_of_the_writer_itself_passes_and_leaves_nothing(tmp_path):
    def broken(handle: io.BufferedWriter):
        handle.write(b"half")
        raise KeyError("mine")

    with pytest.raises(KeyError):
        files.atomic_write(tmp_path / "a", broken)
    assert not list(tmp_path.iterdir())
