"""A resampling experiment and a labeller over HTTP: what fails is counted and asked for again, the rest is kept."""

import json
from dataclasses import replace

import pytest
from models.fake_server import Reply, Server, completion, error

from anchors.companion.errors import AnchorsError, InputError
from anchors.models.remote import Endpoint
from anchors.thought.experiments import Case, force, resample, rollouts_of
from anchors.thought.rollouts import RolloutStore
from anchors.thought.settings import Sampling
from anchors.thought.taxonomy import CATEGORIES, label_with_llm

SAMPLING = Sampling("m", 0.6, 0.95, 50, 6, 20, 1)
CASE = Case("p", "What is 1+2 ? ", "We add one to two. That makes three here. So it is \\boxed{3}.", "3")
ALL = 6 * len(CASE.prefixes)


@pytest.fixture
def store(tmp_path):
    with RolloutStore(tmp_path / "s.db") as store:
        yield store


def endpoint(server, **settings):
    return Endpoint(server.url, "org/model", **{"retries": 1, "pause": 0.01, "name": "m"} | settings)


def answered(body, **settings):
    """Return a completion that answers 3, or 4 for seed 0; a forced one at once."""
    digit = 4 if body["seed"] == 0 else 3
    forced = body["prompt"].endswith("\\boxed{")
    return completion(body, f"{digit}}}." if forced else f" Let us see. It is \\boxed{{{digit}}}.", **settings)


def failing(n, path, body):
    return error(500, "boom") if body["seed"] == 2 else Reply(answered(body))


def test_failures_in_the_middle_are_counted_and_only_they_are_asked_again(store):
    with Server(failing) as server:
        found = resample(endpoint(server), CASE, store, SAMPLING, batch=4)
    failed = len(CASE.prefixes)
    assert found == {"sampled": ALL - failed, "kept": 0, "failed": failed}
    assert store.counts() == {
        "rows": ALL, "errors": failed, "good": ALL - failed, "answered": ALL - failed,
        "correct": ALL - 2 * failed, "prefixes": failed,
    }  # fmt: skip
    faults = store.table().error.dropna()
    assert faults.str.endswith("status 500: boom").all()

    with Server(lambda n, path, body: answered(body)) as server:
        again = resample(endpoint(server), CASE, store, SAMPLING)
        assert again == {"sampled": failed, "kept": ALL - failed, "failed": 0}
        assert server.seeds == [2] * failed
        assert {body["prompt"] for _, _, body, _ in server.seen} == set(CASE.prefixes)
        assert resample(endpoint(server), CASE, store, SAMPLING) == {"sampled": 0, "kept": ALL, "failed": 0}
    table = rollouts_of(store, "m", CASE)
    assert table[table.error.isna()].groupby("sentence").seed.agg(list).tolist() == [list(range(6))] * failed
    assert (table[table.error.isna()].logprob == -0.75).all()
    assert table[table.error.notna()].attempt.tolist() == [0] * failed


def test_a_rollout_that_fails_again_is_another_attempt(store):
    with Server(failing) as server:
        resample(endpoint(server), CASE, store, SAMPLING)
        assert resample(endpoint(server), CASE, store, SAMPLING, retry=False)["failed"] == 0
        resample(endpoint(server), CASE, store, SAMPLING)
    table = store.table()
    assert sorted(table[table.error.notna()].attempt) == [0] * len(CASE.prefixes) + [1] * len(CASE.prefixes)


def test_forced_answers_and_a_server_that_gives_no_log_probabilities(store):
    with Server(lambda n, path, body: answered(body, logprobs=None)) as server:
        force(endpoint(server), CASE, store, SAMPLING)
    table = store.table(kind="forced")
    assert table.answer.value_counts().to_dict() == {"3": 5 * len(CASE.prefixes), "4": len(CASE.prefixes)}
    assert table.logprob.isna().all()
    assert store._connection.execute("SELECT COUNT(*) FROM rollouts WHERE logprob IS NULL").fetchone() == (ALL,)


def test_a_server_that_dies_leaves_what_it_gave(store):
    with (
        Server(lambda n, path, body: Reply(die=True) if n == 11 else answered(body)) as server,
        pytest.raises(AnchorsError, match="no endpoint answers any more"),
    ):
        resample(endpoint(server, concurrency=2), CASE, store, SAMPLING, batch=4)
    counts = store.counts()
    assert 9 <= counts["good"] <= 12
    assert counts["errors"] == 0
    with Server(lambda n, path, body: answered(body)) as server:
        again = resample(endpoint(server), CASE, store, SAMPLING)
    assert again == {"sampled": ALL - counts["good"], "kept": counts["good"], "failed": 0}


def test_a_wrong_key_stops_before_anything_is_stored(store):
    with (
        Server(lambda n, path, body: error(401, "Unauthorized")) as server,
        pytest.raises(InputError, match="status 401: Unauthorized"),
    ):
        resample(endpoint(server), CASE, store, replace(SAMPLING, rollouts=3))
    assert store.counts()["rows"] == 0


def chatted(content):
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}


def test_labels_over_the_chat_of_a_server():
    texts = [sentence.text for sentence in CASE.sentences]
    labels = dict(zip("012", (CATEGORIES[3], CATEGORIES[5], CATEGORIES[7]), strict=True))
    replies = [error(503, "loading"), chatted("no JSON"), chatted(json.dumps({"labels": labels}))]
    with Server(lambda n, path, body: replies[n]) as server:
        assert label_with_llm(CASE.problem, texts, endpoint(server)) == list(labels.values())
    assert [path for _, path, _, _ in server.seen] == ["/v1/chat/completions"] * 3
    bodies = [body for _, _, body, _ in server.seen]
    assert bodies[0]["response_format"] == {"type": "json_object"}
    assert bodies[0]["temperature"] == 0
    assert [len(body["messages"]) for body in bodies] == [2, 2, 3]
