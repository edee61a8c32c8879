"""Findings: openings and phrases enriched in rollouts of high reward, grown to what is maximal (section 1.6, ours)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anchors.companion.errors import InputError
from anchors.rubric import phrases as counting
from anchors.rubric.phrases import MARKS, START, STOP, Counted, Phrase, bare

TOGETHER = 0.8  # of a phrase's documents: then it comes along with a finding
ALONG, EXAMPLES, MARGIN = 5, 3, 40  # phrases that come along, examples, characters around one
VARIANTS = 4  # longer phrases that may replace a short one


@dataclass(frozen=True)
class Mining:
    """How phrases are mined.

    Parameters
    ----------
    longest : words of the longest run that is tested (a finding may grow beyond).
    support : fewest documents, of both sets together, that hold a phrase worth a test. It does not look at which set
        they are from, so the tests stay valid.
    error, control : rate of false discoveries among all phrases tested; ``bh`` or ``by``, see
        :func:`anchors.rubric.phrases.adjusted`.
    share, odds : a finding is in at least this share of the high rollouts, with at least this log-odds ratio (nats).
        These come after the tests and can only drop findings.
    keep : a phrase grows as long as so many of its documents share the growth.
    prefer : ``specific`` or ``general``. Where "question" is enriched only as "great question" and as "I love this
        question", these two are found, or the one word they share: the former veto fewer innocent texts, the latter is
        harder to evade.
    within_prompts : compare rollouts of one prompt only. Needed where high rollouts come from other prompts than base
        ones do, or several from one prompt: otherwise what a prompt is about is "enriched".
    most : findings at most.
    """

    longest: int = 5
    support: int = 5
    error: float = 0.01
    control: str = "bh"
    share: float = 0.02
    odds: float = 1.0
    keep: float = 0.9
    prefer: str = "specific"
    within_prompts: bool = False
    most: int = 20

    def __post_init__(self):
        if self.prefer not in ("specific", "general"):
            raise InputError("mining: prefer", repr(self.prefer), "specific | general")
        bounds = {"longest": (1, 8), "support": (2, 1e9), "error": (1e-12, 0.5), "share": (0, 1), "keep": (0.5, 1),
                  "most": (1, 1000)}  # fmt: skip
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"mining: {name}", getattr(self, name), f"a number from {low:g} to {high:g}")


@dataclass(frozen=True)
class Finding:
    """An enriched phrase that cannot grow without losing documents.

    Attributes
    ----------
    phrase : tokens, with the marks of :mod:`anchors.rubric.phrases` for openings and first clauses.
    high, high_total, base, base_total : documents that hold it, of how many; those that quote their prompt included.
    fresh : of the high ones, those that hold no stronger finding.
    log_odds : of these counts, in nats.
    q : adjusted p-value of the run of words that it grew from, over all documents.
    along : other phrases that come with it in most of its documents.
    examples : up to three high rollouts around the phrase.
    """

    phrase: Phrase
    high: int
    high_total: int
    base: int
    base_total: int
    fresh: int
    log_odds: float
    q: float
    along: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """``opening`` | ``first clause`` | ``anywhere``."""
        return "first clause" if self.phrase[-1] == STOP else "opening" if self.phrase[0] == START else "anywhere"

    @property
    def text(self) -> str:
        """The words, in lower case."""
        return " ".join(bare(self.phrase))

    @property
    def evidence(self) -> str:
        """The counts in words."""
        return (
            f"in {self.high} of {self.high_total} high-reward and {self.base} of {self.base_total} base rollouts, "
            f"log-odds {self.log_odds:.2f}, q {self.q:.1e}"
        )


def findings(
    high: Sequence[str],
    base: Sequence[str],
    high_prompts: Sequence[str] | None = None,
    base_prompts: Sequence[str] | None = None,
    mining: Mining | None = None,
) -> list[Finding]:
    """Return enriched openings and phrases, the strongest first (section 1.6; the method is ours).

    All runs of words and openings that are frequent enough are tested for a larger share of documents in ``high`` than
    in ``base``, with a bound on the exact p-value and control of false discoveries. Then the strongest is grown to its
    maximal phrase, its documents are set aside, and what is still as significant in the rest comes next; so parts of a
    phrase, and phrases that always come with it, are no findings of their own.

    Parameters
    ----------
    high, base : responses of high reward under the policy, and responses of the base model.
    high_prompts, base_prompts : of each response. With both, phrases that quote the own prompt are not counted.

    Raises
    ------
    InputError
        One set is empty, prompts do not fit, or ``within_prompts`` without prompts or without a prompt in both sets.
    """
    mining = mining or Mining()
    prompts, strata = _strata(high, base, high_prompts, base_prompts, mining)
    return _Search([*high, *base], len(high), prompts, strata, mining).run()


def _strata(high, base, high_prompts, base_prompts, mining: Mining) -> tuple[list[str] | None, np.ndarray | None]:
    """Return the prompts of all documents, if given, and the number of each one's prompt, if they are compared so."""
    for name, texts, prompts in (("high", high, high_prompts), ("base", base, base_prompts)):
        if isinstance(texts, str) or not len(texts):
            raise InputError(f"{name} rollouts", repr(texts)[:40], "a sequence of at least one response")
        if prompts is not None and len(prompts) != len(texts):
            raise InputError(f"{name} prompts", f"{len(prompts)} for {len(texts)} responses", "one for each response")
    if high_prompts is None or base_prompts is None:
        if mining.within_prompts:
            raise InputError("within_prompts", "no prompts", "high_prompts and base_prompts", "Give both.")
        return None, None
    prompts = [*high_prompts, *base_prompts]
    if not mining.within_prompts:
        return prompts, None
    if not set(high_prompts) & set(base_prompts):
        raise InputError("within_prompts", "no prompt that is in both sets", "rollouts of the same prompts")
    return prompts, np.unique(prompts, return_inverse=True)[1]


class _Search:
    """The significant phrases among D texts, of which the first ``size`` are the high ones, and their maximal forms."""

    def __init__(self, texts: list[str], size: int, prompts, strata, mining: Mining):
        self.texts, self.mining, self.strata = texts, mining, strata
        self.high = np.arange(len(texts)) < size
        self.totals = size, len(texts) - size
        self.documents = [counting.tokens(text) for text in texts]
        self._test(counting.count(texts, prompts, mining.longest, mining.support))

    def _test(self, counted: Counted) -> None:
        log_p = counting.enrichment(counted.found, self.high, self.strata)
        q = counting.adjusted(log_p, self.mining.control)
        rows = np.flatnonzero((q <= self.mining.error) & self._worthwhile(counted.found, self.high))
        self.found, self.q = counted.found[:, rows], q[rows]
        self.phrases = [counted.phrases[k] for k in rows]
        self.worst = log_p[rows].max(initial=-np.inf)  # the largest p that is significant

    def _worthwhile(self, found, high: np.ndarray) -> np.ndarray:
        """Return (F,) whether phrases are in enough high documents, with a large enough odds ratio."""
        ours, theirs = found.T @ high.astype(float), found.T @ (~high).astype(float)
        odds = counting.log_odds(ours, high.sum(), theirs, (~high).sum())
        return (ours >= self.mining.share * self.totals[0]) & (odds >= self.mining.odds)

    def run(self) -> list[Finding]:
        kept, rest = [], np.ones(len(self.texts), bool)
        while len(self.phrases) and len(kept) < self.mining.most:
            best = self._strongest(rest)
            if best is None:
                break
            ours = np.flatnonzero(self._holding(best) & self.high & rest)
            phrase = counting.extended([self.documents[k] for k in ours], self.phrases[best], self.mining.keep)
            found = re.compile(pattern(phrase), re.IGNORECASE)
            held = np.array([bool(found.search(text)) for text in self.texts], bool)
            kept.append(self._finding(phrase, held, rest, float(self.q[best])))
            rest &= ~(held | (phrase == self.phrases[best]) & self._holding(best))
        return kept

    def _holding(self, phrase: int) -> np.ndarray:
        """Return (D,) whether a document holds a significant phrase."""
        return self.found[:, [phrase]].toarray()[:, 0] > 0

    def _strongest(self, rest: np.ndarray) -> int | None:
        """Return the phrase of the smallest p among the documents ``rest``, of equals the longest; None if none is.

        Where a few longer phrases make up nearly all of it, the strongest of these, unless general ones are preferred.
        """
        found, high = self.found[rest], self.high[rest]
        log_p = counting.enrichment(found, high, None if self.strata is None else self.strata[rest])
        log_p = np.where(self._worthwhile(found, high) & (log_p <= self.worst), log_p, 0.0)
        order = np.lexsort((-np.array([len(phrase) for phrase in self.phrases]), log_p))
        best = int(order[0]) if log_p[order[0]] < 0 else None
        held = found[high].toarray() > 0 if best is not None and self.mining.prefer == "specific" else None
        while held is not None:
            longer = self._variants(best, held, order[log_p[order] < 0])
            if not longer:
                break
            best = min(longer, key=lambda k: log_p[k])
        return best

    def _variants(self, phrase: int, held: np.ndarray, candidates: np.ndarray) -> list[int]:
        """Return up to four longer phrases that make up nearly all of a phrase, judged by documents ``held`` (d, F)."""
        core, left = self.phrases[phrase], held[:, phrase].copy()
        longer = [int(k) for k in candidates if k != phrase and counting.place(self.phrases[k], core) >= 0]
        needed, chosen = (1 - self.mining.keep) * left.sum(), []
        while longer and len(chosen) < VARIANTS and left.sum() > needed:
            best = max(longer, key=lambda k: (left & held[:, k]).sum())
            chosen.append(best)
            left &= ~held[:, best]
        return chosen if left.sum() <= needed else []

    def _finding(self, phrase: Phrase, held: np.ndarray, rest: np.ndarray, q: float) -> Finding:
        ours, base = held & self.high, int((held & ~self.high).sum())
        high, fresh = int(ours.sum()), int((ours & rest).sum())
        odds = float(counting.log_odds(high, self.totals[0], base, self.totals[1]))
        shared, own = self.found.T @ ours.astype(float), self.found.T @ self.high.astype(float)
        often = np.flatnonzero((shared >= TOGETHER * own) & (shared >= TOGETHER * high))
        along = _others([self.phrases[k] for k in often], phrase)
        examples = tuple(around(self.texts[k], phrase) for k in np.flatnonzero(ours & rest)[:EXAMPLES])
        return Finding(phrase, high, self.totals[0], base, self.totals[1], fresh, odds, q, along, examples)


def _others(phrases: list[Phrase], phrase: Phrase) -> tuple[str, ...]:
    """Return the longest of ``phrases`` that are neither part of ``phrase`` nor of one another, nor hold it."""
    taken, out = [list(bare(phrase))], []
    for words in sorted({bare(other) for other in phrases}, key=lambda words: (-len(words), words)):
        if all(counting.place(o, words) < 0 and counting.place(words, tuple(o)) < 0 for o in taken):
            taken.append(list(words))
            out.append(" ".join(words))
    return tuple(out[:ALONG])


def pattern(phrase: Phrase) -> str:
    """Return a regular expression (flag i) that finds exactly what holds ``phrase``, see :mod:`…rubric.phrases`.

    It takes time in proportion to the text.
    """
    between = rf"[^\w{MARKS}]+" if phrase[-1] == STOP else r"\W+"
    gap = rf"(?!['’]\w){between}"  # an apostrophe within a word parts nothing
    body = gap.join(re.escape(word) for word in bare(phrase))
    front = r"\A\W*" if phrase[0] == START else r"(?<!\w)(?<!\w['’])"
    back = rf"(?=[^\w{MARKS}]*(?:[{MARKS}]|\Z))" if phrase[-1] == STOP else r"(?!['’]?\w)"
    return front + body + back


def around(text: str, phrase: Phrase) -> str:
    """Return the place of a phrase in a text with up to 40 characters on either side, on one line."""
    match = re.search(pattern(phrase), text, re.IGNORECASE)
    start, end = match.span() if match else (0, 0)
    piece = text[max(0, start - MARGIN) : end + MARGIN]
    return " ".join(piece.split())
