"""Two families of rubrics that pull against each other, and whether training in stages mitigates it (claim C5)."""

import pandas as pd

from anchors.companion.cache import cached
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, in_words, mean_interval, paired_interval
from anchors.models.language import identity
from anchors.rubric import trials
from anchors.rubric.studies import arms, lm
from anchors.rubric.studies.tables import printed

STUDY, FAMILIES = "seesaw", ("instruction", "creative")
ONLY = {family: f"{family} only" for family in FAMILIES}
STAGED = ("instruction, then creative", "creative, then instruction")
LM_SHOWN = {
    "instruction": "the instruction score",
    "obeyed": "prompts obeyed in full",
    "creative": "the creative score",
}
PARTS = {"instruction": "instruction following only", "creative": "creative and empathy only"}


def figure2() -> pd.DataFrame:
    """Return the paper's changes by benchmark: benchmark, instruction, creative (points; most are digitised)."""
    found = printed("fig2_seesaw")
    wide = found.pivot_table(index="model", columns="benchmark", values="value", sort=False).dropna(subset=["baseline"])
    return pd.DataFrame(
        {
            "benchmark": list(wide.index),
            **{family: wide[f"change, {words}"].to_numpy() for family, words in PARTS.items()},
        }
    )


def compute() -> pd.DataFrame:
    """Return one row per arm and seed: the change of either gold score over the base, and the smaller of the two."""
    found = arms.changes(arms.log(STUDY), FAMILIES)
    return found.assign(weaker=found[list(FAMILIES)].min(axis=1))


def cosines(profile: str = "laptop") -> pd.DataFrame:
    """Return the cosine of the first gradients, between families and within one (two batches), one row per seed."""
    seeds = choose(profile, arms.SEEDS[:2], arms.SEEDS, arms.SEEDS)
    found = [cached(trials.cosines, identity("writer"), seed=seed) for seed in seeds]
    return pd.DataFrame(found).assign(seed=seeds)


def contrast(found: pd.DataFrame, treated: str, control: str, column: str) -> Interval:
    """Return the mean of ``treated − control``, paired by seed, with its 95 % interval."""
    wide = found.pivot_table(index="seed", columns="arm", values=column)
    return paired_interval(wide[treated].to_numpy(), wide[control].to_numpy())


def summarise(
    found: pd.DataFrame, angles: pd.DataFrame, live: pd.DataFrame, chat: dict[str, pd.DataFrame] | None = None
) -> tuple[list[Row], Verdict]:
    """Return the changes of every arm, staged against joint training, the cosines of gradients, and the verdict.

    ``chat`` are the logs of chat models (:func:`lm.logs`); the verdict rests on the writer and names them.
    """
    rows = []
    for arm in dict.fromkeys(found.arm):
        own = found[found.arm == arm]
        for family in FAMILIES:
            value = mean_interval(own[family].to_numpy())
            rows.append(row(f"writer, {arm}: change of the {family} score", value, len(own), source="recorded"))
    for arm in STAGED:
        for column, words in (("weaker", "weaker change"), *((family, f"{family} score") for family in FAMILIES)):
            rows.append(row(f"writer, {arm} − joint: {words}", contrast(found, arm, "joint", column),
                            found.seed.nunique(), source="recorded"))  # fmt: skip
    for name in ("between", "within"):
        value = mean_interval(angles[name].to_numpy())
        rows.append(row(f"writer: cosine of first gradients, {name} families", value, len(angles)))
    if chat:
        rows += [*lm.rows(chat, LM_SHOWN), *lm.closeness(chat)]
    return arms.checked(rows, live, lm.beside(verdict(found, angles), lm_words(chat) if chat else ""))


def lm_words(chat: dict[str, pd.DataFrame]) -> str:
    """Return what the chat models' specialists do to the other family, and joint training to the weaker one."""
    said = []
    for model, texts in chat["texts"].groupby("model", sort=False):
        parts = [f"{family} {lm.in_short(texts, ONLY[other], family)} under {ONLY[other]}"
                 for family, other in zip(FAMILIES, FAMILIES[::-1], strict=True)]  # fmt: skip
        joint = [f"{family} {lm.in_short(texts, 'joint', family)}" for family in FAMILIES]
        obeyed = [lm.level(texts, arm, "obeyed")[0].mean for arm in (lm.BASE, ONLY["creative"])]
        said.append(
            f"On {lm.NAMES.get(model, model)}: {'; '.join(parts)}; joint: {', '.join(joint)}; prompts obeyed in full: "
            f"{obeyed[0]:.0%} before, {obeyed[1]:.0%} under {ONLY['creative']}."
        )
    return " ".join(said)


def verdict(found: pd.DataFrame, angles: pd.DataFrame) -> Verdict:
    """Judge C5: specialists fall on the other family, and a staged order beats joint training on the weaker family."""
    change = {
        arm: {f: mean_interval(found[found.arm == arm][f].to_numpy()) for f in FAMILIES} for arm in set(found.arm)
    }
    falls = {family: change[ONLY[other]][family] for family, other in zip(FAMILIES, FAMILIES[::-1], strict=True)}
    seesaw = [family for family, one in falls.items() if arms.judged(one) == "down"]
    better = {arm: contrast(found, arm, "joint", "weaker") for arm in STAGED}
    staged = [arm for arm, one in better.items() if arms.judged(one) == "up"]
    words = "; ".join(f"{family} {in_words(one, '+.3f')} under {ONLY[other]}"
                      for (family, one), other in zip(falls.items(), FAMILIES[::-1], strict=True))  # fmt: skip
    against = "; ".join(f"{arm} {in_words(one, '+.3f')}" for arm, one in better.items())
    angle = mean_interval(angles.between.to_numpy())
    text = (
        f"On the writer a specialist changes the other family's score: {words}. Weaker of the two changes, staged "
        f"minus joint at equal rollouts: {against}. Cosine of the families' first gradients {in_words(angle, '+.2f')}."
    )
    kind = "holds" if len(seesaw) == 2 and staged else "mixed" if seesaw or staged else "does not hold"
    return Verdict(kind, text, {"seesaw": Verdict(kind, text)})
