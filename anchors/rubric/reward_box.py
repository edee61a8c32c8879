"""A reward to play with: the waterfall of any rubric with sliders, and its rollouts with the evidence marked (ours).

The browser computes with the arithmetic of :mod:`anchors.rubric.aggregate`; a test holds the two together. In Jupyter
what the reader has dialled in comes back as :attr:`RewardBox.rubric` and :attr:`RewardBox.aggregator`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.companion.widgets import Widget
from anchors.rubric.aggregate import Aggregator, Interaction, Saturation, Shaping, Veto, group_advantages
from anchors.rubric.criteria import score
from anchors.rubric.rubric import Criterion, Rubric, read

SOURCE = Path(__file__).with_name("reward_widget")
TITLE = "Reward waterfall and rollout reader"


@dataclass(frozen=True)
class Group:
    """Rollouts of one prompt by one policy: what advantages are taken over; ``label`` says which policy."""

    prompt: str
    responses: tuple[str, ...]
    label: str = ""


class RewardBox(Widget):
    """Waterfall, rollout reader and ranking for the responses of a reader's choosing.

    Parameters
    ----------
    rubric : a rubric, or the YAML or JSON file of one.
    responses : texts by prompt, groups, or the texts to one prompt (the rubric's own, where it has one).
    aggregator : where the sliders start, of the same rubric; by default the weighted mean of what was judged.
    judge : for criteria of the kind llm_judge, as :func:`anchors.rubric.criteria.score` takes it.

    Raises
    ------
    InputError
        No responses, an aggregator of another rubric, or what scoring raises.
    """

    def __init__(
        self, rubric: Rubric | str | Path, responses: Mapping[str, Sequence[str]] | Sequence[Group] | Sequence[str],
        aggregator: Aggregator | None = None, judge: Any = None, title: str = TITLE,
    ):  # fmt: skip
        self.original = rubric if isinstance(rubric, Rubric) else read(rubric)
        aggregator = aggregator or Aggregator(self.original, missing="renormalise")
        if aggregator.rubric != self.original:
            found = f"one of rubric {aggregator.rubric.id!r} that differs from it"
            raise InputError("aggregator", found, f"one of rubric {self.original.id!r}", "Give both the same rubric.")
        self.groups = groups(self.original, responses)
        self.values, shown = _scored(self.original, self.groups, judge)
        data = {"rubric": _file(self.original), "criteria": _criteria(self.original), "groups": shown}
        super().__init__(
            SOURCE, title, data=_valid(data), setting=setting_of(aggregator), overrides={}, selected=[0, 0]
        )

    @property
    def rubric(self) -> Rubric:
        """The rubric with the weights, critical marks and thresholds that are dialled in."""
        now = self.get("setting")
        parts = zip(self.original.criteria, now["weights"], now["critical"], now["thresholds"], strict=True)
        changed = [one.model_dump() | {"weight": w, "critical": c, "threshold": t} for one, w, c, t in parts]
        return Rubric(**self.original.model_dump() | {"criteria": tuple(Criterion(**one) for one in changed)})

    @property
    def aggregator(self) -> Aggregator:
        """The aggregation that is dialled in, of :attr:`rubric`."""
        now = self.get("setting")
        return Aggregator(self.rubric, steps_of(now, self.original.ids), now["missing"])

    @property
    def selected(self) -> tuple[int, int]:
        """The rollout that is shown: number of the group, number in it, from 0."""
        group, rollout = self.get("selected")
        return int(group), int(rollout)

    def scores(self, group: int) -> np.ndarray:
        """Return the scores (G, K) of a group's rollouts, with what the reader supposes in place of judgements."""
        values = self.values[group].copy()
        for key, own in self.get("overrides").items():
            place, rollout = map(int, key.split("."))
            if place == group:
                values[rollout, [int(k) for k in own]] = list(own.values())
        return values

    def table(self) -> Any:
        """Return one row per rollout (DataFrame): prompt, label, text, weighted mean, reward, advantage, vetoed."""
        import pandas as pd

        now, rows = self.aggregator, []
        plain = Aggregator(now.rubric, (), now.missing)
        for number, group in enumerate(self.groups):
            scores = self.scores(number)
            linear, rewards = (_rewards(one, scores) for one in (plain, now))
            columns = zip(group.responses, linear, rewards, group_advantages(rewards[None])[0], now.vetoed(scores),
                          strict=True)  # fmt: skip
            rows += [(number, group.prompt, group.label, *one) for one in columns]
        names = ("group", "prompt", "label", "text", "linear", "reward", "advantage", "vetoed")
        return pd.DataFrame(rows, columns=list(names))


def groups(rubric: Rubric, responses: Any) -> list[Group]:
    """Return responses as groups; InputError where there is none, or a text is none."""
    if isinstance(responses, Mapping):
        found = [Group(prompt, tuple(texts)) for prompt, texts in responses.items()]
    elif not isinstance(responses, str) and all(isinstance(one, Group) for one in responses):
        found = list(responses)
    else:
        found = [Group(rubric.prompt or "", tuple([responses] if isinstance(responses, str) else responses))]
    if not found or not all(group.responses for group in found):
        cure = "Give {prompt: [text, …]}, groups, or the texts to one prompt."
        raise InputError("responses", "a prompt without any" if found else "none", "at least one", cure)
    return found


def setting_of(aggregator: Aggregator) -> dict[str, Any]:
    """Return an aggregation as the widget holds it: lists (K,) of the rubric, and each step's parameters or None."""
    rubric, place = aggregator.rubric, {id: k for k, id in enumerate(aggregator.rubric.ids)}
    steps: dict[str, Any] = {}
    for step in aggregator.steps:
        given = {name: value for name, value in asdict(step).items() if value is not None}
        if isinstance(step, Interaction):
            given = {"pairs": [[place[one], place[other], gamma] for (one, other), gamma in step.pairs.items()]}
        steps[type(step).__name__.lower()] = given
    return {
        "weights": rubric.weights.tolist(), "critical": rubric.critical.tolist(),
        "thresholds": rubric.thresholds.tolist(), "missing": aggregator.missing,
        **{name: steps.get(name) for name in ("saturation", "interaction", "shaping", "veto")},
    }  # fmt: skip


def steps_of(setting: Mapping[str, Any], ids: Sequence[str]) -> tuple[Any, ...]:
    """Return the steps of a setting of the widget; ``ids`` (K) name its criteria."""
    found: list[Any] = []
    if now := setting["saturation"]:
        found.append(Saturation(**now))
    if now := setting["interaction"]:
        found.append(Interaction({(ids[one], ids[other]): gamma for one, other, gamma in now["pairs"]}))
    if now := setting["shaping"]:
        found.append(Shaping(**now))
    if now := setting["veto"]:
        found.append(Veto(**now))
    return tuple(found)


def _scored(rubric: Rubric, found: Sequence[Group], judge: Any) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """Return the scores (G, K) of each group, and the groups as the widget shows them."""
    prompts = [group.prompt for group in found for _ in group.responses]
    texts = [text for group in found for text in group.responses]
    scores = score(rubric, prompts, texts, judge=judge)
    rollouts = [
        {"text": text, "scores": [None if np.isnan(u) else float(u) for u in row],
         "evidence": [[list(span) for span in spans] for spans in evidence]}
        for text, row, evidence in zip(texts, scores.values, scores.evidence, strict=True)
    ]  # fmt: skip
    ends = np.cumsum([0, *(len(group.responses) for group in found)])
    shown = [
        {"prompt": group.prompt, "label": group.label, "rollouts": rollouts[ends[k] : ends[k + 1]]}
        for k, group in enumerate(found)
    ]
    return np.split(scores.values, ends[1:-1]), shown


def _criteria(rubric: Rubric) -> list[dict[str, Any]]:
    """Return what the widget shows of each criterion."""
    return [
        {"id": one.id, "description": one.description, "avoid": one.avoid, "snap": one.snap,
         "positions": one.positions.tolist(), "tiers": [tier.description for tier in one.tiers]}
        for one in rubric.criteria
    ]  # fmt: skip


def _file(rubric: Rubric) -> dict[str, Any]:
    """Return a rubric as its file holds it, without fields at their defaults."""
    return rubric.model_dump(mode="json", exclude_defaults=True)


def _valid(data: dict[str, Any]) -> dict[str, Any]:
    """Return JSON data with lone surrogates, which no page can hold, replaced one for one."""
    return json.loads(re.sub("[\ud800-\udfff]", "\ufffd", json.dumps(data, ensure_ascii=False)))


def _rewards(aggregator: Aggregator, scores: np.ndarray) -> np.ndarray:
    """Return rewards (n,); NaN where a score is missing and missing scores are refused."""
    whole = ~np.isnan(scores).any(1) | (aggregator.missing != "refuse")
    values = np.full(len(scores), np.nan)
    if whole.any():
        values[whole] = aggregator(scores[whole])
    return values
