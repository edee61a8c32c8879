"""The other data sets: digits, synthetic, Wikipedia features, and a user's own file."""

from pathlib import Path

import numpy as np

from anchors.companion.errors import InputError
from anchors.companion.files import read_arrays, read_mat
from anchors.companion.paths import relative
from anchors.hashing.features import fourier_magnitudes
from anchors.hashing.views import Views, build

PARTS = {"tr": "train", "te": "test", "db": "database"}


def load_digits(seed: int = 0, test: int = 400) -> Views:
    """Return scikit-learn's 1,797 handwritten digits in two views of one scan.

    ``image`` is the 64 pixels in 0..1, which know where the ink is. ``text`` stands in for a second modality: 40
    Fourier magnitudes of the same scan, which forget where the ink is. The split is stratified by digit.
    """
    from sklearn.datasets import load_digits as read
    from sklearn.model_selection import train_test_split

    bunch = read()
    pixels, labels = bunch.data / 16, bunch.target.astype(int)
    held_out = train_test_split(np.arange(len(labels)), test_size=test, stratify=labels, random_state=seed)[1]
    split = np.where(np.isin(np.arange(len(labels)), held_out), "test", "train")
    second = fourier_magnitudes(pixels.reshape(-1, 8, 8))
    items = [f"{digit} (scan {i})" for i, digit in enumerate(labels)]
    notes = {"source": "UCI optical recognition of handwritten digits, in scikit-learn", "text": "Fourier magnitudes"}
    return build("digits", (pixels, second), labels, split, items, [str(d) for d in range(10)], notes | _counts(split))


def load_synthetic(
    n: int = 2000,
    test: int = 400,
    classes: int = 8,
    latent: int = 8,
    d1: int = 64,
    d2: int = 32,
    noise: float = 0.5,
    spread: float = 1.5,
    text: str = "relu",
    seed: int = 0,
) -> Views:
    """Return data whose truth is known: one latent point, seen through two noisy nonlinear maps (derived).

    z = centre of its class + N(0, I), centres ~ N(0, spread² I); image = tanh(z W₁) + noise, text = relu(z W₂) + noise.
    The latent points are ``extras["latent"]`` (n, latent). Maps and centres depend on ``seed`` alone, not on ``n``.

    Parameters
    ----------
    n, test : samples in all, and how many of them are queries.
    noise : standard deviation of the noise in both views.
    text : ``relu`` or ``linear``.
    """
    if text not in ("relu", "linear"):
        raise InputError("synthetic: text", repr(text), "relu | linear", "")
    if not 0 < test < n:
        raise InputError("synthetic: test", test, f"a number between 0 and n = {n}", "")
    world, draw = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    centres = spread * world.standard_normal((classes, latent))
    maps = [world.standard_normal((latent, width)) / np.sqrt(latent) for width in (d1, d2)]
    labels = draw.integers(classes, size=n)
    z = centres[labels] + draw.standard_normal((n, latent))
    image = np.tanh(z @ maps[0]) + noise * draw.standard_normal((n, d1))
    second = np.maximum(z @ maps[1], 0) if text == "relu" else z @ maps[1]
    second = second + noise * draw.standard_normal((n, d2))
    split = np.where(np.arange(n) < n - test, "train", "test")
    items = [f"sample {i}" for i in range(n)]
    notes = {"text": text, "noise": noise} | _counts(split)
    return build("synthetic", (image, second), labels, split, items, _numbers(classes), notes, {"latent": z})


def load_wiki() -> Views:
    """Return the Wikipedia image-text features with their published split, 2,173 and 693 pairs, 10 classes.

    Image: 128 shares of visual words; text: 10 topic shares; Rasiwasia et al., ACM Multimedia 2010. Labels come from
    the lists that were published with the features.

    Raises
    ------
    MissingData
        The files are not here and cannot be downloaded; the message says how to get them.
    """
    from anchors.companion.datasets import dataset, fetch

    files = fetch("wiki")
    arrays = read_mat(files["wiki_raw_features.mat"])
    image, text = (np.vstack([arrays[f"{view}_{part}"] for part in ("tr", "te")]) for view in "IT")
    lists = [_wiki_list(files[f"wiki_{part}set_txt_img_cat.list"]) for part in ("train", "test")]
    split = np.repeat(["train", "test"], [len(rows) for rows in lists])
    labels = np.array([int(row[2]) - 1 for rows in lists for row in rows])
    items = [row[0] for rows in lists for row in rows]
    classes = files["wiki_categories.list"].read_text(encoding="utf-8").split()
    notes = {"licence": dataset("wiki").licence, "citation": dataset("wiki").citation} | _counts(split)
    return build("wiki", (image.astype(float), text.astype(float)), labels, split, items, classes, notes)


def _wiki_list(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def load_file(path: str | Path) -> Views:
    """Return a user's own data: .mat, .npz, .h5 or a folder of CSV files.

    Needed are I_tr, T_tr, L_tr (training) and I_te, T_te, L_te (queries), rows = samples; I_db, T_db, L_db (what is
    searched, if not the training samples) are optional. Labels are class numbers (n,) or (n, 1), or 0/1 columns (n, C).

    Raises
    ------
    InputError
        The file cannot be read safely, a key is missing, row counts differ, or there are NaN or infinite numbers.
    """
    where, arrays = relative(Path(path)), read_arrays(path)
    parts = ["tr", "te"] + (["db"] if any(f"{view}_db" in arrays for view in "ITL") else [])
    _check_keys(where, arrays, [f"{view}_{part}" for part in parts for view in "ITL"])
    for part in parts:
        _check_rows(where, arrays, part)
    image, text = (_stacked(where, arrays, view, parts) for view in "IT")
    labels, classes = _labels(where, _stacked(where, arrays, "L", parts))
    sizes = [len(arrays[f"I_{part}"]) for part in parts]
    split = np.repeat([PARTS[part] for part in parts], sizes)
    items = [f"{PARTS[part]} {i}" for part, size in zip(parts, sizes, strict=True) for i in range(size)]
    return build(Path(path).stem, (image, text), labels, split, items, classes, {"source": where} | _counts(split))


def _check_keys(where: str, arrays: dict[str, np.ndarray], keys: list[str]) -> None:
    missing = [key for key in keys if key not in arrays]
    if missing:
        found = f"no {', '.join(missing)} among {', '.join(sorted(arrays)) or 'nothing'}"
        raise InputError(where, found, ", ".join(keys), "Save the missing arrays under these names.")


def _check_rows(where: str, arrays: dict[str, np.ndarray], part: str) -> None:
    arrays[f"L_{part}"] = _column(arrays[f"L_{part}"], len(arrays[f"I_{part}"]))
    for view in "ITL":
        array = arrays[f"{view}_{part}"]
        if array.dtype.kind not in "biuf" or array.ndim != 2:
            raise InputError(f"{where}: {view}_{part}", f"{array.dtype} of shape {array.shape}", "numbers, 2-d", "")
    counts = {f"{view}_{part}": len(arrays[f"{view}_{part}"]) for view in "ITL"}
    if len(set(counts.values())) != 1:
        raise InputError(where, f"rows {counts}", "equal row counts", "Samples are rows: transpose columns.")
    if not counts[f"I_{part}"]:
        raise InputError(where, f"no rows in the {PARTS[part]} part", "at least one", "")


def _column(labels: np.ndarray, rows: int) -> np.ndarray:
    """Return labels as (n, C): a vector or a MATLAB row of n numbers becomes a column."""
    vector = labels.ndim == 1 or (labels.ndim == 2 and labels.shape[0] == 1 and labels.shape[1] == rows)
    return labels.reshape(-1, 1) if vector else labels


def _stacked(where: str, arrays: dict[str, np.ndarray], view: str, parts: list[str]) -> np.ndarray:
    blocks = [arrays[f"{view}_{part}"] for part in parts]
    widths = {f"{view}_{part}": block.shape[1] for part, block in zip(parts, blocks, strict=True)}
    if len(set(widths.values())) != 1:
        raise InputError(where, f"columns {widths}", "equal column counts", "All parts need the same features.")
    return np.vstack(blocks).astype(float)


def _labels(where: str, table: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return class numbers (n,) or, for several labels a sample, 0/1 (n, C), and the class names."""
    if not np.isfinite(table).all() or (table != np.round(table)).any():
        raise InputError(f"{where}: labels", "NaN, infinite or fractional numbers", "whole numbers", "")
    if table.shape[1] == 1:
        values, labels = np.unique(table[:, 0].astype(int), return_inverse=True)
        return labels, [str(value) for value in values]
    if not np.isin(table, (0, 1)).all():
        raise InputError(f"{where}: labels", "numbers other than 0 and 1", "one column, or 0/1 columns", "")
    if (table.sum(axis=1) == 1).all():
        return table.argmax(axis=1), _numbers(table.shape[1])
    return table.astype(np.int8), _numbers(table.shape[1])


def _numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def _counts(split: np.ndarray) -> dict[str, int]:
    return {part: int((split == part).sum()) for part in PARTS.values() if (split == part).any()}
