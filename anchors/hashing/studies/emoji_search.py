"""Words find pictures and pictures find words, by Hamming distance between their codes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anchors.companion import params as profiles
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import mean_interval
from anchors.hashing.settings import candidates
from anchors.hashing.studies.common import seeds_from
from anchors.hashing.trials import codes, dataset, fit, grid, semi_paired

DATA, FEW = "emoji-minilm", "emoji-minilm-third"
# The best of the tuning candidates by :func:`hit_rates` on the validation split (see :func:`choose`). The choice by mAP
# over nine groups, made for the other figures, lets whole groups share a code: good for that mAP, useless for a search.
PARAMS = {"beta": 0.072, "mu": 30.0, "lam": 0.023, "gamma": 0.22, "theta": 0.49}
K = 8  # answers that count


@dataclass(frozen=True)
class Hits:
    """Answers to one query: rows of the training set, their distances, their bits and the query's bits."""

    query: str
    rows: np.ndarray
    distances: np.ndarray
    bits: np.ndarray
    query_bits: np.ndarray


def data_of(profile: str) -> str:
    """Return the data set of a profile; embedding the words of all emoji takes a while."""
    return profiles.choose(profile, FEW, DATA, DATA)


def fitted(bits: int, ratio: float, seed: int, data: str = DATA):
    """Return RREH fitted on emoji pictures and sentence embeddings."""
    return fit(semi_paired(dataset(data), ratio, seed), "RREH", bits, seed, PARAMS)


def engine(bits: int, ratio: float, seed: int, data: str = DATA):
    """Return :func:`fitted` and the packed codes of all training pictures and texts, each by its own hash function."""
    model, train = fitted(bits, ratio, seed, data), dataset(data).train()
    return model, {"image": model.transform(images=train.image), "text": model.transform(texts=train.text)}


def search(code: np.ndarray, database: np.ndarray, bits: int, query: str, k: int) -> Hits:
    """Return the k nearest codes (ties in database order) with their bits as ±1."""
    from anchors.hashing.codes import hamming, unpack

    distances = hamming(code[None], database)[0].astype(int)
    rows = np.argsort(distances, kind="stable")[:k]
    return Hits(query, rows, distances[rows], unpack(database[rows], bits), unpack(code[None], bits)[0])


def words_to_pictures(words: list[str], bits: int, ratio: float, seed: int, k: int = 8, data: str = DATA) -> list[Hits]:
    """Return the pictures nearest to free words (embedded here, not looked up)."""
    from anchors.models.embed import embed

    model, database = engine(bits, ratio, seed, data)
    packed = model.transform(texts=embed(words))
    return [search(code, database["image"], bits, word, k) for word, code in zip(words, packed, strict=True)]


def pictures_to_words(rows: list[int], bits: int, ratio: float, seed: int, k: int = 8, data: str = DATA) -> list[Hits]:
    """Return the texts nearest to held-out pictures; ``rows`` count within the test emoji."""
    model, database = engine(bits, ratio, seed, data)
    test = dataset(data).test()
    packed = model.transform(images=test.image[rows])
    return [search(code, database["text"], bits, test.items[r], k) for r, code in zip(rows, packed, strict=True)]


def hit_rates(
    bits: int, ratio: float, seed: int, split: str = "test", params: dict | None = None, data: str = DATA
) -> dict[str, float]:
    """Return, over the held-out emoji, how often one of the first 8 answers is of the query's subgroup, and by chance.

    Chance: the mean probability that 8 random training emoji hold one of the subgroup. Ties are in one random order
    per seed.
    """
    from anchors.hashing.codes import hamming

    task = semi_paired(dataset(data, split), ratio, seed)
    query, database, _ = codes(task, fit(task, "RREH", bits, seed, PARAMS if params is None else params))
    order, truth = np.random.default_rng([seed, 3]).permutation(len(task.train)), task.queries.extras["subgroup"]
    result = {}
    for name, source, target in (("words → pictures", "text", "image"), ("pictures → words", "image", "text")):
        shelf = task.train.extras["subgroup"][task.rows(target)][order]
        distances = hamming(query[source], database["B"][target][order])
        first = np.argsort(distances, axis=1, kind="stable")[:, :K]
        result[name] = float((shelf[first] == truth[:, None]).any(axis=1).mean())
    share = np.array([(task.train.extras["subgroup"] == t).mean() for t in truth])
    return result | {"chance": float((1 - (1 - share) ** K).mean())}


def choose(bits: int = 64, ratio: float = 0.5, seeds: tuple[int, ...] = (100, 101)) -> dict:
    """Return the tuning candidate with the highest hit rate (mean of both directions) on the validation split."""

    def rate(params: dict) -> float:
        found = [hit_rates(bits, ratio, seed, "validation", params) for seed in seeds]
        return sum(f["words → pictures"] + f["pictures → words"] for f in found)

    return max(candidates("RREH"), key=rate)


def compute(profile: str, seed: int, bits: int, ratio: float) -> pd.DataFrame:
    """Return hit rates, one row per seed."""
    data = data_of(profile)
    jobs = [{"bits": bits, "ratio": ratio, "seed": s, "data": data} for s in seeds_from(seed, profile)]
    results = grid(hit_rates, jobs, "emoji search")
    table = pd.DataFrame([job | result for job, result in zip(jobs, results, strict=True)])
    return table.drop(columns="data")


def summarise(table: pd.DataFrame, data: str = DATA) -> tuple[list[Row], Verdict]:
    """Return hit rates against chance and the verdict."""
    n = len(dataset(data).test())
    found = {name: mean_interval(table[name].to_numpy()) for name in ("words → pictures", "pictures → words", "chance")}
    rows = [
        row(f"{name}: an answer of the right subgroup among the first 8", i, n, "share") for name, i in found.items()
    ]
    chance, above = found["chance"].mean, [i for name, i in found.items() if name != "chance"]
    wins = [i.low > chance for i in above]
    kind = "holds" if all(wins) else "mixed" if any(wins) else "does not hold"
    text = (
        f"Held-out emoji find their subgroup among the first 8 answers in {above[0].mean:.0%} (words → pictures) and "
        f"{above[1].mean:.0%} (pictures → words) of cases; chance is {chance:.0%}."
    )
    return rows, Verdict(kind, text)
