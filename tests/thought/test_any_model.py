"""The studies on a folder that holds another model, a tiny random Qwen2: the same calls, no code change.

It knows no arithmetic, so answers are wrong or missing: nothing may fail for that.
"""

import json

import pytest
import torch

from anchors.companion.notebooks import Notebook, notebooks
from anchors.thought.studies import corpus, head_ablation, methods
from anchors.thought.studies import receiver_heads as heads_study
from anchors.thought.word_problems import SHOWN

IDS = [nb.id for nb in notebooks() if nb.id.startswith("thought/") and "models" in nb.parameters]
WORDS = " we so first need check nuts is 7. 3. wait. 4 ="


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random Qwen2 in hub format with a byte-level tokenizer; it writes a few words and many full stops."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

    path = tmp_path_factory.mktemp("qwen2")
    core = ByteLevelBPETokenizer()
    core.train_from_iterator([SHOWN], vocab_size=500, min_frequency=1, show_progress=False)
    core.save_model(str(path))
    tokenizer = Qwen2Tokenizer(str(path / "vocab.json"), str(path / "merges.txt"))
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, eos_token_id=None, bos_token_id=None,
        tie_word_embeddings=False,
    )  # fmt: skip
    network = Qwen2ForCausalLM(config)
    network.model.embed_tokens.weight.data[:, 0] = 3.0  # stays the largest part of every state: a constant
    network.lm_head.weight.data[:, 0] = -3.0  # so this weight acts as a bias, against all words
    network.lm_head.weight.data[tokenizer(WORDS)["input_ids"], 0] = 0.0  # but these
    network.save_pretrained(path)
    return str(path)


def test_it_writes_traces_in_sentences(folder):
    found = corpus.traces(folder, "smoke", 0, 4)
    assert len(found) == 4
    assert all(len(t.categories) >= corpus.SHORTEST for t in found)
    assert found[0].case.prompt.count("Problem:") == 5
    assert "we" in found[0].case.text


def test_heads(folder):
    found = heads_study.compute([folder], "smoke", 0, 4, 0, 2)
    assert found[0].kurtoses.shape == (3, 3, 4)
    for rows, verdict in (
        heads_study.summarise_existence(found),
        heads_study.summarise_reliability(found, "smoke", 0),
        heads_study.summarise_categories(heads_study.sentence_table(found)),
    ):
        assert rows
        assert verdict.text


def test_ablation(folder):
    table, _ = head_ablation.compute([folder], "smoke", 0)
    assert set(table.kind) == set(head_ablation.KINDS)
    rows, verdict = head_ablation.summarise(table, float("nan"))
    assert verdict.kind == "measured", "nothing is right with or without the heads"


def test_rollouts_suppression_and_deletion(folder):
    rolled = methods.rolled(folder, "smoke", 0, 2, 6)
    trace = rolled[0].trace
    size = len(trace.categories)
    assert rolled[0].counts["count"].sum() == 2 * 6 * (size + 1)
    assert rolled[0].steps.shape == (size, size)
    for found, matrices in (methods.suppressions(folder, "smoke", 0, 2), methods.deletions(folder, "smoke", 0, 2)):
        assert [m.shape[0] for m in matrices] == [len(t.categories) for t in found]


def test_all_notebooks_on_models_are_tried():
    assert len(IDS) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("id", IDS)
def test_a_notebook_runs_on_the_folder(id, folder, tmp_path, monkeypatch):
    """All cells with one parameter changed, as `make figure ID=… PROFILE=smoke P="models=['path']"` runs them."""
    monkeypatch.setenv("ANCHORS_FIGURES", str(tmp_path))
    names: dict = {}
    for cell in (cell for cell in Notebook.find(id).cells if cell["cell_type"] == "code"):
        exec(compile(cell["source"], id, "exec"), names)
        if "parameters" in cell["metadata"].get("tags", []):
            names |= {"profile": "smoke", "models": [folder]}
    [written] = tmp_path.rglob("*.json")
    result = json.loads(written.read_text())
    assert result["rows"]
    assert result["verdict"]["kind"] in ("holds", "mixed", "does not hold", "measured")
    assert result["data"]
