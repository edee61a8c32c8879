"""A training killed with signal 9 and continued; two processes that give the losses of one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from entity.kg_case import save_bert
from entity.kg_process import JOINT, LONG, losses, training

from anchors.models.checkpoint import STATE

SCRIPT, TESTS = Path(__file__).with_name("kg_process.py"), Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1", "ANCHORS_HEADLESS": "1"}


def steps_saved(folder):
    path = folder / STATE
    return json.loads(path.read_text())["step"] if path.is_file() else 0


def killed(bert, changes, folder, wanted):
    """Run until ``wanted`` steps are saved, kill, and return how many were."""
    command = [sys.executable, SCRIPT, "long", bert, json.dumps(changes), folder]
    run = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert run.stdout.readline() == b"ready\n"
        end = time.monotonic() + 60
        while steps_saved(folder) < wanted and run.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.002)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert run.returncode == -signal.SIGKILL, "it was killed before its end"
    return steps_saved(folder)


@pytest.mark.slow
def test_a_killed_training_continues_as_if_nothing_had_been(tmp_path):
    bert = save_bert(tmp_path / "bert")
    changes, folder = LONG | {"top": 1}, tmp_path / "run"
    first = killed(bert, changes, folder, 9)
    second = killed(bert, changes, folder, 21)
    assert 9 <= first < second < LONG["steps"]
    resumed, whole = training(bert, changes, folder), training(bert, changes)
    models = [run.run() for run in (resumed, whole)]
    assert [len(model.log) for model in models] == [LONG["steps"]] * 2
    logs = [[(e["step"], e["loss"], e.get("MRR")) for e in model.log] for model in models]
    assert logs[0] == logs[1]
    weights = [model.encoder.state_dict() for model in models]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    names = {path.name.split(".")[0] for path in folder.glob("*.safetensors")}
    assert names == {f"step-{LONG['steps']}"}, "older files are gone"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(tmp_path):
    bert = save_bert(tmp_path / "bert", dropout=0.0)
    runs = {
        "fusion": JOINT | {"top": 0, "dropout": 0.0},
        "towers": JOINT | {"top": 1},
        "parts": JOINT | {"top": 3, "chunk": 3, "batch": 15},
    }
    # with "--cpu" accelerate starts one process only; with "--multi_gpu" two, which here have no GPU and use gloo
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command += ["--main_process_port", str(free_port()), SCRIPT, "joint", bert, json.dumps(runs), tmp_path]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert [one["of"] for one in found] == [2, 2]
    for name, changes in runs.items():
        expected = losses(bert, changes)
        for one in found:
            np.testing.assert_allclose(one["losses"][name], expected, rtol=2e-5, err_msg=name)
