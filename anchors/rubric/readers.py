"""Rubrics that others wrote, as :class:`Rubric`: BiGGen-Bench, HealthBench, IFEval, EQ-Bench 3, plain checklists.

Readers of a benchmark read the registered data set when they are given no path. They return rubrics of one instance
each, with prompt, source and licence. How a format maps to criteria is said in each docstring; the mapping is ours.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from anchors.companion import datasets
from anchors.companion.errors import InputError
from anchors.companion.paths import relative
from anchors.companion.plain import TEXT, read_text, regular
from anchors.rubric.documents import read_lines
from anchors.rubric.ifeval_words import described
from anchors.rubric.rubric import Rubric, Tier

ROWS = 1_000_000  # of a Parquet file
APACHE, MIT = "Apache-2.0", "MIT"
ABILITIES = (
    "demonstrated_empathy", "pragmatic_ei", "depth_of_insight", "social_dexterity", "emotional_reasoning",
    "message_tailoring",
)  # fmt: skip
DEGREES = ("not at all", "a little", "to some degree", "clearly", "to the highest degree")
_ITEM = re.compile(
    r"(?:(?:[-*+]|\d+[.)])(?:\s+|$))?(?:\[[ xX]\](?:\s+|$))?"  # a bullet or a number, a box
    r"(?:\[([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\]\s+)?(.*)"  # a weight, the criterion
)
_SPEAKERS = {"user": "User", "assistant": "Assistant", "system": "System", "developer": "System"}


def biggen(path: str | Path | None = None) -> list[Rubric]:
    """Return BiGGen-Bench's rubrics: one criterion for a language model as judge, five described tiers, weight 1.

    The prompt is the system prompt, a blank line, and the input; the task is ``capability/task``. Errors as
    :func:`anchors.rubric.documents.read_lines`, and InputError for a line without a field.
    """
    rubrics = []
    for place, row in read_lines(_registered("rubric_biggen", path)):
        scored = _field(row, "score_rubric", dict, place)
        tiers = [(n, _field(scored, f"score{n}_description", str, place)) for n in range(1, 6)]
        criterion = {"id": "quality", "description": _field(scored, "criteria", str, place), "tiers": _tiers(tiers)}
        prompt = (row.get("system_prompt") or "", _field(row, "input", str, place))
        task = f"{_field(row, 'capability', str, place)}/{_field(row, 'task', str, place)}"
        head = {"id": _field(row, "id", str, place), "task": task, "prompt": "\n\n".join(filter(None, prompt))}
        rubrics.append(_instance(place, head, [criterion | {"kind": "llm_judge"}], "BiGGen-Bench", APACHE))
    return rubrics


def healthbench(path: str | Path | None = None) -> list[Rubric]:
    """Return HealthBench's rubrics: criteria of signed points for a language model as judge.

    Negative points become criteria to avoid; the weight is the absolute value. Tags (level, axis, cluster) are told in
    the criterion's source. A conversation of one message is the prompt as it is, longer ones are told by speaker.

    Parameters
    ----------
    path : Parquet as RuscaRL packs it, or JSON Lines as HealthBench publishes it (``prompt``, ``rubrics``).

    Raises
    ------
    InputError
        A file that cannot be read, or a row without a field (the row is named).
    """
    path = _registered("rubric_healthbench", path)
    rows = _parquet(path) if path.suffix.lower() == ".parquet" else read_lines(path)
    return [_signed(number, place, row) for number, (place, row) in enumerate(rows)]


def ifeval(path: str | Path | None = None) -> list[Rubric]:
    """Return IFEval's rubrics: one program criterion an instruction, check ``ifeval:<id>``, options its arguments.

    An instruction that a prompt gives twice has the id ``<id>#2``. Errors as :func:`biggen`.
    """
    rubrics = []
    for place, row in read_lines(_registered("rubric_ifeval", path)):
        names, options = _field(row, "instruction_id_list", list, place), _field(row, "kwargs", list, place)
        if len(names) != len(options):
            raise InputError(place, f"{len(options)} kwargs", f"{len(names)}, one an instruction", "Mend the line.")
        criteria = []
        for number, (name, given) in enumerate(zip(names, options, strict=True)):
            count = names[: number + 1].count(name)
            criteria.append(_instruction(name if count == 1 else f"{name}#{count}", name, given, place))
        head = {"id": f"ifeval_{row.get('key', len(rubrics))}", "task": "instruction following"}
        head["prompt"] = _field(row, "prompt", str, place)
        rubrics.append(_instance(place, head, criteria, "IFEval", APACHE))
    return rubrics


def eqbench(folder: str | Path | None = None) -> list[Rubric]:
    """Return EQ-Bench 3's rubrics: 18 criteria a role play, 6 an analysis, for a language model as judge, graded.

    The six abilities of a role play and all criteria of an analysis have weight 1. The twelve of style, of which the
    benchmark says that more is neither better nor worse, have weight 0: they are measured. The prompt holds the turns
    of the scenario. Tiers stand at 0, 5, 10, 15, 20 of the benchmark's scale; their words are ours.

    Parameters
    ----------
    folder : has the benchmark's ``scenario_prompts.txt`` and ``rubric_scoring_criteria{,_analysis}.txt``.

    Raises
    ------
    InputError
        A missing file, or no scenario in it.
    """
    files = datasets.fetch("rubric_eqbench") if folder is None else {}
    texts = {
        name: read_text(files.get(name) or Path(folder or "") / name)
        for name in ("scenario_prompts.txt", "rubric_scoring_criteria.txt", "rubric_scoring_criteria_analysis.txt")
    }
    scenarios, *lists = texts.values()
    style, analysis = ([_degree(name) for name in text.split()] for text in lists)
    style = [one | {"weight": float(one["id"] in ABILITIES)} for one in style]
    rubrics = []
    for part in re.split(r"^########(?!#)", scenarios, flags=re.M)[1:]:
        head, _, body = part.partition("\n")
        number, kind, title = (word.strip() for word in (head + "||").split("|")[:3])
        turns = [turn.partition("\n")[2].strip() for turn in re.split(r"^#######(?!#)", body, flags=re.M)[1:]]
        criteria = analysis if kind.startswith("Analytical") else style
        facts = {"id": f"eqbench3_{number}", "title": title, "task": kind, "prompt": "\n\n".join(filter(None, turns))}
        rubrics.append(_instance(f"scenario {number}", facts, criteria, "EQ-Bench 3", MIT))
    if not rubrics:
        raise InputError("scenario_prompts.txt", "no scenario", "lines that start with ########", "Mind the folder.")
    return rubrics


def checklist(path: str | Path) -> list[Rubric]:
    """Return the one rubric of a text file: a line is a criterion for a language model as judge, without a prompt.

    A line may start with a bullet, a number or a box (``- [ ] text``), then a weight: ``[2] text`` counts twice,
    ``[-2] text`` is to be avoided. Blank lines and headings (``# …``) are no criteria; the first
    heading is the title.

    Raises
    ------
    InputError
        A file that cannot be read or is not UTF-8, or no line with a criterion.
    """
    path, title, criteria = Path(path), "", []
    for line in map(str.strip, read_text(path).splitlines()):
        if line.startswith("#"):
            title = title or line.strip("# ")
        elif (found := _ITEM.match(line))[2]:
            criteria.append(_points(f"item_{len(criteria) + 1:02d}", found[2], float(found[1] or 1)))
    rubric = {"id": path.stem or "checklist", "title": title, "criteria": criteria, "source": path.name}
    return [_made(relative(path), rubric)]


def to_checklist(rubric: Rubric) -> str:
    """Return a rubric as a checklist that :func:`checklist` reads: descriptions on one line each, signed weights.

    Checks, options, tiers, thresholds and what is critical are lost: a checklist has no place for them.
    """
    lines = [f"# {rubric.title or rubric.id}", ""]
    for one in rubric.criteria:
        text, points = " ".join(one.description.split()), -one.weight if one.avoid else one.weight
        weight = "" if points == 1 and text[0] != "[" else f"[{points!r}] ".replace(".0]", "]")
        lines.append(f"- [ ] {weight}{text}")
    return "\n".join(lines) + "\n"


def to_healthbench(rubrics: Iterable[Rubric]) -> str:
    """Return rubrics as HealthBench's JSON Lines, one a line: signed points, the prompt as one message of the user.

    Raises
    ------
    InputError
        A criterion with more than two tiers: it is met or not in that format.
    """
    lines = []
    for rubric in rubrics:
        items = []
        for one in rubric.criteria:
            if len(one.tiers) > 2:
                what = f"criterion {one.id!r} of rubric {rubric.id!r}"
                raise InputError(what, f"{len(one.tiers)} tiers", "two", "HealthBench knows met and not met only.")
            points = -one.weight if one.avoid else one.weight
            items.append({"criterion": one.description, "points": points, "tags": _tags(one.source)})
        prompt = [{"role": "user", "content": rubric.prompt}] if rubric.prompt is not None else []
        lines.append(json.dumps({"prompt_id": rubric.id, "prompt": prompt, "rubrics": items}, ensure_ascii=False))
    return "\n".join(lines) + "\n"


def _registered(name: str, path: str | Path | None) -> Path:
    return next(iter(datasets.fetch(name).values())) if path is None else Path(path)


def _field(row: dict[str, Any], name: str, kind: type, place: str) -> Any:
    if isinstance(row, dict) and isinstance(row.get(name), (int, float) if kind is float else kind):
        return row[name]
    found = f"no {name!r}" if not isinstance(row, dict) or name not in row else f"{name} {row[name]!r:.60}"
    raise InputError(place, found, f"{name} of type {kind.__name__}", "Is it a file of this benchmark?")


def _made(place: str, fields: dict[str, Any]) -> Rubric:
    """Return the rubric of fields; an InputError names the place in the file."""
    try:
        return Rubric(**fields)
    except InputError as error:
        raise InputError(f"{place}: {error.what}", error.found, error.expected, error.cure) from error


def _instance(place: str, head: dict[str, Any], criteria: list[dict], source: str, licence: str) -> Rubric:
    origin = {"source": source, "licence": licence}
    own = [{"scope": "instance"} | origin | one for one in criteria]
    return _made(place, head | origin | {"criteria": own})


def _tiers(scored: Iterable[tuple[float, str]]) -> tuple[Tier, ...]:
    return tuple(Tier(score=score, description=text) for score, text in scored)


def _points(id: str, description: str, points: float) -> dict[str, Any]:
    return {
        "id": id,
        "description": description,
        "kind": "llm_judge",
        "weight": abs(points),
        "avoid": math.copysign(1, points) < 0,
    }


def _degree(name: str) -> dict[str, Any]:
    """Return a criterion of EQ-Bench by its name."""
    words = name.replace("_", " ")
    return {
        "id": name, "description": f"How far the assistant's side shows this quality: {words}.", "kind": "llm_judge",
        "tiers": _tiers((5 * n, degree) for n, degree in enumerate(DEGREES)), "snap": False,
    }  # fmt: skip


def _instruction(id: str, name: str, given: dict[str, Any], place: str) -> dict[str, Any]:
    given = _field({"kwargs": given}, "kwargs", dict, place)
    given = {key: value for key, value in given.items() if value is not None}
    return {"id": id, "description": described(name, given), "check": f"ifeval:{name}", "options": given}


def _signed(number: int, place: str, row: dict[str, Any]) -> Rubric:
    row = row | (row.get("reward_model") or {})  # as RuscaRL packs it
    criteria = []
    for count, item in enumerate(_field(row, "rubrics", list, place), 1):
        points = _field(item, "points", float, place)
        source = "; ".join(["HealthBench", *(item.get("tags") or [])])
        text = _field(item, "criterion", str, place)
        criteria.append(_points(f"item_{count:02d}", text, points) | {"source": source})
    messages = _field(row, "prompt", list, place)
    head = {"id": row.get("prompt_id") or f"healthbench_{number:03d}", "task": "health conversation"}
    head["prompt"] = _told([{key: _field(m, key, str, place) for key in ("role", "content")} for m in messages])
    return _instance(place, head, criteria, "HealthBench", MIT)


def _told(messages: list[dict[str, str]]) -> str | None:
    if not messages:
        return None
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(f"{_SPEAKERS.get(m['role'], m['role'])}: {m['content']}" for m in messages)


def _tags(source: str) -> list[str]:
    return [tag for tag in source.split("; ") if re.match(r"(level|axis|cluster):", tag)]


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow.parquet as pq

    regular(path)
    try:
        about = pq.read_metadata(path)
        if about.num_rows > ROWS or sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups)) > TEXT:
            found, expected = f"{about.num_rows:,} rows", f"at most {ROWS:,} of {TEXT:,} bytes, unpacked"
            raise InputError(relative(path), found, expected, "Split the file.")
        rows = pq.read_table(path, columns=["prompt", "reward_model"]).to_pylist()
    except InputError:
        raise
    except Exception as error:  # the parser meets arbitrary bytes and may raise anything
        found = f"a file that cannot be read ({error})"
        raise InputError(relative(path), found, "Parquet with prompt and reward_model", "Fetch it again.") from error
    for number, row in enumerate(rows):
        yield f"{relative(path)}: row {number}", row
