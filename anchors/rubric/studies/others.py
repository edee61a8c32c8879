"""More of what the arms show: numbers of criteria (C6), the filter of prompts (C6), what is retained (C3)."""

import pandas as pd

from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import in_words, mean_interval
from anchors.rubric.studies import arms

COUNT = {
    "creative": "gold score",
    "hack": "texts that praise",
    "words": "words",
    "held_out": "held-out loss [nats]",
}
FILTER = {"instruction": "instruction score", "held_out": "held-out loss [nats]"}
RETENTION = {
    "creative": "gold score",
    "instruction": "instruction score",
    "held_out": "held-out loss [nats]",
}
COLUMNS = {"count": COUNT, "filter": FILTER, "retention": RETENTION}


def compute(study: str) -> pd.DataFrame:
    """Return one row per arm and seed of a study: changes over the base of what it shows."""
    return arms.changes(arms.log(study), list(COLUMNS[study]))


def _rows(study: str, found: pd.DataFrame) -> list[Row]:
    return [
        row(f"writer, {arm}: change of {words}", mean_interval(found[found.arm == arm][column].to_numpy()),
            int((found.arm == arm).sum()), source="recorded")
        for arm in dict.fromkeys(found.arm) for column, words in COLUMNS[study].items()
    ]  # fmt: skip


def _change(found: pd.DataFrame, column: str) -> dict[str, str]:
    return {
        arm: in_words(mean_interval(found[found.arm == arm][column].to_numpy()), "+.3f")
        for arm in dict.fromkeys(found.arm)
    }


def rubric_count(found: pd.DataFrame, live: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Judge C6 on a toy: copies of a criterion gain nothing over one, more different ones do."""
    log = arms.log("count")
    copies = arms.over(log, "8 copies of it", "1 criterion", "creative")
    more = arms.over(log, "all criteria", "3 criteria", "creative")
    three = arms.over(log, "3 criteria", "1 criterion", "creative")
    text = (
        f"Gold score: 8 copies of a criterion instead of one {in_words(copies, '+.3f')}; three different ones instead "
        f"of one {in_words(three, '+.3f')}; all instead of three {in_words(more, '+.3f')}."
    )
    signs = [arms.judged(copies) == "same", arms.judged(three) == "up", arms.judged(more) == "up"]
    kind = "holds" if all(signs) else "mixed" if any(signs) else "does not hold"
    claims = {"diversity_matters": Verdict(kind, text + " At scale it is not testable here.")}
    return arms.checked(_rows("count", found), live, Verdict(kind, text, claims))


def prompt_filter(found: pd.DataFrame, live: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Judge the filter: the central band of prompts against the top, the bottom and a random choice of equal size."""
    log, steps = arms.log("filter"), arms.steps("filter")
    rows = _rows("filter", found)
    for arm in dict.fromkeys(found.arm):
        own = steps[steps.arm == arm].groupby("seed")[["reward_std", "frac_zero_std"]].mean()
        rows.append(
            row(
                f"writer, {arm}: groups without variance",
                mean_interval(own.frac_zero_std.to_numpy()),
                source="recorded",
            )
        )
    others = {arm: arms.over(log, "central", arm, "instruction") for arm in ("top", "bottom", "random")}
    words = ", ".join(f"{arm} {in_words(one, '+.3f')}" for arm, one in others.items())
    better = [arm for arm, one in others.items() if arms.judged(one) == "up"]
    worse = [arm for arm, one in others.items() if arms.judged(one) == "down"]
    kind = "holds" if len(better) == 3 else "mixed" if better and not worse else "does not hold"
    text = f"Held-out instruction score after training on the central band, against other bands of equal size: {words}."
    return arms.checked(rows, live, Verdict(kind, text))


def retention(found: pd.DataFrame, live: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Judge C3 on the writer: what training on the creative rubric costs elsewhere, by the weight of the divergence."""
    log = arms.log("retention")
    rows, final = _rows("retention", found), arms.last(log)
    for arm in dict.fromkeys(found.arm):
        value = mean_interval(final[final.arm == arm].kl.to_numpy())
        rows.append(row(f"writer, {arm}: KL to the base [nats a token]", value, source="recorded"))
    loss, other = _change(found, "held_out"), _change(found, "instruction")
    gold = _change(found, "creative")
    kept = [arm for arm in loss if mean_interval(found[found.arm == arm].held_out.to_numpy()).high < 0.05]
    text = "; ".join(f"{arm}: gold {gold[arm]}, instruction {other[arm]}, loss {loss[arm]}" for arm in loss)
    kind = "holds" if len(kept) == len(loss) else "mixed" if kept else "does not hold"
    text = (
        f"Changes by the weight of the divergence: {text}. The loss on the program's own texts rises by less than .05 "
        f"nats in {len(kept)} of {len(loss)}."
    )
    return arms.checked(rows, live, Verdict(kind, text, {"abilities_kept": Verdict(kind, text)}))
