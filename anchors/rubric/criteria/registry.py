"""The registry of checks: what a criterion's ``check`` and ``options`` may name.

A check is a function ``f(prompts, responses, **options) -> Checked`` over n responses at once. Its options and their
defaults are its keyword-only parameters; their annotations are what pydantic validates.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, create_model

from anchors.companion.errors import InputError
from anchors.rubric.criteria.spans import Span

KINDS = ("program", "lexicon", "statistic", "embedding", "lm")
REQUIRED = "required"  # stands in ``Check.options`` for an option without a default

Number = Annotated[int, Field(ge=0)]  # types of options
Size = Annotated[int, Field(ge=1)]
Real = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, Field(pattern=r"\S")]
Words = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
Verdict = tuple[float, tuple[Span, ...]]  # of one response: u and evidence
_CHECKS: dict[str, "Check"] = {}


@dataclass(frozen=True)
class Checked:
    """What a check found: ``values`` (n,) u in [0, 1], 1 = met, NaN = not applicable; ``evidence`` spans of each."""

    values: np.ndarray
    evidence: list[tuple[Span, ...]]


@dataclass(frozen=True)
class Check:
    """A check: its name, kind, function, options with their defaults, and what it looks for."""

    name: str
    kind: str
    function: Callable[..., Checked] = field(repr=False)
    options: Mapping[str, Any]
    doc: str
    schema: Any = field(repr=False)

    def validated(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options with their right types; ``None`` counts as not given, as in IFEval's own files.

        Raises
        ------
        InputError
            An unknown or missing option, a wrong value, a regular expression that is ill-formed or explodes.
        """
        given = {str(name): value for name, value in options.items() if value is not None}
        try:
            clean = dict(self.schema(**given))
        except ValidationError as error:
            raise self._error(error.errors()[0], given) from error
        self.function([], [], **clean)
        return clean

    def _error(self, problem: Mapping[str, Any], given: Mapping[str, Any]) -> InputError:
        name = str(problem["loc"][0]) if problem["loc"] else ""
        known = " | ".join(self.options) or "no options"
        if problem["type"] == "extra_forbidden":
            return InputError(f"options of check {self.name!r}", repr(name), known, "Mend the name or leave it out.")
        if problem["type"] == "missing":
            return InputError(f"options of check {self.name!r}", f"no {name!r}", known, f"Give {name!r}.")
        found = repr(given.get(name))
        return InputError(f"option {name!r} of check {self.name!r}", found[:80], problem["msg"])

    def run(self, prompts: Sequence[str], responses: Sequence[str], **options: Any) -> Checked:
        """Return what the check finds; options must have passed :meth:`validated`, other than InputError no errors."""
        return self.function(prompts, responses, **options)


def add(name: str, kind: str, function: Callable[..., Checked], fields: Mapping[str, tuple], doc: str) -> None:
    """Register a check whose options are ``fields``: {name: (type, default)}, ``...`` for one that must be given."""
    if kind not in KINDS:
        raise InputError(f"kind of check {name!r}", repr(kind), " | ".join(KINDS))
    if name in _CHECKS:
        raise InputError(f"check {name!r}", "a second one of that name", "distinct names")
    schema = create_model(f"options of {name}", __config__=ConfigDict(extra="forbid"), **dict(fields))
    options = {key: REQUIRED if default is ... else default for key, (_, default) in fields.items()}
    _CHECKS[name] = Check(name, kind, function, options, inspect.cleandoc(doc), schema)


def fields_of(function: Callable) -> dict[str, tuple]:
    """Return ``{name: (type, default)}`` of a function's keyword-only parameters."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return {
        p.name: (p.annotation, ... if p.default is p.empty else p.default)
        for p in parameters
        if p.kind is p.KEYWORD_ONLY
    }


def check(name: str, kind: str = "program") -> Callable:
    """Register ``f(prompts, responses, *, **options) -> Checked`` under a name; returns it unchanged."""

    def register(function: Callable[..., Checked]) -> Callable[..., Checked]:
        add(name, kind, function, fields_of(function), function.__doc__ or name)
        return function

    return register


def each(name: str, kind: str = "program") -> Callable:
    """Register a maker ``m(*, **options) -> (text -> Verdict)``: patterns are made once, then every text is judged."""

    def register(maker: Callable[..., Callable[[str], Verdict]]) -> Callable:
        def function(prompts: Sequence[str], responses: Sequence[str], **options: Any) -> Checked:
            judge = maker(**options)
            return gathered(judge(text) for text in responses)

        add(name, kind, function, fields_of(maker), maker.__doc__ or name)
        return maker

    return register


def gathered(verdicts: Iterable[Verdict]) -> Checked:
    """Return the verdicts on n responses as one :class:`Checked`."""
    pairs = list(verdicts)
    return Checked(np.array([value for value, _ in pairs], dtype=float), [evidence for _, evidence in pairs])


@cache
def _loaded() -> None:
    """Import the modules that register checks: by name, so that the hash of the code that ran covers them."""
    from anchors.rubric.criteria import fluency, forms, ifeval, ifeval_formats, regexes, relevance, statistics, voices

    del fluency, forms, ifeval, ifeval_formats, regexes, relevance, statistics, voices  # imported to register


def checks() -> dict[str, Check]:
    """Return all checks by name: those shipped, and those registered since."""
    _loaded()
    return dict(sorted(_CHECKS.items()))


def find(name: str, kind: str | None = None) -> Check:
    """Return a check by name; InputError for an unknown name, or a kind that is not the check's."""
    _loaded()
    if name not in _CHECKS:
        near = difflib.get_close_matches(name, _CHECKS, n=3, cutoff=0.5)
        expected = " | ".join(near) if near else f"one of {len(_CHECKS)} checks"
        raise InputError(f"check {name!r}", "no such check", expected, "criteria.checks() lists them.")
    if kind is not None and _CHECKS[name].kind != kind:
        raise InputError(f"kind of a criterion with check {name!r}", repr(kind), repr(_CHECKS[name].kind))
    return _CHECKS[name]
