"""The eight categories of a sentence, a labeller by rules and one by a language model (sec. 2.2).

The released labels were made by a language model; ours are for traces that have none, and how well they agree with
the released ones is measured in ``own_official_audit``.
"""

import re
from collections.abc import Sequence
from typing import Any

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.plain import from_json

CATEGORIES = (
    "problem_setup",
    "plan_generation",
    "fact_retrieval",
    "active_computation",
    "uncertainty_management",
    "result_consolidation",
    "self_checking",
    "final_answer_emission",
)
INITIALS = dict(zip(CATEGORIES, ("PS", "PG", "FR", "AC", "UM", "RC", "SC", "FAE"), strict=True))
NAMES = {category: category.replace("_", " ").capitalize() for category in CATEGORIES}
MEANINGS = dict(
    zip(
        CATEGORIES,
        (
            "restates or interprets what the problem gives and asks",
            "says what to do next or how to go about it",
            "states a fact, a formula or a given detail without computing",
            "calculates: arithmetic, algebra, substitution, listing of cases",
            "doubts, notices something odd, reconsiders, or looks for another way",
            "sums up what has been found so far or draws an intermediate conclusion",
            "verifies an earlier step or result",
            "states the final answer",
        ),
        strict=True,
    )
)
_FORMULA = r"[=≈]|\d\s*[-+*/×÷^]\s*\d|\\(?:frac|binom|cdot|times)"
_RULES = (  # the first rule that matches decides: (category, earliest and latest position in the trace, cue)
    ("FAE", 0, 1, r"final answer|\\boxed"),
    ("FAE", 0.3, 1, r"^(so|therefore|thus|hence)\b.*\b(the answer|answer is)"),
    ("FAE", 0.97, 1, r"^(so|therefore|thus|hence),? (the|there)\b.*\b(is|are)\b[^=]*$"),
    ("PS", 0, 0.05, r"^okay\b|i have this problem|^the problem is"),
    ("PS", 0, 1,
     r"\b(problem|question)('s)? (is|says|states|asks|wants|gives)\b|asking for|they want|"
     r"i'm given"),
    ("PS", 0, 0.004, r""),
    ("SC", 0, 1,
     r"^(correct|right|yep|good)\b|(that|this) (is|seems|looks) (correct|right)|that's (right|"
     r"correct)"),
    ("UM", 0, 1, r"^(but )?(wait|hold on)\b(?!.*[=≈].*[=≈])"),
    ("SC", 0, 1, r"\b(verif|double.?check|re-?check|consistent with|match|to confirm|confirms|same result)"),
    ("SC", 0, 1, r"^let me (check|go through|make sure|just check)|^checking|\bseems correct|is correct\."),
    ("UM", 0, 1,
     r"\b(mistake|confus|not sure|overcomplicat|contradict|wrong|misappl|misunder|miscalc|"
     r"hmm, (that|but))"),
    ("UM", 0, 1,
     r"^(alternatively, )?(maybe|perhaps) (i|it|there)\b.*\b(easier|another|better)|"
     r"^is there any"),
    ("FR", 0, 1,
     r"\bi (also )?(recall|remember|know)\b|\btheorem says|\bis (defined|given) by|^each\b|"
     r"^because\b(?!.*=)"),
    ("AC", 0, 1,
     r"^(let me|let's) (compute|calculate)|^(calculating|compute|similarly|divid|multiply|"
     r"write down)"),
    ("AC", 0, 1, r"\bby\b[^.]*:$"),
    ("PG", 0, 1,
     r"^(so,? |now,? |hmm,? |okay,? |alternatively,? |then,? |first,? |next,? |maybe )*(let me|"
     r"let's|let us|i need to|i should|i could|i might|i can|i'll|we need to|we can|we should|"
     r"maybe i|perhaps i|starting)\b(?!.*=.*=)"),
    ("PG", 0, 1,
     r"^alternatively|\bmight need to|^\*\*|\bhow (do|can|to|many)\b.*\?|^now,? (apply|for|"
     r"the next)|\bto summarize"),
    ("FR", 0, 1, r"^(\W*\d\.\s)?\W*\*\*[^*]+\*\*\W*-?\s*\S|^- (if|the|in|from|for)\b"),
    ("PG", 0, 1, r"^(?=.{0,60}$)\W*\d\.\s(?!.*[=≈])|(?<!\d)\?$"),
    ("AC", 0, 1, r"\d\s*[-+*/×÷^]\s*\d.*[=≈]"),
    ("RC", 0, 1, r"^(so|therefore|thus|hence|that's|which (is|means)|in total|rounded|yes)\b(?!.*:$)"),
    ("AC", 0, 1, _FORMULA),
    ("PG", 0, 1, r"^(so|now|then)\b.*:$"),
    ("FR", 0, 1, r""),
)  # fmt: skip
_OF = {initials: category for category, initials in INITIALS.items()}
_COMPILED = [(_OF[initials], first, last, re.compile(cue, re.I | re.S)) for initials, first, last, cue in _RULES]
ATTEMPTS = 2


def short_names(categories: Sequence[str], most: int) -> tuple[range, list[str]]:
    """Return at most ``most`` places of a trace, evenly spaced, and names for them: initials and number, ``PG 3``."""
    places = range(0, len(categories), max(1, -(-len(categories) // most)))
    return places, [f"{INITIALS[categories[i]]} {i}" for i in places]


def label_by_rules(sentences: list[str], position: bool = True) -> list[str]:
    """Return a category for each sentence from cue words and, with ``position``, its place in the trace (derived).

    The cues were chosen on the first five problems of the released traces only.
    """
    last = max(len(sentences) - 1, 1)
    return [_by_rules(text.strip(), k / last if position else 0.5) for k, text in enumerate(sentences)]


def _by_rules(text: str, place: float) -> str:
    return next(
        category for category, first, last, cue in _COMPILED if first <= place <= last and cue.search(text) is not None
    )


def label_with_llm(problem: str, sentences: list[str], client: Any) -> list[str]:
    """Return a category for each sentence as a language model gives them in one JSON reply (sec. 2.2, own prompt).

    Parameters
    ----------
    client : has ``chat(messages, **settings) -> str``; one call per trace, at temperature 0, and one more when the
        reply is not usable.

    Raises
    ------
    InputError
        The second reply is not usable either; the message says why.
    """
    messages = request(problem, sentences)
    fault = ""
    for _ in range(ATTEMPTS):
        reply = client.chat(messages, temperature=0.0, response_format={"type": "json_object"})
        try:
            return parse(reply, len(sentences))
        except AnchorsError as error:
            fault = str(error)
            messages = [*messages[:2], {"role": "user", "content": f"Your last reply was refused. {fault} Try again."}]
    raise InputError("labels from the language model", fault, "a usable reply in two attempts", "Try another model.")


def request(problem: str, sentences: list[str]) -> list[dict[str, str]]:
    """Return the chat messages that ask for the categories of one trace."""
    meanings = "\n".join(f"- {name}: the sentence {MEANINGS[name]}" for name in CATEGORIES)
    system = (
        "You sort the sentences of a reasoning trace by what each does. The categories are:\n"
        f"{meanings}\nChoose the one that fits best, in the light of the sentences around it. "
        'Reply with one JSON object: {"labels": {"0": "<category>", "1": "<category>", …}}, a category for each number.'
    )
    numbered = "\n".join(f"[{k}] {text}" for k, text in enumerate(sentences))
    user = f"Problem:\n{problem}\n\nSentences 0 to {len(sentences) - 1}:\n{numbered}"
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def parse(reply: str, count: int) -> list[str]:
    """Return the ``count`` categories in a reply; InputError when it is no JSON, or a label is missing or unknown."""
    start, end = reply.find("{"), reply.rfind("}")
    try:
        labels = from_json(reply[start : end + 1])["labels"]
        found = [labels[str(k)] for k in range(count)] if isinstance(labels, dict) else list(labels)
    except (ValueError, TypeError, KeyError) as error:
        cause = f"no label {error}" if isinstance(error, KeyError) else f"{reply[:40]!r}"
        raise InputError("reply", cause, f'a JSON object with "labels" for 0 to {count - 1}') from error
    if len(found) != count:
        raise InputError("reply", f"{len(found)} labels", f"{count} labels")
    unknown = [name for name in found if not isinstance(name, str) or name not in CATEGORIES]
    if unknown:
        raise InputError("reply", f"the category {unknown[0]!r}"[:80], " | ".join(CATEGORIES))
    return found
