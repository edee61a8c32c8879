"""Traces in the official folder layout, released or your own: labels, matrices and rollouts, where they are there."""

import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.companion.files import read_json
from anchors.companion.paths import relative
from anchors.thought import answers, official
from anchors.thought.explorer import bundle, measured
from anchors.thought.explorer.whitebox import suppressed
from anchors.thought.studies.case_study import ROLLOUTS, step_intervals
from anchors.thought.taxonomy import label_by_rules

LABELLED, PLAIN, SOLUTION = "chunks_labeled.json", "chunks.json", "base_solution.json"
FORCED = "_forced_answer"  # ends the name of the folder beside, with rollouts whose answer was forced
DRAWS = 4000
MOST = 200_000  # files and folders that are looked through for problems
COUNTS = (
    f"How many rollouts had an answer is not in the files: intervals take the largest number up to {ROLLOUTS} that can "
    "give the stored share."
)
SIGN = "Counterfactual accuracy is shown as + helps; the files have the opposite sign."
GUESSED = "Dependencies are those a language model guessed when the trace was labelled."
SIDE = {
    "different_trajectories_fraction": "Rollouts that begin differently",
    "overdeterminedness": "Overdeterminedness",
}


def released(problem: str, correct: bool = True, counting: measured.Counting | None = None) -> dict[str, Any]:
    """Return a released trace by the number of its problem; MissingData when the data set is not here.

    With ``counting`` the sentences written in its place are compared with each sentence, which takes minutes.
    """
    return read(official.files_of(problem, correct), counting, counting is not None)


def folder(path: str | Path, counting: measured.Counting, similar: bool = False) -> dict[str, Any]:
    """Return the trace in a problem folder; InputError when a file is missing or ill-formed; ``similar`` as there."""
    return read({file.name: file for file in Path(path).resolve().iterdir()}, counting, similar)


def below(path: Path) -> list[Path]:
    """Return the problem folders in a tree, in order; those of forced answers belong to the ones beside them."""
    found, seen = [], 0
    for place, folders, files in os.walk(path):  # links to folders are not followed
        seen += len(folders) + len(files)
        if seen > MOST:
            cure = "Give the folder of one problem, or one nearer to the problems."
            raise InputError(relative(path), f"more than {MOST:,} files", "problem folders", cure)
        if LABELLED in files or SOLUTION in files:
            found.append(Path(place))
    return sorted(one for one in found if not one.parent.name.endswith(FORCED))


def read(files: dict[str, Path], counting: measured.Counting | None, similar: bool) -> dict[str, Any]:
    """Return the trace in these files of one problem folder, by their names.

    ``similar`` asks for a comparison of sentences that were written instead and came without their rollouts. InputError
    when a file is missing or ill-formed.
    """
    place = files[LABELLED if LABELLED in files else SOLUTION].parent
    try:
        return _read(files, place, counting, similar)
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        found, cure = f"a field of another kind: {error!r}"[:120], "See docs/explorer.md."
        raise InputError(relative(place), found, "the official layout", cure) from error


def _read(files: dict[str, Path], place: Path, counting: measured.Counting | None, similar: bool) -> dict[str, Any]:
    """Return the trace in files that may be ill-formed; KeyError, TypeError and the like where they are."""
    rows = read_json(files[LABELLED], list) if LABELLED in files else None
    if rows is None:
        texts, parts = _texts(_file(files, PLAIN, place)), []
        labels = {"categories": label_by_rules(texts)}
    else:
        texts, parts = _column(rows, "chunk", files), [_labels(rows, files[LABELLED])]
        labels = {
            "categories": [_listed(row.get("function_tags") or ["unknown"], "function_tags")[0] for row in rows],
            "depends": [_earlier(_listed(row.get("depends_on") or [], "depends_on"), i) for i, row in enumerate(rows)],
        }
    parts += [_matrices(files, len(texts)), _resampled(files, texts, counting if similar else None)]
    if any(place.glob("chunk_*/solutions.json")):
        parts.append(_rollouts(place, texts, counting))
    return bundle.trace(sentences=texts, **labels, **_about(files, place), **bundle.merged(parts))


def _about(files: dict[str, Path], place: Path) -> dict[str, Any]:
    """Return the texts that say which trace it is."""
    asked = read_json(files["problem.json"], dict) if "problem.json" in files else {}
    base = read_json(path := _file(files, SOLUTION, place), dict)
    solution = "correct" if official.judged(base.get("is_correct"), path) else "incorrect"
    problem, given = place.name.removeprefix("problem_"), base.get("answer") or answers.boxed(base.get("solution", ""))
    model = _model(place)
    return {
        "id": "/".join(filter(None, (model, problem, solution))), "model": model, "problem": problem,
        "title": str(asked.get("nickname") or ""), "solution": solution,
        "question": str(asked.get("problem") or base.get("prompt") or ""),
        "answer": str(asked.get("gt_answer") or asked.get("answer") or ""), "given": str(given),
        "made_by": "files in the official layout" + ("" if model != official.MODEL else ", released by the authors"),
    }  # fmt: skip


def _labels(rows: list[dict[str, Any]], path: Path) -> dict[str, Any]:
    """Return the importances and the accuracy stored with the labels, and notes."""
    stored = official.labels_of(rows)
    for value in stored["accuracy"]:
        if value < 0 or value > 1:
            raise InputError(relative(path), f"accuracy {value:g}", "a share from 0 to 1", "Mind the unit.")
    known = {name: values for name, values in stored.items() if np.isfinite(values).any()}
    counts = _counts(stored["accuracy"])
    found: dict[str, Any] = {"importances": _stored(known, counts)}
    if "accuracy" in known:
        plain = {"values": bundle.numbers(known["accuracy"])}
        found["accuracy"] = plain if counts is None else bundle.shares(known["accuracy"] * counts, counts)
    notes = {
        GUESSED: any(row.get("depends_on") for row in rows), COUNTS: counts is not None,
        SIGN: "counterfactual_importance_accuracy" in known,
    }  # fmt: skip
    return found | {"notes": [words for words, apply in notes.items() if apply]}


def _stored(known: dict[str, np.ndarray], counts: np.ndarray | None) -> list[dict[str, Any]]:
    """Return the stored importances; those of resampling in accuracy with intervals where the counts are known."""
    found = []
    for method, unit in (*measured.ORDER, ("forced", "kl"), ("forced", "accuracy")):
        values, ends = known.get(f"{method}_importance_{unit}"), ()
        if values is None:
            continue
        if (method, unit) == ("counterfactual", "accuracy"):
            values = -values
        if (method, unit) == ("resampling", "accuracy") and counts is not None:
            ends = step_intervals(known["accuracy"], DRAWS, 0)
        words = (measured.label_of(method, unit), measured.UNITS[unit], "released")
        found.append(bundle.importance(f"{method}_{unit}", *words, values, *ends))
    side = [bundle.importance(name, SIDE[name], "share", "released", known[name]) for name in SIDE if name in known]
    return found + side


def _counts(accuracy: np.ndarray) -> np.ndarray | None:
    """Return the largest numbers of rollouts (M,) up to 100 that can give the stored shares; None where none can."""
    if not np.isfinite(accuracy).all():
        return None
    near = [Fraction(a).limit_denominator(ROLLOUTS) for a in accuracy]
    if any(abs(float(f) - a) > 1e-9 for f, a in zip(near, accuracy, strict=True)):
        return None
    return np.array([f.denominator * (ROLLOUTS // f.denominator) for f in near])


def _matrices(files: dict[str, Path], size: int) -> dict[str, Any]:
    """Return the stored links of resampling and of suppression."""
    found = []
    if (name := official.KINDS["counterfactual"]) in files:
        found.append(measured.said_more("released", official.read_matrix(files[name], size)))
    if (name := official.KINDS["suppression"]) in files:
        found.append(suppressed(official.read_matrix(files[name], size), "released"))
    return {"links": found}


def _resampled(files: dict[str, Path], texts: list[str], counting: measured.Counting | None) -> dict[str, Any]:
    """Return alternatives from the stored first sentences of rollouts, whose answers are not known."""
    import pandas as pd

    if "chunks_resampled.json" not in files:
        return {}
    stored = read_json(files["chunks_resampled.json"], dict)
    rows = [(k, text) for k in range(len(texts)) for text in _listed(stored.get(str(k), []), f"row {k}")]
    table = pd.DataFrame(rows, columns=["sentence", "first_sentence"]).assign(answer="", correct=None, text="")
    notes = ["The answers that followed the alternatives were not released."]
    if counting is None:
        notes.append("Alternatives were not embedded: whether other words say the same is not shown.")
    found = measured.compared(texts, table, counting)
    return {"alternatives": found, "notes": notes + measured.cut(found)}


def _rollouts(place: Path, texts: list[str], counting: measured.Counting | None) -> dict[str, Any]:
    """Return what the rollouts in ``chunk_<i>/solutions.json`` give, and those with forced answers beside them."""
    table, counts = official.read_rollouts(place)
    beside, forced = place.parent.with_name(place.parent.name + FORCED) / place.name, None
    dropped = measured.dropped(counts["errors"])
    if any(beside.glob("chunk_*/solutions.json")):
        forced, spoilt = official.read_rollouts(beside)
        dropped += measured.dropped(spoilt["errors"], measured.FORCED)
    found = measured.fields(texts, table, counting, forced)
    return found | {"notes": dropped + found["notes"]}


def _model(place: Path) -> str:
    """Return the name of the model from the folders above, ``""`` outside of the official layout."""
    if not re.fullmatch(r"(in)?correct_base_solution", place.parent.name):
        return ""
    above = place.parent.parent
    return above.parent.name if above.name.startswith("temperature_") else above.name


def _file(files: dict[str, Path], name: str, place: Path) -> Path:
    if name not in files:
        raise InputError(
            relative(place / name), "no such file", "a file of the official layout", "Complete the folder."
        )
    return files[name]


def _texts(path: Path) -> list[str]:
    """Return the sentences of a trace without labels."""
    chunks = read_json(path, dict).get("chunks")
    if not isinstance(chunks, list) or not all(isinstance(text, str) for text in chunks):
        raise InputError(relative(path), f"chunks {chunks!r}"[:80], "a list of texts", "Write one text per sentence.")
    return chunks


def _listed(value: Any, name: str) -> list:
    """Return a value that is a list; TypeError otherwise."""
    if not isinstance(value, list):
        raise TypeError(f"{name}: {value!r} is no list")
    return value


def _earlier(found: list, index: int) -> list[int]:
    """Return those of the stored indices that are of sentences before this one."""
    return [int(k) for k in found if str(k).isdecimal() and int(k) < index]


def _column(rows: list, name: str, files: dict[str, Path]) -> list[str]:
    if not all(isinstance(row, dict) and isinstance(row.get(name), str) for row in rows):
        raise InputError(relative(files[LABELLED]), f"a row without {name!r}", "one in every row", "Label it again.")
    return [row[name] for row in rows]
