"""Ask a small graph: one query and its answers; and whether reading the anchors helps the model that learnt them."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.cache import cached, cached_grid
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import in_words, mean_interval, paired_interval
from anchors.entity import linking, loaders, trials
from anchors.entity.settings import Settings
from anchors.entity.studies.common import seeds_of
from anchors.models import embed


def answers(graph: str, head: str, relation: str, profile: str, seed: int, top: int = 10) -> pd.DataFrame:
    """Return the answers of SEA, trained on ``graph``, to one query; see :func:`anchors.entity.linking.link`."""
    known = loaders.load(graph)
    linking.entity_of(known, head), linking.relation_of(known, relation)  # errors before anything is trained
    job = {"graph": graph, "settings": trials.job(graph, "sea", seed, profile)["settings"]}
    salt = loaders.fingerprint(graph) + embed.identity()
    return pd.DataFrame(cached(ask, salt, **job, head=head, relation=relation, top=top))


def ask(graph: str, settings: dict[str, Any], head: str, relation: str, top: int) -> dict[str, list]:
    """Train SEA and return its answers to a query, column by column."""
    return linking.link(trials.trained(graph, Settings(**settings)), head, relation, top).to_dict("list")


def compute(graph: str, profile: str, seed: int) -> pd.DataFrame:
    """Return one row per seed: MRR of SEA with its anchors, without them, and with those of other entities, at test."""
    made = [trials.job(graph, "sea", s, profile)["settings"] for s in seeds_of(seed, profile)]
    jobs = [{"graph": graph, "settings": one} for one in made]
    salt = loaders.fingerprint(graph) + embed.identity()
    found = cached_grid(reading, jobs, "reading anchors", salt)
    return pd.DataFrame([{"seed": job["settings"]["seed"]} | one for job, one in zip(jobs, found, strict=True)])


def reading(graph: str, settings: dict[str, Any]) -> dict[str, float]:
    """Train SEA and return its MRR when it reads its anchors, none, or those of other entities."""
    own = Settings(**settings)
    model = trials.trained(graph, own)
    triples = loaders.load(graph).directed("test")
    others = model.anchors.permuted(np.random.default_rng([own.seed, 5]))
    read = {"own": model.anchors, "none": None, "others": others}
    return {how: trials.mrr(model.ranks(triples, anchors=one).realistic) for how, one in read.items()}


def summarise(found: pd.DataFrame, shown: pd.DataFrame, graph: str) -> tuple[list[Row], Verdict]:
    """Return MRR by what is read at test, the differences, the known ones among the shown answers, and a sentence.

    It is no verdict on the claim: a model that was trained with anchors expects them.
    """
    words = {"own": "its own anchors", "none": "no anchors", "others": "anchors of other entities"}
    title, n = loaders.title(graph), 2 * len(loaders.load(graph).splits["test"])
    rows = [
        row(f"{title}: MRR of SEA reading {text}", mean_interval(found[how].to_numpy()), n, source="cached")
        for how, text in words.items()
    ]
    gains = {how: paired_interval(found.own.to_numpy(), found[how].to_numpy()) for how in ("none", "others")}
    for how, gain in gains.items():
        rows.append(row(f"{title}: MRR, own anchors − {words[how]}", gain, n, source="cached"))
    what = f"known facts among the {len(shown)} best answers shown"
    rows.append(Row(what, float(shown.known.mean()), n=len(shown), source="cached", slack=1 / len(shown)))
    text = (
        f"On {title} a trained SEA that reads its anchors is better than without by {in_words(gains['none'], '+.3f')} "
        f"MRR, and than with the anchors of other entities by {in_words(gains['others'], '+.3f')}."
    )
    return rows, Verdict("measured", text)
