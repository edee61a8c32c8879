"""One GRPO step against TRL's: same model, adapters, prompts and sizes, one process, one thread, taking turns.

4 prompts x 8 responses x 48 tokens, LoRA of rank 16 on all linear layers, no KL divergence, one update; no response
may end early, so that both sides write and learn the same number of tokens. TRL samples with `generate`, without
gradient checkpointing (which would slow it down). Before the clock starts both must give the same log-probabilities.
Bounds: 1.5 x TRL's speed, 6 GiB of memory at most (ours alone, measured in a process of its own).
"""

import argparse
import dataclasses
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from copy import deepcopy
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
    """Return a function that takes one of our steps."""
    grove.end_tokens = lambda _model: set()  # no response ends early
    policy = Policy(model, rank=16, chat=bool(model.tokenizer.chat_template))
    training = grpo.Training(policy, reward, PROMPTS, grpo.Settings(steps=steps, **SIZES), None)

    def step():
        entry = training._one()
        training.step += 1
        return entry

    return policy, step


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


def check_equal(policy, trainer):
    """Assert that both give the same log-probabilities to the same tokens."""
    ids, response = policy.encode(PROMPTS[0]), policy.base.tokenizer(" It was cold, and I was glad of it.")["input_ids"]
    own = policy.table([ids], [response], 1024)
    both = torch.tensor([ids + response])
    with torch.no_grad():
        found, *_ = trainer._get_per_token_logps_and_entropies(
            trainer.model, both, torch.ones_like(both), len(response)
        )
    assert torch.allclose(own, found, atol=1e-3), (own - found).abs().max()


def race(name, rounds):
    from transformers import PrinterCallback, TrainerCallback

    model = load(name)
    copy = dataclasses.replace(model, network=deepcopy(model.network))  # the two sides share no weights
    policy, step = ours(model, rounds + 2)
    spent = {"ours": [], "TRL": []}
    entries = []

    class Turns(TrainerCallback):
        begun = 0.0

        def on_step_begin(self, *_args, **_kwargs):
            begun = time.perf_counter()
            entries.append(step())
            self.begun = time.perf_counter()
            spent["ours"].append(self.begun - begun)

        def on_step_end(self, *_args, **_kwargs):
            spent["TRL"].append(time.perf_counter() - self.begun)

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = theirs(copy, folder, rounds + 1)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(Turns())
        check_equal(policy, trainer)
        step()  # neither side's first step counts
        trainer.train()
    return {side: times[1:] for side, times in spent.items()}, entries[1:]


def peak(name):
    """Return the peak memory (GiB) of two of our steps in a process of their own."""
    code = f"import bench_grpo_step as b; b.torch.set_num_threads(1); b.alone({name!r})"
    run = subprocess.run([sys.executable, "-c", code], cwd=sys.path[0], capture_output=True, text=True, check=True)
    return float(run.stdout.split()[-1])


def alone(name):
    """Take two steps and print the peak memory of this process in GiB."""
    _, step = ours(load(name), 2)
    step()
    step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    used = peak(chosen.model)
    spent, entries = race(chosen.model, chosen.rounds)
    rollouts, update = (median(entry[f"seconds_{part}"] for entry in entries) for part in ("rollouts", "update"))
    once = {side: median(times) for side, times in spent.items()}
    print(f"ours {once['ours']:.1f} s (rollouts {rollouts:.1f}, update {update:.1f}), TRL {once['TRL']:.1f} s")
    print(
        f"{once['TRL'] / once['ours']:.2f} x (bound {REQUIRED} x), peak memory {used:.2f} GiB (bound {MEMORY:.0f} GiB)"
    )


if __name__ == "__main__":
    main()
