"""The reward box: what goes into the widget, what comes back from it, and the study of winners."""

import json

import numpy as np
import pandas as pd
import pytest
from rubric.reward_case import FAMILY, RESPONSES, box_of_words, random_aggregator, rubric_of_words

from anchors.companion.errors import InputError
from anchors.rubric import criteria, reward_plots
from anchors.rubric import rubric as files
from anchors.rubric.aggregate import Aggregator, Interaction, Saturation, Shaping, Veto, group_advantages
from anchors.rubric.reward_box import Group, RewardBox, setting_of, steps_of
from anchors.rubric.rubric import Criterion, Rubric
from anchors.rubric.studies import reward_reader as study
from anchors.rubric.studies.reward_reader import AFTER, BEFORE

I_AND_YOU = Rubric(
    id="two",
    criteria=[
        Criterion(id="i", description="says I", check="regex", options={"pattern": r"\bI\b"}, weight=3),
        Criterion(id="you", description="says you", check="regex", options={"pattern": r"\byou\b"}, weight=1),
    ],
)


def test_evidence_and_scores_are_those_of_the_scorer():
    box = box_of_words()
    for group, (prompt, texts) in zip(box.state["data"]["groups"], RESPONSES.items(), strict=True):
        found = criteria.score(rubric_of_words(), [prompt] * len(texts), texts)
        assert group["prompt"] == prompt
        for k, rollout in enumerate(group["rollouts"]):
            assert rollout["text"] == texts[k]
            assert rollout["scores"] == found.values[k].tolist()
            assert rollout["evidence"] == [[list(span) for span in spans] for spans in found.evidence[k]]
    start, end, _ = box.state["data"]["groups"][0]["rollouts"][1]["evidence"][1][0]
    assert RESPONSES["Tell me about your morning."][1][start:end] == FAMILY


@pytest.mark.parametrize("seed", range(40))
def test_an_aggregator_survives_the_way_through_the_widget(seed):
    made = random_aggregator(np.random.default_rng(seed))
    setting = json.loads(json.dumps(setting_of(made), allow_nan=False))
    assert Aggregator(made.rubric, steps_of(setting, made.rubric.ids), setting["missing"]) == made


def test_what_is_dialled_in_comes_back():
    box = RewardBox(I_AND_YOU, ["I", "you", "I you", "we"])
    assert box.rubric == I_AND_YOU
    assert box.aggregator == Aggregator(I_AND_YOU, missing="renormalise")
    now = box.get("setting") | {
        "weights": [1, 1], "critical": [True, False], "thresholds": [0.25, 0.5], "veto": {"value": -1},
        "saturation": {"kappa": 2, "form": "cap"}, "interaction": {"pairs": [[1, 0, -0.5]]},
    }  # fmt: skip
    box.set("setting", now)
    assert box.rubric.weights.tolist() == [1, 1]
    assert (box.rubric.criteria[0].critical, box.rubric.criteria[0].threshold) == (True, 0.25)
    steps = (Saturation(2, "cap"), Interaction({("you", "i"): -0.5}), Veto(-1))
    assert box.aggregator == Aggregator(box.rubric, steps, "renormalise")
    assert box.table().reward.tolist() == [0.5, -1.0, 0.5, -1.0]


def test_live_traits_carry_the_state_both_ways():
    box = RewardBox(I_AND_YOU, ["I", "you"])
    assert box.live.live is True
    box.live.setting = box.live.setting | {"weights": [1.0, 4.0]}
    box.live.selected = [0, 1]
    assert box.aggregator.rubric.weights.tolist() == [1, 4]
    assert box.selected == (0, 1)
    box.set("selected", [0, 0])
    assert box.live.selected == [0, 0]


def test_the_table_has_rewards_and_advantages_within_groups():
    groups = [Group("p", ("I", "you", "I you"), "before"), Group("p", ("we", "we"), "after")]
    table = RewardBox(I_AND_YOU, groups, Aggregator(I_AND_YOU, (Shaping(theta=0.5, slope=3.0),))).table()
    assert table.group.tolist() == [0, 0, 0, 1, 1]
    assert table.label.tolist() == ["before"] * 3 + ["after"] * 2
    assert table.linear.tolist() == [0.75, 0.25, 1.0, 0.0, 0.0]
    assert table.reward.tolist() == [0.625, 0.125, 1.0, 0.0, 0.0]  # (0.75 + 2 · 0.25) / 2, 0.25 / 2
    np.testing.assert_allclose(table.advantage[:3], group_advantages(np.array([[0.625, 0.125, 1.0]]))[0])
    assert table.advantage[3:].tolist() == [0, 0]
    assert not table.vetoed.any()


def test_what_is_supposed_replaces_what_was_judged():
    box = RewardBox(I_AND_YOU, ["I", "you"])
    box.set("overrides", {"0.1": {"0": 1.0}})
    assert box.scores(0).tolist() == [[1, 0], [1, 1]]
    assert box.values[0].tolist() == [[1, 0], [0, 1]]
    assert box.table().reward.tolist() == [0.75, 1.0]


class Timid:
    def judge(self, criterion, prompts, responses):
        return np.array([np.nan if "?" in text else 1.0 for text in responses])


@pytest.mark.parametrize(("missing", "reward"), [("refuse", [1.0, np.nan]), ("renormalise", [1.0, 0.0])])
def test_scores_without_a_judgement(missing, reward):
    calm = Criterion(id="calm", description="calm", kind="llm_judge")
    rubric = I_AND_YOU.model_copy(update={"criteria": (I_AND_YOU.criteria[0], calm)})
    box = RewardBox(rubric, ["I am", "you?"], Aggregator(rubric, missing=missing), judge=Timid())
    assert box.state["data"]["groups"][0]["rollouts"][1]["scores"] == [0.0, None]
    np.testing.assert_array_equal(box.table().reward, reward)
    assert json.dumps(box.state, allow_nan=False)


def test_a_file_a_single_text_and_a_prompt_of_the_rubric(tmp_path):
    path = files.write(I_AND_YOU.model_copy(update={"prompt": "Who?"}), tmp_path / "two.yml")
    box = RewardBox(path, "I and you")
    assert box.groups == [Group("Who?", ("I and you",))]


@pytest.mark.parametrize("responses", [[], {}, {"p": []}, [Group("p", ())]])
def test_no_responses_are_refused(responses):
    with pytest.raises(InputError, match="responses: found"):
        RewardBox(I_AND_YOU, responses)


def test_an_aggregator_of_another_rubric_is_refused():
    with pytest.raises(InputError, match="aggregator: found one of rubric 'words"):
        RewardBox(I_AND_YOU, ["I"], Aggregator(rubric_of_words()))


def test_weights_that_break_monotonicity_are_refused_as_ever():
    box = box_of_words()
    box.set("setting", box.get("setting") | {"interaction": {"pairs": [[0, 3, -0.9]]}})
    with pytest.raises(InputError, match="interaction weights of criterion"):
        _ = box.aggregator


def test_lone_surrogates_become_replacement_characters_of_the_same_length():
    box = RewardBox(I_AND_YOU, ["\ud83d\ude00 I"])
    (rollout,) = box.state["data"]["groups"][0]["rollouts"]
    assert rollout["text"] == "\ufffd\ufffd I"
    assert rollout["evidence"][0][0][:2] == [3, 4]
    assert "\ufffd\ufffd I" in box.page()


def test_one_line_stands_for_it_where_notebooks_are_executed(monkeypatch):
    monkeypatch.setenv("ANCHORS_HEADLESS", "1")
    assert box_of_words()._repr_mimebundle_()["text/plain"].startswith("Reward waterfall and rollout reader: run")


def test_a_vetoed_winner_is_counted_once_a_group():
    """Each group has one praising text that the weighted mean prefers, one calm text, and six bad ones."""
    calm = " I walked to the wind. The wind was cold and damp. I heard the wind. At dusk the wind was still."
    texts = [f" Great question!{calm}", calm, *[" She left."] * 6] * 48
    found = {row["setting"]: row for row in study.winners(texts)}
    assert found["weighted mean"] | {"gold": 0} == {
        "setting": "weighted mean", "changed": 0.0, "gold": 0, "praises": 1.0, "silent": 0.0}  # fmt: skip
    assert (found["veto"]["changed"], found["veto"]["praises"]) == (1.0, 0.0)
    assert found["shaping"]["changed"] == 0
    assert found["veto"]["gold"] > found["weighted mean"]["gold"]


def test_ties_are_no_change():
    assert {row["changed"] for row in study.winners([" She left."] * 384)} == {0.0}
    assert {row["silent"] for row in study.winners([" She left."] * 384)} == {1.0}


def winners(saturation, shaping=0.0):
    values = {"weighted mean": 0, "saturation": saturation, "interaction": 0.5, "shaping": shaping, "veto": 0.9}
    rows = [
        {"setting": name, "when": when, "seed": seed, "changed": value and value + seed / 1000, "gold": 0.8,
         "praises": 0.5}
        for name, value in (values | {"all four": 0.9}).items() for when in (BEFORE, AFTER) for seed in range(5)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("saturation", "shaping", "kind"), [(0.1, 0, "holds"), (0.0, 0, "mixed"), (0.1, 0.1, "does not hold")]
)
def test_the_verdict_wants_three_steps_that_move_and_one_that_does_not(saturation, shaping, kind):
    rows, verdict = study.summarise(winners(saturation, shaping))
    assert verdict.kind == kind
    assert len(rows) == 2 * 6 * 2
    assert {row.seeds for row in rows} == {5}


def test_intervals_of_shares_stay_shares():
    assert study.inside(np.array([1, 1, 1, 1, 0.9]))[1:3] == (pytest.approx(0.924, abs=1e-3), 1.0)
    assert study.inside(np.array([0.0, 0, 0, 0, 0.1])).low == 0


def test_the_waterfall_and_the_figure_are_those_of_the_rollout():
    texts = [" Great question! I walked to the wind.", *[" She left."] * 7] * 48
    bars = study.waterfall({AFTER: texts})
    assert bars.name.tolist()[-6:] == ["weighted mean", "saturation", "interaction", "shaping", "veto", "reward"]
    steps = bars[bars.name.isin(["saturation", "interaction", "shaping", "veto"])]
    np.testing.assert_allclose(steps.start.to_numpy()[1:], steps.end.to_numpy()[:-1])
    mean = bars[bars.name == "weighted mean"].end.item()
    assert (steps.start.iloc[0], bars.end.iloc[-1]) == (mean, 0.0)
    assert bars[bars.kind == "criterion"].end.max() == pytest.approx(mean)
    figure = reward_plots.reader(bars, winners(0.1))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["one rollout", "winner changed", "winner's gold score"]


@pytest.mark.slow
def test_rollouts_are_the_same_for_the_same_seed_and_the_box_holds_them(monkeypatch):
    monkeypatch.setattr(study, "STEPS", 1)
    first, again = study.rollouts(3), study.rollouts(3)
    assert first == again
    assert {name: len(texts) for name, texts in first.items()} == {BEFORE: 384, AFTER: 384}
    box = study.box(first)
    assert [group.label for group in box.groups] == [BEFORE, AFTER] * study.SHOWN
    assert box.groups[3].responses == tuple(first[AFTER][16:24])
    assert box.aggregator.steps == Aggregator(study.rubric(), study.ALL).steps
