"""Graphs from installed packages, from registered data sets, from the inductive splits, or from an own folder.

An own folder holds ``train``, ``valid`` (or ``dev``) and ``test`` with head, relation, tail in each line, as ``.tsv``,
``.csv`` or ``.txt`` (tab-separated), plain or ``.gz`` / ``.xz``. Optional: ``entities`` and ``relations`` with an
identifier and its text in each line.

UMLS comes in two variants with the same triples: with descriptions of its entities where the data set ``umls_texts``
is here, else with their names, which the installed package has. :func:`variant` says which it is; the second has
another title and another fingerprint, and its notes say so.
"""

import csv
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from anchors.companion import datasets
from anchors.companion.codehash import digest
from anchors.companion.errors import InputError
from anchors.companion.files import sha256
from anchors.companion.paths import relative
from anchors.companion.plain import LINE, TEXT, regular
from anchors.companion.used import remembered
from anchors.entity.graph import SPLITS, Graph

PACKAGED = ("umls", "nations", "kinships")  # inside the installed pykeen
REGISTERED = {"wn18rr": "wn18rr", "fb15k-237": "fb15k237"}
TEXTS = {"umls": "umls_texts"}  # registered texts of packaged graphs; without them names are the texts
INDUCTIVE = tuple(f"{base}_v{k}" for base in ("WN18RR", "fb237", "nell") for k in (1, 2, 3, 4))
GRAPHS = (*PACKAGED, *REGISTERED)
TITLES = {"umls": "UMLS", "nations": "Nations", "kinships": "Kinships", "wn18rr": "WN18RR", "fb15k-237": "FB15k-237"}
SUFFIXES = (".tsv", ".txt", ".csv")
PACKINGS = {"": open, ".gz": gzip.open, ".xz": lzma.open}
Lines = list[list[str]]


def load(name: str) -> Graph:
    """Return a graph by name, read once per process.

    Parameters
    ----------
    name : one of :data:`GRAPHS`, an inductive training graph (``WN18RR_v1`` …), or the path of an own folder.

    Raises
    ------
    InputError
        No such graph, or a file that cannot be read; the message names file and line.
    MissingData
        The data set is neither here nor can it be downloaded.
    """
    return _load(str(name))


@remembered()
def _load(name: str) -> Graph:
    if name in PACKAGED:
        return _packaged(name)
    if name in REGISTERED:
        return {"wn18rr": _wn18rr, "fb15k-237": _fb15k237}[name]()
    if name in INDUCTIVE:
        return inductive(name)[0]
    if name and Path(name).is_dir():
        return read_folder(name)
    raise InputError("graph", repr(name), " | ".join((*GRAPHS, "WN18RR_v1", "a folder")), "Mind the spelling.")


def variant(name: str) -> str:
    """Return in a few words what a graph has instead of what it is published with; empty where it is whole."""
    return datasets.dataset(TEXTS[name]).without if name in TEXTS and not datasets.available(TEXTS[name]) else ""


def fingerprint(name: str, texts: bool = True) -> str:
    """Return what stands for the content of a graph in cache keys and provenance: a hash, or a package's version.

    Without ``texts`` it stands for the triples alone, which are the same in both variants of a packaged graph.
    """
    from importlib.metadata import version

    if texts and name in TEXTS and not variant(name):
        return datasets.fingerprint(TEXTS[name])[:16]
    if name in PACKAGED:
        return f"pykeen {version('pykeen')}"
    if name in REGISTERED:
        return datasets.fingerprint(REGISTERED[name])[:16]
    if name in INDUCTIVE:
        texts = "fb15k237" if name.startswith("fb") else "wn18rr"
        return digest(datasets.fingerprint("grail_splits"), datasets.fingerprint(texts))[:16]
    load(name)  # an unknown name is said here
    return digest(*(f"{p.name} {sha256(p)}" for p in sorted(Path(name).iterdir()) if p.is_file()))[:16]


def fingerprints(names: Iterable[str], texts: bool = True) -> dict[str, str]:
    """Return ``{name: fingerprint}`` of several graphs."""
    return {name: fingerprint(name, texts) for name in names}


def title(name: str, texts: bool = True) -> str:
    """Return the name a figure shows; where its numbers depend on ``texts``, it says that there are names only."""
    plain = TITLES.get(name, Path(name).name)
    return f"{plain} (names only)" if texts and variant(name) else plain


def build(
    name: str, splits: dict[str, Lines], entities: dict[str, str], relations: dict[str, str], order: Sequence[str] = ()
) -> Graph:
    """Return the graph of triples as text, with the texts of entities and relations where they are known.

    Entities and relations are numbered in the order of their identifiers, relations of ``order`` first. Those without a
    text have their identifier with blanks for underscores. Duplicate triples inside training are dropped and counted;
    leaks between splits, unseen elements and missing texts are counted in ``notes``; valid and test stay whole.
    """
    named = {e for split in splits.values() for h, _, t in split for e in (h, t)} | set(entities)
    ids = {entity: number for number, entity in enumerate(sorted(named))}
    used = {r for split in splits.values() for _, r, _ in split}
    kinds = {r: number for number, r in enumerate([*order, *sorted(used - set(order))])}
    arrays = {
        split: np.array([(ids[h], kinds[r], ids[t]) for h, r, t in lines], np.int64).reshape(-1, 3)
        for split, lines in splits.items()
    }
    notes = _notes(arrays)
    empty = sum(not entities.get(entity, "").strip() for entity in ids)
    if empty and entities:
        notes.append(f"{empty} of {len(ids)} entities have no text: their identifier stands for it")
    _, first = np.unique(arrays["train"], axis=0, return_index=True)
    arrays["train"] = arrays["train"][np.sort(first)]
    texts = tuple(entities.get(entity, "").strip() or spoken(entity) for entity in ids)
    spelled = tuple(relations.get(relation, "").strip() or spoken(relation) for relation in kinds)
    return Graph(name, tuple(ids), tuple(kinds), arrays, texts, spelled, tuple(notes))


def _notes(arrays: dict[str, np.ndarray]) -> list[str]:
    """Return what a reader must know of the splits: duplicates, leaks, unseen entities and relations."""
    notes, rows = [], {split: set(map(tuple, triples.tolist())) for split, triples in arrays.items()}
    for split, triples in arrays.items():
        if len(rows[split]) < len(triples):
            done = "dropped" if split == "train" else "kept"
            notes.append(f"{split}: {len(triples) - len(rows[split])} duplicate triples, {done}")
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        if shared := len(rows[one] & rows[other]):
            notes.append(f"leak: {shared} triples are both in {one} and in {other}, kept")
    seen = [np.unique(arrays["train"][:, columns]) for columns in ([0, 2], [1])]
    for split in ("valid", "test"):
        unseen = int((~np.isin(arrays[split][:, [0, 2]], seen[0])).any(1).sum())
        strange = int((~np.isin(arrays[split][:, 1], seen[1])).sum())
        if unseen:
            notes.append(f"{split}: {unseen} triples with an entity that training lacks, kept")
        if strange:
            notes.append(f"{split}: {strange} triples with a relation that training lacks, kept")
    return notes


def spoken(identifier: str) -> str:
    """Return an identifier as words: blanks for underscores."""
    return " ".join(identifier.replace("_", " ").split()) or "unnamed"


def relation_words(path: str) -> str:
    """Return the words of a Freebase relation, leaf first (SimKGC's rule, section 2 of the dossier).

    ``/film/film/genre`` becomes ``genre film``: parts that recur within three parts are dropped, then the order turns,
    and adjacent repeats go. No two relations of FB15k-237 have the same words.
    """
    kept: list[str] = []
    for part in path.replace("./", "/").replace("_", " ").strip("/").split("/"):
        if part not in kept[-3:]:
            kept.append(part)
    turned = kept[::-1]
    return " ".join(part for part, before in zip(turned, ["", *turned[:-1]], strict=True) if part != before)


def rows_of(path: Path, width: int) -> Lines:
    """Return the cells of each line of a TSV, TXT or CSV file, packed or not; blank lines and ``\\r`` do not count.

    Raises
    ------
    InputError
        Another number of cells than ``width`` or an empty cell (the line is named), or a file that is not UTF-8.
    """
    try:
        with PACKINGS[path.suffix if path.suffix in PACKINGS else ""](regular(path), "rb") as handle:
            content = handle.read(TEXT + 1)
        if len(content) > TEXT:
            raise InputError(
                relative(path), f"more than {TEXT:,} bytes, unpacked", "a smaller file", "Split the graph."
            )
        text = content.decode("utf-8-sig")
    except InputError:
        raise
    except UnicodeDecodeError as error:
        found = f"byte {error.object[error.start]:#04x} at position {error.start}"
        raise InputError(relative(path), found, "UTF-8 text", "Save it as UTF-8, e.g. with iconv.") from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise InputError(relative(path), str(error) or "a truncated file", "a whole file", "Fetch it again.") from error
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    comma = path.name.removesuffix(path.suffix if path.suffix in PACKINGS else "").endswith(".csv")
    rows = []
    for number, cells in _lines(path, plain, comma):
        if width == 2:  # an identifier, and a text that may hold separators or be missing
            cells = [cells[0], (", " if comma else " ").join(cells[1:])]
        if len(cells) != width or not all(cells[: 3 if width == 3 else 1]):
            found = f"line {number} with {len(cells)} cells: {' | '.join(cells)[:60]}"
            shape, between = "head, relation, tail" if width == 3 else f"{width} cells", "commas" if comma else "tabs"
            raise InputError(relative(path), found, f"{shape}, separated by {between}", "Mend it.")
        rows.append(cells)
    return rows


def _lines(path: Path, text: str, comma: bool) -> Iterable[tuple[int, list[str]]]:
    """Yield the number and the stripped cells of each line that is not blank."""
    longest, reader = max(map(len, text.split("\n"))), csv.reader(io.StringIO(text), strict=True)
    if longest > LINE:
        raise InputError(relative(path), f"a line of {longest:,} characters", f"at most {LINE:,}", "Mend it.")
    try:
        for number, cells in enumerate(reader if comma else (line.split("\t") for line in text.split("\n")), 1):
            if any(cell.strip() for cell in cells):
                yield reader.line_num if comma else number, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise InputError(relative(path), f"line {reader.line_num}: {error}", "a whole CSV file", "Mend it.") from error


def texts_of(path: Path) -> dict[str, str]:
    """Return ``{identifier: text}`` of a file with two cells a line; a line without its text gives an empty one.

    Raises
    ------
    InputError
        An identifier occurs twice with different texts, or the file cannot be read.
    """
    found: dict[str, str] = {}
    for identifier, text in rows_of(path, 2):
        if found.setdefault(identifier, text) != text:
            raise InputError(relative(path), f"{identifier!r} with two texts", "one text an element", "Keep one.")
    return found


def read_folder(folder: str | Path) -> Graph:
    """Return the graph of an own folder; see the top of this module for its files, :func:`build` for what is counted.

    Raises
    ------
    InputError
        A split is missing or empty, a line is ill-formed, or the list of entities lacks one that the triples use.
    """
    folder = Path(folder)
    splits = {}
    for split in SPLITS:
        path = _file(folder, ("valid", "dev") if split == "valid" else (split,))
        if path is None:
            raise InputError(relative(folder), f"no file for {split}", f"{split}.tsv (or .csv, .txt)", "Add it.")
        splits[split] = rows_of(path, 3)
    if not splits["train"]:
        raise InputError(relative(folder), "no training triple", "head, relation, tail in each line", "Fill train.")
    texts = {kind: texts_of(path) if (path := _file(folder, (kind,))) else {} for kind in ("entities", "relations")}
    used = {e for lines in splits.values() for h, _, t in lines for e in (h, t)}
    lacking = sorted(used - set(texts["entities"])) if texts["entities"] else []
    if lacking:
        found = f"{len(lacking)} entities of the triples are not listed, the first is {lacking[0]!r}"
        raise InputError(f"{relative(folder)}: entities", found, "every entity of the triples", "Add or drop the list.")
    return build(str(folder), splits, texts["entities"], texts["relations"])


def _file(folder: Path, stems: tuple[str, ...]) -> Path | None:
    names = [f"{stem}{suffix}{packing}" for stem in stems for suffix in SUFFIXES for packing in PACKINGS]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _packaged(name: str) -> Graph:
    """Return UMLS, Nations or Kinships from the installed pykeen; UMLS with descriptions where they are here."""
    if name in TEXTS and not variant(name):
        return _umls_texts()
    from importlib.resources import files

    folder = files("pykeen.datasets") / name
    splits = {split: rows_of(Path(str(folder / f"{split}.txt")), 3) for split in SPLITS}
    graph = build(name, splits, {}, {})
    return replace(graph, notes=(*graph.notes, variant(name))) if variant(name) else graph


def _umls_texts() -> Graph:
    found = datasets.fetch("umls_texts")
    splits = {split: rows_of(found[f"{'dev' if split == 'valid' else split}.tsv.gz"], 3) for split in SPLITS}
    names, long = texts_of(found["entity2text.txt.gz"]), texts_of(found["entity2textlong.txt.gz"])
    texts = {entity: f"{name}: {long.get(entity, '')}" for entity, name in names.items()}
    return build("umls", splits, texts, texts_of(found["relation2text.txt.gz"]))


def _wn18rr() -> Graph:
    found = datasets.fetch("wn18rr")
    splits = {split: rows_of(found[f"{split}.tsv.xz"], 3) for split in SPLITS}
    return build("wn18rr", splits, wordnet_texts(), texts_of(found["relation2text.tsv.xz"]))


def wordnet_texts() -> dict[str, str]:
    """Return ``{synset: "lemma: gloss"}`` of WN18RR."""
    lines = texts_of(datasets.fetch("wn18rr")["entity2text.tsv.xz"])
    return {synset: ": ".join(text.split(", ", 1)) for synset, text in lines.items()}


def freebase_texts() -> dict[str, str]:
    """Return ``{mid: "name: short Wikidata description"}`` of FB15k-237; 875 entities have a name only."""
    rows = rows_of(datasets.fetch("fb15k237")["entities.tsv.xz"], 6)[1:]
    return {row[0]: f"{spoken(row[1])}: {row[3]}" if row[3] else spoken(row[1]) for row in rows}


def _fb15k237() -> Graph:
    found = datasets.fetch("fb15k237")
    splits = {split: rows_of(found[f"{split}.tsv.xz"], 3) for split in SPLITS}
    relations = {r for lines in splits.values() for _, r, _ in lines}
    return build("fb15k-237", splits, freebase_texts(), {r: relation_words(r) for r in relations})


def inductive(name: str) -> tuple[Graph, Graph]:
    """Return the training graph and the disjoint test graph of an inductive split (Teru et al.), with texts.

    The test graph numbers its relations as the training graph does.

    Raises
    ------
    InputError
        No such split, or one of NELL (its entities have no texts here).
    """
    if name not in INDUCTIVE or name.startswith("nell"):
        raise InputError("inductive split", repr(name), " | ".join(n for n in INDUCTIVE if "nell" not in n), "Mind it.")
    path = datasets.fetch("grail_splits")["teru_inductive_splits.tar.xz"]
    texts = freebase_texts() if name.startswith("fb") else wordnet_texts()
    with tarfile.open(path, "r:xz") as archive:
        members = {Path(member.name).name: member for member in archive.getmembers() if member.isfile()}

        def one(which: str, order: Sequence[str] = ()) -> Graph:
            lines = {
                split: [
                    line.split()
                    for line in archive.extractfile(members[f"{which}__{split}.txt"]).read().decode().splitlines()
                    if line.strip()
                ]
                for split in SPLITS
            }
            used = {e for split in lines.values() for h, _, t in split for e in (h, t)}
            read = relation_words if name.startswith("fb") else spoken
            words = {r: read(r) for split in lines.values() for _, r, _ in split}
            return build(which, lines, {entity: texts.get(entity, "") for entity in used}, words, order)

        training = one(name)
        return training, one(f"{name}_ind", training.relations)
