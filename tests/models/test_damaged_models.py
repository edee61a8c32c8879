"""Models, checkpoints and saved estimators that are damaged, lie or were exchanged: one line each, at once."""

import json
import os
import shutil
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from anchors.companion.errors import InputError
from anchors.models import checkpoint, embed, language, pins, tensors
from anchors.models.tiny import Architecture, build

WEIGHTS, CONFIG, WORDS = "model.safetensors", "config.json", "tokenizer.json"
WHOLE = "; expected a whole safetensors file. Delete it and make or fetch it again."
MEND = f"; expected {language.PARTS}. Mend the folder."
PIPE = "found a pipe, socket or device; expected a readable file. Mind the path."


def header(length, content=b"{}"):
    return lambda folder: (folder / WEIGHTS).write_bytes(length.to_bytes(8, "little") + content)


def cut(name, size):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


def text(name, content):
    return lambda folder: (folder / name).write_text(content)


def config(**changes):
    return lambda folder: text(CONFIG, json.dumps(json.loads((folder / CONFIG).read_text()) | changes))(folder)


def pipe(name):
    def make(folder):
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return make


def nan(folder):
    found = load_file(folder / WEIGHTS)
    found["lm_head.weight"][0, 0] = float("nan")
    save_file(found, folder / WEIGHTS, {"format": "pt"})


def offsets(folder):
    about = {"x": {"dtype": "F32", "shape": [9, 9], "data_offsets": [0, 4]}}
    content = json.dumps(about).encode()
    header(len(content), content + bytes(4))(folder)


MODELS = {
    "half": (cut(WEIGHTS, 9999), f"/{WEIGHTS}: found a damaged file (ValueError: 5,887 bytes of numbers, 2,739,712 by"),
    "nothing": (cut(WEIGHTS, 0), f"/{WEIGHTS}: found 0 bytes{WHOLE}"),
    "length": (header(2**60), f"/{WEIGHTS}: found 10 bytes, the header alone being 1,152,921,504,606,846,976{WHOLE}"),
    "list": (
        header(2, b"[]"),
        f"/{WEIGHTS}: found a damaged file (AttributeError: 'list' object has no attribute 'items')",
    ),
    "deep": (header(99_999, b"[" * 99_999), f"/{WEIGHTS}: found a damaged file (RecursionError"),
    "offsets": (offsets, f"/{CONFIG}: num_hidden_layers: found 4 for 1 tensors; expected a layer for some"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), f": found no weights{MEND}"),
    "pipe": (pipe(WEIGHTS), f"/{WEIGHTS}: {PIPE}"),
    "nan": (nan, ": lm_head.weight: found NaN or infinity; expected finite numbers."),
    "wide": (config(hidden_size=256), f": found weights of other shapes than config.json says{MEND}"),
    "words": (config(vocab_size=10**12), f": found weights of other shapes than config.json says{MEND}"),
    "layers": (
        config(num_hidden_layers=10**7),
        f"/{CONFIG}: num_hidden_layers: found 10,000,000 for 39 tensors; expected a",
    ),
    "no heads": (config(num_attention_heads=0), f": found integer modulo by zero{MEND}"),
    "text": (config(hidden_size="x"), ": found Validation error for field 'hidden_size':"),
    "kind": (config(model_type="nope"), ": found The checkpoint you are trying to load has model type `nope`"),
    "null": (text(CONFIG, "null"), f"/{CONFIG}: found a JSON NoneType; expected a dict."),
    "brace": (text(CONFIG, "{"), f"/{CONFIG}: found not JSON: Expecting property name"),
    "nested": (text(CONFIG, "[" * 10**6), f"/{CONFIG}: found not JSON: more than 100 brackets within one another"),
    "config pipe": (pipe(CONFIG), f"/{CONFIG}: {PIPE}"),
    "tokenizer": (cut(WORDS, 100), ": found "),
    "tokenizer list": (text("tokenizer_config.json", "[]"), f": found 'list' object has no attribute 'get'{MEND}"),
    "tokenizer bytes": (lambda f: (f / WORDS).write_bytes(b"\xff"), ": found 'utf-8' codec can't decode byte 0xff"),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_damaged_model_is_refused_at_once(tmp_path, name):
    change, words = MODELS[name]
    folder = shutil.copytree(language.SHIPPED / "reasoner", tmp_path / "m")
    (folder / "provenance.json").unlink()
    change(folder)
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        language.load(str(folder))
    assert str(caught.value).startswith(f"{folder}{words}")
    assert "\n" not in str(caught.value)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, WORDS, "tokenizer_config.json"])
def test_an_exchanged_file_of_a_shipped_model_is_refused(tmp_path, name):
    folder = shutil.copytree(language.SHIPPED / "writer", tmp_path / "m")
    assert language.checked(folder) == folder
    content = bytearray((folder / name).read_bytes())
    content[-3] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        language.checked(folder)
    expected = pins.sha256(language.SHIPPED / "writer" / name)[:16]
    cure = "Restore the folder, or train the model again: make runs."
    found = pins.sha256(folder / name)[:16]
    assert str(caught.value) == f"{folder / name}: found sha256 {found}…; expected {expected}…, as pinned. {cure}"
    (folder / name).unlink()
    with pytest.raises(InputError, match="found no such file"):
        language.checked(folder)


@pytest.mark.parametrize("model", pins.PINS)
def test_an_exchanged_file_of_an_embedded_model_is_refused(tmp_path, monkeypatch, model):
    for name in pins.PINS[model]:
        (tmp_path / name).write_bytes(b"other")
    with pytest.raises(InputError) as caught:
        pins.pinned(model, tmp_path)
    first, expected = next(iter(pins.PINS[model].items()))
    words = f"found sha256 d9298a10d1b07358…; expected {expected[:16]}…, as pinned. {pins.CURES[model]}"
    assert str(caught.value) == f"{tmp_path / first}: {words}"
    source = embed._source if model == "minilm" else language._source
    monkeypatch.setitem(pins.PINS, model, dict.fromkeys(pins.PINS[model], "0" * 64))
    with pytest.raises(InputError, match="expected 0000000000000000…, as pinned"):
        source(model)


def test_a_file_is_hashed_once_and_again_when_it_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("ANCHORS_CACHE", str(tmp_path / "cache"))
    path, calls, real = tmp_path / "a", [], pins.sha256
    monkeypatch.setattr(pins, "sha256", lambda path: calls.append(path) or real(path))
    path.write_bytes(b"one")
    pins._digest.cache_clear()
    first = pins.digest(path)
    pins._digest.cache_clear()  # as another process would ask
    assert pins.digest(path) == first
    assert len(calls) == 1
    path.write_bytes(b"two")
    assert pins.digest(path) != first
    (tmp_path / "cache" / "model_hashes.json").write_text("[]")
    pins._digest.cache_clear()
    assert pins.digest(path) == real(path)
    (tmp_path / "cache" / "model_hashes.json").write_text(json.dumps({str(path): "x"}))
    pins._digest.cache_clear()
    assert pins.digest(path) == real(path)


SIZES = {"training": {"seed": 1}, "step": 3, "rng": {"state": 2**100}, "losses": {1: 0.5, 10: float("nan")}}


def saved(folder):
    network = build(Architecture(vocabulary=9, width=8, layers=1, heads=2, hidden=8, positions=16), 0)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.zeros(1, 3, dtype=torch.long)).logits.sum().backward()
    optimizer.step()
    checkpoint.save(folder, "a", network, optimizer, SIZES, more=torch.arange(3))
    return network, optimizer


def state(change):
    def make(folder):
        found = json.loads((folder / "state.json").read_text())
        change(found)
        (folder / "state.json").write_text(json.dumps(found))

    return make


def moved(folder):
    found = load_file(folder / "a.weights.safetensors")
    save_file({name: value * float("nan") for name, value in found.items()}, folder / "a.weights.safetensors")


DELETE = "Delete the folder, or choose another."
STATE = f"/state.json: found a damaged state, or one of another version; expected the state as written. {DELETE}"
PART = f": found a damaged file; expected the tensors as written. {DELETE}"
CHECKPOINTS = {
    "half": (cut("state.json", 50), "/state.json: found not JSON"),
    "nothing": (cut("state.json", 0), "/state.json: found not JSON"),
    "list": (text("state.json", "[]"), "/state.json: found a JSON list; expected a dict."),
    "empty": (text("state.json", "{}"), STATE),
    "step": (state(lambda found: found.update(step=4)), STATE),
    "no parts": (state(lambda found: found.pop("parts")), STATE),
    "name": (state(lambda found: found.update(name="../../b")), STATE),
    "missing": (lambda f: (f / "a.moments.safetensors").unlink(), "/a.moments.safetensors: found no such file"),
    "weights": (cut("a.weights.safetensors", 99), f"/a.weights.safetensors{PART}"),
    "nan": (moved, f"/a.weights.safetensors{PART}"),
    "exchanged": (
        lambda f: shutil.copy(f / "a.weights.safetensors", f / "a.moments.safetensors"),
        f"/a.moments.safetensors{PART}",
    ),
    "pipe": (pipe("a.tensors.safetensors"), f"/a.tensors.safetensors: {PIPE}"),
    "state pipe": (pipe("state.json"), f"/state.json: {PIPE}"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_damaged_checkpoint_is_refused(tmp_path, name):
    network, optimizer = saved(tmp_path)
    assert checkpoint.load(tmp_path, network, optimizer, {"seed": 1})[0]["step"] == 3
    change, words = CHECKPOINTS[name]
    change(tmp_path)
    with pytest.raises(InputError) as caught:
        checkpoint.load(tmp_path, network, optimizer, {"seed": 1})
    assert str(caught.value).startswith(f"{tmp_path}{words}")
    assert "\n" not in str(caught.value)


def test_no_checkpoint_is_none(tmp_path):
    network, optimizer = saved(tmp_path / "a")
    assert checkpoint.load(tmp_path, network, optimizer, {}) is None


def test_tensors_whose_header_lies(tmp_path):
    offsets(tmp_path)
    with pytest.raises(InputError, match="a damaged file"):
        tensors.load(tmp_path / WEIGHTS)


def estimator(folder):
    from anchors.hashing.rreh import RREH

    draw = np.random.default_rng(0)
    images, texts = draw.normal(size=(80, 6)), draw.normal(size=(80, 5))
    RREH(bits=4, n_landmarks=10, n_anchors=8).fit(images, texts).save(folder / "m")
    return RREH


def about(**changes):
    return lambda folder: text("m.json", json.dumps(json.loads((folder / "m.json").read_text()) | changes))(folder)


def arrays(change):
    def make(folder):
        with np.load(folder / "m.npz") as file:
            found = dict(file)
        change(found)
        np.savez(folder / "m.npz", **found)
        about(shapes={name: list(np.shape(a)) for name, a in found.items()})(folder)

    return make


ESTIMATORS = {
    "half": (cut("m.npz", 300), "m.npz: found no zip directory"),
    "json": (cut("m.json", 30), "m.json: found not JSON"),
    "list": (text("m.json", "[]"), "m.json: found a JSON list; expected a dict."),
    "other": (about(estimator="CMFH"), "m: found CMFH; expected RREH. Load it with that class."),
    "no shapes": (about(shapes=None), "m: found arrays of other shapes; expected those the .json lists."),
    "parameter": (about(parameters={"bitz": 3}), "m: found what does not fit (TypeError"),
    "parameters": (about(parameters=[]), "m: found what does not fit (TypeError"),
    "text": (about(parameters={"bits": "x"}), "bits: found"),
    "lacking": (arrays(lambda found: found.pop("W_.image")), "m: found what does not fit (KeyError"),
    "nan": (arrays(lambda found: found.update({"W_.image": found["W_.image"] * np.nan})), "m: W_.image: found NaN or"),
    "pipe": (pipe("m.npz"), f"m.npz: {PIPE}"),
    "missing": (lambda folder: (folder / "m.json").unlink(), "m.json: found no such file"),
}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted")
    return estimator(folder), folder


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_damaged_estimator_is_refused(tmp_path, name, fitted):
    kind, source = fitted
    folder = shutil.copytree(source, tmp_path / "f")
    change, words = ESTIMATORS[name]
    change(folder)
    with pytest.raises(InputError) as caught:
        kind.load(folder / "m")
    said = str(caught.value).removeprefix("saved model ").removeprefix(f"{folder}/")
    assert said.startswith(words)
    assert "\n" not in said
