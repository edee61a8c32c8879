"""The loss of GRPO: clipped ratios times advantages, averaged over tokens in one of four ways, and a KL divergence.

Every way of averaging is a weight per token that is known before the forward pass, so the gradient of an update is the
sum of those of its parts, however it is divided. Formulas and names are those of ``trl.GRPOTrainer`` (see the tests).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anchors.rubric.grpo_settings import Settings
from anchors.rubric.rollout_log import Rollout


def token_weights(kind: str, lengths: Any, learnt: Any, tokens: float, limit: int) -> Any:
    """Return the weight (n,) of each rollout's tokens in the loss of an update, float32.

    Parameters
    ----------
    kind : of :data:`LOSSES`. lengths : (n,) tokens. learnt : (n,) bool, False for a masked rollout.
    tokens : learnt tokens of all rollouts divided by the updates an epoch. limit : longest response allowed.
    """
    import torch

    lengths, learnt = torch.as_tensor(lengths).float(), torch.as_tensor(learnt).float()
    one = {
        "grpo": 1 / (lengths.clamp(min=1) * len(lengths)),
        "bnpo": torch.ones_like(lengths) / (lengths * learnt).sum().clamp(min=1),
        "dr_grpo": torch.ones_like(lengths) / (len(lengths) * limit),
        "dapo": torch.ones_like(lengths) / max(1.0, tokens),
    }[kind]
    return one * learnt


def token_losses(logp: Any, old: Any, advantages: Any, settings: Settings, base: Any = None) -> tuple[Any, dict]:
    """Return the loss of each token (N,) and, per token, what is watched.

    Parameters
    ----------
    logp, old, base : (N,) log-probabilities by the policy, by the one that wrote, by the frozen base (or None).
    advantages : (N,) of the rollouts the tokens belong to.
    """
    import torch

    ratio = (logp - old).exp()
    clipped = ratio.clamp(1 - settings.epsilon_low, 1 + settings.epsilon_high)
    losses = -torch.minimum(ratio * advantages, clipped * advantages)
    watched = {
        "clip_low": ((ratio < 1 - settings.epsilon_low) & (advantages < 0)).float(),
        "clip_high": ((ratio > 1 + settings.epsilon_high) & (advantages > 0)).float(),
    }
    if base is not None:
        kl = (base - logp).exp() - (base - logp) - 1  # k3: unbiased, never negative
        kl = kl * ratio if settings.kl_correction else kl
        watched["kl"] = kl.detach()
        losses = losses + settings.beta * kl if settings.beta else losses
    return losses, watched


@dataclass(eq=False)
class Batch:
    """Rollouts to learn from.

    Attributes
    ----------
    prompts, responses : n lists of token ids. advantages : (n,) float32. learnt : (n,) bool.
    old, base : (n, longest) log-probabilities by the writing policy and by the frozen base, or None.
    """

    prompts: list[list[int]]
    responses: list[Sequence[int]]
    advantages: Any
    learnt: Any
    old: Any = None
    base: Any = None

    def rows(self, rows: Sequence[int]) -> "Batch":
        """Return these rollouts only."""
        tensors = [None if one is None else one[rows] for one in (self.advantages, self.learnt, self.old, self.base)]
        return Batch([self.prompts[r] for r in rows], [self.responses[r] for r in rows], *tensors)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each response."""
        return [len(response) for response in self.responses]

    @property
    def tokens(self) -> float:
        """Tokens that are learnt from."""
        return float(np.dot(self.lengths, np.asarray(self.learnt)))


def backward(policy: Any, batch: Batch, settings: Settings, tokens: float | None = None) -> dict[str, float]:
    """Add the gradient of the loss on ``batch`` to the policy's and return loss, entropy, KL and clipped shares.

    Masked rollouts count in the means that ``token_weights`` says, and are not read. ``tokens`` is what ``dapo``
    divides by (the batch's own learnt tokens by default).
    """
    total, learnt = batch.tokens if tokens is None else tokens, np.flatnonzero(batch.learnt).tolist()
    weights = token_weights(settings.loss, batch.lengths, batch.learnt, total, settings.max_new_tokens)[learnt]
    own = batch.rows(learnt)
    sums = dict.fromkeys(("loss", "entropy", "clip_low", "clip_high", *(["kl"] if batch.base is not None else [])), 0.0)
    for part in policy.parts(own.prompts, own.responses, settings.chunk):
        logp, entropy = policy.score(part, settings.temperature)
        where, device = (part.rollout, part.place), logp.device
        old = logp.detach() if own.old is None else own.old[where]
        base = None if own.base is None else own.base[where]
        losses, watched = token_losses(logp, old, own.advantages.to(device)[part.rollout], settings, base)
        loss = (weights.to(device)[part.rollout] * losses).sum()
        loss.backward()
        for name, values in {"loss": loss, "entropy": entropy, **watched}.items():
            sums[name] += values.sum().item()
    return {name: value if name == "loss" else value / max(1.0, own.tokens) for name, value in sums.items()}


def gradient(policy: Any, batch: Batch, settings: Settings) -> np.ndarray:
    """Return the gradient (P,) of the loss on ``batch``; the policy's own gradients are cleared."""
    cleared(policy)
    backward(policy, batch, settings)
    found = policy.vector()
    cleared(policy)
    return found


def cleared(policy: Any) -> None:
    """Drop the policy's gradients."""
    for parameter in policy.parameters:
        parameter.grad = None


def batch_of(policy: Any, rollouts: Sequence[Rollout], settings: Settings) -> Batch:
    """Return what is learnt from rollouts, with the log-probabilities that the loss needs.

    Rollouts without a judgement are masked, and those that did not end where ``mask_truncated`` says so.
    """
    import torch

    prompts, responses = [policy.encode(one.prompt) for one in rollouts], [one.tokens for one in rollouts]
    learnt = [
        np.isfinite(one.reward) and bool(one.tokens) and (one.finished or not settings.mask_truncated)
        for one in rollouts
    ]
    advantages = torch.tensor([one.advantage for one in rollouts], dtype=torch.float32)
    how = (prompts, responses, settings.chunk, settings.temperature)
    old = policy.table(*how) if settings.epochs * settings.mini_batches > 1 else None
    base = policy.table(*how, base=True) if settings.beta or settings.watch_kl else None
    return Batch(prompts, responses, advantages, torch.tensor(learnt), old, base)
