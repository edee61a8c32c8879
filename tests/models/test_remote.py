"""The endpoint over real HTTP on loopback: a scripted server that misbehaves in every way it may."""

import logging
import math
import os
import signal
import threading
import time
import warnings

import pytest
from models.fake_server import Reply, Server, closed_port, completion, error

from anchors.companion.errors import AnchorsError, InputError
from anchors.models.remote import Endpoint
from anchors.models.wire import TOO_LONG, _asked_pause

KEY = "sk-a-secret-of-mine"


@pytest.fixture(autouse=True)
def _no_thread_stays(monkeypatch):
    for name in ("ANCHORS_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield
    assert not ours(), "a call ends its thread"


def ours():
    return [thread for thread in threading.enumerate() if thread.name == "anchors-endpoint"]


def endpoint(*urls, **settings):
    return Endpoint(urls, "m", **{"retries": 2, "pause": 0.01, "timeout": 5.0} | settings)


def one_line(excinfo):
    text = str(excinfo.value)
    assert "\n" not in text
    return text


def test_rollouts_come_in_the_order_of_seeds_and_say_what_the_server_said():
    with Server(lambda n, path, body: Reply(completion(body), delay=0.05 * (3 - body["seed"] % 4))) as server:
        found = endpoint(server.url, concurrency=4).continuations("P", [5, 3, 8, 2], 50, 0.7, 0.9, stop=("X",))
    assert [c.text for c in found] == [" seed 5.", " seed 3.", " seed 8.", " seed 2."]
    assert [(c.seed, c.logprob, c.finished, c.error, c.token_ids) for c in found[:1]] == [(5, -0.75, True, None, ())]
    assert sorted(server.seeds) == [2, 3, 5, 8]
    _, path, body, headers = server.seen[0]
    assert path == "/v1/completions"
    assert "Authorization" not in headers
    assert body | {"seed": 0} == {
        "model": "m", "prompt": "P", "max_tokens": 50, "temperature": 0.7, "top_p": 0.9, "seed": 0, "stop": ["X"],
        "logprobs": 1,
    }  # fmt: skip


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_a_url_with_or_without_v1(ending):
    with Server() as server:
        assert endpoint(server.url + ending).continuations("P", [0], 5)[0].text == " seed 0."
    assert server.seen[0][1] == "/v1/completions"


def test_what_a_server_does_not_take_can_be_left_out_or_added():
    extra = {"include_stop_str_in_output": True}
    with Server() as server:
        [found] = endpoint(server.url, seeded=False, logprobs=False, extra=extra).continuations("P", [7], 5)
    assert found.seed == 7
    assert math.isnan(found.logprob)
    assert set(server.seen[0][2]) == {"model", "prompt", "max_tokens", "temperature", "top_p", *extra}


@pytest.mark.parametrize(("reason", "finished"), [("stop", True), ("length", False), (None, False)])
def test_a_rollout_is_finished_when_the_server_says_so(reason, finished):
    with Server(lambda n, path, body: completion(body, reason=reason, logprobs=(None, -1.0))) as server:
        [found] = endpoint(server.url).continuations("P", [0], 5)
    assert found.finished is finished
    assert math.isnan(found.logprob), "a sum with a gap is not the sum"


BAD = {
    "500": lambda body: error(500, "boom"),
    "html": lambda body: Reply(b"<html><body>proxy login</body></html>"),
    "half": lambda body: Reply(b'{"choices": [{"text": "abc'),
    "no choice": lambda body: Reply({"choices": []}),
    "no text": lambda body: Reply({"choices": [{"finish_reason": "stop"}]}),
    "no object": lambda body: Reply([1, 2]),
    "aborted": lambda body: completion(body, reason="abort"),
    "slow": lambda body: Reply(completion(body), delay=5.0),
    "429": lambda body: error(429, "slow down"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_may_pass_is_tried_again(kind):
    with Server(lambda n, path, body: BAD[kind](body) if n < 2 else None) as server:
        [found] = endpoint(server.url, timeout=0.3).continuations("P", [4], 5)
    assert (found.text, found.error) == (" seed 4.", None)
    assert server.seeds == [4, 4, 4], "the seed of a rollout stays when it is asked again"


@pytest.mark.parametrize("kind", BAD)
def test_one_rollout_that_fails_for_good_leaves_the_others(kind):
    with Server(lambda n, path, body: BAD[kind](body) if body["seed"] == 1 else None) as server:
        found = endpoint(server.url, timeout=0.3).continuations("P", range(4), 5)
    assert [c.error is None for c in found] == [True, False, True, True]
    bad = found[1]
    assert (bad.text, bad.finished, bad.seed) == ("", False, 1)
    assert math.isnan(bad.logprob)
    assert bad.error.startswith(server.url)
    assert "\n" not in bad.error
    assert server.seeds.count(1) == 3


def test_a_server_may_ask_for_a_pause():
    reply = error(429, "slow down", **{"Retry-After": "1"})
    with Server(lambda n, path, body: reply if n == 0 else None) as server:
        assert endpoint(server.url).continuations("P", [0], 5)[0].error is None
    assert server.seen[1][0] - server.seen[0][0] >= 1.0
    assert _asked_pause("") == _asked_pause("soon") == _asked_pause("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert _asked_pause("86400") == 600
    assert 500 < _asked_pause("Fri, 31 Dec 2100 23:59:59 GMT") <= 600


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
        "The decoder prompt (length 41) is longer than the maximum model length of 40.",
        "the request exceeds the available context size",
        "max_tokens must be at least 1, got -3.",
    ],
)
def test_a_prompt_that_is_too_long_is_its_rollouts_error_at_once(message):
    assert TOO_LONG.search(message)
    with Server(lambda n, path, body: error(400, message) if body["prompt"] == "long" else None) as server:
        found = endpoint(server.url, concurrency=1).many([("long", 0), ("P", 1), ("long", 2)], 5)
    assert [c.error for c in found] == [f"status 400: {message}", None, f"status 400: {message}"]
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "The model `m` does not exist."),
        (400, "Server is pinned to 'x'; requested 'm'."),
        (422, "Unexpected fields in the request: {'logprobs'}"),
    ],
)
def test_a_wrong_key_model_or_field_is_told_at_first_contact(status, message):
    with Server(lambda n, path, body: error(status, message)) as server, pytest.raises(InputError) as told:
        endpoint(server.url, concurrency=1).continuations("P", range(9), 5)
    assert one_line(told).startswith(f"{server.url}: found status {status}: {message}; expected 'm' to answer at /v1/")
    assert "Check the url, the model's name and the key" in one_line(told)
    assert len(server.seen) == 1


def test_a_page_where_the_api_should_be():
    with (
        Server(lambda n, path, body: Reply(b"<html>\nNot\nhere</html>", 404)) as server,
        pytest.raises(InputError, match=r"found status 404: <html> Not here</html>; expected"),
    ):
        endpoint(server.url).continuations("P", [0], 5)


def test_a_refusal_in_the_middle_is_one_rollouts_error():
    def script(n, path, body):
        return error(400, "unknown token") if body["seed"] == 2 else None

    with Server(script) as server:
        found = endpoint(server.url, concurrency=1).continuations("P", range(4), 5)
    assert [c.error for c in found] == [None, None, "status 400: unknown token", None]


def test_the_key_goes_into_the_header_only(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    with Server(lambda n, path, body: error(401, f"no such key: {KEY}")) as server:
        asked = endpoint(server.url, key=KEY)
        with pytest.raises(InputError) as told:
            asked.continuations("P", [0], 5)
    assert server.seen[0][3]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in one_line(told) + repr(asked) + str(vars(told.value)) + caplog.text
    monkeypatch.setenv("ANCHORS_API_KEY", f"{KEY}-own\n")
    assert endpoint(server.url).key == f"{KEY}-own"
    with pytest.raises(InputError, match="printable ASCII") as told:
        endpoint(server.url, key=KEY + "\u2026")
    assert KEY not in one_line(told)


@pytest.mark.parametrize(
    "settings",
    [{"urls": ()}, {"urls": "ftp://h"}, {"urls": "localhost:8000"}, {"urls": "http://me:word@h"}, {"model": ""},
     {"concurrency": 0}, {"retries": -1}, {"timeout": 0}, {"rate": 0}],
)  # fmt: skip
def test_impossible_settings(settings):
    with pytest.raises(InputError) as told:
        Endpoint(**{"urls": "http://h", "model": "m"} | settings)
    assert "word" not in one_line(told)


@pytest.mark.parametrize("settings", [{"max_new_tokens": 0}, {"temperature": -1}, {"top_p": 0}, {"top_p": 1.5}])
def test_impossible_sampling(settings):
    with pytest.raises(InputError):
        endpoint("http://h").continuations("P", [0], **{"max_new_tokens": 5} | settings)


def test_no_job_no_request():
    with Server() as server:
        assert endpoint(server.url).many([], 5) == []
    assert server.seen == []


def test_servers_share_the_work_and_no_more_is_under_way_than_said():
    def slowly(n, path, body):
        return Reply(completion(body), delay=0.05)

    with Server(slowly) as one, Server(slowly) as two:
        found = endpoint(one.url, two.url, concurrency=3).continuations("P", range(30), 5)
    assert [c.seed for c in found] == list(range(30))
    assert sorted(one.seeds + two.seeds) == list(range(30))
    assert min(len(one.seen), len(two.seen)) >= 8
    assert (one.most, two.most) == (3, 3)


def test_one_server_dies_in_the_middle_and_the_other_finishes():
    def dying(n, path, body):
        return Reply(die=True) if n == 5 else Reply(completion(body), delay=0.02)

    stored = []
    with Server(dying) as one, Server(lambda n, path, body: Reply(completion(body), delay=0.02)) as two:
        asked = endpoint(one.url, two.url, concurrency=2)
        with pytest.warns(UserWarning, match=f"{one.url} is set aside"):
            found = asked.many([("P", s) for s in range(40)], 5, done=lambda i, c: stored.append(i))
    assert [(c.text, c.error) for c in found] == [(f" seed {s}.", None) for s in range(40)]
    assert sorted(stored) == list(range(40)), "each is handed over once"
    assert len(two.seen) >= 30


def test_a_server_that_only_fails_is_set_aside_and_its_requests_go_to_the_other():
    with Server(lambda n, path, body: error(500, "out of memory")) as bad, Server() as good:
        asked = endpoint(bad.url, good.url, concurrency=2)
        with pytest.warns(UserWarning, match="set aside, its requests go to others: status 500: out of memory"):
            found = asked.continuations("P", range(20), 5)
        assert all(c.error is None for c in found)
        assert len(bad.seen) <= 8
        [few] = endpoint(bad.url, good.url, concurrency=8).continuations("P", [0], 5)
    assert few.error is None, "one request alone goes on too, though it does not prove the server bad"


def test_a_rollout_that_fails_everywhere_fails_and_ends_nothing():
    def poisoned(n, path, body):
        return error(500, "boom") if body["seed"] == 3 else None

    with Server(poisoned) as one, Server(poisoned) as two:
        found = endpoint(one.url, two.url).continuations("P", range(6), 5)
    assert [c.error is None for c in found] == [True] * 3 + [False] + [True] * 2
    assert sorted([one.seeds.count(3), two.seeds.count(3)]) == [3, 3]


def test_a_key_that_expires_in_the_middle_sets_the_server_aside():
    def expiring(n, path, body):
        return error(401, "expired") if n >= 3 else None

    with Server(expiring) as one, Server() as two, pytest.warns(UserWarning, match="status 401: expired"):
        found = endpoint(one.url, two.url, concurrency=1).continuations("P", range(12), 5)
    assert all(c.error is None for c in found)
    with (
        Server(expiring) as alone,
        pytest.raises(AnchorsError, match=r"no endpoint answers any more .*status 401: expired"),
    ):
        endpoint(alone.url).continuations("P", range(12), 5)


def test_all_down_is_one_line_and_what_came_before_is_kept():
    down, stored = closed_port(), []

    def dying(n, path, body):
        return Reply(die=True) if n == 6 else None

    with Server(dying) as one:
        asked = endpoint(one.url, down, concurrency=2)
        with warnings.catch_warnings(record=True), pytest.raises(AnchorsError) as told:
            asked.many([("P", seed) for seed in range(20)], 5, done=lambda i, c: stored.append(c.error))
    text = one_line(told)
    assert not isinstance(told.value, InputError)
    for part in (one.url, down, "cannot be reached", "what was sampled is kept"):
        assert part in text
    assert 5 <= len(stored) < 20
    assert set(stored) == {None}, "requests nobody heard are no failed rollouts"


def test_a_server_where_everything_fails_is_given_up_on():
    with Server(lambda n, path, body: error(503, "loading")) as server, pytest.raises(AnchorsError) as told:
        endpoint(server.url, concurrency=4).continuations("P", range(100), 5)
    assert "status 503: loading" in one_line(told)
    assert len(server.seen) <= 16


def test_the_rate_is_kept_over_all_servers_and_attempts():
    with Server(lambda n, path, body: error(500, "once") if n == 2 else None) as one, Server() as two:
        begun = time.monotonic()
        endpoint(one.url, two.url, rate=20).continuations("P", range(15), 5)
        took = time.monotonic() - begun
    times = sorted(moment for moment, *_ in one.seen + two.seen)
    assert len(times) == 16
    assert 0.7 <= took < 5
    for first in times:
        assert sum(first <= moment < first + 0.5 for moment in times) <= 13


def test_results_are_handed_over_as_they_come_on_this_thread():
    held, stored = threading.Event(), []

    def script(n, path, body):
        if body["seed"] == 0:
            assert held.wait(5), "the others are handed over before this one is answered"
        return completion(body)

    def done(place, continuation):
        assert threading.current_thread() is threading.main_thread()
        stored.append((place, continuation.seed))
        if len(stored) == 3:
            held.set()

    with Server(script) as server:
        endpoint(server.url).many([("P", seed) for seed in range(4)], 5, done=done)
    assert sorted(stored) == [(seed, seed) for seed in range(4)]
    assert stored[-1] == (0, 0)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, OSError])
def test_what_done_raises_cancels_the_rest_at_once(raised):
    stored = []

    def done(place, continuation):
        stored.append(place)
        if len(stored) == 2:
            raise raised

    with Server(lambda n, path, body: Reply(completion(body), delay=0 if n < 2 else 30)) as server:
        begun = time.monotonic()
        with pytest.raises(raised):
            endpoint(server.url).many([("P", seed) for seed in range(50)], 5, done=done)
        assert time.monotonic() - begun < 5
        assert not ours()
        assert len(stored) == 2
        assert len(server.seen) <= 12


def test_ctrl_c_while_waiting_ends_at_once():
    pressed = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it

    def press(number, path, body):
        if not pressed:  # the caller waits for answers from here on
            pressed.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
        return Reply(completion(body), delay=30)

    try:
        with Server(press) as server:
            with pytest.raises(KeyboardInterrupt):
                endpoint(server.url).continuations("P", range(9), 5)
            assert time.monotonic() - pressed[0] < 5
            assert not ours()
    finally:
        signal.signal(signal.SIGINT, before)


def test_it_works_inside_a_running_loop_as_in_a_notebook():
    import asyncio

    async def cell():
        with Server() as server:
            return endpoint(server.url).continuations("P", [1], 5)

    assert asyncio.run(cell())[0].text == " seed 1."


def test_progress_is_shown_when_asked_and_silent_when_headless(monkeypatch, capsys):
    import tqdm

    monkeypatch.setattr(tqdm.tqdm, "__init__", _at_once(tqdm.tqdm.__init__))
    with Server() as server:
        for headless, track in (("1", True), ("0", False), ("0", True)):
            monkeypatch.setenv("ANCHORS_HEADLESS", headless)
            assert capsys.readouterr().err == ""
            endpoint(server.url).continuations("P", range(3), 5, track=track)
    assert "rollouts" in capsys.readouterr().err


def _at_once(made):
    return lambda self, *args, **settings: made(self, *args, **settings | {"delay": 0})


def chatted(content):
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}


def test_chat():
    with Server(lambda n, path, body: chatted("hello") if n else chatted(None)) as server:
        asked = endpoint(server.url, key=KEY)
        messages = [{"role": "user", "content": "Hi"}]
        assert asked.chat(messages, max_tokens=5, response_format={"type": "json_object"}, seed=3) == "hello"
    assert len(server.seen) == 2, "an empty reply is asked for again"
    _, path, body, headers = server.seen[1]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert body == {
        "model": "m", "messages": messages, "temperature": 0.0, "max_tokens": 5,
        "response_format": {"type": "json_object"}, "seed": 3,
    }  # fmt: skip


def test_chat_that_fails_says_why_in_one_line():
    long = "maximum context length is 5 tokens"
    messages = [{"role": "user", "content": "Hi"}]
    for script, said in ((error(400, long), f"no reply from m: status 400: {long}"), (error(500, "boom"), "boom")):
        with Server(lambda n, path, body, script=script: script) as server, pytest.raises(AnchorsError) as told:
            endpoint(server.url).chat(messages)
        assert said in one_line(told)
    with pytest.raises(AnchorsError, match="no endpoint answers any more"):
        endpoint(closed_port()).chat(messages)


def test_a_name_of_its_own_and_cheap_import():
    assert Endpoint("http://h", "org/model").name == "org/model"
    assert Endpoint("http://h", "org/model", name="mine").name == "mine"
    import subprocess
    import sys

    code = "import sys, anchors.models.remote; print([m for m in ('httpx', 'tenacity', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
