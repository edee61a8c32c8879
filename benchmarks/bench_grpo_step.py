"""One GRPO step against TRL's: same model, adapters, prompts and sizes, one thread each, taking turns.

4 prompts x 8 responses x 48 tokens, LoRA of rank 16 on all linear layers, float32, no KL divergence, one update; no
response may end early, so that both sides write and learn the same number of tokens. TRL samples with `generate`,
without gradient checkpointing (which would slow it down). Each side is a process of its own that takes a step when it
is told to; one step each to warm up, then ``--rounds`` timed ones by turns. Before the clock starts both must give the
same log-probabilities. Bounds: 1.5 x TRL's speed, 6 GiB of memory at most for ours.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from statistics import median

import numpy as np
import torch

from anchors.models.language import load
from anchors.rubric import grove, grpo
from anchors.rubric.policy import Policy
from anchors.rubric.reward import Rewarded
from anchors.rubric.trl import text_of

REQUIRED, MEMORY = 1.5, 6.0
SIZES = {"prompts": 4, "group": 8, "max_new_tokens": 48}
PROMPTS = [
    "Write two sentences about a walk by the sea in winter, as if you had been there yourself this morning.",
    "When in your life have you felt the most alive? Tell it plainly, and do not draw a lesson from it.",
    "Describe the kitchen of someone who has just moved out, without naming any feeling.",
    "A friend asks how the night shift was. Answer in your own voice, in a few short sentences.",
]


def reward(prompts, responses):
    values = np.array([text.count("e") / max(1, len(text)) for text in responses])
    return Rewarded(values, values[:, None], ("e",))


def ours(model, steps):
    """Return our training, ready to take ``steps`` steps."""
    grove.end_tokens = lambda _model: set()  # no response ends early
    policy = Policy(model, rank=16, chat=bool(model.tokenizer.chat_template))
    return grpo.Training(policy, reward, PROMPTS, grpo.Settings(steps=steps, **SIZES), None)


def theirs(model, folder, steps):
    """Return TRL's trainer with adapters of the same kind, ready to train ``steps`` steps."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import GRPOConfig, GRPOTrainer

    count = SIZES["prompts"] * SIZES["group"]
    args = GRPOConfig(
        output_dir=folder, num_generations=SIZES["group"], per_device_train_batch_size=count, temperature=1.0,
        max_completion_length=SIZES["max_new_tokens"], learning_rate=1e-4, max_steps=steps, bf16=False, use_cpu=True,
        gradient_checkpointing=False, report_to="none", save_strategy="no", logging_steps=1, disable_tqdm=True,
        lr_scheduler_type="constant", generation_kwargs={"min_new_tokens": SIZES["max_new_tokens"]},
    )  # fmt: skip
    chat = bool(model.tokenizer.chat_template)
    rows = [{"prompt": [{"role": "user", "content": prompt}] if chat else prompt} for prompt in PROMPTS]
    return GRPOTrainer(
        model=model.network, args=args, train_dataset=Dataset.from_list(rows), processing_class=model.tokenizer,
        reward_funcs=lambda completions, **_: reward([], [text_of(one) for one in completions]).values.tolist(),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )  # fmt: skip


def told(**facts):
    """Say something to the process that gives the turns."""
    print(json.dumps(facts), flush=True)


def turn():
    """Wait for a turn."""
    sys.stdin.readline()


def now():
    """Return the time and this process's time on a core, in seconds."""
    return time.perf_counter(), time.process_time()


def since(begun):
    """Return the seconds that passed, and those of them on a core: fewer where other processes want it too."""
    return {name: end - start for name, start, end in zip(("seconds", "cpu"), begun, now(), strict=True)}


def fixed(model):
    """Return the token ids of a prompt and of a response, on which both sides must agree."""
    tokenizer, text = model.tokenizer, PROMPTS[0]
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
    found = [tokenizer(one, add_special_tokens=False)["input_ids"] for one in (text, " It was cold, and I was glad.")]
    return tuple(found)


def run_ours(model, steps):
    """Take our steps, one a turn."""
    training, (ids, response) = ours(model, steps), fixed(model)
    told(logps=training.policy.table([ids], [response], 1024)[0].tolist())
    for _ in range(steps):
        turn()
        begun = now()
        entry = training._one()
        training.step += 1
        told(**since(begun), **{part: entry[f"seconds_{part}"] for part in ("rollouts", "update")})


def run_theirs(model, steps):
    """Take TRL's steps, one a turn."""
    from transformers import PrinterCallback, TrainerCallback

    class Turns(TrainerCallback):
        begun = now()

        def on_step_begin(self, *_args, **_kwargs):
            turn()
            self.begun = now()

        def on_step_end(self, *_args, **_kwargs):
            told(**since(self.begun))

    ids, response = fixed(model)
    with tempfile.TemporaryDirectory() as folder:
        trainer = theirs(model, folder, steps)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Turns())
        both = torch.tensor([ids + response])
        with torch.no_grad():
            found, *_ = trainer._get_per_token_logps_and_entropies(
                trainer.model, both, torch.ones_like(both), len(response)
            )
        told(logps=found[0].tolist())
        trainer.train()


SIDES = {"ours": run_ours, "TRL": run_theirs}


def work(side, name, steps):
    """Be one side: say the log-probabilities, then take a step a turn, then say the peak memory in GiB."""
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        SIDES[side](load(name), steps)
    told(peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


class Side:
    """A process that takes steps when it is told to."""

    def __init__(self, side, name, steps):
        command = [sys.executable, __file__, "--model", name, "--side", side, "--rounds", str(steps)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def heard(self, key):
        """Return what it says next that has ``key``; lines of libraries are passed over."""
        for line in self.process.stdout:
            if line.startswith("{") and key in (said := json.loads(line)):
                return said
        raise SystemExit(f"one side ended with code {self.process.wait()} before it said {key!r}")

    def step(self):
        """Let it take a step and return what it says of it."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.heard("seconds")


def race(name, rounds):
    """Return of each side the timed steps and the peak memory (GiB)."""
    sides = {side: Side(side, name, rounds + 1) for side in SIDES}
    logps = [np.array(one.heard("logps")["logps"]) for one in sides.values()]
    assert np.allclose(*logps, atol=1e-3), np.abs(logps[0] - logps[1]).max()
    taken = {side: [] for side in sides}
    for number in range(rounds + 1):
        for side, one in sides.items():
            taken[side].append(one.step())
            print(f"step {number} {side}: {taken[side][-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    return {side: (steps[1:], sides[side].heard("peak")["peak"]) for side, steps in taken.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--rounds", type=int, default=2, help="timed steps of each side")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        work(chosen.side, chosen.model, chosen.rounds)
    else:
        report(race(chosen.model, chosen.rounds))


def report(found):
    """Print the times of a step, their ratio and the peak memory."""
    steps, used = found["ours"]
    rollouts, update = (median(one[part] for one in steps) for part in ("rollouts", "update"))
    once = {kind: [median(one[kind] for one in timed) for timed, _ in found.values()] for kind in ("seconds", "cpu")}
    wall, cpu = once["seconds"], once["cpu"]
    print(f"ours {wall[0]:.1f} s (rollouts {rollouts:.1f}, update {update:.1f}), TRL {wall[1]:.1f} s")
    print(f"on a core: ours {cpu[0]:.1f} s, TRL {cpu[1]:.1f} s, {cpu[1] / cpu[0]:.2f} x")
    print(f"{wall[1] / wall[0]:.2f} x (bound {REQUIRED} x)")
    print(f"peak memory {used:.2f} GiB (bound {MEMORY:.0f} GiB), TRL {found['TRL'][1]:.2f} GiB")


if __name__ == "__main__":
    main()
