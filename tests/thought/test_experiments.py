"""Resampling experiments with a made-up model: what is asked, stored, resumed and refused."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from anchors.companion.errors import AnchorsError, InputError
from anchors.models.sampling import Continuation
from anchors.thought.experiments import Case, force, resample, rollouts_of
from anchors.thought.importance import trace_importances
from anchors.thought.rollouts import RolloutStore
from anchors.thought.settings import Sampling

SAMPLING = Sampling("made-up", 1.0, 1.0, 50, 12, 20, 1)
TEXT = "We add one to two. That makes three here. So it is \\boxed{3}."


@dataclass
class Model:
    """Answers 3 once the trace says so, else 3 or 4 by seed; fails where told to."""

    name: str = "made-up"
    fail: tuple = ()
    interrupt: int = 10**9

    def __post_init__(self):
        self.asked = []

    def continuations(self, prefix, seeds, max_new_tokens, temperature, top_p, stop=()):
        self.asked.append((prefix, list(seeds)))
        if len(self.asked) >= self.interrupt:
            raise KeyboardInterrupt
        if len(self.asked) in self.fail:
            raise AnchorsError("the server\nsaid no")
        return [Continuation(self.text(prefix, s), (), -1.0 * s, True, s) for s in seeds]

    def text(self, prefix, seed):
        answer = 3 if "three" in prefix or seed % 2 else 4
        if prefix.endswith("\\boxed{"):
            return f"{answer}}} and so on"
        return "" if "boxed" in prefix.split("?")[-1] else f" Let us see {seed}. It is \\boxed{{{answer}}}."


@pytest.fixture
def case():
    return Case("p", "What is \\boxed{1}+2 ? ", TEXT, "3")


@pytest.fixture
def store(tmp_path):
    with RolloutStore(tmp_path / "s.db") as store:
        yield store


def test_prefixes_are_slices_that_end_with_a_sentence(case):
    assert len(case.prefixes) == 4
    assert case.prefixes[0] == case.prompt
    assert case.prefixes[1] == case.prompt + "We add one to two."
    assert case.prefixes[-1] == case.prompt + TEXT


def test_every_prefix_is_sampled_and_read(case, store):
    model = Model()
    assert resample(model, case, store, SAMPLING, batch=5) == {"sampled": 48, "kept": 0, "failed": 0}
    assert [len(seeds) for _, seeds in model.asked] == [5, 5, 2] * 4
    table = rollouts_of(store, "made-up", case)
    assert table.groupby("sentence").correct.mean().tolist() == [0.5, 0.5, 1.0, 1.0]
    assert table.first_sentence[0] == "Let us see 0."
    found = trace_importances(table, "resampling", bootstrap=0)
    assert found.value.tolist() == [0.0, 0.5, 0.0]


def test_what_is_there_is_not_asked_again(case, store):
    resample(Model(), case, store, SAMPLING, seeds=range(7))
    model = Model()
    assert resample(model, case, store, SAMPLING) == {"sampled": 20, "kept": 28, "failed": 0}
    assert {seed for _, seeds in model.asked for seed in seeds} == set(range(7, 12))


def test_an_interrupted_run_loses_one_batch(case, store):
    with pytest.raises(KeyboardInterrupt):
        resample(Model(interrupt=4), case, store, SAMPLING, batch=5)
    assert store.counts()["good"] == 12
    assert resample(Model(), case, store, SAMPLING, batch=5)["sampled"] == 36
    assert store.counts()["good"] == 48


def test_forced_answers_are_read_from_the_suffix(case, store):
    force(Model(), case, store, SAMPLING)
    table = rollouts_of(store, "made-up", case, "forced", "\n</think>\n\nTherefore, the final answers is \\boxed{")
    assert set(table.answer[table.sentence == 0]) == {"3", "4"}
    assert table.correct[table.sentence > 1].all()
    assert len(table) == 48


def test_failed_batches_are_kept_counted_and_asked_again(case, store):
    assert resample(Model(fail=(2,)), case, store, SAMPLING, batch=6) == {"sampled": 42, "kept": 0, "failed": 6}
    assert store.table().error.dropna().unique().tolist() == ["the server said no"]
    assert resample(Model(), case, store, SAMPLING, retry=False)["sampled"] == 0
    assert resample(Model(fail=(1,)), case, store, SAMPLING)["failed"] == 6
    assert resample(Model(), case, store, SAMPLING)["sampled"] == 6
    assert store.counts() | {"correct": 0} == {
        "rows": 60, "errors": 12, "good": 48, "answered": 48, "correct": 0, "prefixes": 4
    }  # fmt: skip


def test_it_gives_up_after_three_failures_in_a_row(case, store):
    model = Model(fail=range(1, 100))
    with pytest.raises(AnchorsError, match="3 batches in a row failed, the last one: the server said no"):
        resample(model, case, store, SAMPLING, batch=4)
    assert len(model.asked) == 3
    assert store.counts()["errors"] == 12


def test_one_sentence_none_too_many_and_too_long(store):
    one = Case("p", "Q? ", "It is \\boxed{3}.", "3")
    assert resample(Model(), one, store, SAMPLING)["sampled"] == 24
    with pytest.raises(InputError, match="no sentence"):
        Case("p", "Q? ", "  ", "3")
    with pytest.raises(InputError, match="at most 20"):
        resample(Model(), Case("p", "Q? ", "Here is another one. " * 21, "3"), store, SAMPLING)
    with pytest.raises(InputError, match="slices of the trace"):
        Case("p", "Q? ", "Some other text.", "3", one.sentences)
    long = Model()
    long.network = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=4))
    long.tokenizer = lambda text: {"input_ids": text.split()}
    with pytest.raises(InputError, match="fewer than 4"):
        resample(long, one, store, SAMPLING)


def test_traces_that_share_a_start_share_rollouts(case, store):
    other = Case("p", case.prompt, "We add one to two. Now wait a moment.", "3")
    resample(Model(), case, store, SAMPLING)
    assert resample(Model(), other, store, SAMPLING)["kept"] == 24
    assert rollouts_of(store, "made-up", other).sentence.max() == 2


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A tiny Llama with random weights and the reasoner's words."""
    from anchors.models.language import load
    from anchors.models.tiny import Architecture, build
    from anchors.thought.reasoner.vocabulary import TOKENS, save_tokenizer

    folder = tmp_path_factory.mktemp("tiny")
    build(Architecture(len(TOKENS), width=16, layers=2, heads=2, hidden=16, positions=64), seed=0).save_pretrained(
        folder
    )
    save_tokenizer(folder)
    return load(str(folder))


def test_a_local_model_gives_the_same_rollouts_in_any_batch(network, tmp_path):
    case = Case("p", "a: 3 ; find a ?", " we need a . so we have a: 3 .", "3")
    short, tables = replace(SAMPLING, max_new_tokens=6), []
    for name, batch in (("one.db", 12), ("other.db", 5)):
        with RolloutStore(tmp_path / name) as store:
            assert resample(network, case, store, short, batch=batch) == {"sampled": 36, "kept": 0, "failed": 0}
            tables.append(rollouts_of(store, network.name, case)[["sentence", "seed", "text", "answer"]])
    assert tables[0].equals(tables[1])
    assert tables[0].text.nunique() > 20
    assert tables[0].text.str.startswith(" ").all()


def test_a_trace_beyond_the_context_is_refused(network, store):
    case = Case("p", "a: 3 ; find a ?", " so we have a: 3 ." * 12, "3")
    with pytest.raises(InputError, match="fewer than 64"):
        resample(network, case, store, SAMPLING)
    assert store.counts()["rows"] == 0


def test_finished_rollouts_do_not_wait_for_a_full_batch(case, store, monkeypatch):
    from anchors.thought import experiments

    journal = experiments._Journal(store, batch=100)
    rows = [experiments._rollout(("m", "p", "h", 0), seed, "resample", text="x") for seed in range(3)]
    journal.add(rows[0])
    assert store.counts()["good"] == 0
    monkeypatch.setattr(experiments, "PAUSE", -1.0)
    journal.add(rows[1])
    assert store.counts()["good"] == 2
    with journal:
        journal.rows.append(rows[2])
    assert store.counts()["good"] == journal.good == 3
