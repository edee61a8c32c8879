"""A curriculum: which families of rubrics are trained in which stage, on which prompts, for how many rollouts.

Section 1.8: first constraint handling with programs and static rubrics, then open-ended and social tasks with rubrics
of their instances and the defence; data are filtered before and between stages (section 1.7). How many rollouts a stage
has, and whether earlier families are replayed, is not published: shares, replay and their arithmetic are ours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write
from anchors.companion.paths import relative
from anchors.rubric.defence import wire
from anchors.rubric.documents import read_mapping
from anchors.rubric.filter import FLOOR, HIGH, LOW, Selection, select
from anchors.rubric.rubric import Criterion, Rubric, _Strict

GROUP = 8  # rollouts of a prompt


class Band(_Strict):
    """The filter before a stage: quantiles and floor of :func:`anchors.rubric.filter.select`, rollouts per prompt."""

    low: float = Field(LOW, ge=0, le=1)
    high: float = Field(HIGH, ge=0, le=1)
    floor: float = Field(FLOOR, ge=0)
    samples: int = Field(8, ge=2)


class Family(_Strict):
    """Rubrics that are trained together. One with a prompt is for that prompt, the others are for all prompts."""

    rubrics: tuple[Rubric, ...] = Field(min_length=1)

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts of those rubrics that have one, each once."""
        return tuple(dict.fromkeys(rubric.prompt for rubric in self.rubrics if rubric.prompt is not None))

    def rubric_for(self, prompt: str) -> Rubric:
        """Return the joined rubrics that hold for a prompt; InputError if none does."""
        fitting = [rubric for rubric in self.rubrics if rubric.prompt in (None, prompt)]
        if not fitting:
            raise InputError("family", f"no rubric for the prompt {prompt[:40]!r}", "one, or a rubric without a prompt")
        joined = fitting[0]
        for rubric in fitting[1:]:
            joined = joined.joined(rubric)
        return joined


class Stage(_Strict):
    """One stage: its families share the rollouts equally, but for the share ``replay`` that earlier families keep."""

    name: str
    families: tuple[str, ...] = Field(min_length=1)
    rollouts: int = Field(gt=0)
    replay: float = Field(0.0, ge=0, lt=1)
    band: Band | None = None
    defence: bool = False


class Curriculum(_Strict):
    """Families, stages in their order, rollouts of a prompt (``group``), and criteria of the defence known so far.

    ``group`` divides the rollouts of every stage, families are known, names differ, and the first stage replays
    nothing; otherwise it is refused.
    """

    families: dict[str, Family] = Field(min_length=1)
    stages: tuple[Stage, ...] = Field(min_length=1)
    group: int = Field(GROUP, ge=2)
    defence: tuple[Criterion, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "Curriculum":
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise InputError("stages", ", ".join(names), "distinct names")
        for stage in self.stages:
            for what, found, expected in self._faults(stage):
                raise InputError(f"stage {stage.name!r}: {what}", found, expected)
        return self

    def _faults(self, stage: Stage) -> Iterator[tuple[str, object, str]]:
        if set(stage.families) - set(self.families):
            yield "families", ", ".join(stage.families), " | ".join(self.families)
        if len(set(stage.families)) < len(stage.families):
            yield "families", ", ".join(stage.families), "each once"
        if stage.rollouts % self.group:
            yield "rollouts", stage.rollouts, f"a multiple of {self.group}, the rollouts of a prompt"
        if stage.replay and not self.earlier(stage):
            yield "replay", stage.replay, "0, as no other family came before"

    @property
    def rollouts(self) -> int:
        """Rollouts of all stages."""
        return sum(stage.rollouts for stage in self.stages)

    def earlier(self, stage: Stage) -> tuple[str, ...]:
        """Return the families of the stages before that are not in this one."""
        before = self.stages[: self.stages.index(stage)]
        return tuple(dict.fromkeys(f for s in before for f in s.families if f not in stage.families))

    def shares(self, stage: Stage) -> dict[str, int]:
        """Return the groups of rollouts of each family in a stage, the stage's own first; they add up exactly."""
        groups = stage.rollouts // self.group
        replayed = round(stage.replay * groups)
        own = _split(groups - replayed, stage.families)
        return own | (_split(replayed, self.earlier(stage)) if replayed else {})


@dataclass(frozen=True)
class Item:
    """One group of rollouts: its family, prompt, and the rubric it is rewarded by."""

    family: str
    prompt: str
    rubric: Rubric
    replayed: bool = False


@dataclass(frozen=True, eq=False)
class Passed:
    """What a stage was: its items in order, what the filter did to each of its families, and what training returned."""

    stage: Stage
    items: list[Item]
    selections: dict[str, Selection] = field(default_factory=dict)
    defence: tuple[Criterion, ...] = ()
    result: Any = None


Score = Callable[[Sequence[str], Sequence[Rubric], int], np.ndarray]
Train = Callable[[Stage, list[Item]], Any]
Defend = Callable[[Stage, Any], Sequence[Criterion]]


def run(
    curriculum: Curriculum,
    train: Train,
    pools: Mapping[str, Sequence[str]] | None = None,
    score: Score | None = None,
    defend: Defend | None = None,
    seed: int = 0,
) -> list[Passed]:
    """Run the stages one after the other and return what each was (sections 1.6 to 1.8; the arithmetic is ours).

    Before a stage its families' prompts are filtered under the policy as it then is; prompts of a replayed family are
    those kept when it was last trained. Prompts are drawn in shuffled passes over what was kept.

    Parameters
    ----------
    train : called with a stage and its items (one for each group of rollouts, shuffled); trains the policy.
    pools : prompts of each family; by default those of its rubrics.
    score : rewards (n, samples) of the current policy's rollouts for prompts and rubrics (n each); for stages with a
        band.
    defend : called after a stage with what ``train`` returned; the criteria it returns (mined and accepted) are wired
        as veto in later stages with ``defence``.
    seed : of the draws.

    Raises
    ------
    InputError
        A family without prompts, a band without ``score``, scores of another shape, or nothing left after filtering.
    """
    pools = {name: list((pools or {}).get(name, family.prompts)) for name, family in curriculum.families.items()}
    defence, passed = tuple(curriculum.defence), []
    for number, stage in enumerate(curriculum.stages):
        selections = {name: _filtered(curriculum, stage, name, pools, score) for name in stage.families}
        for name, chosen in selections.items():
            if chosen is not None:
                pools[name] = [prompt for prompt, kept in zip(pools[name], chosen.mask, strict=True) if kept]
        items = draw(curriculum, stage, pools, np.random.default_rng([seed, number]), defence)
        result = train(stage, items)
        kept = {name: chosen for name, chosen in selections.items() if chosen is not None}
        passed.append(Passed(stage, items, kept, defence if stage.defence else (), result))
        if defend is not None:
            known = {criterion.id for criterion in defence}
            defence += tuple(c for c in defend(stage, result) if c.id not in known)
    return passed


def draw(
    curriculum: Curriculum,
    stage: Stage,
    pools: Mapping[str, Sequence[str]],
    rng: np.random.Generator,
    defence: Sequence[Criterion] = (),
) -> list[Item]:
    """Return the items of a stage, one for each group of rollouts, shuffled; with the defence wired if it has one."""
    items = []
    for name, groups in curriculum.shares(stage).items():
        pool = list(pools[name])
        if not pool and groups:
            raise InputError(f"stage {stage.name!r}: family {name!r}", "no prompts", "at least one", "Widen its band.")
        passes = [rng.permutation(len(pool)) for _ in range(-(-groups // len(pool)))] if groups else [np.zeros(0, int)]
        for k in np.concatenate(passes)[:groups]:
            rubric = curriculum.families[name].rubric_for(pool[k])
            rubric = wire(rubric, defence) if stage.defence else rubric
            items.append(Item(name, pool[k], rubric, name not in stage.families))
    return [items[k] for k in rng.permutation(len(items))]


def _filtered(curriculum: Curriculum, stage: Stage, name: str, pools: Mapping, score: Score | None) -> Selection | None:
    if stage.band is None:
        return None
    if score is None:
        raise InputError(f"stage {stage.name!r}", "a band and no score", "score(prompts, rubrics, samples)", "Give it.")
    prompts, band = pools[name], stage.band
    family = curriculum.families[name]
    scores = np.asarray(score(prompts, [family.rubric_for(prompt) for prompt in prompts], band.samples), float)
    if scores.shape != (len(prompts), band.samples):
        raise InputError(f"stage {stage.name!r}: scores", scores.shape, (len(prompts), band.samples))
    chosen = select(scores, band.low, band.high, band.floor)
    if not chosen.mask.any():
        found = ", ".join(f"{reason} {count}" for reason, count in chosen.counts().items())
        raise InputError(f"stage {stage.name!r}: family {name!r}", found, "a prompt that is kept", "Widen the band.")
    return chosen


def arms(
    families: Mapping[str, Family],
    rollouts: int,
    group: int = GROUP,
    replay: float = 0.0,
    band: Band | None = None,
    defence: bool = False,
) -> dict[str, Curriculum]:
    """Return the arms of the seesaw over two families, all with equally many rollouts (section 5.4, E1).

    ``<a> only``, ``<b> only``, ``joint`` (one stage of both), ``<a> then <b>`` and ``<b> then <a>`` (half the rollouts
    each; ``replay`` and ``defence`` hold for the second stage).
    """
    if len(families) != 2:
        raise InputError("families", f"{len(families)} of them", "two")
    if rollouts <= 0 or rollouts % (2 * group):
        raise InputError("rollouts", rollouts, f"a multiple of {2 * group}, two stages of whole groups")
    a, b = families

    def made(*parts: tuple[str, ...]) -> Curriculum:
        stages = [
            Stage(
                name=" and ".join(part), families=part, rollouts=rollouts // len(parts), band=band,
                replay=replay if k else 0.0, defence=defence and k == 1,
            )
            for k, part in enumerate(parts)
        ]  # fmt: skip
        return Curriculum(families=dict(families), stages=tuple(stages), group=group)

    return {
        f"{a} only": made((a,)),
        f"{b} only": made((b,)),
        "joint": made((a, b)),
        f"{a} then {b}": made((a,), (b,)),
        f"{b} then {a}": made((b,), (a,)),
    }


def read(path: str | Path) -> Curriculum:
    """Return a curriculum from YAML; what is wrong in it is an InputError that names file and field."""
    content = read_mapping(path)
    try:
        return Curriculum(**content)
    except InputError as error:
        raise InputError(f"{relative(Path(path))}: {error.what}", error.found, error.expected, error.cure) from error


def write(curriculum: Curriculum, path: str | Path) -> Path:
    """Write a curriculum as YAML that :func:`read` returns equal; defaults are left out."""
    import yaml

    content = curriculum.model_dump(mode="json", exclude_defaults=True)
    return atomic_write(path, yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120).encode())


def _split(groups: int, families: Sequence[str]) -> dict[str, int]:
    """Return whole numbers that add up to ``groups`` and differ by at most one, the first families having more."""
    each, more = divmod(groups, len(families))
    return {name: each + (k < more) for k, name in enumerate(families)}
