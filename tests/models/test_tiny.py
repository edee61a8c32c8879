"""The tiny trainer: it learns, it continues after a kill with identical losses, and it says when it stalls."""

import subprocess
import sys

import numpy as np
import pytest

from anchors.companion.errors import InputError
from anchors.companion.paths import ROOT
from anchors.models.tiny import IGNORED, Architecture, Phase, Stalled, Training, build, collate, rate_at, train

SMALL = Architecture(vocabulary=12, width=16, layers=1, heads=2, hidden=16, positions=32)


def repeat(rng):
    """The same token again and again: easy."""
    token = int(rng.integers(2, 12))
    return [token] * 6, [IGNORED, *[token] * 5]


def phases(steps=30):
    return [Phase("one", repeat, steps=steps, batch=4, rate=1e-2), Phase("two", repeat, steps=10, batch=4, decay=True)]


def test_padding_is_not_learnt():
    ids, labels = collate([([5, 6], [IGNORED, 6]), ([7], [7])])
    assert ids.tolist() == [[5, 6], [7, 0]]
    assert labels.tolist() == [[IGNORED, 6], [7, IGNORED]]


def test_weights_follow_the_seed():
    a, b, c = (build(SMALL, seed).lm_head.weight for seed in (1, 1, 2))
    assert (a == b).all()
    assert (a != c).any()


def test_the_rate_warms_up_and_decays():
    phase = Phase("x", repeat, steps=100, rate=1.0, decay=True)
    assert rate_at(phase, 0) == pytest.approx(0.02, rel=0.01)
    assert rate_at(phase, 99) == pytest.approx(0.05, abs=0.01)


def test_it_learns_an_easy_task(tmp_path):
    training = Training(SMALL, phases(150), 0, tmp_path)
    training.run()
    assert training.log[0]["loss"] > 2
    assert training.log[-1]["running"] < 0.5


KILLED = """
import os, sys
sys.path.insert(0, "tests/models")
import test_tiny as t
class Killed(t.Training):
    def _update(self, phase):
        if self.phase == {phase} and self.step == {step}: os.kill(os.getpid(), 9)
        return super()._update(phase)
Killed(t.SMALL, t.phases(), 7, {folder!r}, every=5).run()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "step"), [(0, 3), (0, 17), (1, 6)])
def test_a_killed_training_continues_with_identical_losses(tmp_path, phase, step):
    whole = Training(SMALL, phases(), 7, tmp_path / "whole", every=5)
    expected = whole.run()
    folder = str(tmp_path / "killed")
    code = KILLED.format(phase=phase, step=step, folder=folder)
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == -9
    again = Training(SMALL, phases(), 7, folder, every=5)
    found = again.run()
    assert again.log == whole.log
    for name, value in expected.state_dict().items():
        assert np.array_equal(value.numpy(), found.state_dict()[name].numpy()), name


def test_another_training_does_not_continue_from_this_folder(tmp_path):
    Training(SMALL, phases(5), 0, tmp_path).run()
    with pytest.raises(InputError, match="checkpoint of another training"):
        Training(SMALL, phases(5), 1, tmp_path).run()


def test_a_stalled_seed_gives_way_to_the_next_and_all_are_named(tmp_path):
    hopeless = [Phase("hard", repeat, steps=3, batch=2, until=1e-9)]
    with pytest.raises(Stalled, match=r"all seeds \[4, 5\] stalled"):
        train(SMALL, hopeless, (4, 5), tmp_path)
    assert not list(tmp_path.iterdir())
