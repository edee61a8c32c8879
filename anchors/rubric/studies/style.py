"""Rubrics that steer style: dose and response, two opposite styles, transcripts side by side (claim C4)."""

import pandas as pd

from anchors.companion import recorded
from anchors.companion.results import Row, Shown, Verdict, row
from anchors.companion.stats import in_words, mean_interval
from anchors.rubric.studies import arms

STUDY = "style"
DOSES = ("dose 0", "dose 0.2", "dose 1")
SHOWN = {
    "rate/first_person": "first person", "rate/sensory": "concrete words", "rate/assistant": "assistant's voice",
    "rate/moral": "morals", "rate/list": "lists", "creative": "narrative score", "terse": "terse score",
}  # fmt: skip


def compute() -> pd.DataFrame:
    """Return one row per arm and seed: changes over the base of the rates and scores in :data:`SHOWN`."""
    return arms.changes(arms.log(STUDY), list(SHOWN))


def transcripts(seed: int = 0) -> pd.DataFrame:
    """Return responses of every arm to the same held-out prompts: prompt, and a column per arm."""
    found = recorded.load(f"rubric/{STUDY}_texts")[0]
    own = found[found.seed == seed]
    return own.pivot_table(index="prompt", columns="arm", values="text", aggfunc="first", sort=False).reset_index()


def side_by_side(seed: int = 0) -> Shown:
    """Return :func:`transcripts` whole, line breaks as bars."""
    rows = transcripts(seed).map(lambda text: " / ".join(part.strip() for part in text.strip().split("\n")))
    return Shown(rows.to_dict("records"))


def summarise(found: pd.DataFrame, live: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return all changes with intervals, and the verdict."""
    rows = [
        row(f"writer, {arm}: change of {words}", mean_interval(found[found.arm == arm][column].to_numpy()),
            int((found.arm == arm).sum()), source="recorded")
        for arm in dict.fromkeys(found.arm) for column, words in SHOWN.items()
    ]  # fmt: skip
    return arms.checked(rows, live, verdict(found))


def verdict(found: pd.DataFrame) -> Verdict:
    """Judge C4: the score rises with the dose, the assistant's voice falls, and another rubric steers the other way."""
    mean = {arm: {c: mean_interval(found[found.arm == arm][c].to_numpy()) for c in SHOWN} for arm in set(found.arm)}
    score = [mean[dose]["creative"] for dose in DOSES]
    rises = score[-1].low > score[0].high and score[0].mean <= score[1].mean <= score[2].mean
    voice = arms.judged(mean["dose 1"]["rate/assistant"]) == "down"
    opposite = arms.judged(mean["terse"]["terse"]) == "up" and arms.judged(mean["terse"]["creative"]) == "down"
    doses = ", ".join(f"{dose} {in_words(one, '+.3f')}" for dose, one in zip(DOSES, score, strict=True))
    voiced, own = in_words(mean["dose 1"]["rate/assistant"], "+.2f"), in_words(mean["terse"]["terse"], "+.3f")
    text = (
        f"Plain-narrative score over the base: {doses}; assistant's voice {voiced} at dose 1. The terse rubric moves "
        f"its own score by {own} and the plain-narrative one by {in_words(mean['terse']['creative'], '+.3f')}."
    )
    kind = "holds" if rises and voice and opposite else "mixed" if rises or voice or opposite else "does not hold"
    return Verdict(kind, text, {"style_control": Verdict(kind, text)})
