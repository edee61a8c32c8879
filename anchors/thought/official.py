"""Reader of what the authors released: traces with labels and importances, matrices, rollout folders, v4 tables.

The layout is ``<model>/<correct|incorrect>_base_solution/problem_<id>/*.json``. Traces and matrices belong to the
first generation (v1/v2, 20 traces); the variance tables to the second (v4, 40 traces).
"""

import re
from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anchors.companion import datasets
from anchors.companion.errors import InputError
from anchors.companion.files import read_json
from anchors.companion.paths import relative

if TYPE_CHECKING:
    from pandas import DataFrame

TRACES, TABLES = "thought_traces", "thought_v4_tables"
SENTENCES = 10_000  # of a trace, whose matrices are square
MODEL = "deepseek-r1-distill-qwen-14b"
PROBLEMS = ("2238", "6998", "2236", "330", "1591", "4682", "6596", "3448", "2189", "4164")  # in the order of v1
MATRIX_PROBLEMS, RESAMPLED_PROBLEMS = ("2236", "2238", "3448", "4682"), ("2238", "4682")
LABELS = (
    "accuracy",
    "resampling_importance_accuracy",
    "resampling_importance_kl",
    "counterfactual_importance_accuracy",
    "counterfactual_importance_kl",
    "forced_importance_accuracy",
    "forced_importance_kl",
    "different_trajectories_fraction",
    "overdeterminedness",
)
KINDS = {"counterfactual": "step_importance.json", "suppression": "step_importance_supp.json"}
_SOLUTIONS = {True: "correct_base_solution", False: "incorrect_base_solution"}
_ROW = re.compile(r"^Problem (?P<problem>\d+):|^ +\d+\. Chunk (?P<sentence>\d+): (?P<value>-?[\d.]+) - (?P<tag>\w+) - ")


@dataclass(frozen=True)
class Trace:
    """One released trace of M sentences.

    ``labels`` holds one float array ``(M,)`` for each of :data:`LABELS` in the official signs (counterfactual accuracy:
    positive = the sentence hurts); ``accuracy[i]`` is that of the rollouts resampled in place of sentence i.
    """

    model: str
    problem: str
    correct: bool
    question: str
    answer: str
    full_cot: str
    sentences: tuple[str, ...]
    categories: tuple[str, ...]
    labels: dict[str, np.ndarray] = field(repr=False)

    @property
    def name(self) -> str:
        """Problem and correctness, as in ``"4682 correct"``."""
        return f"{self.problem} {'correct' if self.correct else 'incorrect'}"


def released_traces() -> list[Trace]:
    """Return the 20 released traces of R1-Distill-Qwen-14B (v1/v2), problems in the order of the paper's list.

    MissingData when the data set is not here; InputError when a file is damaged.
    """
    files = _files(TRACES)
    return [
        _trace({name: _in(files, problem, correct, name) for name in ("problem", "base_solution", "chunks_labeled")})
        for problem in PROBLEMS
        for correct in (True, False)
    ]


def released_trace(problem: str, correct: bool = True) -> Trace:
    """Return one of the 20 released traces; InputError for a problem that is not among them."""
    _known(problem, PROBLEMS)
    return next(t for t in released_traces() if (t.problem, t.correct) == (str(problem), correct))


def read_trace(folder: str | Path) -> Trace:
    """Return the trace in a folder of the official layout, ``<model>/<correctness>_base_solution/problem_<id>``.

    InputError when a file is missing or ill-formed, or the trace has no sentences or no answer.
    """
    return _trace({name: Path(folder) / f"{name}.json" for name in ("problem", "base_solution", "chunks_labeled")})


def files_of(problem: str, correct: bool = True) -> dict[str, Path]:
    """Return the files of a released trace by their names; InputError for a problem that is not among them."""
    _known(problem, PROBLEMS)
    place = _place(problem, correct)
    return {path.removeprefix(place): file for path, file in _files(TRACES).items() if path.startswith(place)}


def labels_of(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return for each of :data:`LABELS` its values ``(M,)`` in labelled rows, NaN where a row has none."""
    return {name: np.array([row.get(name, np.nan) for row in rows], float) for name in LABELS}


def judged(value: Any, path: Path) -> bool | None:
    """Return an ``is_correct`` of a file as it is; InputError unless it is true, false or null (not known)."""
    if not isinstance(value, bool | None):
        raise InputError(relative(path), f"is_correct {value!r}"[:80], "true, false or null")
    return value


def step_importance(problem: str, kind: str = "counterfactual") -> np.ndarray:
    """Return the released sentence-to-sentence matrix ``(M, M)`` [source, target] of a correct trace (sec. 2.7, 2.8).

    ``counterfactual``: difference of match rates, in -1 to 1; ``suppression``: log units, centred for each target. NaN
    where the file has no value: the diagonal and earlier targets.
    """
    _known(problem, MATRIX_PROBLEMS)
    if kind not in KINDS:
        raise InputError("kind", repr(kind), " | ".join(KINDS))
    return read_matrix(files_of(problem)[KINDS[kind]])


def read_matrix(path: Path, size: int | None = None) -> np.ndarray:
    """Return a stored matrix ``(M, M)`` [source, target], NaN where the file has no value.

    ``size`` is M, the number of rows of the file by default; InputError when the file is ill-formed or of another size.
    """
    rows = read_json(path, list)
    count = size or len(rows)
    if count > SENTENCES:
        raise InputError(relative(path), f"{count:,} sentences", f"at most {SENTENCES:,}", "Cut the trace.")
    matrix = np.full((count, count), np.nan)
    try:
        for row in rows:
            for impact in row["target_impacts"]:
                source, target = index(row["source_chunk_idx"]), index(impact["target_chunk_idx"])
                if min(source, target) < 0:
                    raise IndexError(f"index {min(source, target)}")
                matrix[source, target] = impact["importance_score"]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        expected = f"source_chunk_idx and target_impacts of {len(matrix)} sentences in every row"
        raise InputError(relative(path), repr(error)[:80], expected) from error
    return matrix


def resampled_sentences(problem: str) -> list[list[str]]:
    """Return for each sentence of a correct trace the first sentences of its rollouts (answers are not released)."""
    _known(problem, RESAMPLED_PROBLEMS)
    found = read_json(files_of(problem)["chunks_resampled.json"], dict)
    return [found[str(k)] for k in range(len(found))]


def summary(problem: str, correct: bool = True) -> dict[str, Any]:
    """Return the released aggregates of a trace's sentence-to-sentence matrix (sec. 2.8)."""
    return read_json(files_of(problem, correct)["summary.json"], dict)


def selected_problems() -> list[dict[str, Any]]:
    """Return the authors' 106 screened problems, by mean length of their traces (sec. 1)."""
    return read_json(_files(TABLES)["thought/selected_problems.json"], list)


def variance_rows() -> "DataFrame":
    """Return the 6,474 sentence rows of the v4 text tables: correct, problem, sentence, category, value.

    ``value`` is the counterfactual importance in accuracy, four decimals, official sign.
    """
    import pandas as pd

    rows, files = [], _files(TABLES)
    for correct in ("correct", "incorrect"):
        problem = ""
        text = files[f"thought/variance/{correct}/chunk_variance.txt"].read_text(encoding="utf-8")
        for match in filter(None, map(_ROW.match, text.split("\n"))):
            problem = match["problem"] or problem
            if match["tag"]:
                rows.append(
                    (correct == "correct", problem, int(match["sentence"]), match["tag"], float(match["value"]))
                )
    return pd.DataFrame(rows, columns=["correct", "problem", "sentence", "category", "value"])


def category_counts() -> dict[str, int]:
    """Return the sentences of each category in 40 traces as the authors' own v4 count tables give them (sec. 2.2)."""
    files, counts = _files(TABLES), {}
    for correct in ("correct", "incorrect"):
        text = files[f"thought/variance/{correct}/function_tag_variance.txt"].read_text(encoding="utf-8")
        for name, count in re.findall(r"^(\w[\w ]+):\n(?:  .*\n)*?  Count: (\d+)", text, re.MULTILINE):
            key = name.lower().replace(" ", "_")
            counts[key] = counts.get(key, 0) + int(count)
    return counts


def read_rollouts(folder: str | Path) -> tuple["DataFrame", dict[str, int]]:
    """Return the rollouts under ``chunk_<i>/solutions.json`` of a problem folder, and counts.

    Columns: sentence, removed, first_sentence, text, answer (``""`` when none), correct. Rows that carry an ``error``
    are dropped and counted. Counts: files, rollouts, errors, unanswered. InputError when nothing is usable.
    """
    import pandas as pd

    folder, counts, rows = Path(folder), {"files": 0, "rollouts": 0, "errors": 0, "unanswered": 0}, []
    for number, path in _chunks(folder):
        counts["files"] += 1
        for entry in read_json(path, list):
            if isinstance(entry, dict) and "error" in entry:
                counts["errors"] += 1
                continue
            rows.append(_rollout(path, number, entry))
    if not rows:
        found = f"{counts['files']} files, {counts['errors']} rollouts, all in error" if counts["files"] else "none"
        raise InputError(relative(folder), found, "chunk_<i>/solutions.json with usable rollouts", "Sample them again.")
    table = pd.DataFrame(rows)
    counts |= {"rollouts": len(table), "unanswered": int((table["answer"] == "").sum())}
    return table, counts


def _rollout(path: Path, sentence: int, entry: Any) -> dict[str, Any]:
    needed = ("chunk_removed", "chunk_resampled", "rollout")
    if not isinstance(entry, dict) or any(name not in entry for name in needed):
        found = f"a rollout with {list(entry)}" if isinstance(entry, dict) else f"the rollout {entry!r}"[:80]
        raise InputError(relative(path), found, f"{', '.join(needed)}, answer, is_correct")
    return {
        "sentence": sentence,
        "removed": entry["chunk_removed"],
        "first_sentence": entry["chunk_resampled"],
        "text": entry["rollout"],
        "answer": entry.get("answer") or "",
        "correct": judged(entry.get("is_correct"), path),
    }


def _chunks(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        raise InputError(relative(folder), "no such folder", "problem_<id>/chunk_<i>/solutions.json")
    found = [(re.fullmatch(r"chunk_(\d+)", path.parent.name), path) for path in folder.glob("chunk_*/solutions.json")]
    return sorted((int(match[1]), path) for match, path in found if match)


def _trace(paths: dict[str, Path]) -> Trace:
    problem, solution = read_json(paths["problem"], dict), read_json(paths["base_solution"], dict)
    rows, path = read_json(paths["chunks_labeled"], list), paths["chunks_labeled"]
    if not rows:
        raise InputError(relative(path), "no sentences", "at least one labelled sentence")
    if not solution.get("answer"):
        raise InputError(relative(paths["base_solution"]), "no answer", "the final answer of the trace")
    try:
        return Trace(
            model=path.parts[-4],
            problem=path.parts[-2].removeprefix("problem_"),
            correct=bool(judged(solution["is_correct"], paths["base_solution"])),
            question=problem["problem"],
            answer=solution["answer"],
            full_cot=solution["full_cot"],
            sentences=tuple(row["chunk"] for row in rows),
            categories=tuple((row["function_tags"] or ["unknown"])[0] for row in rows),
            labels=labels_of(rows),
        )
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(relative(path.parent), f"a field is missing: {error!r}", "the official layout") from error


def _files(name: str) -> dict[str, Path]:
    """Return ``{path in the registry: file}``; many files of a trace share their base name."""
    datasets.fetch(name)
    return {file.path: datasets.locate(file) for file in datasets.dataset(name).files}


def _in(files: dict[str, Path], problem: str, correct: bool, name: str) -> Path:
    return files[f"{_place(problem, correct)}{name}.json"]


def _place(problem: str, correct: bool) -> str:
    return f"thought/{MODEL}/{_SOLUTIONS[correct]}/problem_{problem}/"


def _known(problem: str, known: tuple[str, ...]) -> None:
    if str(problem) not in known:
        raise InputError("problem", repr(problem), " | ".join(known), "Only these were released or registered.")
