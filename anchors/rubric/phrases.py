"""Openings and phrases that are in more documents of one set than another can explain by chance (section 1.6, ours).

Tokens are words in lower case; punctuation is passed over. A phrase is a tuple of tokens. One that begins with
:data:`START` is an opening; one that also ends with :data:`STOP` is a whole first clause. What is counted is documents,
never occurrences.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.rubric.criteria.spans import words

Phrase = tuple[str, ...]
START, STOP = "^", "$"  # neither is a word
CLAUSE = 12  # words of the longest first clause that is an opening as a whole
MARKS = r".!?,:;…—–\n"  # what ends a clause, as in a class of characters
_CLAUSE_END = re.compile(f"[{MARKS}]")
_LEADING = re.compile(r"\A\W+")


@dataclass(frozen=True, eq=False)
class Counted:
    """Frequent phrases: ``phrases`` (F), ``found`` sparse (D, F) whether a document holds a phrase."""

    phrases: list[Phrase]
    found: Any


def tokens(text: str) -> list[str]:
    """Return :data:`START` and the words of a text in lower case."""
    return [START, *(word.lower() for word in words(text))]


def first_clause(text: str) -> Phrase:
    """Return the words before the first mark that ends a clause, as an opening; () if there are none or too many."""
    found = [word.lower() for word in words(_CLAUSE_END.split(_LEADING.sub("", text), maxsplit=1)[0])]
    return (START, *found, STOP) if 0 < len(found) <= CLAUSE else ()


def count(texts: Sequence[str], prompts: Sequence[str] | None, longest: int, support: int) -> Counted:
    """Return the runs of 1 to ``longest`` words, the openings of as many, and first clauses, in >= ``support`` texts.

    With ``prompts``, a phrase that stands in a text's own prompt is not counted in that text: quoting is no trick.
    """
    documents = [tokens(text) for text in texts]
    phrases, pairs = _runs(documents, longest, support)
    clauses, more = _clauses(texts, support)
    pairs = np.concatenate([pairs, _numbered(more, len(phrases))])  # (p, 2) phrase and document
    phrases = phrases + clauses
    if prompts is not None:
        pairs = pairs[~_quoted(phrases, pairs, prompts)]
    return _supported(phrases, pairs, len(texts), support)


def _supported(phrases: list[Phrase], pairs: np.ndarray, documents: int, support: int) -> Counted:
    """Return what is in at least ``support`` documents, in the order of the phrases' words."""
    from scipy.sparse import csc_array

    frequency = np.bincount(pairs[:, 0], minlength=len(phrases))
    kept = sorted(np.flatnonzero(frequency >= support).tolist(), key=phrases.__getitem__)
    found = csc_array((np.ones(len(pairs), np.int32), (pairs[:, 1], pairs[:, 0])), shape=(documents, len(phrases)))
    return Counted([phrases[k] for k in kept], found[:, kept])


def _runs(documents: list[list[str]], longest: int, support: int) -> tuple[list[Phrase], np.ndarray]:
    """Return frequent runs of tokens and pairs (p, 2) of run and document; openings have one token more.

    A run can be frequent only if it is so without its last token, and its last token is: level by level, by codes.
    """
    flat = [token for document in documents for token in [*document, ""]]  # "" parts the documents
    number: dict[str, int] = {}
    raw = np.array([number.setdefault(token, len(number)) if token else -1 for token in flat], np.int64)
    owner = np.repeat(np.arange(len(documents)), [len(document) + 1 for document in documents])
    opens = np.array([token == START for token in flat], bool)
    one, places, found = _frequent(raw, owner, len(documents), support)
    phrases, pairs, code = [], [], one
    for length in range(1, longest + 2):
        if length > 1:
            last = np.concatenate([one[length - 1 :], np.full(length - 1, -1)])[: len(one)]
            joined = np.where((code >= 0) & (last >= 0), code * len(number) + last, -1)
            code, places, found = _frequent(
                np.where(opens, joined, -1) if length > longest else joined, owner, len(documents), support
            )
        pairs.append(_numbered(found, len(phrases)))
        phrases.extend(tuple(flat[place : place + length]) for place in places)
    table = np.concatenate(pairs)
    real = np.array([phrase != (START,) for phrase in phrases], bool)
    return phrases, table[real[table[:, 0]]] if len(table) else table


def _numbered(pairs: np.ndarray, start: int) -> np.ndarray:
    """Return pairs (p, 2) with ``start`` added to the first number of each."""
    return pairs + np.array([start, 0])


def _frequent(raw: np.ndarray, owner: np.ndarray, documents: int, support: int) -> tuple[np.ndarray, ...]:
    """Return codes (t,) of the frequent ones among ``raw`` (t,; -1 is nothing), a place of each, and pairs (p, 2)."""
    valid = np.flatnonzero(raw >= 0)
    _, first, which = np.unique(raw[valid], return_index=True, return_inverse=True)
    pairs = np.unique(which * documents + owner[valid])
    pairs = np.stack([pairs // documents, pairs % documents], 1) if documents else np.zeros((0, 2), np.int64)
    kept = np.bincount(pairs[:, 0], minlength=len(first)) >= support
    label = np.where(kept, np.cumsum(kept) - 1, -1)
    code = np.full(len(raw), -1, np.int64)
    code[valid] = label[which]
    pairs = pairs[kept[pairs[:, 0]]]
    return code, valid[first[kept]], np.stack([label[pairs[:, 0]], pairs[:, 1]], 1)


def _clauses(texts: Sequence[str], support: int) -> tuple[list[Phrase], np.ndarray]:
    """Return first clauses that are in enough texts, and pairs (p, 2) of clause and text."""
    owners: dict[Phrase, list[int]] = {}
    for k, text in enumerate(texts):
        if clause := first_clause(text):
            owners.setdefault(clause, []).append(k)
    chosen = [clause for clause, where in owners.items() if len(where) >= support]
    pairs = [(k, where) for k, clause in enumerate(chosen) for where in owners[clause]]
    return chosen, np.array(pairs, np.int64).reshape(-1, 2)


def bare(phrase: Phrase) -> Phrase:
    """Return the words of a phrase, without the marks of an opening or a clause."""
    return tuple(token for token in phrase if token not in (START, STOP))


def _quoted(phrases: list[Phrase], pairs: np.ndarray, prompts: Sequence[str]) -> np.ndarray:
    """Return whether each phrase of ``pairs`` (p, 2) stands in the prompt of its document."""
    cores = [bare(phrase) for phrase in phrases]
    known, lengths = set(cores), sorted({len(core) for core in cores})
    held: dict[str, set[Phrase]] = {}
    for prompt in set(prompts):
        found = tokens(prompt)[1:]
        runs = (tuple(found[k : k + n]) for n in lengths for k in range(len(found) - n + 1))
        held[prompt] = {run for run in runs if run in known}
    return np.array([cores[p] in held[prompts[d]] for p, d in pairs.tolist()], bool)


def enrichment(found: Any, high: np.ndarray, strata: np.ndarray | None = None) -> np.ndarray:
    """Return log p (F,), never below that of the exact test, of phrases being as frequent among ``high`` by chance.

    Given how many documents of a stratum hold a phrase, the number of ``high`` ones among them is hypergeometric, thus
    a sum of independent trials with unequal chances, and so is the sum over strata. From one above its mean on, its
    tail is at most that of a binomial of equal mean (Hoeffding, Annals of Mathematical Statistics 27, 1956, theorem 4).

    Parameters
    ----------
    found : sparse (D, F); ``high`` (D,) bool.
    strata : (D,) whole numbers: documents are compared within a stratum (a prompt) only; None is one stratum.
    """
    from scipy.sparse import csr_array
    from scipy.stats import binom

    strata = np.zeros(len(high), np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    rows = np.arange(len(high))
    members = csr_array((np.ones(len(high)), (strata, rows)), shape=(strata.max(initial=0) + 1, len(high)))
    holding = (members @ found).tocoo()  # (S, F) documents of a stratum that hold a phrase
    size, chosen = members.sum(1), members @ high.astype(float)
    stratum, phrase = holding.coords
    mean = np.bincount(phrase, holding.data * (chosen / size)[stratum], minlength=found.shape[1])
    trials = np.bincount(phrase, np.minimum(holding.data, chosen[stratum]), minlength=found.shape[1])
    seen = found.T @ high.astype(float)
    share = np.divide(mean, trials, out=np.zeros(len(mean)), where=trials > 0)
    return np.where(seen >= mean + 1, binom.logsf(seen - 1, trials, np.clip(share, 0, 1)), 0.0)


def log_odds(high: np.ndarray, high_total: int, base: np.ndarray, base_total: int) -> np.ndarray:
    """Return the log-odds ratio of counts of documents, with 1/2 added to each cell (Haldane 1956; Anscombe 1956)."""
    high, base = np.asarray(high, float), np.asarray(base, float)
    return np.log((high + 0.5) * (base_total - base + 0.5) / ((high_total - high + 0.5) * (base + 0.5)))


def adjusted(log_p: np.ndarray, control: str = "bh") -> np.ndarray:
    """Return q-values (F,): ``bh`` (Benjamini and Hochberg 1995), ``by`` (Benjamini and Yekutieli 2001).

    ``bh`` holds for independent tests and for such as are positively dependent, which phrases that hold each other are;
    ``by`` holds whatever the dependence and costs a factor of about ln F.
    """
    from scipy.stats import false_discovery_control

    if control not in ("bh", "by"):
        raise InputError("control", repr(control), "bh | by")
    return false_discovery_control(np.exp(log_p), method=control) if len(log_p) else np.zeros(0)


def place(document: Sequence[str], phrase: Phrase) -> int:
    """Return where a phrase begins in a list or tuple of tokens, -1 if it is not there."""
    n, wanted = len(phrase), type(document)(phrase)
    return next((k for k in range(len(document) - n + 1) if document[k : k + n] == wanted), -1)


def extended(documents: list[list[str]], phrase: Phrase, keep: float, longest: int = CLAUSE) -> Phrase:
    """Return the maximal phrase: the longest growth of ``phrase`` that at least ``keep`` of ``documents`` share.

    In each step the commonest neighbour on either side is added. It may reach the beginning and become an opening.
    """
    if phrase[-1] == STOP:
        return phrase
    needed = max(2, int(np.ceil(keep * len(documents))))
    while len(phrase) < longest:
        spots = [(document, k) for document in documents if (k := place(document, phrase)) >= 0]
        left = _commonest([document[k - 1] for document, k in spots if k > 0])
        right = _commonest([document[k + len(phrase)] for document, k in spots if k + len(phrase) < len(document)])
        token, number, grown = max(
            (left[1], 1, (left[0], *phrase)), (right[1], 0, (*phrase, right[0])), key=lambda option: option[:2]
        )
        if token < needed:
            break
        phrase = grown
    return phrase


def _commonest(tokens: list[str]) -> tuple[str, int]:
    from collections import Counter

    return min(Counter(tokens).items(), key=lambda item: (-item[1], item[0]), default=("", 0))
