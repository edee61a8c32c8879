"""Tiny random models of every architecture that the white-box methods are tested on, with a tokenizer of words."""

from anchors.models.language import LanguageModel

TEXT = (
    "we need a . plan step by step here . recall b is three now ! take a and b so it is nine . so the answer is nine ."
)
SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "max_position_embeddings": 96}
ARCHITECTURES = ("Llama", "Qwen2", "Qwen3", "GPTNeoX", "GPT2", "Gemma")


def tiny(name: str) -> LanguageModel:
    """Return a random model of an architecture: 3 layers of 4 heads; weights so large that attention is not uniform."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {word: i for i, word in enumerate(dict.fromkeys(["<unk>", "<eos>", *TEXT.split()]))}
    core = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", eos_token="<eos>")
    size = dict(SIZES)
    if name == "GPT2":
        size = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 96}
    elif name == "GPTNeoX":
        size |= {"num_attention_heads": 4}
    else:
        size |= {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(vocab_size=len(words), **size)
    network = getattr(transformers, {"GPT2": "GPT2LMHeadModel"}.get(name, f"{name}ForCausalLM"))(config).eval()
    for parameter in network.parameters():
        parameter.data.mul_(3)
    return LanguageModel(tokenizer, network, name, name)
