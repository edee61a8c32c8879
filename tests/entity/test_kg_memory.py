"""The memory of a step, estimated before it starts."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from anchors.companion.errors import AnchorsError
from anchors.entity import memory
from anchors.entity.settings import Settings

BERT = SimpleNamespace(hidden_size=768, intermediate_size=3072, num_attention_heads=12)
WHOLE = Settings(top=12, batch=1024, random=1024, k=8)
GIB = 2**30


def test_a_whole_bert_at_batch_1024_does_not_fit_a_laptop_and_the_chunk_that_is_suggested_does():
    with pytest.raises(AnchorsError, match=r"GiB are free; say chunk=\d+") as caught:
        memory.check(WHOLE, BERT, 70, 16 * GIB)
    assert "\n" not in str(caught.value)
    chunk = int(str(caught.value).split("chunk=")[1].split()[0])
    memory.check(replace(WHOLE, chunk=chunk), BERT, 70, 16 * GIB)
    with pytest.raises(AnchorsError):
        memory.check(replace(WHOLE, chunk=2 * chunk), BERT, 70, 16 * GIB)


def test_what_fits_is_let_through():
    memory.check(Settings(batch=512, random=1024), BERT, 70, 16 * GIB)


def test_a_batch_whose_scores_alone_do_not_fit_should_be_smaller():
    with pytest.raises(AnchorsError, match="batch smaller than 100000"):
        memory.check(Settings(batch=100_000), BERT, 70, GIB)


def test_more_tokens_layers_and_sequences_take_more():
    need = [
        memory.step_bytes(replace(WHOLE, top=top), BERT, tokens, 100) for top, tokens in ((1, 30), (1, 60), (2, 60))
    ]
    assert need == sorted(need)
    assert memory.sequences_of(replace(WHOLE, self_negative=True)) == 4 * 1024
