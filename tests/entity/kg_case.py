"""A tiny random BERT in the format of the hub, and a small graph with texts, for the tests of encoder and runs."""

from pathlib import Path

import numpy as np

from anchors.entity.graph import Graph
from anchors.entity.settings import Settings

WORDS = (
    *("red", "green", "blue", "small", "large", "old", "new", "cat", "dog", "bird", "tree", "stone", "river", "house"),
    *("of", "the", "eats", "likes", "near", "inverse"),
)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ":", "##s", "##er"]
DEPTH, WIDTH = 3, 32


def save_bert(folder: Path, dropout: float = 0.1) -> str:
    """Write a BERT of 3 layers of width 32 with a tokenizer of a few word-pieces; return its folder."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    core = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    core.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ends)
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=64, model_input_names=inputs, **names)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=64, hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )  # fmt: skip
    network = BertModel(config)
    for name, parameter in network.named_parameters():
        if "LayerNorm" not in name:
            parameter.data.mul_(5)  # so that attention is not uniform
    network.save_pretrained(folder)
    return str(folder)


def small_graph(size: int = 30, many: int = 90, seed: int = 0) -> Graph:
    """Return a random graph of ``many`` distinct triples, 3 relations and texts of 1 to 5 words; the last is unseen."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.integers(0, size - 1, 9 * many), rng.integers(0, 3, 9 * many)], 1)
    rows = np.c_[rows, (rng.zipf(1.5, 9 * many) + 3 * rows[:, 0] + rows[:, 1]) % (size - 1)]
    rows = rng.permutation(np.unique(rows[rows[:, 0] != rows[:, 2]], axis=0))[:many].astype(np.int64)
    cut = many - 20
    splits = {"train": rows[:cut], "valid": rows[cut : cut + 10], "test": rows[cut + 10 :]}
    texts = tuple(" ".join(rng.choice(WORDS[:14], rng.integers(1, 6))) for _ in range(size))
    entities = tuple(f"e{number:02}" for number in range(size))
    return Graph("small", entities, ("eats", "likes", "near"), splits, texts, ("eats the", "likes", "near the old"))


def tiny(folder: str, **changes) -> Settings:
    """Return settings of a short run with the tiny BERT."""
    base = {"plm": folder, "max_tokens": 12, "batch": 16, "steps": 6, "rate": 5e-3, "anchors": 8, "anchor_width": 12}
    return Settings(**(base | {"width": 16, "hidden": 24} | changes))
