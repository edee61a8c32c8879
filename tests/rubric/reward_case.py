"""Random rubrics, scores and settings of the reward widget, and a small box for the browser."""

import numpy as np

from anchors.companion.errors import InputError
from anchors.rubric.aggregate import Aggregator, Interaction, Saturation, Shaping, Veto
from anchors.rubric.reward_box import RewardBox
from anchors.rubric.rubric import Criterion, Rubric, Tier

FAMILY = "\U0001f469\u200d\U0001f467"  # three code points, five UTF-16 units
COMBINING = "cafe\u0301 n\u0303o"
HOSTILE = "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>\"'&lt;</script><!--"


def random_aggregator(rng):
    """Return a random aggregator of 1 to 7 criteria, whatever steps and form."""
    count = int(rng.integers(1, 8))
    weights = rng.choice([0.0, 0.5, 1.0, 3.7, float(rng.random())], count) if rng.random() < 0.5 else rng.random(count)
    weights[rng.integers(count)] += 0.3
    criteria = [
        Criterion(id=f"c{k}", description="d", check="x", weight=float(weights[k]), critical=bool(rng.random() < 0.3),
                  threshold=float(rng.choice([0.0, 0.25, 0.5, rng.random(), 1.0])))
        for k in range(count)
    ]  # fmt: skip
    rubric = Rubric(id="r", criteria=criteria)
    steps = [step for step in _steps(rng, rubric) if rng.random() < 0.6]
    return Aggregator(rubric, tuple(steps), str(rng.choice(["refuse", "renormalise"])))


def _steps(rng, rubric):
    form = str(rng.choice(["exponential", "cap", "logistic"]))
    shaping = Shaping(theta=float(rng.random() * 0.95), slope=float(1 + 9 * rng.random()))
    beta = Shaping(float(rng.choice([0.0, 1e-13, 9 * rng.random(), 700.0])))
    return [
        Saturation(float(rng.choice([0.0, 1e-13, 12 * rng.random(), 300.0])), form), _pairs(rng, rubric),
        beta if rng.random() < 0.5 else shaping, Veto(float(rng.choice([0.0, -rng.random()]))),
    ]  # fmt: skip


def _pairs(rng, rubric):
    """Return pairs of both signs; negative ones share what monotonicity leaves."""
    shares, ids, pairs = rubric.weights / rubric.weights.sum(), rubric.ids, {}
    for one in range(len(ids)):
        for other in range(one + 1, len(ids)):
            low = -min(shares[one], shares[other]) / max(len(ids) - 1, 1)
            if rng.random() < 0.5:
                pairs[ids[one], ids[other]] = float(rng.choice([low, low * rng.random(), 2 * rng.random()]))
    return Interaction(pairs)


def random_scores(rng, aggregator, n):
    """Return scores (n, K): tiers, numbers in between, thresholds and neighbours of them, some NaN."""
    thresholds = aggregator.rubric.thresholds
    near = np.clip(thresholds + rng.choice([0.0, -5e-10, -5e-9, 5e-10], (n, len(thresholds))), 0, 1)
    values = np.where(rng.random((n, len(thresholds))) < 0.3, near, rng.random((n, len(thresholds))))
    values = np.where(rng.random(values.shape) < 0.3, np.round(values), values)
    return np.where(rng.random(values.shape) < 0.1, np.nan, values)


def explained(aggregator, row):
    """Return the steps of ``explain``, or None where it refuses."""
    try:
        return aggregator.explain(row)
    except InputError:
        return None


def rubric_of_words():
    """Return a rubric of checks with evidence; texts in it are hostile or need care in YAML."""
    tiers = (Tier(score=0, description="none"), Tier(score=1, description="some: #1"), Tier(score=2, description="- 3"))
    return Rubric(
        id="words & <b>", title="null", source=HOSTILE,
        criteria=(
            Criterion(id="first_person", description="it is told by an I", kind="lexicon", check="first_person",
                      options={"low": 0, "high": 8}, tiers=tiers),
            Criterion(id=f"emoji {FAMILY}", description="a family: yes\u2028\x85\n'no'", weight=0.7,
                      check="regex", options={"pattern": FAMILY}),
            Criterion(id=HOSTILE, description=HOSTILE, check="regex", options={"pattern": "cafe\u0301"}, weight=1e-7),
            Criterion(id="no_bullets", description="it has bullets", check="bullets", avoid=True, weight=2.0),
            Criterion(id="brief", description="at most 12 words", kind="statistic", check="words",
                      options={"low": 30, "high": 12}, snap=False),
            Criterion(id="no_praise", description="praise of the question", kind="lexicon", check="prefatory_praise",
                      avoid=True, critical=True, weight=0.0),
        ),
    )  # fmt: skip


RESPONSES = {
    "Tell me about your morning.": [
        "Great question! I woke late. My hands were cold and the kettle sang on the stove.",
        f"I met a {FAMILY}, and {FAMILY} again: I had {COMBINING} in a cafe\u0301. {FAMILY}",
        f"- {FAMILY}\n- \U0001f600 two\n- I wrote cafe\u0301",
        "\U0001f600" * 5 + " I waited.",
    ],
    f"Say {HOSTILE}": [HOSTILE, f"I say {HOSTILE} and \u202eI\u202c and \u0000 and I.", ""],
}  # fmt: skip


def box_of_words(steps=None):
    """Return a box of :func:`rubric_of_words` with all steps on."""
    rubric = rubric_of_words()
    pairs = Interaction({("first_person", "brief"): 0.5, ("no_bullets", "brief"): -0.1})
    steps = (Saturation(3.0), pairs, Shaping(2.0), Veto()) if steps is None else steps
    return RewardBox(rubric, RESPONSES, Aggregator(rubric, steps, "renormalise"))
