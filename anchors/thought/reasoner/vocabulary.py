"""The reasoner's vocabulary: whole words separated by blanks."""

from pathlib import Path

from anchors.thought.reasoner.program import LETTERS, OPERATIONS

PAD, END, UNKNOWN = "<pad>", "<eos>", "<unk>"
WORDS = (
    ";", "find", "?", ".", "we", "need", "plan", "step", "by", "one", "quick", "guess", "recall", "take", "with", "so",
    "wait", "is", "right", "check", "this", "getting", "long", "to", "keep", "going", "say", "but", "that", "was",
    "only", "have", "the", "answer", "\\boxed{", "}", "stop", "now",
)  # fmt: skip
TOKENS = (
    PAD, END, UNKNOWN, *WORDS, *map(str, range(10)),
    *(f"{operation}{digit}" for operation in OPERATIONS for digit in range(10)),
    *LETTERS, *(f"{letter}:" for letter in LETTERS), *(f"{letter}=" for letter in LETTERS),
)  # fmt: skip
IDS = {token: number for number, token in enumerate(TOKENS)}


def encode(text: str) -> list[int]:
    """Return the token ids of a text of known words; KeyError names a word that is not in the vocabulary."""
    return [IDS[word] for word in text.split()]


def save_tokenizer(folder: Path) -> None:
    """Write the files of a fast tokenizer: nothing is added at the start, decoding joins words with blanks."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(IDS, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=False)  # joins words with blanks
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=UNKNOWN, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False
    )
    fast.save_pretrained(folder)
