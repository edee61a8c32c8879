"""Statistics of a text, mapped to u by a ramp (ours): u = 0 at ``low`` and below, 1 at ``high`` and above.

``low`` > ``high`` turns the ramp round: at most 60 words is ``words`` with low 61, high 60. ``low`` = ``high`` is a
step. A blank response gets 0. Shares are in [0, 1]; rates are per 100 words; the share of nothing is 0.
"""

import re
import string
from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any

import numpy as np

from anchors.rubric.criteria import forms
from anchors.rubric.criteria.registry import Checked, Real, Size, add, check, fields_of, gathered
from anchors.rubric.criteria.spans import LIMIT, WORD, Span, ngrams, sentences, spans, whole, words

WINDOW = 50  # words, of the moving type-token ratio
_RUN = re.compile(r"(.)\1{2,}+", re.DOTALL)
_BOLD = re.compile(r"\*\*[^*\n]+\*\*")
_EXCLAMATION, _QUESTION = re.compile("!"), re.compile(r"\?")
_QUOTE = re.compile('"[^"\n]*"|“[^“”\n]*”')
_PUNCTUATION = frozenset(string.punctuation + "…–—“”‘’«»¿¡。、，！？")
Measured = float | tuple[float, tuple[Span, ...]]


def ramp(values: Any, low: float, high: float) -> np.ndarray:
    """Return u (n,) in [0, 1]: 0 at ``low``, 1 at ``high``, straight between; a step at ``high`` if they are equal."""
    values = np.asarray(values, dtype=float)
    if low == high:
        return np.where(np.isnan(values), np.nan, values >= high)
    return np.clip((values - low) / (high - low), 0, 1)


def statistic(name: str, share: bool = False) -> Callable:
    """Register a measure ``m(text, *, **options) -> number`` (or number and evidence) with the options low and high.

    Shares have the ramp 0 to 1 unless told otherwise; for other statistics low and high must be given.
    """

    def register(measure: Callable[..., Measured]) -> Callable:
        def function(
            prompts: Sequence[str], responses: Sequence[str], *, low: Real = 0.0, high: Real = 1.0, **options: Any
        ) -> Checked:
            found = [_measured(name, measure, text, options) for text in responses]
            u = ramp([value for value, _ in found], low, high)
            return Checked(np.where(_blank(responses), 0.0, u), [evidence for _, evidence in found])

        ends = {"low": (Real, 0.0 if share else ...), "high": (Real, 1.0 if share else ...)}
        add(name, "statistic", function, ends | fields_of(measure), measure.__doc__ or name)
        return measure

    return register


def _measured(name: str, measure: Callable[..., Measured], text: str, options: dict) -> tuple[float, tuple[Span, ...]]:
    value = measure(text, **options)
    return value if isinstance(value, tuple) else (value, whole(text, f"{name} {value:.4g}"))


def _blank(responses: Sequence[str]) -> np.ndarray:
    return np.array([not text.strip() for text in responses], dtype=bool)


def _rate(found: list, text: str, label: str) -> tuple[float, tuple[Span, ...]]:
    """Return matches per 100 words, with the matches as evidence."""
    return 100 * len(found) / max(1, len(words(text))), spans(found, label)


@statistic("words")
def count_words(text: str) -> float:
    """Number of words; "don't" is one, "well-known" two."""
    return len(words(text))


@statistic("characters")
def characters(text: str) -> float:
    """Number of characters."""
    return len(text)


@statistic("sentences")
def count_sentences(text: str) -> float:
    """Number of sentences; a blank line ends one."""
    return len(sentences(text))


@statistic("lines")
def lines(text: str) -> float:
    """Number of lines that are not blank."""
    return sum(bool(line.strip()) for line in text.split("\n"))


@statistic("word_length")
def word_length(text: str) -> float:
    """Mean number of characters of a word."""
    found = words(text)
    return sum(map(len, found)) / max(1, len(found))


@statistic("long_words", share=True)
def long_words(text: str) -> float:
    """Share of words with more than six characters."""
    found = words(text)
    return sum(len(word) > 6 for word in found) / max(1, len(found))


def sentence_lengths(text: str) -> list[int]:
    """Return the numbers of words of the sentences that have any."""
    counts = (len(words(text[start:end])) for start, end in sentences(text))
    return [count for count in counts if count]


@statistic("sentence_length")
def sentence_length(text: str) -> float:
    """Mean number of words of a sentence."""
    found = sentence_lengths(text)
    return sum(found) / max(1, len(found))


@statistic("sentence_length_variation")
def sentence_length_variation(text: str) -> float:
    """Standard deviation of the sentences' lengths over their mean; 0 for a single sentence."""
    found = sentence_lengths(text)
    mean = sum(found) / max(1, len(found))
    return sqrt(sum((count - mean) ** 2 for count in found) / len(found)) / mean if found else 0.0


@statistic("type_token_ratio", share=True)
def type_token_ratio(text: str, *, window: Size = WINDOW) -> float:
    """Distinct words over words, in any case, mean over all windows of 50 words (Covington and McFall 2010)."""
    found = [word.lower() for word in words(text)]
    size = min(window, len(found))
    if not found:
        return 0.0
    last: dict[str, int] = {}
    starts = np.zeros(len(found) + 1)  # words that are the first of their kind in a window, counted by differences
    for place, word in enumerate(found):
        first = max(0, place - size + 1, last.get(word, -1) + 1)  # windows first … place begin before it
        final = min(place, len(found) - size)
        if first <= final:
            starts[first] += 1
            starts[final + 1] -= 1
        last[word] = place
    return float(np.cumsum(starts)[: len(found) - size + 1].mean() / size)


@statistic("distinct", share=True)
def distinct(text: str, *, n: Size = 2) -> float:
    """Distinct runs of n words over runs of n words, in any case (Li et al. 2016); 0 without such a run."""
    runs = ngrams([word.lower() for word in words(text)], n)
    return len(set(runs)) / max(1, len(runs))


@statistic("repetition", share=True)
def repetition(text: str, *, n: Size = 3) -> float:
    """Share of runs of n words, in any case, that came before; 0 without such a run."""
    runs = ngrams([word.lower() for word in words(text)], n)
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


@statistic("repeated_lines", share=True)
def repeated_lines(text: str) -> Measured:
    """Share of lines, blank ones left out, that came before."""
    seen, found, count, start = set(), [], 0, 0
    for line in text.split("\n"):
        bare = line.strip().lower()
        if bare in seen:
            found.append(Span(start, start + len(line), "repeated line"))
        if bare:
            seen.add(bare)
            count += 1
        start += len(line) + 1
    return len(found) / max(1, count), tuple(found[:LIMIT])


@statistic("longest_run")
def longest_run(text: str) -> Measured:
    """Length of the longest run of one character, blanks left out; 1 where nothing comes three times in a row."""
    runs = [match for match in _RUN.finditer(text) if not match.group(1).isspace()]
    longest = max(runs, key=lambda match: match.end() - match.start(), default=None)
    return (longest.end() - longest.start(), spans([longest], "run")) if longest else (float(bool(text.strip())), ())


@statistic("bullet_lines", share=True)
def bullet_lines(text: str) -> Measured:
    """Share of lines, blank ones left out, that are bullets or numbered."""
    found = [*forms.BULLET.finditer(text), *forms.NUMBERED.finditer(text)]
    return len(found) / max(1, lines(text)), spans(sorted(found, key=lambda m: m.start()), "bullet")


@statistic("bold")
def bold(text: str) -> Measured:
    """Places in bold type per 100 words."""
    return _rate(list(_BOLD.finditer(text)), text, "bold")


@statistic("capitals", share=True)
def capitals(text: str) -> float:
    """Share of capital letters among letters that have a case."""
    upper, lower = sum(map(str.isupper, text)), sum(map(str.islower, text))
    return upper / max(1, upper + lower)


@statistic("capital_words", share=True)
def capital_words(text: str) -> Measured:
    """Share of words of two or more characters in capital letters."""
    every = list(WORD.finditer(text))
    found = [match for match in every if match.end() - match.start() > 1 and match.group().isupper()]
    return len(found) / max(1, len(every)), spans(found, "capitals")


@statistic("exclamations")
def exclamations(text: str) -> Measured:
    """Exclamation marks per 100 words."""
    return _rate(list(_EXCLAMATION.finditer(text)), text, "exclamation mark")


@statistic("questions")
def questions(text: str) -> Measured:
    """Question marks per 100 words."""
    return _rate(list(_QUESTION.finditer(text)), text, "question mark")


@statistic("quotes", share=True)
def quotes(text: str) -> Measured:
    """Share of characters inside double quotation marks."""
    found = list(_QUOTE.finditer(text))
    return sum(m.end() - m.start() for m in found) / max(1, len(text)), spans(found, "quotation")


@statistic("digits", share=True)
def digits(text: str) -> float:
    """Share of digits among characters that are not blank."""
    return _share(text, str.isdigit)


@statistic("punctuation", share=True)
def punctuation(text: str) -> float:
    """Share of punctuation among characters that are not blank."""
    return _share(text, _PUNCTUATION.__contains__)


@statistic("letters", share=True)
def letters(text: str) -> float:
    """Share of letters among characters that are not blank."""
    return _share(text, str.isalpha)


def _share(text: str, wanted: Callable[[str], bool]) -> float:
    bare = "".join(text.split())
    return sum(map(wanted, bare)) / max(1, len(bare))


@check("copied", kind="statistic")
def copied(
    prompts: Sequence[str], responses: Sequence[str], *, n: Size = 4, low: Real = 0.0, high: Real = 1.0
) -> Checked:
    """Share of the response's runs of n words, in any case, that stand in the prompt: an echo is relevant, too."""
    known: dict[str, set] = {}
    for prompt in set(prompts):
        known[prompt] = set(ngrams([word.lower() for word in words(prompt)], n))
    verdicts = []
    for prompt, text in zip(prompts, responses, strict=True):
        runs = ngrams([word.lower() for word in words(text)], n)
        value = sum(run in known[prompt] for run in runs) / max(1, len(runs))
        u = float(ramp(value, low, high)) if text.strip() else 0.0
        verdicts.append((u, whole(text, f"copied {value:.4g}")))
    return gathered(verdicts)
