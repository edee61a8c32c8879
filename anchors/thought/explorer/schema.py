"""What a bundle must look like: types by pydantic, lengths and indices by hand, one line for the first fault."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from anchors.companion.errors import InputError

FORMAT = "anchors-explorer/1"
SENTENCES = 1000  # most that a trace may have: a matrix of links then has half a million numbers
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)] | None


def _whole(text: str) -> str:
    text.encode("utf-8")  # refuses half of a surrogate pair, which no page and no file can hold
    return text


Text = Annotated[str, AfterValidator(_whole)]
Origin = Literal["released", "measured", "exact"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Ends(_Part):
    low: list[Number] | None = None
    high: list[Number] | None = None


class _Sentence(_Part):
    text: Text
    category: Text | None = None
    depends: list[int] = []


class _Importance(_Ends):
    key: Text = Field(min_length=1)
    label: Text = ""
    unit: Text = ""
    origin: Origin
    values: list[Number]


class _Links(_Part):
    key: Text = Field(min_length=1)
    label: Text = ""
    unit: Text = ""
    origin: Origin
    rows: list[list[Number]]
    low: list[list[Number]] | None = None
    high: list[list[Number]] | None = None


class _Shares(_Ends):
    values: list[Number]
    n: list[int | None] | None = None


class _Alternative(_Part):
    text: Text
    answer: Text | None = None
    right: bool | None = None
    different: bool | None = None
    similarity: Number = None
    count: Annotated[int, Field(ge=1)] = 1


class _Head(_Part):
    layer: int
    head: int
    kurtosis: Number = None
    receiver: bool = False
    received: list[Number]
    rows: list[list[Number]] | None = None


class _Trace(_Part):
    id: Text = Field(min_length=1)
    model: Text | None = None
    problem: Text | None = None
    title: Text | None = None
    solution: Text | None = None
    question: Text | None = None
    answer: Text | None = None
    given: Text | None = None
    made_by: Text | None = None
    sentences: list[_Sentence] = Field(min_length=1)
    importances: list[_Importance] = []
    links: list[_Links] = []
    accuracy: _Shares | None = None
    forced: _Shares | None = None
    answers: list[list[tuple[Text, Number]]] | None = None
    alternatives: list[list[_Alternative]] | None = None
    heads: list[_Head] = []
    notes: list[Text] = []


_TRACE = TypeAdapter(_Trace)


def checked(content: Any) -> dict[str, Any]:
    """Return the bundle itself when it is one; InputError, one line with trace and field, when it is not."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format", "no format") if isinstance(content, dict) else type(content).__name__
        raise InputError("bundle", repr(found), f'{{"format": "{FORMAT}", "traces": […]}}', "See docs/explorer.md.")
    traces = content.get("traces")
    if not isinstance(traces, list) or not traces:
        raise InputError("bundle, traces", "none", "a list with at least one trace", "See docs/explorer.md.")
    seen: set[str] = set()
    for place, one in enumerate(traces):
        trace = _typed(one, place)
        if trace.id in seen:
            raise InputError(_name(one, place), "an id that another trace has", "ids that differ", "Rename one.")
        seen.add(trace.id)
        _lengths(trace)
    return content


def _typed(one: Any, place: int) -> _Trace:
    """Return a trace with the types checked; the first fault as InputError."""
    try:
        return _TRACE.validate_python(_listed(one))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = _path(fault["loc"]) or "trace"
        found = "nothing" if fault["type"] == "missing" else repr(fault["input"])[:60]
        words = fault["msg"].replace("Input should be ", "").replace("Field required", "this field")
        raise InputError(f"{_name(one, place)}, {field}", found, words, "See docs/explorer.md.") from error


def _listed(one: Any) -> Any:
    """Return a trace whose pairs of answers and shares are tuples, as strict types have them."""
    if not isinstance(one, dict) or not isinstance(one.get("answers"), list):
        return one
    pairs = [
        [tuple(pair) if isinstance(pair, list) else pair for pair in row] if isinstance(row, list) else row
        for row in one["answers"]
    ]
    return one | {"answers": pairs}


def _lengths(trace: _Trace) -> None:
    """Raise InputError unless all lengths follow from the number of sentences, and indices and keys are sound."""
    size, name = len(trace.sentences), f"trace {trace.id!r}"
    if size > SENTENCES:
        cure = "Cut the trace, or join sentences."
        raise InputError(f"{name}, sentences", f"{size:,} sentences", f"at most {SENTENCES:,}", cure)
    for i, sentence in enumerate(trace.sentences):
        if any(not 0 <= k < i for k in sentence.depends):
            expected = f"indices of earlier sentences, 0 to {i - 1}" if i else "[], since no sentence is earlier"
            raise InputError(f"{name}, sentences[{i}].depends", f"{sentence.depends}"[:60], expected)
    for field, lengths, allowed in _sized(trace, size):
        if lengths not in allowed:
            raise InputError(f"{name}, {field}", _brief(lengths), " or ".join(map(_brief, allowed)), "Mind the length.")
    for field in ("importances", "links"):
        keys = [one.key for one in getattr(trace, field)]
        if len(set(keys)) < len(keys):
            raise InputError(f"{name}, {field}", "two with the same key", "keys that differ", "Rename one.")


def _sized(trace: _Trace, size: int):
    """Yield every field that has a length, its length or those of its rows, and what it may be."""
    triangle = [list(range(size - 1, -1, -1))]
    for i, one in enumerate(trace.importances):
        for part in ("values", "low", "high"):
            if getattr(one, part) is not None:
                yield f"importances[{i}].{part}", len(getattr(one, part)), [size]
    for i, one in enumerate(trace.links):
        for part in ("rows", "low", "high"):
            if getattr(one, part) is not None:
                yield f"links[{i}].{part}", [len(row) for row in getattr(one, part)], triangle
    for field in ("accuracy", "forced"):
        curve = getattr(trace, field)
        for part in ("values", "low", "high", "n") if curve else ():
            if getattr(curve, part) is not None:
                yield f"{field}.{part}", len(getattr(curve, part)), [size, size + 1]
    if trace.answers is not None:
        yield "answers", len(trace.answers), [size, size + 1]
    if trace.alternatives is not None:
        yield "alternatives", len(trace.alternatives), [size]
    for i, head in enumerate(trace.heads):
        yield f"heads[{i}].received", len(head.received), [size]
        if head.rows is not None:
            yield f"heads[{i}].rows", [len(row) for row in head.rows], triangle


def _brief(lengths: int | list[int]) -> str:
    if isinstance(lengths, int):
        return f"{lengths} values"
    return f"{len(lengths)} rows of {', '.join(map(str, lengths[:3]))}{', …' if len(lengths) > 3 else ''} values"


def _name(one: Any, place: int) -> str:
    id = one.get("id") if isinstance(one, dict) else None
    return f"trace {id!r}" if isinstance(id, str) and id else f"trace {place}"


def _path(places: tuple) -> str:
    """Return ``links[0].rows[2]`` for the places where pydantic found a fault; names of types are left out."""
    words = [p for p in places if isinstance(p, int) or (p.isidentifier() and p != "float")]
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in words).lstrip(".")
