"""Rubrics: criteria with ordered tiers and weights, read from and written to YAML or JSON (section 1.1).

R = {(c_k, T_k, w_k)}: what is judged in words, at least two tiers with rising scores, a weight of at least 0. The
fields beyond these three, the file format and the rule that joins rubrics are ours.

Scores are u in [0, 1] everywhere, 1 = good (for criteria to avoid too), NaN = not judged or not applicable. The
position of tier j on that scale is (score_j - score_0) / (score_last - score_0).
"""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from anchors.companion.codehash import digest
from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write
from anchors.companion.paths import relative
from anchors.rubric.documents import read_mapping, suffixed, yaml_text

Kind = Literal["program", "lexicon", "statistic", "embedding", "lm", "llm_judge"]
Scope = Literal["dataset", "task", "instance"]
KINDS, SCOPES = get_args(Kind), get_args(Scope)

Name = Annotated[str, Field(pattern=r"\S")]
Number = Annotated[float, Field(allow_inf_nan=False)]


def _plain(options: Any) -> Any:
    """Return options as JSON holds them (tuples become lists), so that either format gives the same hash."""
    try:
        text = json.dumps(options, allow_nan=False, ensure_ascii=False)
        text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        cure = "Use texts, finite numbers, true, false, null, lists and mappings (quote a date)."
        raise InputError("", f"something JSON cannot hold ({error})", "what JSON can hold", cure) from error
    return json.loads(text)


class _Strict(BaseModel):
    """A frozen model without unknown fields, whose constructor raises a one-line InputError that names the field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, /, **data: Any):
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise _told(type(self), min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")) from None


class Tier(_Strict):
    """One tier: its score on a scale of the author's choosing, and what earns it."""

    score: Annotated[Number, Field(ge=-1e9, le=1e9)]
    description: str


class Criterion(_Strict):
    """One critic dimension (c_k, T_k, w_k) of section 1.1; all other fields are ours.

    Attributes
    ----------
    id, description : its name, and what is judged.
    tiers : at least two, scores strictly rising.
    weight : importance, at least 0; a criterion of weight 0 is measured and not rewarded.
    kind, check, options : how it is judged: the name of a check and its options, or ``llm_judge`` (no check).
    scope : the scope it was written for.
    critical, threshold : where a veto is part of the aggregation, u below ``threshold`` cancels all credit.
    avoid : meeting the description is bad (HealthBench's negative points, whose absolute value is the weight).
    snap : scores are lowered to a tier; False keeps them graded.
    source, licence : where it comes from.
    """

    id: Name
    description: Name
    tiers: tuple[Tier, ...] = (Tier(score=0, description="not met"), Tier(score=1, description="met"))
    weight: Annotated[Number, Field(ge=0)] = 1.0
    kind: Kind = "program"
    check: str = ""
    options: Annotated[dict[str, Any], BeforeValidator(_plain)] = {}
    scope: Scope = "dataset"
    critical: bool = False
    threshold: Annotated[Number, Field(ge=0, le=1)] = 0.5
    avoid: bool = False
    snap: bool = True
    source: str = ""
    licence: str = ""

    @field_validator("tiers")
    @classmethod
    def _rising(cls, tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        scores = [tier.score for tier in tiers]
        if len(tiers) < 2:
            raise InputError("", len(tiers), "at least two tiers", "A yes-or-no criterion has the tiers 0 and 1.")
        if any(high <= low for low, high in pairwise(scores)):
            found = "scores " + ", ".join(f"{score:g}" for score in scores)
            raise InputError("", found, "scores that strictly rise", "List the tiers from worst to best.")
        return tiers

    @model_validator(mode="after")
    def _checked_by_something(self) -> "Criterion":
        if (self.kind == "llm_judge") == bool(self.check.strip()):
            found = repr(self.check) if self.check else "none"
            expected = "no check (a model judges)" if self.check else f"the name of a check of kind {self.kind!r}"
            raise InputError("check", found, expected, "Or mend the kind: a judge's criterion has kind llm_judge.")
        return self

    @property
    def positions(self) -> np.ndarray:
        """Where the tiers (m,) stand in [0, 1]."""
        scores = np.array([tier.score for tier in self.tiers])
        return (scores - scores[0]) / (scores[-1] - scores[0])


class Rubric(_Strict):
    """A set of K criteria, at least one, with distinct ids (section 1.1).

    ``prompt`` is set for a rubric of one instance, ``task`` names what one is for. Arrays are (K,) in the order of the
    criteria.
    """

    id: Name
    title: str = ""
    criteria: tuple[Criterion, ...]
    task: str = ""
    prompt: str | None = None
    source: str = ""
    licence: str = ""

    @field_validator("criteria")
    @classmethod
    def _distinct(cls, criteria: tuple[Criterion, ...]) -> tuple[Criterion, ...]:
        ids = [criterion.id for criterion in criteria]
        if not ids:
            raise InputError("", "none", "at least one criterion", "Add one with an id and a description.")
        if len(set(ids)) < len(ids):
            twice = Counter(ids).most_common(1)[0][0]
            raise InputError("", f"the id {twice!r} twice", "distinct ids", "Rename one of the two.")
        return criteria

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the criteria."""
        return tuple(criterion.id for criterion in self.criteria)

    @property
    def weights(self) -> np.ndarray:
        """Importance weights (K,), not normalised."""
        return np.array([criterion.weight for criterion in self.criteria])

    @property
    def thresholds(self) -> np.ndarray:
        """The u (K,) below which a critical criterion fails."""
        return np.array([criterion.threshold for criterion in self.criteria])

    @property
    def critical(self) -> np.ndarray:
        """Whether a criterion is critical (K,), bool."""
        return np.array([criterion.critical for criterion in self.criteria])

    @property
    def avoid(self) -> np.ndarray:
        """Whether meeting the description is bad (K,), bool."""
        return np.array([criterion.avoid for criterion in self.criteria])

    @property
    def hash(self) -> str:
        """16 hex digits (SHA-256 of canonical JSON): the same in either file format and for any order of keys."""
        return digest(self.model_dump(mode="json"))[:16]

    def joined(self, other: "Rubric") -> "Rubric":
        """Return the rubric with the criteria of both, for a prompt that carries several rubrics (1.1; rule ours).

        Ids that both use get the id of their rubric in front, ``rubric.criterion``. Criteria without a source or a
        licence get those of their rubric.

        Raises
        ------
        InputError
            The rubrics are for different prompts, or have the same id and share ids of criteria.
        """
        if None not in (self.prompt, other.prompt) and self.prompt != other.prompt:
            what = f"rubrics {self.id!r} and {other.id!r}"
            raise InputError(what, "two prompts", "one prompt, or none", "Join rubrics of the same instance only.")
        shared = set(self.ids) & set(other.ids)
        return Rubric(
            id=f"{self.id}+{other.id}",
            title=_both(self.title, other.title),
            criteria=(*self._labelled(shared), *other._labelled(shared)),
            task=_both(self.task, other.task),
            prompt=self.prompt if other.prompt is None else other.prompt,
            source=_both(self.source, other.source),
            licence=_both(self.licence, other.licence),
        )

    def _labelled(self, shared: set[str]) -> list[Criterion]:
        return [
            one.model_copy(
                update={
                    "id": f"{self.id}.{one.id}" if one.id in shared else one.id,
                    "source": one.source or self.source,
                    "licence": one.licence or self.licence,
                }
            )
            for one in self.criteria
        ]


def _both(one: str, other: str) -> str:
    return " + ".join(dict.fromkeys(text for text in (one, other) if text))


def schema() -> dict[str, Any]:
    """Return the JSON schema of a rubric file; tiers out of order and doubled ids are beyond what it can say."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Rubric.model_json_schema()}


def read(path: str | Path) -> Rubric:
    """Return the rubric in a ``.yml``, ``.yaml`` or ``.json`` file (UTF-8).

    Raises
    ------
    InputError
        No such file, another suffix, not UTF-8, broken YAML or JSON (the line is named), a key twice, an unknown field,
        or a wrong value (the field is named).
    """
    data = read_mapping(path)
    try:
        return Rubric(**data)
    except InputError as error:
        name = relative(Path(path))
        what = f"{name}: {error.what}" if error.what else name
        raise InputError(what, error.found, error.expected, error.cure) from error


def write(rubric: Rubric, path: str | Path) -> Path:
    """Write a rubric as YAML or JSON by the suffix, without fields at their defaults; return the path.

    Raises
    ------
    InputError
        Another suffix.
    AnchorsError
        The file cannot be written.
    """
    path, data = suffixed(path), rubric.model_dump(mode="json", exclude_defaults=True)
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n" if path.suffix.lower() == ".json" else yaml_text(data)
    return atomic_write(path, text.encode("utf-8"))


def _told(model: type[BaseModel], problem: dict[str, Any]) -> InputError:
    """Return a complaint of pydantic as an InputError that names the field, as in ``criteria[0].tiers[1].score``."""
    what = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"]).lstrip(".")
    inner = problem.get("ctx", {}).get("error")
    if isinstance(inner, InputError):
        what = ".".join(part for part in (what, inner.what) if part)
        return InputError(what, inner.found, inner.expected, inner.cure)
    fields = " | ".join(model.model_fields)
    if problem["type"] == "extra_forbidden":
        return InputError(what, "an unknown field", fields, "Mend its name or leave it out.")
    if problem["type"] == "missing":
        return InputError(what, "nothing", "this field", f"A {model.__name__} needs it.")
    found, expected = (
        repr(problem["input"]),
        problem["msg"].removeprefix("Input should be ").replace("valid tuple", "list"),
    )
    if problem["type"] == "string_pattern_mismatch":
        expected = "a text that is not blank"
    return InputError(what, found if len(found) <= 80 else f"{found[:77]}…", expected)
