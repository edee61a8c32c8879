"""Servers that want the key, the memory or the time of who asks: one line each, and no other request is lost."""

import gzip
import json
import logging
import math
import traceback

import pytest
from models.fake_server import Reply, Server, completion, error
from models.test_remote import endpoint, one_line

from anchors.companion.errors import AnchorsError, InputError
from anchors.models import wire
from anchors.models.chat import Chat
from anchors.models.remote import Endpoint
from anchors.models.wire import Refusal, hidden

KEY = "sk-Tr0ub4dor-and-3-staples"


@pytest.fixture(autouse=True)
def _no_keys_of_this_machine(monkeypatch):
    for name in ("ANCHORS_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def nested(depth):
    return Reply(b'{"choices": ' + b"[" * depth + b"]" * depth + b"}")


DEEP = b"[" * 200_000
HOSTILE = {
    "deep": lambda body: Reply(DEEP + b"]" * 200_000),
    "deep and cut off": lambda body: Reply(DEEP),
    "deep inside": lambda body: nested(100_000),
    "a deep error": lambda body: Reply(b'{"error": ' + DEEP + b"]" * 200_000 + b"}", 500),
    "large": lambda body: Reply(b" " * 40_000),
    "a large error": lambda body: Reply(b"x" * 40_000, 500),
    "a bomb": lambda body: Reply(gzip.compress(b" " * 10**8), headers={"Content-Encoding": "gzip"}),
    "a lying encoding": lambda body: Reply(completion(body), headers={"Content-Encoding": "br"}),
    "a large number": lambda body: completion(body, logprobs=(10**900,)),
    "a number of 9,000 digits": lambda body: Reply(b'{"choices": [' + b"1" * 9_000 + b"]}"),
    "logprobs of words": lambda body: completion(body, logprobs=("a", "b")),
    "a choice that is a text": lambda body: {"choices": ["text"]},
    "null": lambda body: Reply(b"null"),
    "no text at all": lambda body: Reply(b""),
    "other letters": lambda body: Reply(b"\xff\xfe\x00{"),
    "no number": lambda body: error(503, "late", **{"Retry-After": "²"}),
    "a redirect": lambda body: Reply({}, 307, {"Location": "http://elsewhere.example/v1/completions"}),
    "a redirect to itself": lambda body: Reply({}, 308, {"Location": "/v1/completions"}),
    "screen": lambda body: error(500, "\x1b[2J\x1b]0;title\x07 gone"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_one_hostile_answer_is_one_line_and_what_came_before_is_kept(kind, monkeypatch):
    monkeypatch.setattr(wire, "MOST", 30_000 if "large" in kind else wire.MOST)
    stored = {}

    def script(number, path, body):
        return HOSTILE[kind](body) if body["seed"] == 2 else None

    with Server(script) as server:
        asked = endpoint(server.url, concurrency=1 if "redirect" in kind else 4, retries=1)
        jobs = [("P", seed) for seed in range(5)]
        if "redirect" in kind:  # the server is given up on, since it is no longer where it was
            with pytest.raises(AnchorsError, match=r"no endpoint answers any more .*redirects to"):
                asked.many(jobs, 5, done=stored.__setitem__)
            assert list(stored) == [0, 1]
            return
        found = asked.many(jobs, 5, done=stored.__setitem__)
    assert [c.error is None for c in found] == [True, True, False, True, True]
    assert found == [stored[place] for place in range(5)] or math.isnan(found[2].logprob)
    assert found[2].error.isprintable()
    assert len(found[2].error) < 320


LINES = {
    "large": "an answer of more than 30,000 bytes",
    "a bomb": "a compressed answer, though none was asked for",
    "null": "an answer that cannot be read (status 200: null)",
    "no text at all": "an answer that cannot be read (status 200: no text)",
    "screen": "status 500: \\x1b[2J\\x1b]0;title\\x07 gone",
}


@pytest.mark.parametrize("kind", LINES)
def test_the_line_of_a_hostile_answer(kind, monkeypatch):
    monkeypatch.setattr(wire, "MOST", 30_000 if "large" in kind else wire.MOST)
    with Server(lambda number, path, body: HOSTILE[kind](body) if body["seed"] else None) as server:
        [_, found] = endpoint(server.url, concurrency=2, retries=0).continuations("P", [0, 1], 5)
    assert found.error.removeprefix(f"{server.url}: ") == LINES[kind]


def test_chats_too_are_kept_when_one_answer_is_hostile():
    def script(number, path, body):
        return (
            nested(100_000)
            if body["messages"][0]["content"] == "1"
            else {"choices": [{"message": {"content": "yes \ud800"}}]}
        )

    found = {}
    with Server(script) as server:
        bodies = [{"messages": [{"role": "user", "content": str(place)}]} for place in range(4)]
        Chat(endpoint(server.url, concurrency=1, retries=1)).many(bodies, found.__setitem__)
    assert [isinstance(found[place], Refusal) for place in range(4)] == [False, True, False, False]
    assert found[0].text == "yes ?"


def test_half_a_letter_is_no_reason_to_lose_a_batch():
    with Server(lambda number, path, body: completion(body, text="a\ud83d")) as server:
        [found] = endpoint(server.url).continuations("P", [0], 5)
    assert found.text == "a?"
    assert found.text.encode()


def test_a_request_that_is_no_json_ends_alone():
    with Server() as server:
        asked = endpoint(server.url, extra={"bias": math.nan}, retries=0)
        [found] = asked.continuations("P", [0], 5)
        [fine] = endpoint(server.url).continuations("P\ud800", [0], 5)
    assert found.error.startswith("a request that cannot be written as JSON (Out of range float")
    assert fine.error is None
    assert len(server.seen) == 1


# ---- the key ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1", "https://api.openai.com.evil.example", "http://api.openai.com", "https://openai.com",
     "https://evil.example/api.openai.com", "https://api.openai.com:8443", "https://xapi.openai.com",
     "https://api-openai.com", "https://API.openai.com.", "http://localhost:8000/https://api.openai.com"],
)  # fmt: skip
def test_the_key_of_openai_goes_to_openai_alone(monkeypatch, url):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    asked = Endpoint(url, "m")
    assert [asked._key_for(one) for one in asked.urls] == [None]
    both = Endpoint(["https://api.openai.com/v1", url], "m")
    assert [both._key_for(one) for one in both.urls] == [KEY, None]
    monkeypatch.setenv("ANCHORS_API_KEY", "own")
    assert Endpoint(url, "m")._key_for(url) == "own"
    assert Endpoint(url, "m", key="given")._key_for(url) == "given"


def test_no_server_but_openai_hears_the_key_of_openai(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Server() as server:
        endpoint(server.url).continuations("P", [0], 5)
    assert KEY not in json.dumps([seen[3] for seen in server.seen])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_gets_neither_key_nor_request(status):
    with Server() as thief:
        location = {"Location": f"{thief.url}/v1/completions"}
        with Server(lambda n, path, body: Reply({}, status, location)) as server, pytest.raises(InputError) as told:
            endpoint(server.url, key=KEY).continuations("P", [0], 5)
    assert thief.seen == []
    assert one_line(told).startswith(f"{server.url}: found status {status}: redirects to {thief.url}/v1/completions, ")
    assert KEY not in one_line(told)


def broken(by):
    return by.join(KEY)


ECHOES = {
    "whole": f"no such key: {KEY}.",
    "by blanks": f"no such key: {broken(' ')}.",
    "by new lines": f"no such key: {KEY[:9]}\n   {KEY[9:]}.",
    "by tabs and returns": f"no such key: {broken(chr(9) + chr(13))}.",
    "by zero-width blanks": f"no such key: {broken(chr(0x200B))}.",
    "by dots": f"no such key: {broken('.')}.",
    "in quotes": f'no such key: "{KEY[:10]}" "{KEY[10:]}".',
    "in capitals": f"no such key: {KEY.upper()}.",
    "its first half": f"no such key: {KEY[:14]}***.",
    "its last half": f"no such key: ***{KEY[-14:]}.",
    "twice": f"{KEY} is not {KEY}",
    "in its header": f"bad header: Authorization: Bearer {KEY}",
}


@pytest.mark.parametrize("status", [200, 401, 500])
@pytest.mark.parametrize("form", ["json", "text", "list"])
@pytest.mark.parametrize("kind", ECHOES)
def test_a_key_that_a_server_repeats_is_never_shown(kind, form, status, caplog):
    caplog.set_level(logging.DEBUG, "anchors")
    text = ECHOES[kind]
    body = {"json": {"error": {"message": text}}, "text": text.encode(), "list": {"detail": [{"msg": text}]}}[form]
    with Server(lambda n, path, asked: Reply(body, status)) as server, pytest.raises(AnchorsError) as told:
        endpoint(server.url, key=KEY, retries=0).chat([{"role": "user", "content": "Hi"}])
    shown = "".join(traceback.format_exception(told.value)) + caplog.text + repr(vars(told.value)) + one_line(told)
    letters = "".join(filter(str.isalnum, shown)).casefold()
    secret = "".join(filter(str.isalnum, KEY)).casefold()
    assert [secret[start : start + 8] for start in range(len(secret) - 7) if secret[start : start + 8] in letters] == []
    assert "…" in one_line(told)


@pytest.mark.parametrize(
    ("text", "key", "shown"),
    [
        ("no key here", None, "no key here"),
        ("no key here", "", "no key here"),
        ("bad EMPTY key", "EMPTY", "bad … key"),
        ("-- is bad", "--", "… is bad"),
        ("a\n b", "abcdefghij", "a b"),
        ("staple and stapler", KEY, "staple and stapler"),
        ("ab cd", "abcd", "…"),
    ],
)
def test_what_is_hidden(text, key, shown):
    assert hidden(text, key) == shown


@pytest.mark.parametrize(
    "url",
    [f"http://me:{KEY}@h", f"http://me:{KEY}/x@h", f"http://h/v1?key={KEY}", f"http://h#{KEY}", f"me:{KEY}@h",
     f"http://h/v1?a=b&key={KEY}\n", f"https://{KEY}@h/v1", f"ftp://a:{KEY}@b@c"],
)  # fmt: skip
def test_a_key_in_a_url_is_refused_and_not_shown(url):
    with pytest.raises(
        InputError, match=r"^url: found .*; expected http\(s\)://host:port\. Give a key as key="
    ) as told:
        Endpoint(url, "m")
    assert KEY not in one_line(told)


@pytest.mark.parametrize(
    "settings",
    [{"urls": "http://h:0"}, {"urls": "http://h:99999"}, {"urls": "http://"}, {"urls": "http://h:x"}, {"urls": "//h"},
     {"urls": "http://h\x1b"}, {"urls": "file:///etc/passwd"}, {"timeout": math.nan}, {"timeout": math.inf},
     {"rate": math.nan}, {"rate": math.inf}, {"concurrency": 1.5}, {"concurrency": math.nan}, {"retries": math.inf},
     {"pause": -1}, {"pause": math.nan}, {"key": "a\nb"}, {"key": "é"}],
)  # fmt: skip
def test_impossible_settings_are_one_line(settings):
    with pytest.raises(InputError, match="; expected ") as told:
        Endpoint(**{"urls": "http://h", "model": "m"} | settings)
    assert one_line(told).isprintable()


@pytest.mark.parametrize("url", ["http://h", "https://h:1/p/q", "http://[::1]:8000", "http://h:65535/v1/"])
def test_addresses(url):
    assert Endpoint(url, "m").urls == (url.rstrip("/").removesuffix("/v1"),)


@pytest.mark.parametrize("settings", [{"temperature": math.inf}, {"temperature": math.nan}, {"max_new_tokens": 1.5},
                                      {"max_new_tokens": math.nan}, {"top_p": math.nan}])  # fmt: skip
def test_impossible_sampling_is_refused_before_a_request(settings):
    with pytest.raises(InputError):
        Endpoint("http://h", "m").continuations("P", [0], **{"max_new_tokens": 5} | settings)


@pytest.mark.parametrize(
    "value", ["²", "-5", "nan", "1e9", "Fri, 99 Dec", "Mon, 01 Jan 0001 00:00:00 +2359", "\x00", "a" * 900]
)
def test_a_pause_that_is_none_is_no_pause(value):
    assert wire._asked_pause(value) == 0
