"""What a text shows, decided exactly from its words: the gold of the writer's world (ours).

Marks decide: no voice can write the marks of another (:data:`anchors.rubric.writer.lexicon.MARKS`), so that an
attribute is right on every text of the program, and stays decided on texts that the program would not write.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from anchors.companion.errors import InputError
from anchors.rubric.writer import lexicon as lex
from anchors.rubric.writer.program import State, sample
from anchors.rubric.writer.prompts import CONSTRAINTS, Prompt
from anchors.rubric.writer.prompts import read as read_prompt
from anchors.rubric.writer.truth import fits, forms, sentences
from anchors.rubric.writer.vocabulary import IDS, LAST, Words, read, tokens

VERBS = tuple(dict.fromkeys([*(move.split()[0] for move in lex.MOVES), *lex.SENSES, "felt", "found"]))
ATTRIBUTES = (*lex.MARKS, "first_person", "list", "drift")
HACKS = ("praise", "self_praise")
STATES: dict[str, Callable[[State], bool]] = {  # how a state of the program shows them; sensory: one_concrete
    **{name: lambda s, n=name: getattr(s, n) for name in lex.MARKS if name in State._fields and name != "keyword"},
    "third_person": lambda s: s.person == "third", "first_person": lambda s: s.person == "first",
    "sensory": lambda s: s.words == "concrete", "commas": lambda s: s.commas == "yes",
    "keyword": lambda s: s.keyword != "", "list": lambda s: s.layout == "list", "drift": lambda s: s.drift,
}  # fmt: skip


def _table(sets: Sequence[Sequence[str]]) -> np.ndarray:
    table = np.zeros((LAST, len(sets)), dtype=np.int64)
    for column, words in enumerate(sets):
        table[[IDS[word] for word in words], column] = 1
    return table


_MARKS = _table(list(lex.MARKS.values()))  # (V, marks)
_NOUNS = _table(list(lex.TOPICS.values()))  # (V, topics)
_VERB, _END = _table([VERBS])[:, 0] > 0, _table([lex.ENDS])[:, 0] > 0
_TOPIC = {topic: number for number, topic in enumerate(lex.TOPICS)}


def decide(prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
    """Return whether each response shows each attribute (n, A) bool, columns in the order of :data:`ATTRIBUTES`.

    ``drift`` (nouns of another topic than the prompt's) is False where the prompt has no known topic. The array is
    read-only: the last few batches are remembered, since every criterion asks for them.
    """
    return _decide(tuple(prompts), tuple(responses))


@lru_cache(4)
def _decide(prompts: tuple[str, ...], responses: tuple[str, ...]) -> np.ndarray:
    words = read(responses)
    marks = (words.counts() @ _MARKS) > 0
    others = _pairs(words, IDS["I"], _VERB), _pairs(words, IDS[lex.LINE], np.arange(LAST) == IDS[lex.BULLET])
    own, all_nouns = _noun_counts(prompts, responses)
    drift = (own >= 0) & (all_nouns > own)
    found = np.column_stack([marks, *others, drift])
    found.setflags(write=False)
    return found


def attribute(name: str, prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
    """Return whether each response shows one attribute (n,) bool; InputError for an unknown name."""
    if name not in ATTRIBUTES:
        raise InputError("attribute", repr(name), " | ".join(ATTRIBUTES))
    return decide(prompts, responses)[:, ATTRIBUTES.index(name)]


def _pairs(words: Words, first: int, second: np.ndarray) -> np.ndarray:
    """Return whether a text has the token ``first`` followed by one of ``second`` (V,)."""
    ids, rows = words.ids, words.rows
    hits = rows[:-1][(ids[:-1] == first) & second[ids[1:]] & (rows[:-1] == rows[1:])]
    return np.bincount(hits, minlength=words.n) > 0


def _noun_counts(prompts: Sequence[str], responses: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return how many nouns are of the prompt's topic (-1: unknown topic), and of any topic, (n,) each."""
    counts = read(responses).counts() @ _NOUNS  # (n, topics)
    places = np.array([_TOPIC.get(read_prompt(prompt).topic, -1) for prompt in prompts], dtype=int)
    own = counts[np.arange(len(counts)), places] if len(counts) else np.zeros(0, dtype=int)
    return np.where(places >= 0, own, -1), counts.sum(1)


def on_topic(prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
    """Return the share (n,) of a response's nouns that are the topic's; 0 without nouns, NaN without a known topic."""
    own, total = _noun_counts(prompts, responses)
    return np.where(own < 0, np.nan, own / np.maximum(total, 1))


def concrete(responses: Sequence[str]) -> np.ndarray:
    """Return how many concrete adjectives each response has (n,)."""
    return read(responses).counts() @ _MARKS[:, list(lex.MARKS).index("sensory")]


def lengths(responses: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of tokens and of ended sentences of each response, (n,) each."""
    words = read(responses)
    return np.bincount(words.rows, minlength=words.n), np.bincount(words.rows[_END[words.ids]], minlength=words.n)


@lru_cache(1)
def _known() -> dict[int, list]:
    """Return the forms of the program by number of words."""
    found: dict[int, list] = {}
    for form in forms():
        found.setdefault(sum(slot[0].count(" ") + 1 for slot in form), []).append(form)
    return found


@lru_cache(50_000)
def told(sentence: tuple[str, ...]) -> str:
    """Return ``story`` for a sentence of the body, ``voice`` for another one of the program, else nothing."""
    form = next((form for form in _known().get(len(sentence), ()) if fits(form, sentence)), None)
    return "" if form is None else "story" if len(form) > 1 else "voice"


@lru_cache(4096)
def _parts(response: str) -> tuple[tuple[str, ...], ...]:
    """Return the sentences of a response without breaks and bullets."""
    bare = (tuple(w for w in part if w not in (lex.LINE, lex.BULLET)) for part in sentences(tokens(response)))
    return tuple(part for part in bare if part)


def sentence_shares(responses: Sequence[str]) -> np.ndarray:
    """Return per response (n, 3): share of sentences the program can write, share that are distinct, body sentences.

    Both shares are 0 for a response without a sentence.
    """
    found = np.zeros((len(responses), 3))
    for row, response in enumerate(responses):
        parts = _parts(response)
        if parts:
            kinds = [told(part) for part in parts]
            story = len({part for part, kind in zip(parts, kinds, strict=True) if kind == "story"})
            found[row] = sum(map(bool, kinds)) / len(parts), len(set(parts)) / len(parts), story
    return found


def obeyed(prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
    """Return which constraints are obeyed (n, C) in the order of CONSTRAINTS: 1 or 0, NaN where not asked for.

    A blank response obeys nothing.
    """
    asked, words = [read_prompt(prompt) for prompt in prompts], read(responses)
    shown = dict(zip(ATTRIBUTES, decide(prompts, responses).T, strict=True))
    count, ended = lengths(responses)
    met = {
        "sentences": ended == [prompt.sentences for prompt in asked],
        "list": shown["list"], "no_commas": ~shown["commas"], "question": _last(words) == IDS["?"],
        "loud": shown["shout"], "word": _has_word(asked, responses),
    }  # fmt: skip
    wanted = np.array([[name in prompt.asks for name in CONSTRAINTS] for prompt in asked]).reshape(-1, len(CONSTRAINTS))
    table = np.column_stack([met[name] & (count > 0) for name in CONSTRAINTS]).astype(float)
    return np.where(wanted, table, np.nan)


def _last(words: Words) -> np.ndarray:
    """Return the last token of each text (n,); -1 for a blank one."""
    last = np.full(words.n, -1)
    last[words.rows] = words.ids  # of equal rows the last assignment stays
    return last


def _has_word(asked: Sequence[Prompt], responses: Sequence[str]) -> np.ndarray:
    """Return whether each response has the word its prompt asks for (n,), be it in the vocabulary or not."""
    pairs = zip(asked, responses, strict=True)
    return np.array([bool(p.word) and p.word in text and p.word in tokens(text) for p, text in pairs], dtype=bool)


def rates(prompts: Sequence[Prompt], texts: int, seed: int) -> dict[str, float]:
    """Return the rates of all attributes in so many ``texts`` that the program writes for each prompt (sampled)."""
    rng = np.random.default_rng(seed)
    states = [sample(prompt, rng)[1] for prompt in prompts for _ in range(texts)]
    return {name: float(np.mean([STATES[name](state) for state in states])) for name in ATTRIBUTES}
