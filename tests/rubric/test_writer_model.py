"""The shipped writer: its files, its rates beside the program's, its grammar, and sampling from it."""

import json

import numpy as np
import pytest

from anchors.companion.files import sha256
from anchors.models import sampling
from anchors.models.language import SHIPPED, load
from anchors.models.tiny import Phase
from anchors.rubric.writer import attributes, audit, prompts, training, vocabulary

FOLDER = SHIPPED / "writer"
TEXTS = 320
POINTS = 0.03  # allowed between writer and program, besides three standard errors of a live sample
OBEYED = 0.15  # a small writer counts sentences badly: it obeys less often than the program


@pytest.fixture(scope="module")
def record():
    return json.loads((FOLDER / "provenance.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def writer():
    return load("writer")


def test_the_weights_are_small_and_the_recorded_ones(record):
    assert sha256(FOLDER / "model.safetensors") == record["sha256"]
    assert (FOLDER / "model.safetensors").stat().st_size <= 4 * 2**20
    assert record["seconds"] <= 900
    assert record["program"] == training.program_hash(), "the program changed: train the writer again"


def test_the_recorded_audit_meets_the_bar(record):
    held, found = record["held_out"], record["audit"]
    assert held["entropy"] <= held["loss"] <= held["entropy"] + 0.02
    assert found["texts"] == audit.TEXTS
    for name, rate in found["rates"].items():
        assert rate["writer"] == pytest.approx(rate["program"], abs=POINTS), name
    for name, rate in found["obeyed"].items():
        assert rate["writer"] == pytest.approx(rate["program"], abs=OBEYED), name
        assert rate["writer"] >= 0.2, name
    assert found["readable"] >= 0.98
    assert found["grammatical"] >= 0.9
    assert found["finished"] >= 0.99


def test_its_words_round_trip(writer):
    rng = np.random.default_rng(0)
    for _ in range(50):
        prompt = prompts.sample(rng)
        text = f"{prompt.text}\n{audit.program.write(prompt, rng)}".replace("\n\n", "\n")
        ids = writer.encode(text)
        assert ids == vocabulary.encode(text)
        assert writer.tokenizer.decode(ids) == text
    assert writer.tokenizer.is_fast
    assert writer.encode("xylophone") == [vocabulary.IDS[vocabulary.UNKNOWN]]


def test_live_rates_are_those_of_the_program(writer):
    found = audit.audit(writer.network, TEXTS, seed=77)
    for name, rate in found["rates"].items():
        spread = np.sqrt(rate["program"] * (1 - rate["program"]) / TEXTS)
        assert rate["writer"] == pytest.approx(rate["program"], abs=POINTS + 3 * spread), name
    assert found["readable"] >= 0.97
    assert found["grammatical"] >= 0.85
    assert found["finished"] >= 0.98


def test_live_loss_is_near_the_entropy(writer):
    found = audit.held_out(writer.network, 200, seed=5)
    assert found.loss == pytest.approx(found.entropy, abs=0.03)


def test_it_heeds_the_prompt(writer):
    """Asked for a list it writes one more often, and it tells of the topic."""
    plain, asked = prompts.Prompt(topic="a farm"), prompts.Prompt(topic="a farm", list=True)
    rates = []
    for prompt in (plain, asked):
        texts = [text for text, _ in audit.generate(writer.network, [prompt.text] * 200, np.random.default_rng(1))]
        rates.append(attributes.attribute("list", [prompt.text] * 200, texts).mean())
        assert np.nanmean(attributes.on_topic([prompt.text] * 200, texts)) > 0.8
    assert rates[1] > rates[0] + 0.1


def test_sampling_through_the_models_package(writer):
    prompt = prompts.Prompt(topic="the river").text
    found = sampling.continuations(writer, prompt, range(24), max_new_tokens=72, temperature=1.0, top_p=1.0)
    assert sum(one.finished for one in found) >= 23
    for one in found:
        if one.finished:
            assert vocabulary.encode(one.text) == list(one.token_ids[:-1])
    again = sampling.continuations(writer, prompt, [7], max_new_tokens=72, temperature=1.0, top_p=1.0)
    assert again[0].text == found[7].text


def test_training_writes_a_folder_that_loads(tmp_path, monkeypatch):
    monkeypatch.setenv("ANCHORS_CACHE", str(tmp_path / "cache"))
    phases = [Phase("texts", training.example, steps=2, batch=4), Phase("dense", training.either_example, 2, batch=4)]
    log, found = training.train_and_ship(tmp_path / "made", phases, texts=4)
    assert {row["phase"] for row in log} == {"texts", "dense"}
    assert found["held_out"]["loss"] > found["held_out"]["entropy"]
    model = load(str(tmp_path / "made"))
    assert model.encode(prompts.Prompt().text) == vocabulary.encode(prompts.Prompt().text)
    assert found["sha256"] == sha256(tmp_path / "made" / "model.safetensors")
