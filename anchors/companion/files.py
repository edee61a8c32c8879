"""Files read and written safely: nothing is unpickled, nothing is left half-written."""

import hashlib
import math
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.paths import relative
from anchors.companion.plain import JSON, LINE, from_json, read_text, regular

Arrays = dict[str, np.ndarray]
_NUMERIC = "biufc"
_PLAIN = _NUMERIC + "SU"
LARGEST = 2 << 30  # bytes of a file's arrays together, unpacked and dense
CSV = 512 << 20  # bytes of a folder's CSV files
_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_MATLAB = ("double", "single", "logical", "char", "sparse", *_INTEGERS)


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

    path = regular(path)
    if h5py.is_hdf5(path):
        return read_hdf5(path)
    try:
        _bounded(path, _unpacked(path))
        about = whosmat(path)  # names, shapes and kinds, before anything is read
        for name, _, kind in about:
            if kind not in _MATLAB:
                raise _object(path, name)
        _bounded(path, sum(8 * math.prod(shape) for _, shape, _ in about))
        variables = loadmat(path)
    except InputError:
        raise
    except Exception as error:  # the parser meets arbitrary bytes and may raise anything
        raise _broken(path, error, "a whole MATLAB file") from error
    return {name: _plain(path, name, value) for name, value in variables.items() if not name.startswith("__")}


def read_npz(path: str | Path) -> Arrays:
    """Return the arrays of an ``.npz`` archive; pickled (object) arrays are refused, see :func:`read_arrays`."""
    path = regular(path)
    if not zipfile.is_zipfile(path):
        raise InputError(relative(path), "no zip directory", "a whole .npz archive", "It is truncated or no .npz file.")
    arrays = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            _bounded(path, sum(member.file_size for member in archive.zip.infolist()))
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

    path, arrays = regular(path), {}
    try:
        with h5py.File(path, "r") as store:
            nodes = _inside(path, store)
            _bounded(path, sum(node.nbytes for node in nodes.values()))
            for name, node in nodes.items():
                arrays[name] = node[()].T if "MATLAB_class" in node.attrs else np.asarray(node[()])
    except InputError:
        raise
    except Exception as error:  # the library raises OSError, RuntimeError, KeyError on damaged files
        raise _broken(path, error, "a whole HDF5 file") from error
    return arrays


def _inside(path: Path, store: Any) -> dict[str, Any]:
    """Return the data sets of an open HDF5 file by their path; what lies in other files or is no array is refused."""
    import h5py

    nodes, groups, seen = {}, [("", store)], set()
    while groups:
        above, group = groups.pop()
        if group.id in seen:
            continue
        seen.add(group.id)
        for key in group:
            name, link = above + key, group.get(key, getlink=True)
            if name.startswith("#"):
                continue
            if not isinstance(link, h5py.HardLink):
                raise _elsewhere(path, name, f"a {'soft' if isinstance(link, h5py.SoftLink) else 'external'} link")
            node = group[key]
            if isinstance(node, h5py.Group):
                groups.append((f"{name}/", node))
            elif isinstance(node, h5py.Dataset):
                _own(path, name, node)
                nodes[name] = node
    return nodes


def _own(path: Path, name: str, node: Any) -> None:
    """Raise InputError for a data set that is no plain array, lies in another file, or unpacks without bound."""
    if node.dtype.kind not in _PLAIN or node.shape is None:
        raise _object(path, name)
    if node.external or node.is_virtual:
        raise _elsewhere(path, name, "values kept in another file")
    _bounded(path, math.prod(node.chunks or (1,)) * node.dtype.itemsize)


def _elsewhere(path: Path, name: str, found: str) -> InputError:
    return InputError(f"{relative(path)}: {name}", found, "values in this file", "Save the array itself.")


def _unpacked(path: Path) -> int:
    """Return how many bytes the compressed parts of a MATLAB file (version 5) unpack to, up to the bound."""
    total = 0
    with path.open("rb") as handle:
        head = handle.read(128)
        order = "<" if head[126:128] == b"IM" else ">"
        while head.startswith(b"MATLAB") and len(tag := handle.read(8)) == 8 and total <= LARGEST:
            kind, size = struct.unpack(f"{order}II", tag)
            packed, stream = handle.read(min(size, CSV)), zlib.decompressobj()
            while kind == 15 and packed and total <= LARGEST:  # miCOMPRESSED
                total += len(stream.decompress(packed, 1 << 24))
                packed = stream.unconsumed_tail
    return total


def _bounded(path: Path, size: int) -> None:
    if size > LARGEST:
        found = f"arrays of {size / 2**30:,.1f} GiB or more, dense and unpacked"
        cure = "Save fewer samples or features, or float32."
        raise InputError(relative(path), found, f"at most {LARGEST / 2**30:g} GiB", cure)


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
    if sum(regular(file).stat().st_size for file in files) > CSV:
        raise InputError(relative(folder), f"more than {CSV >> 20} MiB of CSV files", "smaller ones", "Save as .npz.")
    return {file.stem: _read_csv(file) for file in files}


def _read_csv(path: Path) -> np.ndarray:
    try:
        with open(path, encoding="utf-8-sig") as lines:
            first = lines.readline(LINE + 1)
        if len(first) > LINE:
            raise ValueError(f"a first line of more than {LINE:,} characters")
        header = not _all_numbers(first)
        return np.loadtxt(path, delimiter=",", skiprows=int(header), ndmin=2, encoding="utf-8-sig", comments=None)
    except (ValueError, OSError) as error:
        raise _broken(path, error, "numbers separated by commas, rows of equal length") from error


def _all_numbers(line: str) -> bool:
    try:
        return bool([float(cell) for cell in line.split(",")])
    except ValueError:
        return False


def _plain(path: Path, name: str, value: object) -> np.ndarray:
    if hasattr(value, "toarray"):
        try:
            value.check_format(full_check=True)  # an index beyond the shape would be written beyond the array
        except ValueError as error:
            raise _broken(path, error, "a whole sparse matrix") from error
    array = value.toarray() if hasattr(value, "toarray") else value
    if not isinstance(array, np.ndarray):
        raise InputError(f"{relative(path)}: {name}", type(array).__name__, "a numeric array", "Store arrays only.")
    if array.dtype.kind not in _PLAIN:
        raise _object(path, name)
    return array


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
        content = from_json(read_text(path, JSON))
    except InputError:
        raise
    except ValueError as error:
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
    with open(regular(path), "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
