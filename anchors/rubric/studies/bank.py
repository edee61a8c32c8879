"""What is in the rubric bank, how much of it can tell answers apart, and what its style checks do to human text."""

from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from anchors.companion import datasets
from anchors.companion.cache import cached, cached_grid
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, in_words, mean_interval, paired_interval
from anchors.rubric import audit as audits
from anchors.rubric import bank, criteria, families
from anchors.rubric.rates import rate
from anchors.rubric.rubric import Criterion, Rubric

NEEDS = (*(f"rubric_{name}" for name in bank.BENCHMARKS), "rubric_self_instruct")
CLAIMED = 10_000  # rubrics, "more than"
VOICES = {
    "prefatory_praise": "praises the question", "self_praise": "praises itself", "ai_disclaimer": "says it is an AI",
    "closing_offer": "offers more help", "moralising": "draws a moral", "assistant_opening": "assistant's opening",
    "slop": "overused phrases",
}  # fmt: skip
STYLES: dict[str, tuple[str, str, dict[str, Any]]] = {  # name: kind, check, options
    "words": ("statistic", "words", {"low": 0, "high": 100}),
    "sentence length varies": ("statistic", "sentence_length_variation", {"low": 0, "high": 0.6}),
    "word variety": ("statistic", "type_token_ratio", {"low": 0.5, "high": 1.0}),
    "repetition": ("statistic", "repetition", {}),
    "first person": ("lexicon", "first_person", {}),
    "sensory words": ("lexicon", "sensory", {}),
    "named emotion": ("lexicon", "named_emotion", {}),
    "hedges": ("lexicon", "hedges", {}),
    "intensifiers": ("lexicon", "intensifiers", {}),
    "complete": ("program", "complete", {}),
}
CAUGHT = {"praise": "prefatory_praise", "self_praise": "self_praise"}  # what a check should see of a change
CHANGES = {"padding": "padded to 1.5 times", "repetition": "said twice", "order": "sentences shuffled",
           "praise": "praise before it", "self_praise": "self-praise after it"}  # fmt: skip


class Found(NamedTuple):
    """What the study computes.

    Attributes
    ----------
    counts : a row for each source and kind: entries kept; dropped and licence are the source's.
    draws : a row for each seed and pool: how criteria drawn from it judge human answers.
    style : base rates of the style checks on human answers, see :func:`anchors.rubric.audit.base_rates`.
    human : false vetoes, see :func:`anchors.rubric.audit.false_vetoes`.
    changes : perturbations, see :func:`anchors.rubric.audit.perturbed`.
    """

    counts: pd.DataFrame
    draws: pd.DataFrame
    style: pd.DataFrame
    human: pd.DataFrame
    changes: pd.DataFrame

    def table(self) -> pd.DataFrame:
        """Return all of it as one table, the part named in the first column."""
        return pd.concat([getattr(self, name).assign(part=name) for name in self._fields]).pipe(
            lambda found: found[["part", *(c for c in found.columns if c != "part")]]
        )


def compute(profile: str, seed: int, size: int) -> Found:
    """Return what the bank holds and how it judges people's answers; ``size`` criteria are drawn per seed and pool."""
    salt = " ".join(fingerprints().values())
    seeds = range(seed, seed + choose(profile, smoke=5, laptop=10, paper=20))
    jobs = [{"seed": s, "size": size} for s in seeds]
    draws = [line for lines in cached_grid(drawn, jobs, "criteria on human answers", salt) for line in lines]
    parts = cached(audited, salt)
    return Found(pd.DataFrame(cached(counted, salt)), pd.DataFrame(draws), *(pd.DataFrame(parts[k]) for k in parts))


def fingerprints() -> dict[str, str]:
    """Return ``{data set: fingerprint}`` of all that the study reads."""
    return {name: datasets.fingerprint(name) for name in NEEDS}


def counted() -> list[dict[str, Any]]:
    """Return entries by source and kind of judge; what a person wrote and no program decides is ``llm_judge``."""
    found = bank.load(bank.SOURCES)
    kinds, lines = found.table().groupby(["source", "kind"], sort=False).size(), []
    for one in found.summary().to_dict("records"):
        dropped = one["same text"] + one["same content"]
        for kind, count in kinds[one["source"]].items():
            lines.append({"source": one["source"], "kind": str(kind), "entries": int(count), "dropped": int(dropped),
                          "prompts": int(one["prompts"]), "licence": one["licence"]})  # fmt: skip
    return lines


def style_rubric() -> Rubric:
    """Return the generic style checks: voices that are vetoed (critical), and measures that are not."""
    vetoed = [
        Criterion(id=name, description=words, kind="lexicon", check=name, avoid=True, critical=True)
        for name, words in VOICES.items()
    ]
    others = [
        Criterion(id=name, description=name, kind=kind, check=check, options=options, snap=False)
        for name, (kind, check, options) in STYLES.items()
    ]
    return Rubric(id="style", criteria=(*vetoed, *others))


def audited() -> dict[str, list[dict[str, Any]]]:
    """Return the audit of the style checks on answers that people wrote: style, human, changes (see Found)."""
    prompts, texts = audits.human_texts()
    found = asdict(audits.audit(style_rubric(), prompts, texts, human=(prompts, texts)))
    tables = {"style": "criteria", "human": "human", "changes": "perturbations"}
    return {name: found[part].to_dict("records") for name, part in tables.items()}


def drawn(seed: int, size: int) -> list[dict[str, Any]]:
    """Return how ``size`` program criteria judge human answers: drawn from all families, and from a single one."""
    rng, pools = np.random.default_rng(seed), {name: families.criteria(name) for name in families.names()}
    large = [pool for pool in pools.values() if len(pool) >= size]
    one = large[int(rng.integers(len(large)))]
    prompts, texts = audits.human_texts()
    lines, every = [], [criterion for pool in pools.values() for criterion in pool]
    for name, pool in (("all families", every), ("one family", one)):
        chosen = [pool[k] for k in rng.choice(len(pool), size, replace=False)]
        values = criteria.score(Rubric(id="drawn", criteria=tuple(chosen)), prompts, texts).values
        lines.append({"pool": name, "seed": seed, **judged(values)})
    return lines


def judged(values: np.ndarray) -> dict[str, float]:
    """Return what scores (n, K) tell apart: criteria, constant, learnable (base rate 0.1 to 0.8), effective number."""
    met = (values >= 0.5).mean(0)
    low, high = audits.LEARNABLE
    return {
        "criteria": values.shape[1], "constant": int((values.std(0) == 0).sum()),
        "learnable": int(((met >= low) & (met <= high)).sum()), "effective": audits.effective_number(values),
    }  # fmt: skip


def summarise(found: Found) -> tuple[list[Row], Verdict]:
    """Return the rows (counts, draws, style checks on human answers, perturbations) and the verdict."""
    rows = [*_counts(found.counts), *_draws(found.draws), *_vetoes(found), *_style(found)]
    return rows, verdict(found)


def singles(counts: pd.DataFrame) -> pd.DataFrame:
    """Return the counts without hybrids, whose two criteria are elsewhere already."""
    return counts[counts.source != "hybrids"]


def _counts(counts: pd.DataFrame) -> list[Row]:
    own = singles(counts)
    people = own[own.source != "families"].entries.sum()
    dropped = counts.groupby("source").dropped.first().sum()
    values = {
        "distinct criteria, hybrids left out": own.entries.sum(),
        "of them the program families, which need no data": own.entries.sum() - people,
        "of them from benchmarks": people,
        "of them only a judge can decide": own[own.kind == "llm_judge"].entries.sum(),
        "hybrids of two criteria": counts.entries.sum() - own.entries.sum(),
        "duplicates dropped": dropped,
    }
    return [Row(name, float(value), unit="entries", source="cached") for name, value in values.items()]


def _draws(draws: pd.DataFrame) -> list[Row]:
    rows = []
    for pool, own in draws.groupby("pool", sort=False):
        for column, words in (("learnable", "learnable (base rate 0.1 to 0.8)"), ("constant", "the same for all")):
            share = shares(own, column)
            rows.append(row(f"criteria of {pool} on human answers: {words}", share, int(own.criteria.sum()), "share"))
        rows.append(row(f"criteria of {pool}, {own.criteria.iloc[0]} at a time: effective number",
                        mean_interval(own.effective.to_numpy()), int(own.criteria.sum())))  # fmt: skip
    total = int(draws.criteria.sum())
    return [*rows, row("effective number: all families − one family", contrast(draws), total)]


def shares(own: pd.DataFrame, column: str) -> Interval:
    """Return the mean share of a pool's criteria over draws, with an interval that stays within 0 and 1."""
    found = mean_interval((own[column] / own.criteria).to_numpy())
    return found._replace(low=max(0.0, found.low), high=min(1.0, found.high))


def contrast(draws: pd.DataFrame) -> Interval:
    """Return the effective number of criteria of all families minus that of one family, paired by seed."""
    wide = draws.pivot(index="seed", columns="pool", values="effective")
    return paired_interval(wide["all families"].to_numpy(), wide["one family"].to_numpy())


def _vetoes(found: Found) -> list[Row]:
    rows = [
        Row(f"human answers vetoed: {VOICES.get(one.criterion, 'by any of them')}", one.value, one.low, one.high,
            n=int(one.n), unit="share", source="cached")
        for one in found.human.itertuples()
    ]  # fmt: skip
    for change, value in detected(found.changes).items():
        rows.append(Row(f"{VOICES[CAUGHT[change]]}, one fixed phrase added: caught", value.value, value.low, value.high,
                        n=value.n, unit="share", source="cached"))  # fmt: skip
    return rows


def detected(changes: pd.DataFrame) -> dict[str, Any]:
    """Return ``{perturbation: share of answers}`` that pass before and are vetoed after praise is added."""
    found = {}
    for change, name in CAUGHT.items():
        one = changes[(changes.perturbation == change) & (changes.criterion == name)].iloc[0]
        found[change] = rate(round(one.fell * one.n), round(one.before * one.n))
    return found


def _style(found: Found) -> list[Row]:
    rows = []
    for one in found.style[~found.style.criterion.isin(VOICES)].itertuples():
        rows.append(Row(f"human answers that meet “{one.criterion}”", one.base_rate, one.low, one.high, n=int(one.n),
                        unit="share", source="cached"))  # fmt: skip
    for change, own in found.changes.groupby("perturbation", sort=False):
        most = side_effect(own, change)
        name = VOICES.get(most.criterion, most.criterion)
        rows.append(Row(f"{CHANGES[change]}: largest mean change of a score not meant to see it ({name})",
                        most.change, most.low, most.high, n=int(most.n), source="cached"))  # fmt: skip
    return rows


def side_effect(own: pd.DataFrame, change: str) -> pd.Series:
    """Return the row of a perturbation whose score moves most, the check that should see it left out."""
    others = own[own.criterion != CAUGHT.get(change)]
    return others.loc[others.change.abs().idxmax()]


def verdict(found: Found) -> Verdict:
    """Say what is in our bank; the paper's was not released, and what diversity does to training is not asked here."""
    own = singles(found.counts)
    total, alone = int(own.entries.sum()), int(own[own.source == "families"].entries.sum())
    share = found.human.set_index("criterion").loc["any"]
    more = "more" if total > CLAIMED else "not more"
    mixed = found.draws[found.draws.pool == "all families"]
    learnable, same = shares(mixed, "learnable"), shares(mixed, "constant")
    text = (
        f"The paper's bank cannot be counted. Ours, rebuilt from four benchmarks and program families, holds {total:,} "
        f"distinct criteria, {more} than 10,000 ({alone:,} of them need no data). Number is not use: "
        f"{in_words(same, '.0%')} of the families' criteria say the same of all human answers and "
        f"{in_words(learnable, '.0%')} have a base rate of 0.1 to 0.8; the style checks veto {share.value:.1%} of "
        f"these answers ({share.low:.1%} to {share.high:.1%})."
    )
    gap = contrast(found.draws)
    claim = Verdict("measured", f"No training here. Criteria of all families, {mixed.criteria.iloc[0]} at a time, have "
                    f"an effective number {in_words(gap, '.1f')} higher than those of one family.")  # fmt: skip
    return Verdict("measured", text, {"diversity_matters": claim})
