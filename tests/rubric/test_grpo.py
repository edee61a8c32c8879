"""GRPO: formulas by hand, gradients against TRL's, learning, bad judgements, kill and resume."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from rubric.grpo_process import SETTINGS, case, record
from rubric.rl_case import PROMPTS, rollouts, tiny
from rubric.trl_case import as_inputs, fixed_completions, trainer

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.paths import ROOT
from anchors.rubric.grpo import Settings, Training, lessons, rate_share, train
from anchors.rubric.grpo_log import summary
from anchors.rubric.grpo_loss import Batch, backward, batch_of, gradient, token_losses, token_weights
from anchors.rubric.policy import Policy
from anchors.rubric.reward import Rewarded
from anchors.rubric.rollout_log import Rollout

SCRIPT = Path(__file__).with_name("grpo_process.py")
LOSSES = ("grpo", "bnpo", "dr_grpo", "dapo")


def share_of(word):
    """Reward: the share of the words that are this one."""

    def reward(prompts, responses):
        values = np.array([text.split().count(word) / max(1, len(text.split())) for text in responses])
        return Rewarded(values, values[:, None], (word,))

    return reward


def batch(policy, masked=(), old=True, seed=0):
    """Eight rollouts whose old probabilities are so far off that some ratios are clipped."""
    prompts, responses = rollouts(policy.base, seed)
    rng = torch.Generator().manual_seed(seed)
    learnt = torch.tensor([n not in masked for n in range(len(prompts))])
    now = policy.table(prompts, responses, 64)
    was = now + 0.4 * torch.randn(now.shape, generator=rng) if old else None
    return Batch(
        prompts, responses, torch.randn(len(prompts), generator=rng), learnt, was,
        policy.table(prompts, responses, 64, base=True),
    )  # fmt: skip


def away(policy, size=0.05):
    """Move the trained weights, so that policy and base differ."""
    rng = torch.Generator().manual_seed(2)
    for parameter in policy.parameters:
        parameter.data += size * torch.randn(parameter.shape, generator=rng)
    return policy


def test_token_weights_by_hand():
    lengths, learnt = [2, 3, 5], [True, True, False]
    found = {kind: token_weights(kind, lengths, learnt, 4.0, 10).tolist() for kind in LOSSES}
    assert found["grpo"] == pytest.approx([1 / 6, 1 / 9, 0])
    assert found["bnpo"] == pytest.approx([1 / 5, 1 / 5, 0])
    assert found["dr_grpo"] == pytest.approx([1 / 30, 1 / 30, 0])
    assert found["dapo"] == pytest.approx([1 / 4, 1 / 4, 0])


def test_token_losses_by_hand():
    settings = Settings(epsilon_low=0.2, epsilon_high=0.3, beta=0.5)
    ratio, advantages = torch.tensor([1.5, 1.5, 0.5, 0.5, 1.0]), torch.tensor([1.0, -1.0, 1.0, -1.0, 2.0])
    clipped = np.array([-1.3, 1.5, -0.5, 0.8, -2.0])
    for correction in (True, False):
        changed = dataclasses.replace(settings, kl_correction=correction)
        losses, watched = token_losses(ratio.log(), torch.zeros(5), advantages, changed, ratio.log() - np.log(2))
        kl = (0.5 + np.log(2) - 1) * (ratio.numpy() if correction else np.ones(5))
        assert losses.tolist() == pytest.approx(clipped + 0.5 * kl, abs=1e-6)
        assert watched["kl"].tolist() == pytest.approx(kl, abs=1e-6)
        assert watched["clip_high"].tolist() == [1, 0, 0, 0, 0]
        assert watched["clip_low"].tolist() == [0, 0, 0, 1, 0]


@pytest.mark.parametrize("rank", [0, 3])
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_and_gradient_are_those_of_trl(loss, rank, tmp_path):
    policy = away(Policy(tiny(), rank=rank))
    settings = Settings(
        loss=loss, epsilon_low=0.15, epsilon_high=0.3, beta=0.07, max_new_tokens=7, kl_correction=rank > 0
    )
    trl = theirs(policy, settings, tmp_path)
    for masked, old in (((), True), ((1, 6), True), ((), False)):
        own = batch(policy, masked, old)
        policy.network.zero_grad()
        found = backward(policy, own, settings)
        gradients = policy.vector()
        policy.network.zero_grad()
        expected = trl._compute_loss(trl.model, as_inputs(own))
        expected.backward()
        assert found["loss"] == pytest.approx(expected.item(), rel=1e-4, abs=1e-6)
        assert np.abs(gradients).max() > 1e-3
        np.testing.assert_allclose(gradients, policy.vector(), rtol=2e-3, atol=2e-6)
        logged = {name: values[-1] for name, values in trl._metrics["train"].items()}
        assert found["kl"] == pytest.approx(logged["kl"], rel=1e-4)
        assert found["entropy"] == pytest.approx(logged["entropy"], rel=1e-4)
        assert found["clip_low"] == pytest.approx(logged["clip_ratio/low_mean"], abs=1e-6)
        assert found["clip_high"] == pytest.approx(logged["clip_ratio/high_mean"], abs=1e-6)
        assert (found["clip_high"] > 0) == old


def theirs(policy, settings, folder):
    """TRL's trainer over the same network, as if inside a step of training."""
    policy.base.network.save_pretrained(folder / "base")  # where TRL looks for the reference of a full training
    policy.network.config._name_or_path = str(folder / "base")
    model = dataclasses.replace(policy.base, network=policy.network)
    trl = trainer(
        model, folder, lambda completions, **_: [0.0] * len(completions), loss_type=settings.loss, beta=settings.beta,
        epsilon=settings.epsilon_low, epsilon_high=settings.epsilon_high, steps_per_generation=1,
        mask_truncated_completions=settings.mask_truncated, scale_rewards=settings.scale,
        use_bias_correction_kl=settings.kl_correction,
    )  # fmt: skip
    trl.model.train()
    trl.current_gradient_accumulation_steps = 1
    return trl


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_advantages_and_masks_are_those_of_trl(scale, tmp_path):
    """The same rollouts, one unjudged, some truncated: TRL's own pipeline from completions to loss against ours."""
    policy = away(Policy(tiny(), rank=0))
    settings = Settings(
        prompts=2, group=4, max_new_tokens=7, scale=scale, loss="grpo", beta=0.05, mask_truncated=True, seed=13
    )
    values = np.array([0.1, 0.9, np.nan, 0.4, 1.0, 0.2, 0.3, 0.7])
    training = Training(policy, lambda p, r: Rewarded(values), PROMPTS[:2], settings, None)
    found = training._rollouts()
    assert 0 < sum(one.finished for one in found) < 8
    trl = theirs(policy, settings, tmp_path)
    trl.reward_funcs = [lambda completions, **_: [None if np.isnan(v) else v for v in values]]
    with fixed_completions(trl, [one.tokens for one in found]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inputs = trl._generate_and_score_completions([{"prompt": one.prompt} for one in found])
    np.testing.assert_allclose([one.advantage for one in found], inputs["advantages"], rtol=1e-4, atol=1e-5)
    own = batch_of(policy, found, settings)
    kept = np.array([one.finished for one in found])
    assert (inputs["completion_mask"].any(1).numpy() == kept).all()
    assert (own.learnt.numpy() == kept & ~np.isnan(values)).all(), "ours leaves the unjudged one out of every mean too"
    np.testing.assert_allclose(own.base[kept], inputs["ref_per_token_logps"][kept] * inputs["completion_mask"][kept],
                               atol=1e-5)  # fmt: skip


def test_advantages_of_each_criterion_are_those_of_trl(tmp_path):
    rng, weights = np.random.default_rng(0), np.array([2.0, 1.0])
    scores = rng.random((8, 2)).round(1)
    scores[3], scores[5, 0] = np.nan, np.nan
    settings = Settings(prompts=2, group=4, max_new_tokens=7, objective="normalize_then_sum")
    rewarded = Rewarded(np.where(np.isnan(scores).all(1), np.nan, 0.0), scores, ("a", "b"), None, weights)
    policy = Policy(tiny(), rank=0)
    trl = theirs(policy, settings, tmp_path)
    trl.multi_objective_aggregation, trl.reward_weights = settings.objective, torch.tensor(weights)
    trl.reward_funcs = [
        lambda completions, k=k, **_: [None if np.isnan(u) else u for u in scores[:, k]] for k in range(2)
    ]
    trl.reward_func_names, trl.reward_processing_classes = ["a", "b"], [None, None]
    asked = [{"prompt": prompt} for prompt in PROMPTS[:2] for _ in range(4)]
    with fixed_completions(trl, [[3, 1]] * 8), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inputs = trl._generate_and_score_completions(asked)
    np.testing.assert_allclose(lessons(rewarded, settings), inputs["advantages"], rtol=1e-3, atol=1e-5)
    with pytest.raises(InputError, match="weights of its criteria"):
        lessons(dataclasses.replace(rewarded, weights=None), settings)


def test_a_masked_rollout_changes_nothing():
    policy = Policy(tiny(), rank=0)
    settings = Settings(loss="bnpo", max_new_tokens=7, beta=0.1)
    whole, rows = batch(policy, masked=(3,)), [0, 1, 2, 4, 5, 6, 7]
    part = whole.rows(rows)
    np.testing.assert_allclose(gradient(policy, whole, settings), gradient(policy, part, settings), atol=1e-6)
    assert policy.vector().any() == np.False_, "gradient leaves none behind"


@pytest.mark.parametrize("loss", LOSSES)
def test_parts_do_not_change_the_gradient(loss):
    policy = away(Policy(tiny(), rank=2))
    own = batch(policy)
    found = [gradient(policy, own, Settings(loss=loss, chunk=chunk, beta=0.1)) for chunk in (4096, 20)]
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-6)


def test_the_learning_rate_warms_up_and_falls():
    settings = Settings(steps=10, warmup=3, schedule="linear")
    shares = [rate_share(settings, step) for step in range(10)]
    assert shares == pytest.approx([0.25, 0.5, 0.75, 1, 6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7])
    assert [rate_share(Settings(warmup=1), step) for step in range(3)] == [0.5, 1, 1]


@pytest.mark.parametrize("rank", [0, 8])
def test_the_rewarded_word_becomes_frequent(rank):
    policy = Policy(tiny(scale=5.0 if rank else 1.0), rank=rank)
    settings = Settings(steps=25, prompts=4, group=8, max_new_tokens=8, rate=3e-2 if rank else 5e-3)
    table = train(policy, share_of("good"), PROMPTS, settings).table()
    assert table["reward"][0] < 0.2
    assert table["reward"][-3:].mean() > 0.6
    assert table["score/good/mean"].equals(table["reward"])


def test_the_divergence_keeps_the_policy_near_its_base():
    found = {}
    for beta in (0.0, 2.0):
        settings = Settings(steps=12, group=8, max_new_tokens=8, rate=5e-3, beta=beta, watch_kl=True)
        found[beta] = train(Policy(tiny(scale=1.0), rank=0), share_of("good"), PROMPTS, settings).table()["kl"].iloc[-1]
    assert 0 < found[2.0] < 0.5 * found[0.0]


def test_several_updates_clip_and_learn():
    settings = Settings(
        steps=6, group=8, max_new_tokens=8, rate=1e-2, epochs=3, mini_batches=2, loss="grpo", epsilon_high=0.28
    )
    table = train(Policy(tiny(scale=1.0), rank=0), share_of("good"), PROMPTS, settings).table()
    assert (table["clip_high"] > 0).any()
    assert table["reward"].iloc[-1] > table["reward"].iloc[0] + 0.2


def test_prompts_come_in_epochs():
    settings = Settings(steps=4, prompts=2, group=2, max_new_tokens=2)
    log = train(Policy(tiny(), rank=0), share_of("a"), PROMPTS, settings)
    asked = [one.prompt for one in log.rollouts.rollouts() if one.place % 2 == 0]
    assert sorted(asked[:4]) == sorted(asked[4:]) == sorted(PROMPTS)


def test_what_a_step_logs():
    def row(group, reward, vetoed=False, finished=True, **scores):
        return Rollout(0, 0, group, "", "", (1, 2), finished, 0, 0.0, reward, 0.0, vetoed, scores)

    nan = float("nan")
    found = summary([
        row(0, 1.0, short=1.0, calm=0.0), row(0, 0.0, short=0.0, calm=nan), row(1, 0.0, True, short=nan),
        row(1, 0.0, True), row(2, nan, False, False), row(2, nan, True),
    ])  # fmt: skip
    assert found["reward"] == 0.25
    assert found["reward_std"] == pytest.approx(0.5)
    assert found["frac_zero_std"] == found["frac_all_vetoed"] == 0.5
    assert found["frac_vetoed"] == 0.5
    assert found["frac_unjudged"] == pytest.approx(2 / 6)
    assert found["frac_truncated"] == pytest.approx(1 / 6)
    assert found["score/short/mean"] == 0.5
    assert found["score/calm/mean"] == 0.0
    assert np.isnan(found["score/calm/std"])
    assert np.isnan(summary([row(0, nan)])["reward"])


def test_bad_judgements_are_masked_and_counted():
    calls = []

    def reward(prompts, responses):
        calls.append(len(responses))
        if any(text.endswith("b") for text in responses):
            raise ValueError("the verdict is no JSON")
        values = np.array([np.inf if text.endswith("c") else text.count("good") for text in responses])
        return Rewarded(values, values[:, None], ("good",))

    settings = Settings(steps=2, prompts=4, group=8, max_new_tokens=4, rate=1e-3)
    with pytest.warns(UserWarning, match=r"of 32 judgements failed \(ValueError: the verdict is no JSON\)"):
        log = train(Policy(tiny(), rank=0), reward, PROMPTS, settings)
    rollouts = log.rollouts.rollouts()
    bad = [one.text.endswith(("b", "c")) for one in rollouts]
    assert any(bad)
    assert [np.isnan(one.reward) for one in rollouts] == bad
    assert all(one.advantage == 0 for one in rollouts if np.isnan(one.reward))
    assert log.entries[0]["frac_unjudged"] == np.mean(bad[:32])
    assert all(np.isfinite(entry["loss"]) for entry in log.entries)


@pytest.mark.parametrize("values", [np.full(8, np.nan), np.full(8, 0.5)])
def test_a_step_without_anything_to_learn_changes_nothing(values):
    policy = Policy(tiny(), rank=0)
    before = policy.fingerprint()
    settings = Settings(steps=1, prompts=2, group=4, max_new_tokens=3, watch_kl=True)
    [entry] = train(policy, lambda p, r: Rewarded(values), PROMPTS, settings).entries
    assert policy.fingerprint() == before
    assert entry["grad_norm"] == entry["loss"] == 0


def test_a_judge_that_is_gone_ends_the_run_and_a_second_run_continues(tmp_path):
    settings = Settings(steps=3, prompts=2, group=4, max_new_tokens=3, every=1)
    answers = iter([True, True, False])

    def reward(prompts, responses):
        if not next(answers, True):
            raise AnchorsError("no endpoint answers any more")
        return share_of("good")(prompts, responses)

    def policy():
        return Policy(tiny(), rank=0)

    with pytest.raises(AnchorsError, match="no endpoint answers"):
        train(policy(), reward, PROMPTS, settings, tmp_path / "a")
    again = train(policy(), reward, PROMPTS, settings, tmp_path / "a")
    assert record(again) == record(train(policy(), reward, PROMPTS, settings, tmp_path / "b"))


def test_errors_name_what_is_wrong(tmp_path):
    policy, settings = Policy(tiny(), rank=0), Settings(steps=1, prompts=1, group=2, max_new_tokens=2)
    with pytest.raises(InputError, match="prompts: found none"):
        train(policy, share_of("a"), [], settings)
    with pytest.raises(InputError, match="prompt: found 0 tokens"):
        train(policy, share_of("a"), ["a", ""], settings)
    with pytest.raises(InputError, match=r"values \(2,\)"):
        train(policy, lambda p, r: Rewarded(np.zeros(3)), PROMPTS, settings)
    broken = Policy(tiny(), rank=0)
    broken.sample = Policy(tiny(), rank=0).sample
    next(iter(broken.parameters)).data.fill_(float("nan"))
    with pytest.raises(AnchorsError, match=r"step 1: loss .*lower rate"):
        train(broken, share_of("."), PROMPTS, dataclasses.replace(settings, group=16, prompts=4))
    for name, value in (
        ("loss", "ppo"), ("scale", "all"), ("schedule", "cosine"), ("group", 1), ("temperature", 0.0), ("beta", -1.0),
        ("top_p", 0.0), ("mini_batches", 99), ("rate", float("nan")),
    ):  # fmt: skip
        with pytest.raises(InputError, match=name):
            Settings(**{name: value})


def test_another_training_does_not_continue_from_this_folder(tmp_path):
    settings = Settings(steps=2, prompts=1, group=2, max_new_tokens=2, every=1)
    train(Policy(tiny(), rank=2), share_of("a"), PROMPTS, settings, tmp_path)
    for policy, changed in (
        (Policy(tiny(), rank=2), dataclasses.replace(settings, seed=1)),
        (Policy(tiny(), rank=2, seed=1), settings),
    ):
        with pytest.raises(InputError, match="of another training"):
            train(policy, share_of("a"), PROMPTS, changed, tmp_path)
    longer = dataclasses.replace(settings, steps=3)
    assert len(train(Policy(tiny(), rank=2), share_of("a"), PROMPTS, longer, tmp_path).entries) == 3


def test_evaluations_join_the_entries():
    settings = Settings(steps=5, prompts=1, group=2, max_new_tokens=2, evaluate_every=2)
    log = train(Policy(tiny(), rank=0), share_of("a"), PROMPTS, settings, evaluate=lambda policy, step: {"held": step})
    assert [entry.get("held") for entry in log.entries] == [None, 2, None, 4, 5]


def test_a_run_in_two_sittings_equals_one(tmp_path):
    one = train(*case(), SETTINGS, tmp_path / "one")
    train(*case(), SETTINGS, tmp_path / "two", stop=3)
    assert record(train(*case(), SETTINGS, tmp_path / "two")) == record(one)
    assert record(train(*case(), SETTINGS)) == record(one), "nor does the folder matter"


@pytest.mark.slow
def test_kills_at_any_moment_change_no_bit(tmp_path):
    """Killed in an update, between the files of a checkpoint, and by surprise; then finished by another process."""
    whole = record(train(*case(), SETTINGS, tmp_path / "whole"))
    for when in ("updating", "saving"):
        assert begin(tmp_path / "killed", when).wait() == -signal.SIGKILL, when
    run = begin(tmp_path / "killed", "never")
    time.sleep(0.2)
    run.kill()
    run.wait()
    assert record(train(*case(), SETTINGS, tmp_path / "killed")) == whole


def begin(folder, when):
    command = [sys.executable, str(SCRIPT), str(folder), when]
    path = os.pathsep.join([str(ROOT / "tests"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path})
    assert run.stdout.readline() == "ready\n"
    return run
