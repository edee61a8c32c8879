"""A resampling experiment of a real model, killed ten times, ends with the rollouts of an uninterrupted one."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from thought.resampling_process import SEEDS, case, fill

from anchors.thought.rollouts import RolloutStore

SCRIPT = Path(__file__).with_name("resampling_process.py")


def begin(path):
    run = subprocess.Popen([sys.executable, SCRIPT, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert run.stdout.readline() == "ready\n"
    return run


def rows(path):
    with RolloutStore(path, readonly=True) as store:
        assert store.counts()["errors"] == 0
        return store.table()


@pytest.mark.slow
def test_ten_kills_lose_nothing(tmp_path):
    killed, whole, wait = tmp_path / "killed.db", tmp_path / "whole.db", random.Random(3)
    stored = []
    for _ in range(10):
        run = begin(killed)
        time.sleep(wait.uniform(0.5, 4.5))
        run.send_signal(signal.SIGKILL)
        run.wait()
        stored.append(len(rows(killed)))
    assert stored == sorted(stored), "what was committed stays"
    fill(str(killed))
    fill(str(whole))
    a, b = rows(killed), rows(whole)
    assert len(a) == len(b) == len(SEEDS) * len(case().prefixes)
    columns = [name for name in a.columns if name != "logprob"]
    assert a[columns].equals(b[columns])
    assert np.allclose(a.logprob, b.logprob, atol=1e-4)
