"""The road past one machine: a rubric as reward functions of ``trl.GRPOTrainer``, and the launch of the paper profile.

The paper publishes two model ids and no hyper-parameter of its training (section 1.9). What is not known is left to
TRL's defaults and marked as unknown in every file that is written; what a user chooses is marked as chosen.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.rubric.aggregate import Aggregator, Veto
from anchors.rubric.reward import Reward, Rewarded, judged
from anchors.rubric.rubric import Rubric, write

BASE = "Qwen/Qwen3-30B-A3B"  # the paper's base model
RELEASED = "inclusionAI/Rubicon-Preview"  # the weights the authors released
DECODING = {"temperature": 0.6, "top_p": 0.95, "max_new_tokens": 512}  # of the model card: to use it, not to train it
UNKNOWN = {
    "learning_rate": "learning rate",
    "per_device_train_batch_size": "batch size",
    "gradient_accumulation_steps": "batch size",
    "num_generations": "group size",
    "beta": "weight of the KL divergence",
    "epsilon": "clipping",
    "loss_type": "the algorithm itself is not named; GRPO is our choice",
    "scale_rewards": "normalisation of advantages",
    "temperature": "of the rollouts",
    "max_completion_length": "rollout length",
    "max_steps": "steps, and their division between the two stages",
    "num_train_epochs": "passes over the 5,000+ samples",
    "use_peft": "adapters or all weights",
    "vllm_tensor_parallel_size": "hardware",
}  # TRL's name -> what the paper does not say
UNKNOWN_TOO = ("the model that judged in training", "weights and aggregation of the rubrics", "bounds of the filter")


@dataclass(frozen=True)
class RewardFunctions:
    """What ``GRPOTrainer(reward_funcs=functions, args=GRPOConfig(reward_weights=weights, …))`` takes."""

    functions: list[Callable]
    weights: list[float]


def to_trl(
    rubric: Rubric | Reward, aggregator: Any = None, judge: Any = None, per_criterion: bool = False
) -> RewardFunctions:
    """Return the reward functions of a rubric and their weights.

    The first is the aggregated reward, of weight 1, None where there is no judgement (TRL then leaves the completion
    out). With ``per_criterion`` each criterion follows with weight 0: TRL logs it, and nothing is learnt from it.
    Criteria are scored once for all functions of a batch. ``log_metric`` gets the share of vetoed completions.

    Parameters
    ----------
    rubric : a rubric (aggregated by ``aggregator``, linear by default), or any reward with ``names`` attribute
        when ``per_criterion``.
    """
    from anchors.rubric.reward import RubricReward

    reward = RubricReward(rubric, aggregator, judge) if isinstance(rubric, Rubric) else rubric
    batch = _Batch(reward)
    functions, weights = [_named(batch.reward, "rubric")], [1.0]
    for name in _names(rubric) if per_criterion else ():
        functions.append(_named(batch.criterion(name, monitor=True), name))
        weights.append(0.0)
    return RewardFunctions(functions, weights)


def to_trl_separate(rubric: Rubric, judge: Any = None) -> RewardFunctions:
    """Return one reward function per criterion with the rubric's weights: for GDPO, per-criterion normalisation.

    To be trained with ``multi_objective_aggregation="normalize_then_sum"``: TRL adds 0 for a criterion that was not
    judged, which is the group's mean after normalisation, but the worst score before it.
    """
    from anchors.rubric.reward import RubricReward

    batch = _Batch(RubricReward(rubric, judge=judge))
    functions = [_named(batch.criterion(name, monitor=False), name) for name in rubric.ids]
    return RewardFunctions(functions, [float(weight) for weight in rubric.weights])


def reward_funcs(
    rubric: Rubric | Reward, aggregator: Any = None, judge: Any = None, per_criterion: bool = False
) -> list[Callable]:
    """Return the functions of :func:`to_trl` only; with ``per_criterion`` TRL needs their weights too."""
    return to_trl(rubric, aggregator, judge, per_criterion).functions


def _names(rubric: Any) -> Sequence[str]:
    names = getattr(rubric, "ids", None) or getattr(rubric, "names", None)
    if not names:
        raise InputError("per_criterion", "a reward that does not say its names", "a Rubric, or an attribute names")
    return names


class _Batch:
    """The rewards of the batch that TRL's functions are called with one after another: computed once."""

    def __init__(self, reward: Reward):
        self._reward, self._key, self._found = reward, None, None

    def of(self, prompts: Sequence[Any], completions: Sequence[Any]) -> Rewarded:
        key = [text_of(one) for one in prompts], [text_of(one) for one in completions]
        if key != self._key:
            self._found, self._key = judged(self._reward, *key), key
        return self._found

    def reward(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float | None]:
        found = self.of(prompts, completions)
        log = columns.get("log_metric")
        if log:
            log("rubric/frac_unjudged", float(np.isnan(found.values).mean()))
            if found.vetoed is not None:
                log("rubric/frac_vetoed", float(found.vetoed.mean()))
        return _optional(found.values)

    def criterion(self, name: str, monitor: bool) -> Callable:
        """Return the function of one criterion; a monitor is silent where the reward is, or TRL would count 0 there."""

        def function(prompts: Sequence[Any], completions: Sequence[Any], **_columns: Any) -> list[float | None]:
            found = self.of(prompts, completions)
            if name not in found.names:
                return [None] * len(completions)
            u = found.scores[:, found.names.index(name)]
            return _optional(np.where(np.isnan(found.values), np.nan, u) if monitor else u)

        return function


def _optional(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _named(function: Callable, name: str) -> Callable:
    def reward(prompts: Any, completions: Any, **columns: Any) -> list[float | None]:
        return function(prompts, completions, **columns)

    reward.__name__ = reward.__qualname__ = name
    return reward


def text_of(said: Any) -> str:
    """Return the text of a prompt or completion of TRL: a string, or messages, of which the last one counts."""
    if isinstance(said, str):
        return said
    content = said[-1]["content"] if said else ""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


@dataclass(frozen=True)
class Launch:
    """What :func:`launch` wrote: the folder, the command that trains, and the status of each hyper-parameter."""

    folder: Path
    command: list[str]
    known: dict[str, Any]
    chosen: dict[str, Any]
    unknown: dict[str, str]


def launch(
    folder: str | Path, rubric: Rubric, prompts: Sequence[str], model: str = BASE, processes: int = 8,
    vllm: bool = True, per_criterion: bool = True, steps: Sequence[Any] = (), judge: tuple[str, str] | None = None,
    **chosen: Any,
) -> Launch:  # fmt: skip
    """Write what trains ``model`` on a rubric with accelerate, TRL and vLLM, and return the command.

    The folder then holds ``launch.sh`` (run it there), ``accelerate.yaml`` (DeepSpeed ZeRO-3 over ``processes`` GPUs,
    one process without it), ``grpo.yaml`` (TRL's configuration, unknown hyper-parameters as comments), ``rubric.yml``,
    ``rewards.py``, ``prompts/train.jsonl`` and ``launch.json`` (what is known, chosen and unknown).

    Parameters
    ----------
    steps : of the aggregation, :mod:`anchors.rubric.steps`; a rubric with critical criteria has at least ``Veto()``.
    judge : url and model of the endpoint that judges; its key is read from the environment where training runs.
    chosen : hyper-parameters by TRL's names; they are marked as chosen, not published.

    Raises
    ------
    InputError
        No prompts, fewer than one process, steps that do not fit, or criteria for a judge and none.
    """
    if not prompts or processes < 1:
        raise InputError("prompts, processes", (len(prompts), processes), "at least one each")
    steps = tuple(steps) or ((Veto(),) if rubric.critical.any() else ())
    Aggregator(rubric, steps)  # complains now, not on the cluster
    if judge is None and any(one.kind == "llm_judge" for one in rubric.criteria):
        raise InputError("judge", "none", "the url and the model of an endpoint", "The rubric has criteria to judge.")
    unknown = {name: said for name, said in UNKNOWN.items() if name not in chosen}
    known = {"model_name_or_path": model} if model == BASE else {}
    chosen = ({} if known else {"model_name_or_path": model}) | _engine(vllm) | chosen
    command = ["accelerate", "launch", "--config_file", "accelerate.yaml", "-m", "trl.scripts.grpo"]
    made = Launch(Path(folder), [*command, "--config", "grpo.yaml"], known, chosen, unknown)
    functions = ["reward", *(_variable(name) for name in rubric.ids)] if per_criterion else ["reward"]
    _write_inputs(made.folder, rubric, prompts, _rewards(functions, per_criterion, steps, judge))
    _put(made.folder / "grpo.yaml", _configuration(made, functions))
    _put(made.folder / "accelerate.yaml", _accelerate(processes, bool(chosen.get("use_cpu"))))
    _put(made.folder / "launch.sh", f'#!/bin/sh\ncd "$(dirname "$0")" || exit 1\nexec {" ".join(made.command)}')
    _put(made.folder / "launch.json", json.dumps(_record(made), indent=1, ensure_ascii=False))
    return made


def _write_inputs(folder: Path, rubric: Rubric, prompts: Any, rewards: str) -> None:
    """Write the rubric, the prompts as messages, and the module that TRL imports the reward functions from."""
    rows = [json.dumps({"prompt": [{"role": "user", "content": text}]}, ensure_ascii=False) for text in prompts]
    _put(folder / "prompts" / "train.jsonl", "\n".join(rows))
    write(rubric, folder / "rubric.yml")
    _put(folder / "rewards.py", rewards)


def _engine(vllm: bool) -> dict[str, Any]:
    return {"use_vllm": vllm, **({"vllm_mode": "colocate"} if vllm else {}), "log_completions": True}


def _variable(name: str) -> str:
    return "criterion_" + re.sub(r"\W", "_", name)


def _put(path: Path, text: str) -> None:
    from anchors.companion.files import atomic_write

    atomic_write(path, f"{text}\n".encode())


def _rewards(functions: Sequence[str], per_criterion: bool, steps: Sequence[Any], judge: tuple[str, str] | None) -> str:
    """Return the module; a step is written as what makes it."""
    made = "None"
    if judge:
        url, name = judge
        made = f'Judge(Endpoint({url!r}, {name!r}, timeout=60, retries=2), cache=HERE / "judgements.db")'
    imports = ["from anchors.models.remote import Endpoint", "from anchors.rubric.judges import Judge"] if judge else []
    return "\n".join([
        '"""Reward functions of the rubric beside this file, as TRL\'s script imports them."""', "",
        "from pathlib import Path", "", *imports,
        "from anchors.rubric.aggregate import Aggregator, Interaction, Saturation, Shaping, Veto  # noqa: F401",
        "from anchors.rubric.rubric import read", "from anchors.rubric.trl import reward_funcs", "",
        "HERE = Path(__file__).parent", 'RUBRIC = read(HERE / "rubric.yml")', "",
        f"{', '.join(functions)}{',' if len(functions) == 1 else ''} = reward_funcs(",
        f'    RUBRIC, Aggregator(RUBRIC, {tuple(steps)!r}, missing="renormalise"), {made}, {per_criterion}',
        ")",
    ])  # fmt: skip


def _configuration(made: Launch, functions: Sequence[str]) -> str:
    """Return TRL's configuration in YAML: what is known, chosen, ours, and, as comments, what is unknown."""
    import yaml

    def lines(values: dict[str, Any]) -> list[str]:
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True).splitlines() if values else []

    fixed = {
        "reward_funcs": [f"rewards.{name}" for name in functions],
        "reward_weights": [1.0, *[0.0] * (len(functions) - 1)],
        "dataset_name": "prompts", "output_dir": "trained",
    }  # fmt: skip
    comments = [f"# {name}: unknown ({said}); TRL's default applies" for name, said in made.unknown.items()]
    return "\n".join([
        f"# Reinforcement learning with rubric anchors; the authors' own result is {RELEASED}",
        "# published", *lines(made.known), "# chosen here, not published", *lines(made.chosen),
        "# files of this folder", *lines(fixed),
        "# not published, and not chosen here either", *comments, *(f"# unknown: {said}" for said in UNKNOWN_TOO),
    ])  # fmt: skip


def _accelerate(processes: int, cpu: bool) -> str:
    import yaml

    values: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE", "distributed_type": "DEEPSPEED" if processes > 1 else "NO",
        "mixed_precision": "no" if cpu else "bf16", "num_machines": 1, "num_processes": processes, "machine_rank": 0,
        "rdzv_backend": "static", "same_network": True, "use_cpu": cpu, "main_training_function": "main",
    }  # fmt: skip
    if processes > 1:
        values["deepspeed_config"] = {
            "zero_stage": 3, "zero3_init_flag": True, "zero3_save_16bit_model": True,
            "offload_optimizer_device": "none", "offload_param_device": "none",
        }  # fmt: skip
    return yaml.safe_dump(values, sort_keys=False)


def _record(made: Launch) -> dict[str, Any]:
    return {
        "command": made.command,
        "published": {"base": BASE, "released": RELEASED, "decoding of the released model": DECODING},
        "known": made.known,
        "chosen": made.chosen,
        "unknown": made.unknown | {str(n): said for n, said in enumerate(UNKNOWN_TOO, 1)},
    }
