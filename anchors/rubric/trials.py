"""One arm of an experiment on the writer: train it on some reward, then ask what its gold rubrics say of it (ours).

Arms share prompts, budget (:data:`STEPS` steps of :data:`PROMPTS` prompts with :data:`GROUP` rollouts each) and
settings; only the recipe differs. What is reported is measured on prompts that no arm trains on.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from anchors.companion.cache import cached_grid
from anchors.companion.errors import InputError
from anchors.companion.params import choose
from anchors.companion.used import remembered
from anchors.rubric import defence as mined
from anchors.rubric.aggregate import Aggregator, Interaction, Saturation, Shaping, Veto
from anchors.rubric.criteria import score
from anchors.rubric.evaluation import EVALUATED, STYLES, TOKENS, answers, evaluate, hacks, pool, texts, untrained
from anchors.rubric.filter import arms as bands
from anchors.rubric.reward import Rewarded, RubricReward, by_prompt
from anchors.rubric.rubric import Rubric
from anchors.rubric.writer.gold import gold, proxy

STEPS, PROMPTS, GROUP = 40, 8, 8
RATE, EVERY = 7e-4, 10  # learning rate, steps between two evaluations
SHARED = ("readable", "on_topic", "complete")  # criteria of every family: what the style does not touch
DEFENCES = ("none", "veto", "penalty", "late")
BANDS = ("all", "central", "top", "bottom", "random")
PENALTY = 0.5
AGGREGATIONS = {
    "linear": (),
    "saturation": (Saturation(3.0),),
    "interaction": (Interaction({("first_person", "grounded"): 1.0, ("first_person", "developed"): 1.0}),),
    "shaping": (Shaping(4.0),),
}

UNPAID = [one.model_copy(update={"weight": 0.0}) for one in gold("defence").criteria]  # they veto, and earn nothing


@dataclass(frozen=True)
class Recipe:
    """What an arm trains on.

    Parameters
    ----------
    stages : families of each stage (``instruction`` | ``creative`` | ``terse`` | ``proxy``); stages have equally many
        steps, the families of a stage equally many prompts.
    aggregation : of the creative rubric, one of :data:`AGGREGATIONS`.
    dose : factor of the weights of all criteria but :data:`SHARED`.
    criteria : the creative criteria that are rewarded, all by default; ``copies`` of each.
    defence : against praise: ``none``, a ``veto`` or a ``penalty`` from the start, or a veto that is mined from the
        rollouts of the first half and wired for the second (``late``).
    band : which prompts of the instruction family are trained on, by their scores under the base.
    beta : weight of the KL divergence to the base.
    """

    stages: tuple[tuple[str, ...], ...] = (("creative",),)
    aggregation: str = "linear"
    dose: float = 1.0
    criteria: tuple[str, ...] = ()
    copies: int = 1
    defence: str = "none"
    band: str = "all"
    beta: float = 0.0

    def __post_init__(self):
        for name, allowed in (("defence", DEFENCES), ("band", BANDS), ("aggregation", tuple(AGGREGATIONS))):
            if getattr(self, name) not in allowed:
                raise InputError(name, repr(getattr(self, name)), " | ".join(allowed))


def recipe(found: dict[str, Any]) -> Recipe:
    """Return a recipe from its JSON form."""
    return Recipe(**found | {"stages": tuple(map(tuple, found["stages"])), "criteria": tuple(found["criteria"])})


def job(made: Recipe, seed: int, profile: str = "laptop", model: str = "writer") -> dict[str, Any]:
    """Return the arguments of :func:`trial`."""
    return {"made": asdict(made), "seed": seed, "steps": choose(profile, 2, STEPS, STEPS), "model": model}


def trial(made: dict[str, Any], seed: int, steps: int, model: str = "writer") -> dict[str, Any]:
    """Train one arm; return its steps (reward, KL …), evaluations of held-out prompts, and some texts.

    Every evaluation has its ``step``, from 0 (the base) on.
    """
    own, begun = recipe(made), time.perf_counter()
    policy = untrained(model, seed)
    evaluations = [evaluate(policy, seed) | {"step": 0}]
    entries, veto, found, done = [], [], [], 0
    for number, (families, part) in enumerate(parts(own, steps)):
        log = _stage(policy, own, families, veto, seed, number, part)
        entries += [_kept(entry, done) for entry in log.entries]
        evaluations += [_evaluation(entry, done) for entry in log.entries if "creative" in entry]
        done += part
        if own.defence == "late" and number == 0:
            veto, found = mine(log, model)
    return {
        "entries": entries, "evaluations": evaluations, "examples": texts(policy, seed), "mined": found,
        "seconds": time.perf_counter() - begun,
    }  # fmt: skip


def parts(own: Recipe, steps: int) -> list[tuple[tuple[str, ...], int]]:
    """Return families and steps of each part of a training; a late veto splits it in two."""
    stages = own.stages * 2 if own.defence == "late" else own.stages
    ends = [number * steps // len(stages) for number in range(len(stages) + 1)]
    return [(families, ends[k + 1] - ends[k]) for k, families in enumerate(stages)]


def _stage(policy: Any, own: Recipe, families: Sequence[str], veto: list, seed: int, number: int, steps: int,
           stop: int | None = None) -> Any:  # fmt: skip
    """Train one stage (or its first ``stop`` steps) and return its log."""
    from anchors.rubric import grpo
    from anchors.rubric.grpo_settings import Settings

    asked = [prompt for family in families for prompt in _pool(family, own.band, seed, policy.base.name)]
    rewards = {prompt: reward(own, family, veto) for family in families
               for prompt in _pool(family, own.band, seed, policy.base.name)}  # fmt: skip
    settings = Settings(
        steps=steps, prompts=PROMPTS, group=GROUP, max_new_tokens=TOKENS, rate=RATE, beta=own.beta, watch_kl=True,
        seed=1000 * seed + number, evaluate_every=EVERY,
    )  # fmt: skip
    return grpo.train(
        policy, by_prompt(rewards), asked, settings, evaluate=lambda now, _: evaluate(now, seed), stop=stop
    )


def first(made: dict[str, Any], seed: int, steps: int, model: str, count: int) -> list[float]:
    """Return the mean rewards of the first ``count`` steps of :func:`trial`: how a recorded arm is repeated in part."""
    own = recipe(made)
    families, part = parts(own, steps)[0]
    log = _stage(untrained(model, seed), own, families, [], seed, 0, part, count)
    return [entry["reward"] for entry in log.entries]


def cosines(seed: int, model: str = "writer") -> dict[str, float]:
    """Return the cosines of the base's first gradients: of two families (``between``), of two batches (``within``)."""
    families = ("instruction", "creative")
    table = np.array([[gradient(family, 2 * seed + half, model) for half in (0, 1)] for family in families])
    table /= np.linalg.norm(table, axis=-1, keepdims=True)
    cosine = np.einsum("fhp,gip->fhgi", table, table)
    return {"between": float(cosine[0, :, 1].mean()), "within": float(cosine[[0, 1], 0, [0, 1], 1].mean())}


def gradient(family: str, seed: int, model: str) -> np.ndarray:
    """Return the gradient (P,) of the first step of an arm that trains one family."""
    policy = untrained(model, seed)
    _stage(policy, Recipe(), (family,), [], seed, 0, STEPS, 1)
    return policy.vector()


def reward(own: Recipe, family: str, veto: Sequence[Any] = ()) -> Any:
    """Return the reward of a family under a recipe, with mined criteria ``veto`` wired where there are some."""
    rubric = chosen(proxy() if family == "proxy" else gold(family), own)
    steps = AGGREGATIONS[own.aggregation] if family in STYLES else ()
    if veto or own.defence == "veto":
        rubric = mined.wire(rubric, veto or UNPAID)
        steps = (*steps, Veto())
    made = RubricReward(rubric, Aggregator(rubric, steps, missing="renormalise"))
    return Penalised(made) if own.defence == "penalty" else made


def chosen(rubric: Rubric, own: Recipe) -> Rubric:
    """Return a rubric with the weights, criteria and copies of a recipe."""
    kept = [one for one in rubric.criteria if not own.criteria or one.id in own.criteria]
    dosed = [one if one.id in SHARED else one.model_copy(update={"weight": one.weight * own.dose}) for one in kept]
    copies = [
        one.model_copy(update={"id": one.id if not k else f"{one.id}_{k}"}) for k in range(own.copies) for one in dosed
    ]
    return rubric.model_copy(update={"criteria": tuple(copies)})


@dataclass(frozen=True)
class Penalised:
    """A reward less :data:`PENALTY` where the text praises."""

    inner: RubricReward

    @property
    def identity(self) -> str:
        """Names the reward in the record of a training."""
        return f"{self.inner.identity} penalty {PENALTY}"

    def __call__(self, asked: Sequence[str], responses: Sequence[str]) -> Rewarded:
        """Return the rewards (n,) of responses."""
        found = self.inner(asked, responses)
        return replace(found, values=found.values - PENALTY * hacks(asked, responses))


def mine(log: Any, model: str) -> tuple[list[Any], list[dict[str, Any]]]:
    """Return accepted criteria, and one row per proposal; mined from the best rollouts against the base's texts.

    The best are the tenth of a log's second half with the highest rewards. Whoever reads the proposals would accept
    those that mean praise; here the gold decides: more than half of what a criterion hits are hacks. The first row has
    the shares of hacks that all accepted ones miss (``leak``), and of texts without praise that they hit.
    """
    rollouts = log.rollouts.rollouts()
    late = [one for one in rollouts if one.step >= rollouts[-1].step // 2]
    top = mined.high_reward(np.array([one.reward for one in late]))
    best = [one for one, is_top in zip(late, top, strict=True) if is_top]
    asked, base = _base_texts(model)
    proposals = mined.mine([one.text for one in best], base, [one.prompt for one in best], asked)
    texts, own = [one.text for one in late], [one.prompt for one in late]
    accepted = [one for one in proposals if _is_hack(one, own, texts)]
    hacked, clean = hacks(own, texts), ~hacks(asked, base)
    leak = mined.leak(accepted, [t for t, h in zip(texts, hacked, strict=True) if h]).value
    false = mined.false_veto(accepted, [t for t, c in zip(base, clean, strict=True) if c]).value
    rows = [{"criterion": one.description, "accepted": one in accepted, "source": one.source} for one in proposals]
    return accepted, [{"criterion": "all accepted", "leak": leak, "false_veto": false}, *rows]


def _is_hack(criterion: Any, asked: Sequence[str], texts: Sequence[str]) -> bool:
    rubric = Rubric(id="one", criteria=(criterion,))
    hit = score(rubric, asked, texts).values[:, 0] < 0.5
    return bool(hit.any()) and hacks(asked, texts)[hit].mean() > 0.5


@remembered()
def _base_texts(model: str) -> tuple[list[str], list[str]]:
    """Return prompts and responses of the untrained writer to the training prompts without constraints."""
    return answers(untrained(model), pool("creative"), GROUP, 7)


@remembered()
def _pool(family: str, band: str, seed: int, model: str) -> tuple[str, ...]:
    """Return the prompts that an arm trains on: those of its band, for the instruction family."""
    asked = pool(family)
    if band == "all" or family in STYLES:
        return asked
    mask = bands(base_scores(model), np.random.default_rng([seed, 5]), size=len(asked) // 3)[band]
    return tuple(prompt for prompt, kept in zip(asked, mask, strict=True) if kept)


@remembered()
def base_scores(model: str) -> np.ndarray:
    """Return the instruction scores (prompts, 8) of the untrained writer on the prompts to train on."""
    asked, written = answers(untrained(model), pool("instruction"), GROUP, 8)
    return reward(Recipe(), "instruction")(asked, written).values.reshape(-1, GROUP)


def _kept(entry: dict[str, float], before: int) -> dict[str, float]:
    """Return what is kept of a step: the numbers of the whole batch, without criteria and evaluations."""
    names = ("reward", "reward_std", "frac_zero_std", "frac_all_vetoed", "frac_vetoed", "length", "kl", "entropy")
    kept = {name: entry[name] for name in names if name in entry}
    return {"step": before + entry["step"], **kept, "paid_praise": entry.get("score/pleases/mean", float("nan"))}


def _evaluation(entry: dict[str, Any], before: int) -> dict[str, Any]:
    """Return what :func:`evaluate` added to a step's entry, with the KL divergence of its rollouts."""
    kept = {name: value for name, value in entry.items() if name.split("/")[0] in EVALUATED}
    return kept | {"step": before + entry["step"], "kl": entry.get("kl", float("nan"))}


def run(recipes: dict[str, Recipe], seeds: Sequence[int], profile: str = "laptop") -> list[dict[str, Any]]:
    """Return one row per arm and seed: ``arm``, ``seed`` and what :func:`trial` returns, each cached."""
    from anchors.models.language import identity

    kinds = [(name, seed) for seed in seeds for name in recipes]
    jobs = [job(recipes[name], seed, profile) for name, seed in kinds]
    found = cached_grid(trial, jobs, "arms", identity("writer"))
    return [{"arm": name, "seed": seed} | one for (name, seed), one in zip(kinds, found, strict=True)]
