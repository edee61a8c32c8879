"""TRL's own trainer on a tiny model, for comparison."""

import warnings
from contextlib import contextmanager

import torch


def trainer(model, folder, functions, prompts=("tell me",), **settings):
    """Return a ``trl.GRPOTrainer`` on the CPU that trains ``model.network``, in groups of four."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    known = {
        "num_generations": 4, "per_device_train_batch_size": 8, "max_completion_length": 7, "temperature": 1.0,
        "learning_rate": 1e-2, "max_steps": 2, "bf16": False, "use_cpu": True, "gradient_checkpointing": False,
        "report_to": "none", "save_strategy": "no", "logging_steps": 1, "seed": 0, "disable_tqdm": True,
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GRPOTrainer(
            model=model.network, reward_funcs=functions, processing_class=model.tokenizer,
            train_dataset=Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
            args=GRPOConfig(output_dir=str(folder), **(known | settings)),
        )  # fmt: skip


def padded(rows, side, value=0):
    """Return the rows as one tensor, and the mask of what is no padding."""
    longest = max(map(len, rows))
    fill = [[value] * (longest - len(row)) for row in rows]
    ids = [f + list(row) if side == "left" else list(row) + f for row, f in zip(rows, fill, strict=True)]
    ones = [[0] * len(f) + [1] * len(row) if side == "left" else [1] * len(row) + [0] * len(f)
            for row, f in zip(rows, fill, strict=True)]  # fmt: skip
    return torch.tensor(ids), torch.tensor(ones)


def as_inputs(batch):
    """Return our batch as TRL's loss takes it."""
    prompts, prompt_mask = padded(batch.prompts, "left")
    completions, mask = padded(batch.responses, "right")
    mask = mask * batch.learnt.long()[:, None]
    found = {
        "prompt_ids": prompts, "prompt_mask": prompt_mask, "completion_ids": completions, "completion_mask": mask,
        "advantages": batch.advantages, "num_items_in_batch": mask.sum(),
    }  # fmt: skip
    if batch.old is not None:
        found["old_per_token_logps"] = batch.old
    if batch.base is not None:
        found["ref_per_token_logps"] = batch.base
    return found


@contextmanager
def fixed_completions(trainer, completions):
    """Let the trainer "sample" these completions (token ids)."""
    before = trainer._generate_single_turn
    trainer._generate_single_turn = lambda *_args, **_kwargs: ([list(c) for c in completions], None)
    try:
        yield
    finally:
        trainer._generate_single_turn = before
