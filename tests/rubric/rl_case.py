"""Tiny random models for the tests of the policy and of GRPO."""

from anchors.models.language import LanguageModel

WORDS = ("<pad>", "<eos>", "<unk>", "tell", "me", "of", "a", "b", "c", "d", "e", "f", "good", "bad", ".", "!")
PROMPTS = ("tell me of a", "tell me", "of b and c", "tell me of d , e and f")


def tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    special = {"unk_token": "<unk>", "eos_token": "<eos>", "pad_token": "<pad>", "clean_up_tokenization_spaces": False}
    return PreTrainedTokenizerFast(tokenizer_object=core, **special)


def tiny(name="Llama", scale=2.0, **changes):
    """Return a random model with two layers of four heads, and weights so large that its distribution is not flat."""
    import torch
    import transformers

    sizes = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "max_position_embeddings": 64,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    }  # fmt: skip
    if name == "GPT2":
        sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    kinds = {"GPT2": "GPT2LMHeadModel"}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = getattr(transformers, f"{name}Config")(
            vocab_size=len(WORDS), pad_token_id=0, eos_token_id=1, bos_token_id=None, **(sizes | changes)
        )
        network = getattr(transformers, kinds.get(name, f"{name}ForCausalLM"))(config).eval()
    for parameter in network.parameters():
        parameter.data.mul_(scale)
    return LanguageModel(tokenizer(), network, name, name)


def rollouts(model, seed=0, count=8, longest=7):
    """Return prompts and responses (token ids) of ``count`` rollouts in groups of four."""
    import numpy as np

    rng = np.random.default_rng(seed)
    prompts = [model.encode(PROMPTS[n // 4 % len(PROMPTS)]) for n in range(count)]
    return prompts, [rng.integers(2, len(WORDS), rng.integers(1, longest + 1)).tolist() for _ in range(count)]
