"""Group relative policy optimisation with rubric rewards: settings, loss, loop (the paper names no algorithm; ours).

A step samples ``group`` responses to each of ``prompts`` prompts, rewards them, turns rewards into advantages within
each group, and takes ``epochs * mini_batches`` updates of the clipped loss. Everything random of a step is drawn from
(seed, step), and rollouts are on disk before they are learnt from: a run killed at any moment and resumed has the bits
of an uninterrupted one. Names and formulas are those of ``trl.GRPOTrainer``, which gives the same gradients.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion.errors import AnchorsError, InputError
from anchors.rubric.grpo_log import Log, summary
from anchors.rubric.grpo_loss import Batch, backward, batch_of, cleared
from anchors.rubric.grpo_settings import Settings, rate_share
from anchors.rubric.rollout_log import Rollout, RolloutLog

LOG = "rollouts.db"
ORDER, SEEDS, SHUFFLE = 1, 2, 3  # streams of random numbers


def train(
    policy: Any, reward: Callable, prompts: Sequence[str], settings: Settings, folder: str | Path | None = None,
    evaluate: Callable[[Any, int], dict[str, float]] | None = None, track: bool = False, stop: int | None = None,
) -> Log:  # fmt: skip
    """Train a policy and return its log; a run that was killed continues from ``folder``.

    Parameters
    ----------
    policy : :class:`anchors.rubric.policy.Policy`, or a LanguageModel (LoRA of rank 16 is then trained).
    reward : function of prompts and responses (n texts each) that returns :class:`anchors.rubric.reward.Rewarded`.
    prompts : texts; every epoch has its own order.
    evaluate : called with the policy and the number of steps taken every ``evaluate_every`` steps and at the end;
        what it returns joins the step's entry.
    stop : steps after which to stop for now.

    Raises
    ------
    InputError
        No prompts, or the folder holds another training.
    AnchorsError
        The loss is no number (the step is named), or nothing can be judged. What was saved is kept.
    """
    from anchors.models.language import LanguageModel
    from anchors.rubric.policy import Policy

    if isinstance(policy, LanguageModel):
        policy = Policy(policy, seed=settings.seed)
    return Training(policy, reward, prompts, settings, folder, evaluate).run(track, stop)


class Training:
    """A run; see :func:`train`."""

    def __init__(self, policy: Any, reward: Any, prompts: Any, settings: Settings, folder: Any, evaluate: Any = None):
        import torch

        from anchors.rubric.reward import identity

        self.policy, self.reward, self.settings, self.evaluate = policy, reward, settings, evaluate
        self.prompts = list(prompts)
        if not self.prompts:
            raise InputError("prompts", "none", "at least one")
        for prompt in dict.fromkeys(self.prompts):
            policy.encode(prompt)  # a prompt that does not fit is found before the first step
        self.folder = None if folder is None else Path(folder)
        self.optimizer = torch.optim.AdamW(
            policy.parameters, lr=settings.rate, weight_decay=settings.weight_decay, fused=True
        )
        self.trained = torch.nn.ParameterList(policy.parameters)  # what a checkpoint holds
        said = asdict(settings)
        for name in ("every", *(["steps"] if settings.schedule == "constant" else [])):
            del said[name]  # may change when a run is continued
        words = sha256("\0".join(self.prompts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        self.identity = {
            "settings": said, "prompts": words, "reward": identity(reward), "start": policy.fingerprint()
        }  # fmt: skip
        self.log = Log(policy, RolloutLog(self.folder and self.folder / LOG, self.identity))
        self.step = 0

    def run(self, track: bool = False, stop: int | None = None) -> Log:
        """Return the log of the run up to ``stop`` (all steps by default)."""
        from anchors.companion.progress import bar

        self._load()
        last = self.settings.steps if stop is None else min(stop, self.settings.steps)
        with bar("GRPO", track, total=last, initial=self.step) as shown:
            while self.step < last:
                self.log.entries.append(self._one())
                self.step += 1
                self._evaluated()
                shown.update()
                if self.step % self.settings.every == 0 or self.step == last:
                    self._save()
        self.policy.refresh()
        return self.log

    def _evaluated(self) -> None:
        every, last = self.settings.evaluate_every, self.step == self.settings.steps
        if self.evaluate and every and (self.step % every == 0 or last):
            self.log.entries[-1] |= self.evaluate(self.policy, self.step)

    def _one(self) -> dict[str, float]:
        """Take one step and return its entry."""
        begun = time.perf_counter()
        rollouts = self.log.rollouts.step(self.step)
        if not rollouts:
            rollouts = self._rollouts()
            self.log.rollouts.add(rollouts)
        between = time.perf_counter()
        entry = {"step": self.step + 1, **summary(rollouts), **self._learn(rollouts)}
        entry |= {"seconds_rollouts": between - begun, "seconds_update": time.perf_counter() - between}
        return entry

    def _chosen(self) -> list[str]:
        """Return the prompts of the step: epoch by epoch, each in its own order."""
        count, size, chosen = len(self.prompts), self.settings.prompts, []
        for place in range(self.step * size, (self.step + 1) * size):
            order = np.random.default_rng([self.settings.seed, ORDER, place // count]).permutation(count)
            chosen.append(self.prompts[order[place % count]])
        return chosen

    def _rollouts(self) -> list[Rollout]:
        """Sample and judge the rollouts of the step."""

        from anchors.rubric.reward import judged

        s = self.settings
        asked = [prompt for prompt in self._chosen() for _ in range(s.group)]
        seeds = np.random.default_rng([s.seed, SEEDS, self.step]).integers(2**62, size=len(asked)).tolist()
        found = self.policy.sample(asked, seeds, s.max_new_tokens, s.temperature, s.top_p)
        rewarded = judged(self.reward, asked, [one.text for one in found])
        vetoed = np.zeros(len(asked), bool) if rewarded.vetoed is None else rewarded.vetoed
        advantages = lessons(rewarded, s)
        return [
            Rollout(
                self.step, n, n // s.group, asked[n], one.text, one.token_ids, one.finished, seeds[n], one.logprob,
                float(rewarded.values[n]), float(advantages[n]), bool(vetoed[n]),
                dict(zip(rewarded.names, rewarded.scores[n].tolist(), strict=True)),
            )
            for n, one in enumerate(found)
        ]  # fmt: skip

    def _learn(self, rollouts: Sequence[Rollout]) -> dict[str, float]:
        """Take the updates of a step and return the mean of what was watched."""
        s, batch = self.settings, batch_of(self.policy, rollouts, self.settings)
        seen = []
        for epoch in range(s.epochs):
            order = np.arange(len(rollouts))
            if s.mini_batches > 1:
                order = np.random.default_rng([s.seed, SHUFFLE, self.step, epoch]).permutation(order)
            for rows in np.array_split(order, s.mini_batches):
                seen.append(self._update(batch.rows(rows.tolist()), batch.tokens / s.mini_batches))
        return {name: float(np.mean([one[name] for one in seen])) for name in seen[0]}

    def _update(self, batch: Batch, tokens: float) -> dict[str, float]:
        import torch

        cleared(self.policy)
        found = backward(self.policy, batch, self.settings, tokens)
        rate = self.settings.rate * rate_share(self.settings, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters, self.settings.clip_gradient)
        if not (torch.isfinite(norm) and np.isfinite(found["loss"])):
            said = f"loss {found['loss']}, gradient {norm.item()}"
            raise AnchorsError(f"step {self.step + 1}: {said}; lower rate ({rate}), what was saved is kept")
        self.optimizer.step()
        return {**found, "grad_norm": norm.item(), "rate": rate}

    def _save(self) -> None:
        if self.folder:
            from anchors.models import checkpoint

            state = {"training": self.identity, "step": self.step, "log": self.log.entries}
            checkpoint.save(self.folder, f"step-{self.step}", self.trained, self.optimizer, state)

    def _load(self) -> None:
        from anchors.models import checkpoint

        found = self.folder and checkpoint.load(self.folder, self.trained, self.optimizer, self.identity)
        if found:
            self.step, self.log.entries = found[0]["step"], found[0]["log"]


def lessons(rewarded: Any, settings: Settings) -> np.ndarray:
    """Return the advantages (n,) of rewarded rollouts, n = prompts x group; 0 where there is no judgement.

    Raises
    ------
    InputError
        Advantages are to be taken from each criterion, and the reward gives no weights.
    """
    from anchors.rubric.aggregate import gdpo, group_advantages

    shape = settings.prompts, settings.group
    if settings.objective == "sum_then_normalize":
        found = group_advantages(rewarded.values.reshape(shape), settings.scale, eps=settings.std_eps)
    elif rewarded.weights is None:
        raise InputError("objective", settings.objective, "a reward that gives the weights of its criteria")
    else:
        scores = np.where(np.isnan(rewarded.values)[:, None], np.nan, rewarded.scores)
        found = gdpo(scores.reshape(*shape, -1), rewarded.weights, eps=settings.std_eps)
    return np.where(np.isnan(rewarded.values), 0.0, np.nan_to_num(found.ravel(), nan=0.0))
