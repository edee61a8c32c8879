"""How a policy is trained: the settings of GRPO, named as TRL names them where it has them."""

from dataclasses import dataclass

from anchors.companion.errors import InputError

LOSSES = ("grpo", "bnpo", "dr_grpo", "dapo")
OBJECTIVES = ("sum_then_normalize", "normalize_then_sum")
SCALES = ("group", "batch", "none")
SCHEDULES = ("constant", "linear")


@dataclass(frozen=True)
class Settings:
    """How a policy is trained; hyper-parameters of the paper are unknown (section 1.9), the defaults are ours.

    Attributes
    ----------
    steps : batches of rollouts. prompts, group : prompts a step, responses each.
    max_new_tokens, temperature, top_p : of the rollouts; log-probabilities are taken at ``temperature`` too.
    rate, warmup, schedule, weight_decay : of AdamW; ``linear`` falls to zero at ``steps``. clip_gradient : its norm.
    loss : how the losses of tokens are averaged: ``grpo`` by response, then over responses; ``bnpo`` over the tokens of
        an update; ``dr_grpo`` over responses times ``max_new_tokens``; ``dapo`` over the tokens of all rollouts.
    objective : ``sum_then_normalize`` takes advantages from the rewards, ``normalize_then_sum`` from each criterion's
        scores (GDPO; vetoes and other steps then count for nothing, and the reward must give weights).
    scale : what advantages are divided by. std_eps : added to a deviation that is not 0 (TRL's value).
    epsilon_low, epsilon_high : the ratio of probabilities is clipped to 1 - low … 1 + high.
    beta : weight of the KL divergence (k3) to the frozen base. watch_kl : log it even where beta is 0.
    kl_correction : multiply k3 by the ratio: its gradient is then the divergence's, also where the ratio is 1.
    epochs, mini_batches : passes over a batch of rollouts, updates in each.
    mask_truncated : do not learn from responses that did not end (their rewards stay in the group's mean).
    chunk : tokens in one forward pass. every : steps between checkpoints. evaluate_every : 0 never evaluates.
    """

    steps: int = 100
    prompts: int = 4
    group: int = 8
    max_new_tokens: int = 48
    temperature: float = 1.0
    top_p: float = 1.0
    rate: float = 1e-4
    warmup: int = 0
    schedule: str = "constant"
    weight_decay: float = 0.0
    clip_gradient: float = 1.0
    loss: str = "dapo"
    objective: str = "sum_then_normalize"
    scale: str = "group"
    std_eps: float = 1e-4
    epsilon_low: float = 0.2
    epsilon_high: float = 0.2
    beta: float = 0.0
    watch_kl: bool = False
    kl_correction: bool = True
    epochs: int = 1
    mini_batches: int = 1
    mask_truncated: bool = False
    chunk: int = 1024
    every: int = 10
    evaluate_every: int = 0
    seed: int = 0

    def __post_init__(self):
        choices = {"loss": LOSSES, "objective": OBJECTIVES, "scale": SCALES, "schedule": SCHEDULES}
        for name, allowed in choices.items():
            if (found := getattr(self, name)) not in allowed:
                raise InputError(name, repr(found), " | ".join(allowed))
        least = {"prompts": 1, "group": 2, "max_new_tokens": 1, "epochs": 1, "mini_batches": 1, "chunk": 1, "every": 1}
        for name, low in (least | {"steps": 0, "warmup": 0, "evaluate_every": 0}).items():
            if (found := getattr(self, name)) < low:
                raise InputError(name, found, f"at least {low}")
        for name in ("temperature", "rate", "clip_gradient"):
            if not (found := getattr(self, name)) > 0:
                raise InputError(name, found, "more than 0")
        for name in ("beta", "epsilon_low", "epsilon_high", "weight_decay", "std_eps"):
            if not (found := getattr(self, name)) >= 0:
                raise InputError(name, found, "at least 0")
        if not 0 < self.top_p <= 1:
            raise InputError("top_p", self.top_p, "more than 0, at most 1")
        if self.mini_batches > self.prompts * self.group:
            raise InputError("mini_batches", self.mini_batches, f"at most {self.prompts * self.group} rollouts")


def rate_share(settings: Settings, step: int) -> float:
    """Return the share of the highest learning rate at a step: a linear warm-up, then constant or linear to zero."""
    warm = min(1.0, (step + 1) / (settings.warmup + 1))
    if settings.schedule == "constant" or step < settings.warmup:
        return warm
    return (settings.steps - step) / max(1, settings.steps - settings.warmup)
