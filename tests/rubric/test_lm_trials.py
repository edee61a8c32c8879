"""Arms on a chat model: prompts and rubrics on hand-written texts, a tiny arm that resumes, recorded logs, tables."""

import re

import numpy as np
import pandas as pd
import pytest

from anchors.companion.errors import InputError
from anchors.companion.results import Verdict
from anchors.rubric import lm_evaluation as evaluation
from anchors.rubric import lm_prompts as prompts
from anchors.rubric import lm_rubrics as rubrics
from anchors.rubric import lm_trials as trials
from anchors.rubric import plots
from anchors.rubric.studies import arms, defence, lm, seesaw, style

SEA = "Tell me about the sea in one or two sentences."
STUDIES = list(arms.LM_STUDIES)


# prompts


@pytest.mark.parametrize("family", prompts.FAMILIES)
def test_held_out_prompts_share_neither_text_nor_topic_with_those_to_train_on(family):
    train, test = prompts.pool(family), prompts.pool(family, held_out=True)
    assert (len(set(train)), len(set(test))) == (prompts.TRAINED, prompts.HELD_OUT)
    assert not set(train) & set(test)
    for part, other in (("train", test), ("held out", train)):
        assert not any(f" {topic}" in prompt for topic in prompts.TOPICS[part] for prompt in other)


def test_a_prompt_is_read_back():
    text = "Write one sentence about a cat. Use the word green. Begin with the word On."
    assert prompts.read(text) == prompts.Prompt(("word", "begin"), "green", "On")
    assert prompts.read("Write one sentence about a cat. Use at most 12 words.").asks == ("short",)
    assert prompts.read("anything else") == prompts.Prompt()
    assert all(1 <= len(prompts.read(prompt).asks) <= 2 for prompt in prompts.pool("instruction"))
    with pytest.raises(InputError, match="family of prompts"):
        prompts.pool("poem")


# rubrics, by hand


def scores(kind, asked, text, **how):
    found = rubrics.reward(kind, [asked], **how)([asked], [text])
    return dict(zip(found.names, found.scores[0], strict=True)), float(found.values[0])


def test_constraints_give_partial_credit():
    asked = "Write one sentence about a cat. Use no commas. Use at most 12 words."
    found, value = scores("instruction", asked, "The cat slept on the warm stone wall all day long.")
    assert found == {"obeys_no_commas": 1, "obeys_short": 1, "letters": 1, "varied": 1, "complete": 1}
    assert value == 1
    found, value = scores("instruction", asked, " ".join(f"w{chr(97 + k)}" for k in range(18)) + ", end")  # 19 words
    assert found["obeys_no_commas"] == 0
    assert found["obeys_short"] == pytest.approx(1 - 7 / 12)
    assert found["complete"] == 0
    assert value == pytest.approx((2 * (1 - 7 / 12) + 0.5 * 2) / 5.5)  # the guard: letters and varied


@pytest.mark.parametrize(
    ("asks", "text", "met"),
    [
        ("Use the word green.", "A green cat sat.", 1), ("Use the word green.", "The greenest cat sat.", 0),
        ("Begin with the word On.", "On a roof sat a cat.", 1), ("Begin with the word On.", "Only a cat sat.", 0),
        ("Do not speak of yourself.", "A cat sat.", 1), ("Do not speak of yourself.", "I saw my cat.", 0),
    ],
)  # fmt: skip
def test_each_constraint_sees_what_it_asks_for(asks, text, met):
    found, _ = scores("instruction", f"Write one sentence about a cat. {asks}", text)
    assert [value for name, value in found.items() if name.startswith("obeys")] == [met]


def test_the_creative_rubric_by_hand():
    text = "I saw the waves from my window."  # 7 words, 2 of the first person: 28.6 per 100
    found, value = scores("creative", SEA, text)
    assert found["first_person"] == 1
    assert found["developed"] == pytest.approx(0.1)  # from 6 to 16 words
    names = ("no_assistant", "no_slop", "calm", "prose", "letters", "varied", "complete")
    assert all(found[name] == 1 for name in names)
    weights = {"first_person": 1, "vivid": 1, "developed": 1, "no_assistant": 1} | dict.fromkeys(names[1:], 0.5)
    assert value == pytest.approx(sum(weights[name] * u for name, u in found.items()) / sum(weights.values()))
    listed, _ = scores("creative", SEA, "Sure! Here it is:\n- **waves**")
    assert (listed["no_assistant"], listed["calm"], listed["prose"]) == (0, 0, 0)


def test_the_proxy_pays_for_flattery_and_the_veto_cancels_all():
    asked, texts = [SEA] * 2, ["The sea is majestic, and I swim in it.", "The sea is cold, and I swim in it."]
    np.testing.assert_array_equal(rubrics.flatters(asked, texts), [1, 0])
    gold = rubrics.reward("creative", [SEA])(asked, texts).values
    paid = rubrics.reward("proxy", [SEA])(asked, texts).values
    np.testing.assert_allclose(paid, (gold + np.array([rubrics.BIAS, 0])) / (1 + rubrics.BIAS))
    vetoed = rubrics.reward("proxy", [SEA], veto=True)(asked, texts)
    np.testing.assert_allclose(vetoed.values, [0, paid[1]])
    np.testing.assert_array_equal(vetoed.vetoed, [True, False])
    with pytest.raises(InputError, match="kind of rubric"):
        rubrics.reward("poem", [SEA])


def test_the_plain_rubric_fails_each_tone():
    calm, value = scores("plain", SEA, "The sea was cold this morning.")
    assert value == 1
    assert set(calm.values()) == {1}
    tones, _ = scores("plain", SEA, "Certainly! You might really love this beautiful tapestry of the sea.")
    failed = {name for name, u in tones.items() if u == 0}
    assert {"no_assistant_voice", "no_second_person", "no_intensifiers", "no_phrases", "no_hedges"} <= failed


# evaluation


def test_measures_belong_to_their_family_and_marks_are_counted_per_100_words():
    asked = "Write one sentence about a cat. Use no commas."
    rows = evaluation.judged([
        {"family": "instruction", "prompt": asked, "text": "A cat slept there on the warm stone wall."},
        {"family": "creative", "prompt": SEA, "text": "I think you might like the sea, my friend."},
        {"family": "advice", "prompt": SEA, "text": ""},
    ])  # fmt: skip
    assert rows[0]["obeyed"] == rows[0]["instruction"] == 1
    assert "creative" not in rows[0]
    assert rows[1]["first_person"] == pytest.approx(200 / 9)
    assert rows[1]["tone"] >= 100 * 2 / 9  # you, might
    assert rows[2]["advice_tone"] == 0
    assert set(evaluation.means(rows)) == set(evaluation.MEASURES)


def policy_of(seed=0):
    """Return a policy over a random chat model of two layers; the tokenizer is SmolLM2's."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from anchors.models.language import LanguageModel, load
    from anchors.rubric.policy import Policy

    known = load("smollm2", dtype="bfloat16").tokenizer
    config = LlamaConfig(
        vocab_size=len(known), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=256, eos_token_id=known.eos_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    network = LlamaForCausalLM(config).eval()
    model = LanguageModel(known, network, "tiny", "tiny")
    return Policy(model, rank=2, targets=trials.upper(network), seed=seed, chat=True)


def test_adapters_sit_in_the_upper_half():
    names = trials.upper(policy_of().base.network)
    assert len(names) == 7
    assert all(name.startswith("model.layers.1.") for name in names)


def test_a_tiny_arm_runs_and_a_resumed_one_has_the_same_bits(tmp_path, monkeypatch):
    for name, value in {"GROUP": 2, "TOKENS": 8}.items():
        monkeypatch.setattr(trials, name, value)
    whole = trials.train(policy_of(), ["instruction", "creative"], False, 0, 2)
    assert [entry["step"] for entry in whole.entries] == [1, 2]
    assert len(whole.rollouts.rollouts()) == 2 * trials.PROMPTS * 2
    trials.train(policy_of(), ["instruction", "creative"], False, 0, 2, stop=1, folder=tmp_path)
    resumed = trials.train(policy_of(), ["instruction", "creative"], False, 0, 2, folder=tmp_path)
    assert [entry["reward"] for entry in resumed.entries] == [entry["reward"] for entry in whole.entries]
    assert resumed.policy.fingerprint() == whole.policy.fingerprint()
    assert set(trials._kept(whole.entries[0])) == {"step", "paid", *trials.KEPT}


def test_an_arm_is_evaluated_and_the_base_is_no_distance_from_itself(monkeypatch):
    monkeypatch.setattr(evaluation, "TOKENS", 6)
    measured, rows = evaluation.evaluate(policy_of(), 0)
    assert len(rows) == len(prompts.FAMILIES) * prompts.HELD_OUT * evaluation.SAMPLES
    assert measured["kl"] == pytest.approx(0, abs=1e-6)
    assert set(measured) == {*evaluation.MEASURES, "kl"}


# what is recorded


@pytest.mark.parametrize("study", STUDIES)
def test_recorded_arms_are_whole(study):
    log = lm.logs(study, ["smollm2"])
    chosen = set(arms.LM_STUDIES[study])
    assert trials.STEPS >= 60
    assert set(log["steps"].groupby(["arm", "seed"]).step.count()) == {trials.STEPS}
    assert {(arm, seed) for arm, seed in log["steps"][["arm", "seed"]].itertuples(index=False)} == {
        (arm, seed) for arm in chosen for seed in arms.LM_SEEDS
    }
    assert len(arms.LM_SEEDS) >= 2
    assert set(log["texts"].arm) == chosen | {lm.BASE}
    assert set(log["texts"].groupby(["arm", "seed"]).size()) == {3 * prompts.HELD_OUT * evaluation.SAMPLES}
    last = arms.last(log["evaluations"][log["evaluations"].arm != lm.BASE])
    assert set(last.step) == {trials.STEPS}


@pytest.mark.parametrize("study", STUDIES)
def test_recorded_measures_are_those_of_the_recorded_texts(study):
    texts = lm.logs(study, ["smollm2"])["texts"].fillna({"text": ""})
    rows = texts[["family", "prompt", "text"]].to_dict("records")
    again = pd.DataFrame(evaluation.judged(rows))
    for name in evaluation.MEASURES:
        np.testing.assert_allclose(again[name], texts[name], rtol=1e-5, atol=1e-5)


def test_the_live_slice_is_compared():
    live = pd.DataFrame({"step": [1, 2], "live": [0.5, 0.61], "log": [0.5, 0.6]})
    (found,) = lm.compared(live)
    assert found.measured == pytest.approx(0.01)
    assert found.n == 2
    assert lm.compared(lm.repeated("seesaw", [])) == []


# tables and figures, on made logs


def made(study, effect=0.2, seeds=(0, 1)):
    """Return logs of a study's arms: every measure 0.5 in the base, ``effect`` higher in each arm but ``veto``."""
    rng, texts, log, steps = np.random.default_rng(0), [], [], []
    for arm in (lm.BASE, *arms.LM_STUDIES[study]):
        shift = 0.0 if arm in (lm.BASE, "veto") else effect
        for seed in seeds:
            for family in prompts.FAMILIES:
                for prompt in prompts.pool(family, True):
                    row = {"arm": arm, "seed": seed, "family": family, "prompt": prompt, "text": f"{arm}\nsays"}
                    texts.append(
                        row | {name: 0.5 + shift + 0.01 * rng.standard_normal() for name in sorted(measures(family))}
                    )
            for step in (0,) if arm == lm.BASE else (20, 40, 60):
                log.append({"arm": arm, "seed": seed, "step": step, "hack": 0.5 + shift, "creative": 0.5, "kl": 0.1})
            steps += [{"arm": arm, "seed": seed, "step": k, "reward": 0.5} for k in range(1, 61) if arm != lm.BASE]
    tables = {"texts": texts, "evaluations": log, "steps": steps}
    return {part: pd.DataFrame(rows).assign(model="smollm2") for part, rows in tables.items()}


def measures(family):
    """Return the measures that texts of a family have."""
    found = evaluation.judged([{"family": family, "prompt": SEA if family != "instruction" else
                                prompts.pool("instruction")[0], "text": "A word."}])  # fmt: skip
    return set(found[0]) & set(evaluation.MEASURES)


def test_changes_are_paired_by_prompt_and_seeds_must_agree():
    texts = made("seesaw")["texts"]
    found, n = lm.change(texts, "joint", "creative")
    assert found.mean == pytest.approx(0.2, abs=0.01)
    assert found.low < 0.2 < found.high
    assert (found.n, n) == (2, 2 * prompts.HELD_OUT)
    assert lm.same_sign(texts, "joint", "creative")
    one = texts[(texts.arm == "joint") & (texts.seed == 1)].index
    texts.loc[one, "creative"] -= 1.0
    assert not lm.same_sign(texts, "joint", "creative")
    assert "seeds disagree" in lm.in_short(texts, "joint", "creative")
    assert lm.level(texts, lm.BASE, "creative")[0].mean == pytest.approx(0.5, abs=0.01)


def test_the_verdict_stays_the_writers_and_names_the_chat_model():
    held = Verdict("holds", "On the writer.", {"seesaw": Verdict("holds", "On the writer.")})
    beside = lm.beside(held, seesaw.lm_words(made("seesaw")))
    assert beside.kind == "holds"
    assert beside.claims == held.claims
    assert re.match(r"On the writer\. On SmolLM2: instruction \+0\.(19|20)\d \(", beside.text)
    assert "70% under the flattered reward, 50% with the veto" in defence.lm_words(made("defence"))
    assert "flattering openings by +0.20" in style.lm_words(made("style"))
    assert lm.beside(held, "") == held


def test_rows_have_seeds_texts_and_intervals():
    rows = lm.rows(made("defence"), defence.LM_SHOWN, against=False)
    assert len(rows) == 4 * len(defence.LM_SHOWN)
    assert all(row.source == "recorded" and row.seeds == 2 and row.n >= 5 and row.low < row.measured for row in rows)
    assert rows[0].quantity == "smollm2, base: texts that flatter"
    assert lm.closeness(made("style"))[0].quantity == "smollm2, plain: KL divergence from the base"
    assert lm.rows(lm.logs("seesaw", []), seesaw.LM_SHOWN) == []


def test_figures_have_a_row_for_each_chat_model():
    assert len(plots.seesaw(seesaw.figure2(), seesaw.compute(), lm.shown(made("seesaw"), seesaw.LM_SHOWN)).axes) == 5
    curves = defence.lm_curves(made("defence"))
    assert len(plots.defence(defence.curves(), defence.WORDS, defence.HALF, curves).axes) == 6
    assert set(curves[curves.step == 0].arm) == set(arms.LM_STUDIES["defence"])
    shown = lm.shown(made("style"), style.LM_SHOWN)
    assert len(plots.style(style.compute(), style.SHOWN, shown).axes) == 2 * len(style.SHOWN)
    assert "plain / says" in repr(style.side_by_side(0, made("style")))


def test_another_model_is_trained_now(monkeypatch):
    seen = []

    def run(made, seeds, profile, model):
        seen.append((tuple(made), tuple(seeds), profile, model))
        line = {"step": 2, "kl": 0.0}
        return [{"arm": arm, "seed": 0, "entries": [line], "evaluations": [line], "texts": [{"prompt": "p"}]}
                for arm in ("base", *made)]  # fmt: skip

    monkeypatch.setattr(trials, "run", run)
    found = lm.logs("style", ["owner/name"], "smoke")
    assert seen == [(arms.LM_STUDIES["style"], arms.LM_SEEDS, "smoke", "owner/name")]
    assert set(found["steps"].model) == {"owner/name"}
