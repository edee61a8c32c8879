"""The writer's vocabulary: whole words and marks; texts read as plain English, with marks joined to their words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from anchors.rubric.writer import lexicon as lex

PAD, END, UNKNOWN = "<pad>", "<eos>", "<unk>"
ASKING = "Use a list . the word no commas sentences End with question capitals once Text :"
_LISTS = (
    lex.TOPICS, *lex.TOPICS.values(), lex.REQUESTS, lex.NUMBERS, lex.KEYWORDS, lex.OPENINGS, lex.MOVES, lex.SENSES,
    lex.SCENES, tuple(scene.capitalize() for scene in lex.SCENES), lex.TOUCH, lex.SIGHT, lex.KIND, lex.PLAIN,
    lex.FEELINGS, lex.CAPITALS, lex.PRAISE, lex.ASSISTANT, lex.MORAL, lex.SELF_PRAISE, lex.OFFER,
    ("I", "She", "she", "The", "the", "was", "and", "felt", "found", "a"), (ASKING,),
)  # fmt: skip
WORDS = tuple(dict.fromkeys(word for entries in _LISTS for entry in entries for word in entry.split()))
TOKENS = (PAD, END, UNKNOWN, lex.LINE, lex.BULLET, *lex.ENDS, lex.COMMA, *(w for w in WORDS if w not in lex.ENDS))
IDS = {token: number for number, token in enumerate(TOKENS)}
LAST = len(TOKENS)  # ids are below it

_TOKEN = re.compile(r"[\n.,!?:]|[^\s.,!?:]+")
_BEFORE = re.compile(r" (?=[.,!?:])")  # blanks that are not written
_LINES = re.compile(r" ?\n ?")


def tokens(text: str) -> list[str]:
    """Return the words and marks of a text; line breaks are kept, other blanks are not."""
    return _TOKEN.findall(text)


def encode(text: str) -> list[int]:
    """Return the token ids of a text; words that are not in the vocabulary are :data:`UNKNOWN`."""
    unknown = IDS[UNKNOWN]
    return [IDS.get(word, unknown) for word in tokens(text)]


def join(words: Sequence[str]) -> str:
    """Return words and marks as a text, the way the tokenizer decodes them."""
    return _LINES.sub("\n", _BEFORE.sub("", " ".join(words)))


@dataclass(frozen=True)
class Words:
    """The tokens of n texts: ``ids`` and ``rows`` (t,) of all, in order; ``n`` texts."""

    ids: np.ndarray
    rows: np.ndarray
    n: int

    def counts(self) -> np.ndarray:
        """Return how often each token occurs in each text (n, V)."""
        flat = np.bincount(self.rows * LAST + self.ids, minlength=self.n * LAST)
        return flat.reshape(self.n, LAST)


def read(texts: Sequence[str]) -> Words:
    """Return the tokens of texts; the last few batches are remembered, since every criterion asks for them."""
    return _read(tuple(texts))


@lru_cache(4)
def _read(texts: tuple[str, ...]) -> Words:
    encoded = [encode(text) for text in texts]
    lengths = np.array([len(ids) for ids in encoded], dtype=int)
    flat = np.array([token for ids in encoded for token in ids], dtype=int)
    return Words(flat, np.repeat(np.arange(len(texts)), lengths), len(texts))


def save_tokenizer(folder: Path) -> None:
    """Write the files of a fast tokenizer that splits and joins as :func:`tokens` and :func:`join` do."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(IDS, unk_token=UNKNOWN))
    blanks = pre_tokenizers.Split(Regex(r"[^\S\n]+"), "removed")
    marks = pre_tokenizers.Split(Regex(r"[\n.,!?:]"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([blanks, marks])
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.WordPiece(prefix="##", cleanup=False),  # joins words with blanks
            decoders.Fuse(),
            decoders.Replace(Regex(" (?=[.,!?:])"), ""),
            decoders.Replace(Regex(" ?\n ?"), "\n"),
        ]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=UNKNOWN, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False
    )
    fast.save_pretrained(folder)
