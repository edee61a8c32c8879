"""Models that the white-box methods cannot read are refused in one line, never read wrongly."""

import pytest
import torch
import transformers
from thought.architectures import TEXT, tiny

from anchors.companion.errors import InputError
from anchors.models.language import LanguageModel
from anchors.models.sampling import continuations
from anchors.thought import ablation, attention, deletion, suppression
from anchors.thought.experiments import Case
from anchors.thought.sentences import split

SENTENCES = split(TEXT)
METHODS = {
    "attention": lambda m: attention.sentence_attention(m, TEXT, SENTENCES),
    "suppression": lambda m: suppression.suppression_matrix(m, TEXT, SENTENCES),
    "deletion": lambda m: deletion.deletion_matrix(m, TEXT, SENTENCES),
    "ablation": lambda m: ablation.output_projections(m.network),
    "sampling": lambda m: continuations(m, TEXT, [0], 4),
}


def model(name, **sizes):
    words = tiny("Llama").tokenizer
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(vocab_size=len(words), hidden_size=32, **sizes)
    return LanguageModel(words, getattr(transformers, f"{name}ForCausalLM")(config).eval(), name, name)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_without_attention(method):
    with pytest.raises(InputError) as error:
        METHODS[method](model("Mamba", num_hidden_layers=2, state_size=4))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", ["attention", "suppression"])
def test_attention_that_cannot_be_reached_or_masked(method):
    with pytest.raises(InputError, match="Choose a"):
        METHODS[method](model("Bloom", n_layer=2, n_head=4))


def test_a_sliding_window_shorter_than_the_text():
    sizes = {"intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    short, long = (model("Mistral", sliding_window=window, **sizes) for window in (8, 96))
    with pytest.raises(InputError, match="sliding window of 8"):
        METHODS["suppression"](short)
    assert METHODS["suppression"](long).shape == (5, 5)
    assert METHODS["deletion"](short).shape == (5, 5)


def test_a_trace_without_sentences_or_answer():
    with pytest.raises(InputError, match="no sentence"):
        Case("p", "What? ", "   ", "3")
    with pytest.raises(InputError, match="right answer of problem p: found none"):
        Case("p", "What? ", "It is three.", "")


def test_a_tokenizer_without_offsets():
    slow = model("Mistral", intermediate_size=48, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2)
    slow = LanguageModel(type("Slow", (), {"is_fast": False})(), slow.network, "slow", "slow")
    with pytest.raises(InputError, match="a fast tokenizer, which gives offsets"):
        attention.token_spans(slow.tokenizer, TEXT, SENTENCES)
    with pytest.raises(InputError, match="a fast tokenizer"):
        deletion.deletion_matrix(slow, TEXT, SENTENCES)
