"""Files read and written safely: nothing is unpickled, nothing is left half-written."""

import hashlib
import json
import math
import os
import secrets
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.paths import relative

Arrays = dict[str, np.ndarray]
LARGEST = 4 * 2**30  # bytes of the arrays in one file: a few bytes on disk may claim to be any number
_NUMERIC = "biufc"
_PLAIN = _NUMERIC + "SU"


def read_arrays(path: str | Path) -> Arrays:
    """Return the arrays of a ``.mat``, ``.npz``, ``.h5`` or ``.hdf5`` file, or of a folder of CSV files.

    Raises
    ------
    InputError
        The file is missing, truncated, of another format, or holds objects (which would need unpickling).
    """
    path = Path(path)
    if path.is_dir():
        return read_csv_views(path)
    reader = {".mat": read_mat, ".npz": read_npz, ".h5": read_hdf5, ".hdf5": read_hdf5}.get(path.suffix.lower())
    if reader is None:
        raise InputError(relative(path), f"suffix {path.suffix!r}", ".mat | .npz | .h5 | .hdf5 | a folder of CSV files")
    return reader(path)


def read_mat(path: str | Path) -> Arrays:
    """Return the variables of a MATLAB file (version 4, 5 or 7.3) as arrays; sparse matrices become dense.

    Raises
    ------
    InputError
        As :func:`read_arrays`; cells, structs and function handles are refused.
    """
    import h5py
    from scipy.io import loadmat, whosmat

    path = _existing(path)
    if h5py.is_hdf5(path):
        return read_hdf5(path)
    try:
        _fits(path, sum(8 * math.prod(shape) for _, shape, _ in whosmat(path)))  # sparse ones become dense
        variables = loadmat(path)
    except InputError:
        raise
    except Exception as error:  # the parser meets arbitrary bytes and may raise anything
        raise _broken(path, error, "a whole MATLAB file") from error
    return {name: _plain(path, name, value) for name, value in variables.items() if not name.startswith("__")}


def read_npz(path: str | Path) -> Arrays:
    """Return the arrays of an ``.npz`` archive; pickled (object) arrays are refused, see :func:`read_arrays`."""
    path = _existing(path)
    if not zipfile.is_zipfile(path):
        raise InputError(relative(path), "no zip directory", "a whole .npz archive", "It is truncated or no .npz file.")
    arrays = {}
    try:
        with zipfile.ZipFile(path) as packed:
            _fits(path, sum(member.file_size for member in packed.infolist()))
        with np.load(path, allow_pickle=False) as archive:
            for name in archive.files:
                arrays[name] = archive[name]
    except InputError:
        raise
    except Exception as error:  # zip, zlib and header errors of a damaged archive
        if "allow_pickle" in str(error):
            raise _object(path, name) from error
        raise _broken(path, error, "a whole .npz archive") from error
    return {name: _plain(path, name, value) for name, value in arrays.items()}


def read_hdf5(path: str | Path) -> Arrays:
    """Return the data sets of an HDF5 file by their path (MATLAB's are transposed back), see :func:`read_arrays`."""
    import h5py

    path, arrays = _existing(path), {}

    def keep(name: str, node: object) -> None:
        if isinstance(node, h5py.Group):
            _keeps_to_itself(path, node)
        elif not name.startswith("#"):
            if node.dtype.kind not in _PLAIN:
                raise _object(path, name)
            if node.external or node.is_virtual:
                raise _elsewhere(path, name)
            _fits(path, node.nbytes + sum(array.nbytes for array in arrays.values()))
            arrays[name] = node[()].T if "MATLAB_class" in node.attrs else np.asarray(node[()])

    try:
        with h5py.File(path, "r") as store:
            _keeps_to_itself(path, store)
            store.visititems(keep)
    except InputError:
        raise
    except Exception as error:  # the library raises OSError, RuntimeError, KeyError on damaged files
        raise _broken(path, error, "a whole HDF5 file") from error
    return arrays


def read_csv_views(path: str | Path) -> Arrays:
    """Return ``{file stem: (rows, columns) float array}`` of the CSV files in a folder.

    Cells are numbers separated by commas; one header line is skipped if there is one.

    Raises
    ------
    InputError
        No such folder, no CSV file in it, or a cell that is no number (the line is named).
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(relative(folder), "no such folder", "a folder of CSV files", "Mind the path.")
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise InputError(relative(folder), "no .csv file", "I_tr.csv, T_tr.csv, L_tr.csv, …", "Put one view in a file.")
    return {file.stem: _read_csv(file) for file in files}


def _read_csv(path: Path) -> np.ndarray:
    try:
        with open(path, encoding="utf-8-sig") as lines:
            header = not _all_numbers(lines.readline())
        return np.loadtxt(path, delimiter=",", skiprows=int(header), ndmin=2, encoding="utf-8-sig", comments=None)
    except (ValueError, OSError) as error:
        raise _broken(path, error, "numbers separated by commas, rows of equal length") from error


def _all_numbers(line: str) -> bool:
    try:
        return bool([float(cell) for cell in line.split(",")])
    except ValueError:
        return False


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError(relative(path), found, "a readable file", "Mind the path.")
    return path


def _plain(path: Path, name: str, value: object) -> np.ndarray:
    array = value.toarray() if hasattr(value, "toarray") else value
    if not isinstance(array, np.ndarray):
        raise InputError(f"{relative(path)}: {name}", type(array).__name__, "a numeric array", "Store arrays only.")
    if array.dtype.kind not in _PLAIN:
        raise _object(path, name)
    return array


def _keeps_to_itself(path: Path, group: Any) -> None:
    """Refuse a group of an HDF5 file with links into other files: which ones are read is the reader's to say."""
    import h5py

    for name in group:
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
            raise _elsewhere(path, name)


def _elsewhere(path: Path, name: str) -> InputError:
    cure = "Copy it into the file: no other one is opened."
    return InputError(f"{relative(path)}: {name}", "data that lie in another file", "data in this one", cure)


def _fits(path: Path, size: int) -> None:
    if size > LARGEST:
        found = f"arrays of {size:,} bytes once they are unpacked"
        raise InputError(relative(path), found, f"at most {LARGEST:,} bytes", "Store fewer rows, or several files.")


def _object(path: Path, name: str) -> InputError:
    cure = "Nothing is unpickled here: save each variable as an array of its own."
    return InputError(f"{relative(path)}: {name}", "an object, cell, struct or function", "a numeric array", cure)


def _broken(path: Path, error: Exception, expected: str) -> InputError:
    found = f"a file that cannot be read ({type(error).__name__}: {error})"
    return InputError(relative(path), found, expected, "It is truncated or of another format: fetch or save it again.")


def read_json(path: str | Path, kind: type) -> Any:
    """Return the content of a JSON file, of the ``kind`` (dict, list) that it must be.

    Raises
    ------
    InputError
        The file is missing, truncated, or of another kind.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or error
        raise InputError(relative(path), found, "a readable file", "Mind the path.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(relative(path), f"not JSON: {error}"[:100], "JSON", "It may be truncated.") from error
    if not isinstance(content, kind):
        raise InputError(relative(path), f"a JSON {type(content).__name__}", f"a {kind.__name__}")
    return content


def atomic_write(path: str | Path, content: bytes | Callable[[BinaryIO], object]) -> Path:
    """Write ``content`` to ``path`` so that readers see the old file or the whole new one, never a part.

    Parameters
    ----------
    content : the bytes, or a function that writes them to the open binary file it is given.

    Raises
    ------
    AnchorsError
        The disk is full or read-only; nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as handle:
            content(handle) if callable(content) else handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def unwritable(path: Path, error: OSError) -> AnchorsError:
    """Return the one-line error for a file that cannot be written."""
    cure = "free some space, or choose a writable folder"
    return AnchorsError(f"{relative(path)}: cannot be written ({error.strerror or error}); {cure}")


def sha256(path: str | Path) -> str:
    """Return the 64 hex digits of a file's SHA-256; a missing file is an InputError."""
    with open(_existing(path), "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
