"""Arms on a chat model: SmolLM2 (or any other) trained by adapters on rubrics of generic checks (ours).

Arms share budget (:data:`STEPS` steps of :data:`PROMPTS` prompts with :data:`GROUP` rollouts each) and settings; only
what is rewarded differs. What is reported is measured on prompts that no arm trains on.
"""

import re
import time
from collections.abc import Sequence
from typing import Any

from anchors.companion.cache import cached, cached_grid
from anchors.companion.params import choose
from anchors.rubric import lm_rubrics
from anchors.rubric.lm_evaluation import TEMPERATURE, TOKENS, evaluate
from anchors.rubric.lm_prompts import pool
from anchors.rubric.reward import by_prompt

STEPS, PROMPTS, GROUP, EVERY = 60, 2, 8, 20
RATE, RANK, DTYPE = 5e-4, 8, "bfloat16"
ASKED = {"instruction": "instruction", "creative": "creative", "proxy": "creative", "plain": "advice"}  # by rubric
KEPT = (
    "reward", "reward_std", "frac_zero_std", "frac_vetoed", "frac_all_vetoed", "frac_truncated", "length", "entropy",
    "grad_norm", "seconds_rollouts", "seconds_update",
)  # fmt: skip


def untrained(model: str = "smollm2", seed: int = 0) -> Any:
    """Return the policy of a chat model as it is before the first step: adapters on the upper half of its layers."""
    from anchors.models.language import load
    from anchors.rubric.policy import Policy

    base = load(model, device=_device(), dtype=DTYPE)
    return Policy(base, rank=RANK, alpha=2 * RANK, targets=upper(base.network), seed=seed, chat=True)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def upper(network: Any) -> list[str] | str:
    """Return the names of the linear modules in the upper half of a network's layers, or what peft calls all."""
    import torch

    linear = [name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)]
    layers = {name: int(found[1]) for name in linear if (found := re.search(r"\.(\d+)\.", name))}
    if not layers:
        return "all-linear"
    half = (max(layers.values()) + 1) // 2
    return [name for name, layer in layers.items() if layer >= half]


def train(policy: Any, kinds: Sequence[str], veto: bool, seed: int, steps: int, stop: int | None = None,
          watch: Any = None, folder: Any = None) -> Any:  # fmt: skip
    """Train a policy on rubrics of some ``kinds`` (or the first ``stop`` steps of that) and return its log."""
    from anchors.rubric import grpo
    from anchors.rubric.grpo_settings import Settings

    asked = [prompt for kind in kinds for prompt in pool(ASKED[kind])]
    rewards = {}
    for kind in kinds:
        own = lm_rubrics.reward(kind, pool(ASKED[kind]), veto)
        rewards |= dict.fromkeys(pool(ASKED[kind]), own)
    settings = Settings(
        steps=steps, prompts=PROMPTS, group=GROUP, max_new_tokens=TOKENS, temperature=TEMPERATURE, rate=RATE,
        seed=1000 * seed, evaluate_every=EVERY,
    )  # fmt: skip
    return grpo.train(policy, by_prompt(rewards), asked, settings, folder, watch, stop=stop)


def base(seed: int, model: str) -> dict[str, Any]:
    """Return the evaluation of the untrained model (step 0) and its texts."""
    measured, rows = evaluate(untrained(model, seed), seed)
    return {"evaluations": [{"step": 0, **measured}], "texts": rows}


def trial(kinds: Sequence[str], veto: bool, seed: int, steps: int, model: str) -> dict[str, Any]:
    """Train one arm; return its steps, its evaluations on held-out prompts, its last texts and the time it took."""
    begun, policy, seen = time.perf_counter(), untrained(model, seed), {}

    def watch(now: Any, step: int) -> dict[str, float]:
        seen[step] = evaluate(now, seed)
        return {}

    log = train(policy, kinds, veto, seed, steps, watch=watch)
    return {
        "entries": [_kept(entry) for entry in log.entries],
        "evaluations": [{"step": step, **measured} for step, (measured, _) in seen.items()],
        "texts": seen[steps][1], "seconds": time.perf_counter() - begun,
    }  # fmt: skip


def _kept(entry: dict[str, float]) -> dict[str, float]:
    """Return what is kept of a step: numbers of the whole batch, and the share of rollouts that flatter if paid."""
    paid = entry.get("score/pleases/mean", float("nan"))
    return {"step": entry["step"], **{name: entry[name] for name in KEPT}, "paid": paid}


def first(kinds: Sequence[str], veto: bool, seed: int, steps: int, model: str, count: int) -> list[float]:
    """Return the mean rewards of the first ``count`` steps of :func:`trial`: how a recorded arm is repeated in part."""
    log = train(untrained(model, seed), kinds, veto, seed, steps, count)
    return [entry["reward"] for entry in log.entries]


def job(arm: dict[str, Any], seed: int, profile: str = "laptop", model: str = "smollm2") -> dict[str, Any]:
    """Return the arguments of :func:`trial` for an arm: ``kinds`` of rubrics, and whether there is a ``veto``."""
    return {**arm, "seed": seed, "steps": choose(profile, 2, STEPS, STEPS), "model": model}


def run(
    arms: dict[str, dict[str, Any]], seeds: Sequence[int], profile: str = "laptop", model: str = "smollm2"
) -> list[dict[str, Any]]:
    """Return one row per seed for the base, then one per arm and seed: ``arm``, ``seed``, logs; each cached."""
    from anchors.models.language import identity

    salt, kinds = identity(model), [(name, seed) for seed in seeds for name in arms]
    found = cached_grid(trial, [job(arms[name], seed, profile, model) for name, seed in kinds], "arms", salt)
    untouched = [{"arm": "base", "seed": seed, "entries": [], **cached(base, salt, seed=seed, model=model)}
                 for seed in seeds]  # fmt: skip
    return untouched + [{"arm": name, "seed": seed, **one} for (name, seed), one in zip(kinds, found, strict=True)]
