"""Does adding unpaired data help when the truth is known? Pairs fixed, unpaired rows added, latent points known."""

import numpy as np
import pandas as pd

from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, mean_interval, paired_interval
from anchors.hashing.settings import tuned
from anchors.hashing.studies.common import by_seed, seeds_from
from anchors.hashing.trials import Task, codes, fit, grid

METHODS = ("RREH", "NoReconstruction", "SelfTraining")
MOST, QUERIES = 4500, 400


def world(seed: int, noise: float, pairs: int, unpaired: int, most: int = MOST):
    """Return the task of one synthetic world: ``pairs`` linked rows and ``unpaired`` rows of each modality.

    The same seed gives the same world: more unpaired rows, or more pairs, only add to what is there.
    """
    from anchors.hashing.views import load

    views = load("synthetic", n=most + QUERIES, test=QUERIES, noise=noise, seed=seed)
    train = views.train()
    linked, rest = np.arange(pairs), np.arange(pairs, pairs + unpaired)
    return Task(train, views.test(), linked, rest, np.random.default_rng([seed, 2]).permutation(rest))


def trial(method: str, bits: int, pairs: int, unpaired: int, seed: int, noise: float) -> dict[str, float]:
    """Return mAP by protocol (mean of both directions) over a database of all training rows re-coded, and of the pairs.

    ``B`` searches the same 2,000 rows whatever ``unpaired`` is, so that only the learning changes; ``latent`` is the
    mAP of ranking the same rows by cosine of the true latent points: a reference, which codes may pass.
    """
    from anchors.hashing.metrics import evaluate
    from anchors.hashing.references import cosine_map

    task = world(seed, noise, pairs, unpaired)
    model = fit(task, method, bits, seed, tuned("synthetic", method))
    query, _, _ = codes(task, model)
    shelf = task.train.take(np.arange(MOST - 2000, MOST))
    database = {"image": model.transform(images=shelf.image), "text": model.transform(texts=shelf.text)}
    scores = evaluate(query, {"B": database}, task.queries.labels, shelf.labels, bits, top=())
    truth = cosine_map(task.queries.extras["latent"], shelf.extras["latent"], task.queries.labels, shelf.labels)
    return {"mAP": (scores["I2T_B"] + scores["T2I_B"]) / 2, "latent": truth}


def compute(profile: str, seed: int, bits: int, noise: float) -> pd.DataFrame:
    """Return one row per number of pairs, number of unpaired rows, method and seed."""
    pairs = choose(profile, [50], [50, 100, 200, 500], [50, 100, 200, 500, 1000])
    extra = choose(profile, [0, 500], [0, 500, 1000, 2000], [0, 125, 250, 500, 1000, 2000])
    jobs = [
        {"method": method, "bits": bits, "pairs": p, "unpaired": u, "seed": s, "noise": noise}
        for s in seeds_from(seed, profile) for p in pairs for u in extra for method in METHODS
    ]  # fmt: skip
    results = grid(trial, jobs, "synthetic truth", ["synthetic"])
    return pd.DataFrame([job | result for job, result in zip(jobs, results, strict=True)])


def changes(table: pd.DataFrame) -> pd.DataFrame:
    """Return mAP with unpaired rows − mAP of the same method and pairs without them, paired by seed."""
    rows = []
    for (method, pairs), group in table.groupby(["method", "pairs"], sort=False):
        base = by_seed(group, "mAP", unpaired=0)
        for unpaired in sorted(set(group.unpaired)):
            change = paired_interval(by_seed(group, "mAP", unpaired=unpaired), base)
            rows.append({"method": method, "pairs": pairs, "unpaired": unpaired} | change._asdict())
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the change by the largest number of unpaired rows, RREH − self-training, the ceiling, and the verdict."""
    change, most = changes(table), table.unpaired.max()
    own = change[change.unpaired == most]
    rows = [
        row(
            f"{c.pairs} pairs, {most} unpaired rows: {c.method}, mAP change",
            Interval(c.mean, c.low, c.high, c.n),
            QUERIES,
        )
        for c in own[own.method != "NoReconstruction"].itertuples()
    ]
    over = {
        pairs: paired_interval(by_seed(group, "mAP", method="RREH"), by_seed(group, "mAP", method="SelfTraining"))
        for pairs, group in table[table.unpaired == most].groupby("pairs", sort=False)
    }
    rows += [row(f"{p} pairs, {most} unpaired rows: RREH − self-training", i, QUERIES) for p, i in over.items()]
    ceiling = table.drop_duplicates("seed")["latent"].to_numpy()
    rows.append(row("mAP of cosine ranking by the true latent points (reference)", mean_interval(ceiling), QUERIES))
    rreh = own[own.method == "RREH"].set_index("pairs")
    helps, hurts = rreh.index[rreh.low > 0], rreh.index[rreh.high < 0]
    both = [pairs for pairs in helps if over[pairs].low > 0]
    below = sum(interval.high < 0 for interval in over.values())
    kind = "holds" if len(both) == len(rreh) else "mixed" if both else "does not hold"
    text = (
        f"With the truth known, {most} unpaired rows raise RREH's mAP clearly for {len(helps)} and lower it for "
        f"{len(hurts)} of {len(rreh)} numbers of pairs (from {rreh['mean'].min():+.3f} to {rreh['mean'].max():+.3f}); "
        f"RREH is clearly above self-training for {len(both)} and clearly below it for {below} of them. "
        f"Ranking by the latent points themselves gives {ceiling.mean():.3f}."
    )
    return rows, Verdict(kind, text)
