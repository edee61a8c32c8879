"""The studies of the rubric wing: hand-made tables, the paper's arithmetic, recorded runs, one small live arm."""

import numpy as np
import pandas as pd
import pytest

from anchors.companion import recorded
from anchors.companion.errors import InputError
from anchors.rubric import evaluation, plots, trials
from anchors.rubric.studies import aggregation, arms, defence, others, seesaw, style, tables
from anchors.rubric.trials import Recipe
from anchors.rubric.writer.gold import gold

LOGS = [name.split("/")[1] for name in recorded.names() if name.startswith("rubric/")]
SHIPPED = sorted({name.rsplit("_", 1)[0] for name in LOGS if not name.startswith("smollm2_")})


def changed(values, seeds=5, noise=0.001):
    """Return changes per arm and seed around ``values[arm]``: (instruction, creative)."""
    rng = np.random.default_rng(0)
    rows = []
    for arm, pair in values.items():
        for seed in range(seeds):
            own = [value + noise * rng.standard_normal() for value in pair]
            rows.append({"arm": arm, "seed": seed, "instruction": own[0], "creative": own[1], "weaker": min(own)})
    return pd.DataFrame(rows)


ANGLES = pd.DataFrame({"between": [-0.1, -0.2, -0.1], "within": [0.2, 0.3, 0.2]})
SPECIALISTS = {"instruction only": (0.2, -0.1), "creative only": (-0.1, 0.2), "joint": (0.1, 0.1)}


@pytest.mark.parametrize(("staged", "kind"), [((0.15, 0.15), "holds"), ((0.1, 0.1), "mixed"), ((-0.1, 0.2), "mixed")])
def test_staging_mitigates_only_where_it_beats_joint_training(staged, kind):
    found = changed(SPECIALISTS | dict.fromkeys(seesaw.STAGED, staged))
    assert seesaw.verdict(found, ANGLES).kind == kind
    assert seesaw.verdict(found, ANGLES).claims["seesaw"].kind == kind


def test_no_seesaw_where_specialists_help_the_other_family():
    both = {"instruction only": (0.2, 0.1), "creative only": (0.1, 0.2), "joint": (0.2, 0.2)}
    found = changed(both | dict.fromkeys(seesaw.STAGED, (0.1, 0.1)))
    assert seesaw.verdict(found, ANGLES).kind == "does not hold"


def evaluated(values):
    """Return evaluations at steps 0 and 40: ``values[arm]`` is (hack, creative) at the end, from (0.1, 0.7)."""
    rows = []
    for arm, (hack, creative) in values.items():
        for seed in range(5):
            rows.append({"arm": arm, "seed": seed, "step": 0, "hack": 0.1, "creative": 0.7})
            rows.append({"arm": arm, "seed": seed, "step": 40, "hack": hack + seed / 1000, "creative": creative})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("veto", "late", "kind"), [(0.0, 0.0, "holds"), (0.0, 0.9, "mixed"), (0.9, 0.9, "does not hold")]
)
def test_a_defence_must_keep_the_hack_down(veto, late, kind):
    log = evaluated(
        {
            "gold": (0, 0.9),
            "flattered": (0.99, 0.85),
            "veto": (veto, 0.9),
            "penalty": (0, 0.9),
            "late veto": (late, 0.9),
        }
    )
    found = defence.verdict(log)
    assert found.kind == kind
    assert "10% before; 99% under the flattered reward" in found.text


def test_onset_is_the_first_step_at_which_half_of_the_texts_praise():
    rows = [("flattered", s, step, hack) for s in (0, 1) for step, hack in ((0, 0.1), (10, 0.4 + 0.2 * s), (20, 0.9))]
    found = pd.DataFrame(rows, columns=["arm", "seed", "step", "hack"])
    np.testing.assert_array_equal(defence.onset(found, "flattered"), [20, 10])


def test_changes_run_from_the_base_to_the_end_and_are_paired_by_seed():
    log = evaluated({"a": (0.3, 0.8), "b": (0.5, 0.75)})
    found = arms.changes(log, ["hack", "creative"])
    np.testing.assert_allclose(found[found.arm == "a"].hack, 0.2 + np.arange(5) / 1000)
    assert arms.over(log, "b", "a", "creative").mean == pytest.approx(-0.05)
    assert arms.judged(arms.over(log, "b", "a", "creative")) == "down"
    assert len(arms.last(log)) == 10


def test_live_steps_that_contradict_the_log_withhold_the_verdict():
    live = pd.DataFrame({"step": [1], "live": [0.5], "log": [0.7]})
    rows, found = arms.checked(
        [], live, arms_verdict := defence.verdict(evaluated(dict.fromkeys(defence.WORDS, (0.0, 0.9))))
    )
    assert found.kind == "measured"
    assert arms_verdict.text in found.text
    assert rows[-1].measured == pytest.approx(0.2)


def test_the_printed_averages_are_recomputed():
    _, rows, found = tables.open_ended()
    value = {row.quantity: row.measured for row in rows}
    assert value["Qwen3-30B-A3B: average"] == pytest.approx(65.29, abs=0.005)
    assert value["difference: average"] == pytest.approx(5.21, abs=0.005)
    assert value["gain without Judgemark v2"] == pytest.approx(23.49 / 6)
    assert found.kind == "measured"
    _, rows, found = tables.retained()
    value = {row.quantity: row.measured for row in rows}
    assert value["general, Qwen3-30B-A3B: average as printed"] == pytest.approx(76.12, abs=0.005)
    assert value["general, difference of the means"] == pytest.approx(1.755, abs=0.005)
    assert "GPQA-D and LCBv5 fall" in found.text


def test_figure_2_has_its_changes():
    found = seesaw.figure2().set_index("benchmark")
    assert len(found) == 14
    assert (found.loc["Collie", "instruction"], found.loc["Collie", "creative"]) == (13.0, -6.0)


def test_gini_is_zero_for_equal_scores_and_grows_with_the_spread():
    np.testing.assert_allclose(aggregation.gini(np.array([[0.5, 0.5, 0.5], [0.0, 0.0, 3.0]])), [0, 2 / 3], atol=1e-12)


def test_a_dose_leaves_what_every_arm_has_and_copies_are_distinct():
    rubric = gold("creative")
    dosed = trials.chosen(rubric, Recipe(dose=0.0))
    weight = dict(zip(dosed.ids, dosed.weights, strict=True))
    assert all((value > 0) == (name in trials.SHARED) for name, value in weight.items())
    copied = trials.chosen(rubric, Recipe(criteria=("first_person",), copies=8))
    assert len(set(copied.ids)) == len(copied.criteria) == 8
    with pytest.raises(InputError, match="defence"):
        Recipe(defence="prayer")


def test_prompts_to_train_on_and_held_out_ones_are_apart():
    for family in ("creative", "instruction"):
        train, test = evaluation.pool(family), evaluation.pool(family, held_out=True)
        assert (len(train), len(test)) == (evaluation.TRAINED, evaluation.HELD_OUT)
        assert not set(train) & set(test)


def test_the_veto_pays_nothing_and_the_penalty_less_for_praise():
    asked = [evaluation.pool("creative")[0]] * 2
    texts = [" Great question! I saw the wave.", " I saw the wave."]
    np.testing.assert_array_equal(evaluation.hacks(asked, texts), [True, False])
    plain = trials.reward(Recipe((("proxy",),)), "proxy")(asked, texts).values
    veto = trials.reward(Recipe((("proxy",),), defence="veto"), "proxy")(asked, texts).values
    penalised = trials.reward(Recipe((("proxy",),), defence="penalty"), "proxy")(asked, texts).values
    assert veto[0] == 0 < veto[1] == pytest.approx(plain[1])
    np.testing.assert_allclose(penalised, plain - [trials.PENALTY, 0])


def test_a_short_arm_runs_and_its_first_steps_repeat():
    job = trials.job(Recipe((("creative",),)), 0, "smoke")
    found = trials.trial(**job)
    assert [entry["step"] for entry in found["entries"]] == [1, 2]
    assert [one["step"] for one in found["evaluations"]] == [0, 2]
    assert all(0 <= one["creative"] <= 1 for one in found["evaluations"])
    assert trials.first(**job, count=2) == [entry["reward"] for entry in found["entries"]]


def test_a_late_veto_is_mined_and_wired():
    job = trials.job(Recipe((("proxy",),), defence="late"), 0) | {"steps": 4}
    found = trials.trial(**job)
    assert [entry["step"] for entry in found["entries"]] == [1, 2, 3, 4]
    assert found["mined"][0]["criterion"] == "all accepted"


@pytest.mark.parametrize("study", SHIPPED)
def test_recorded_arms_are_whole(study):
    found, steps = arms.log(study), arms.steps(study)
    assert set(found.arm) == set(arms.STUDIES[study])
    assert set(found.seed) == set(arms.SEEDS)
    assert set(steps.groupby(["arm", "seed"]).step.max()) == {trials.STEPS}
    own = [name for name in found if name.startswith("creative/")]
    assert found[["creative", "instruction", *own]].stack().between(0, 1).all()


def test_the_shipped_studies_speak():
    live = pd.DataFrame({"step": [1], "live": [0.5], "log": [0.5]})
    said = {
        "seesaw": lambda: seesaw.summarise(seesaw.compute(), ANGLES, live),
        "defence": lambda: defence.summarise(defence.curves(), defence.mined(), live),
        "style": lambda: style.summarise(style.compute(), live),
        "count": lambda: others.rubric_count(others.compute("count"), live),
        "filter": lambda: others.prompt_filter(others.compute("filter"), live),
        "retention": lambda: others.retention(others.compute("retention"), live),
    }
    for study in set(said) & set(SHIPPED):
        rows, found = said[study]()
        assert len(rows) > 5
        assert all(np.isfinite(row.measured) for row in rows)
        assert found.text
    assert len(plots.seesaw(seesaw.figure2(), seesaw.compute()).axes) == 3
    assert style.transcripts().shape == (4, 1 + len(arms.STYLE))
    assert "Think of a storm" in repr(style.side_by_side())
