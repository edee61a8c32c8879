"""Rubrics that steer style: dose and response, two opposite styles, transcripts side by side (claim C4)."""

import pandas as pd

from anchors.companion import recorded
from anchors.companion.results import Row, Shown, Verdict, row
from anchors.companion.stats import in_words, mean_interval
from anchors.rubric.studies import arms, lm

STUDY = "style"
DOSES = ("dose 0", "dose 0.2", "dose 1")
SHOWN = {
    "rate/first_person": "first person", "rate/sensory": "concrete words", "rate/assistant": "assistant's voice",
    "rate/moral": "morals", "rate/list": "lists", "creative": "narrative score", "terse": "terse score",
}  # fmt: skip
LM_SHOWN = {
    "advice_plain": "plain score, advice", "advice_tone": "marks of tone, advice", "plain": "plain score",
    "tone": "marks of tone", "hack": "flattering openings", "first_person": "first-person words", "words": "words",
}  # fmt: skip


def compute() -> pd.DataFrame:
    """Return one row per arm and seed: changes over the base of the rates and scores in :data:`SHOWN`."""
    return arms.changes(arms.log(STUDY), list(SHOWN))


def transcripts(seed: int = 0) -> pd.DataFrame:
    """Return responses of every arm to the same held-out prompts: prompt, and a column per arm."""
    found = recorded.load(f"rubric/{STUDY}_texts")[0]
    own = found[found.seed == seed]
    return own.pivot_table(index="prompt", columns="arm", values="text", aggfunc="first", sort=False).reset_index()


def side_by_side(seed: int = 0, chat: dict[str, pd.DataFrame] | None = None) -> Shown:
    """Return the texts of every arm to the same held-out prompts: model, prompt, arm, text; line breaks as bars."""
    every = [transcripts(seed).assign(model="writer"), *([lm_transcripts(chat, seed)] if chat else [])]
    rows = [
        {"model": line["model"], "prompt": line["prompt"], "arm": arm, "text": _barred(line[arm])}
        for table in every for line in table.to_dict("records") for arm in line if arm not in ("model", "prompt")
    ]  # fmt: skip
    return Shown(rows)


def _barred(text: str) -> str:
    return " / ".join(part.strip() for part in text.strip().split("\n"))


def lm_transcripts(chat: dict[str, pd.DataFrame], seed: int = 0, count: int = 2) -> pd.DataFrame:
    """Return texts to the first held-out requests, open and for advice: model, prompt, and a column per arm."""
    texts = chat["texts"]
    own = texts[(texts.family != "instruction") & (texts.seed == seed)].fillna({"text": ""})
    wide = own.pivot_table(
        index=["model", "family", "prompt"], columns="arm", values="text", aggfunc="first", sort=False
    )
    return wide.groupby(["model", "family"], sort=False).head(count).reset_index().drop(columns="family")


def summarise(
    found: pd.DataFrame, live: pd.DataFrame, chat: dict[str, pd.DataFrame] | None = None
) -> tuple[list[Row], Verdict]:
    """Return all changes with intervals, and the verdict.

    ``chat`` are the logs of chat models (:func:`lm.logs`); the verdict rests on the writer and names them.
    """
    rows = [
        row(f"writer, {arm}: change of {words}", mean_interval(found[found.arm == arm][column].to_numpy()),
            int((found.arm == arm).sum()), source="recorded")
        for arm in dict.fromkeys(found.arm) for column, words in SHOWN.items()
    ]  # fmt: skip
    if chat:
        rows += [*lm.rows(chat, LM_SHOWN), *lm.closeness(chat)]
    return arms.checked(rows, live, lm.beside(verdict(found), lm_words(chat) if chat else ""))


def lm_words(chat: dict[str, pd.DataFrame]) -> str:
    """Return what the plain rubric, and one that pays for flattery, do to the tone of the chat models."""
    said = []
    for model, texts in chat["texts"].groupby("model", sort=False):
        change = {(arm, c): lm.in_short(texts, arm, c, form) for arm in ("plain", "flattered")
                  for c, form in (("advice_plain", "+.3f"), ("advice_tone", "+.1f"), ("hack", "+.2f"))}  # fmt: skip
        said.append(
            f"On {lm.NAMES.get(model, model)} the plain rubric moves its score on advice by "
            f"{change['plain', 'advice_plain']}, marks of tone per 100 words by {change['plain', 'advice_tone']} and "
            f"flattering openings by {change['plain', 'hack']}; the flattered reward moves these openings by "
            f"{change['flattered', 'hack']}."
        )
    return " ".join(said)


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
