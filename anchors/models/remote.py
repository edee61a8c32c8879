"""Sampling from models behind OpenAI-compatible servers (vLLM on a cluster), as :mod:`anchors.models.sampling` does.

A rollout is one request with a seed of its own, so that it can be asked for again alone. What differs from sampling
here: the prompt is tokenised by the server and continuations have no ``token_ids``; most servers leave the stop text
out; what a request does not say (``top_k``, penalties) is the server's default, which vLLM takes from the model's
generation config unless it is started with ``--generation-config vllm``.
"""

import math
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.progress import bar
from anchors.models.dispatch import Dispatch, Manner, Refusal, Send, Trouble
from anchors.models.sampling import Continuation
from anchors.models.scoring import TOP, Scored

KEYS = ("ANCHORS_API_KEY", "OPENAI_API_KEY")  # environment variables
CONNECT = 10.0  # seconds for a connection
PATIENCE = 600.0  # longest wait a server may ask for, seconds
ENDS = {"stop": True, "eos": True, "eos_token": True, "stop_sequence": True, "length": False}
TOO_LONG = re.compile(
    r"context|too (long|large)|longer than|exceed|must be (<=|at least)|max(imum)? (model )?len", re.I
)
CURE = (
    "Check the url, the model's name and the key (ANCHORS_API_KEY); leave out what the server does not take "
    "(logprobs=False, seeded=False)."
)


@dataclass
class Endpoint:
    """A model behind one or more OpenAI-compatible servers.

    Parameters
    ----------
    urls : of the servers, with or without ``/v1``; whichever is free takes the next request.
    model : as the servers call it. name : under which rollouts are stored; the model by default.
    key : sent as a bearer token and never shown; ``ANCHORS_API_KEY`` or ``OPENAI_API_KEY`` by default.
    concurrency : requests under way per server. rate : requests per second at most, over all servers.
    retries : attempts after the first one; ``pause`` seconds before the first of them, about twice as long each time.
    timeout : seconds an attempt may take.
    seeded, logprobs : whether requests ask for a seed and for log-probabilities; not all servers take them.
    extra : further fields of each completion request, ``{"include_stop_str_in_output": True}`` for example.

    Raises
    ------
    InputError
        A url or a number is impossible.
    """

    urls: str | Sequence[str]
    model: str
    key: str | None = field(default=None, repr=False)
    concurrency: int = 8
    rate: float | None = None
    retries: int = 5
    timeout: float = 600.0
    name: str | None = None
    seeded: bool = True
    logprobs: bool = True
    pause: float = 1.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        urls = [self.urls] if isinstance(self.urls, str) else self.urls
        self.urls = tuple(dict.fromkeys(_base(url) for url in urls))
        self.key = _key(self.key or next((os.environ[name] for name in KEYS if os.environ.get(name)), None))
        self.name = self.name or self.model
        if not self.urls or not self.model:
            raise InputError("endpoint", "no url or no model", "at least one url and a model's name")
        if self.concurrency < 1 or self.retries < 0 or self.timeout <= 0 or (self.rate is not None and self.rate <= 0):
            found = (self.concurrency, self.retries, self.timeout, self.rate)
            raise InputError("concurrency, retries, timeout, rate", found, "1 or more, 0 or more, and above 0 the last")
        self._pace = _Pace(self.rate)

    def continuations(
        self, prefix: str, seeds: Sequence[int], max_new_tokens: int, temperature: float = 0.6, top_p: float = 0.95,
        stop: Sequence[str] = (), track: bool = False, done: Callable[[int, Continuation], None] | None = None,
    ) -> list[Continuation]:  # fmt: skip
        """Return one continuation of ``prefix`` per seed, in the order of ``seeds``; else as :meth:`many`."""
        return self.many([(prefix, seed) for seed in seeds], max_new_tokens, temperature, top_p, stop, track, done)

    def many(
        self, jobs: Sequence[tuple[str, int]], max_new_tokens: int, temperature: float = 0.6, top_p: float = 0.95,
        stop: Sequence[str] = (), track: bool = False, done: Callable[[int, Continuation], None] | None = None,
    ) -> list[Continuation]:  # fmt: skip
        """Return one continuation per job ``(prefix, seed)``, in the order of ``jobs``.

        A rollout that failed at all attempts has an ``error``; its ``logprob`` is NaN, as is any the server did not
        give.

        Parameters
        ----------
        max_new_tokens : per rollout. temperature, top_p : the paper's by default (sec. 1); temperature 0 is greedy.
        stop : texts that end a rollout. track : show progress.
        done : called on this thread with the index and the continuation of each rollout as soon as it is finished.
            What it raises, Ctrl-C included, cancels the requests under way; what it was given is the caller's.

        Raises
        ------
        InputError
            An impossible setting; or a server's first answer shows that url, key, model or a field is wrong.
        AnchorsError
            No server answers any more; one that fails while others work is set aside with a warning.
        """
        _check(max_new_tokens, temperature, top_p)
        same = {"model": self.model, "max_tokens": max_new_tokens, "temperature": temperature, "top_p": top_p}
        same |= ({"stop": list(stop)} if stop else {}) | ({"logprobs": 1} if self.logprobs else {}) | dict(self.extra)
        bodies = [same | {"prompt": prefix} | ({"seed": int(seed)} if self.seeded else {}) for prefix, seed in jobs]
        found: list[Continuation | None] = [None] * len(jobs)
        with (
            bar("rollouts", track, total=len(jobs)) as progress,
            closing(self._results("completions", bodies, _completion)) as results,
        ):
            for place, result in results:
                found[place] = _continuation(result, int(jobs[place][1]))
                progress.update()
                if done:
                    done(place, found[place])
        return found

    def chat(
        self, messages: Sequence[Mapping[str, Any]], temperature: float = 0.0, max_tokens: int | None = None,
        response_format: Mapping[str, Any] | None = None, seed: int | None = None,
    ) -> str:  # fmt: skip
        """Return the model's reply to ``messages``.

        Raises
        ------
        InputError
            A server's first answer shows that url, key, model or a field is wrong.
        AnchorsError
            No server gives a reply.
        """
        body = {"model": self.model, "messages": list(messages), "temperature": temperature}
        asked = {"max_tokens": max_tokens, "response_format": response_format, "seed": seed}
        body |= {name: value for name, value in asked.items() if value is not None}
        [(_, reply)] = self._results("chat/completions", [body], _reply)
        if isinstance(reply, Refusal):
            raise AnchorsError(f"no reply from {self.model}: {reply}")
        return reply

    def scored(self, text: str, top: int = TOP) -> Scored:
        """Return the tokens of ``text`` with the log-probabilities of the ``top`` likeliest at each place.

        The server must echo the prompt with its log-probabilities (vLLM does; not all do).

        Raises
        ------
        InputError, AnchorsError
            As :meth:`chat`; and where an answer has no log-probabilities of the prompt.
        """
        body = {"model": self.model, "prompt": text, "max_tokens": 1, "temperature": 0.0, "echo": True}
        [(_, found)] = self._results("completions", [body | {"logprobs": top} | dict(self.extra)], _echoed)
        if isinstance(found, Refusal):
            raise AnchorsError(f"no scores from {self.model}: {found}")
        if found is None:
            cure = "Use a server that supports echo with logprobs."
            raise InputError(self.model, "no log-probabilities of the prompt", "an echoed prompt with them", cure)
        tokens, starts, likely = found
        own = sum(start < len(text) for start in starts)  # the token it wrote itself comes after
        ends = np.array([*starts[1:own], len(text)])
        return Scored(tokens[:own], ends, [dict(one or {}) for one in likely[:own]])

    def _results(self, path: str, bodies: Sequence[dict[str, Any]], read: Callable[[Any], Any]) -> Any:
        manner = Manner(self.concurrency, self.retries, self.pause, f"{self.model!r} to answer at /v1/{path}", CURE)
        return Dispatch(self.urls, bodies, lambda: self._sender(path, read), manner).results()

    @asynccontextmanager
    async def _sender(self, path: str, read: Callable[[Any], Any]) -> AsyncIterator[Send]:
        """Open an HTTP client and give the function that posts one request; the key is in its header only."""
        import asyncio

        import httpx

        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        timeout = httpx.Timeout(None, connect=min(CONNECT, self.timeout))
        async with httpx.AsyncClient(headers=headers, limits=limits, timeout=timeout) as client:

            async def send(url: str, body: dict[str, Any]) -> Any:
                await asyncio.sleep(self._pace.wait())
                try:
                    async with asyncio.timeout(self.timeout):
                        response = await client.post(f"{url}/v1/{path}", json=body)
                except TimeoutError as error:
                    raise Trouble(f"no answer within {self.timeout:g} s") from error
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    raise Trouble(f"cannot be reached ({str(error) or 'timeout'})", absent=True) from error
                except httpx.HTTPError as error:
                    raise Trouble(f"broke the connection ({str(error) or type(error).__name__})") from error
                return _read(response, read, self.key)

            yield send


class _Pace:
    """Places in time, ``rate`` per second, evenly spaced; shared by all threads."""

    def __init__(self, rate: float | None):
        self.gap, self.next, self.lock = 1 / rate if rate else 0.0, 0.0, Lock()

    def wait(self) -> float:
        """Take the next place and return the seconds until then."""
        with self.lock:
            now = time.monotonic()
            start = max(now, self.next)
            self.next = start + self.gap
            return start - now


def _base(url: str) -> str:
    """Return a url without ``/v1`` at its end."""
    base = str(url).strip().rstrip("/").removesuffix("/v1").rstrip("/")
    if not re.fullmatch(r"https?://[^\s/?#@]+?(:\d{1,5})?(/[^\s?#@]*)?", base):
        shown = re.sub(r"//[^/]*@", "//…@", base)
        raise InputError("url", repr(shown), "http(s)://host:port", "Give a key as key=, not in the url.")
    return base


def _key(key: str | None) -> str | None:
    """Return a key as a header may hold it; it is never part of an error."""
    key = (key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError("key", "characters no HTTP header may hold", "printable ASCII", "Check ANCHORS_API_KEY.")
    return key or None


def _check(max_new_tokens: int, temperature: float, top_p: float) -> None:
    if max_new_tokens < 1:
        raise InputError("max_new_tokens", max_new_tokens, "at least 1")
    if not temperature >= 0:
        raise InputError("temperature", temperature, "0 (the most likely token) or more")
    if not 0 < top_p <= 1:
        raise InputError("top_p", top_p, "more than 0, at most 1")


def _read(response: Any, read: Callable[[Any], Any], key: str | None) -> Any:
    """Return what ``read`` finds in an answer; Trouble or Refusal when it is none."""
    status = response.status_code
    if 200 <= status < 300:
        try:
            return read(response.json())
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Trouble(f"an answer that cannot be read ({_said(response, key)})") from error
    said = _said(response, key)
    if status in (408, 425, 429) or status >= 500:
        raise Trouble(said, pause=_asked_pause(response.headers.get("retry-after", "")))
    if status == 413 or (status in (400, 422) and TOO_LONG.search(said)):
        raise Refusal(said, "request")
    raise Refusal(said, "way" if status in (400, 422) else "server")


def _said(response: Any, key: str | None) -> str:
    """Return status and message of an answer in one line, without the key should the server repeat it."""
    try:
        told = response.json()
        told = next(told[name] for name in ("error", "detail", "message") if told.get(name))
        told = told.get("message", told) if isinstance(told, dict) else told
    except (ValueError, AttributeError, StopIteration):
        told = response.text
    line = " ".join(str(told).split())
    line = line.replace(key, "…") if key else line
    return f"status {response.status_code}: {line[:200] or 'no text'}"


def _asked_pause(value: str) -> float:
    """Return the seconds that a Retry-After header asks for, a number or a date."""
    from email.utils import parsedate_to_datetime

    try:
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), PATIENCE)


def _completion(answer: Any) -> dict[str, Any]:
    """Return text, log-probability (NaN where it is not given) and whether it ended, of an answer's first choice."""
    choice = answer["choices"][0]
    reason, text = choice.get("finish_reason"), choice["text"]
    if not isinstance(text, str) or reason in ("abort", "error"):
        raise ValueError(reason)
    values = (choice.get("logprobs") or {}).get("token_logprobs") or [None]
    logprob = math.nan if None in values else float(sum(values))
    return {"text": text, "logprob": logprob, "finished": ENDS.get(reason, False), "error": None}


def _echoed(answer: Any) -> tuple | None:
    """Return tokens, where they start, and likeliest tokens of an echoed prompt; None when they are not given."""
    found = answer["choices"][0].get("logprobs") or {}
    parts = [found.get(name) for name in ("tokens", "text_offset", "top_logprobs")]
    return None if not all(parts) else tuple(parts)


def _reply(answer: Any) -> str:
    content = answer["choices"][0]["message"]["content"]
    if not isinstance(content, str):
        raise TypeError("no text")
    return content


def _continuation(result: Any, seed: int) -> Continuation:
    if isinstance(result, Refusal):
        result = {"text": "", "logprob": math.nan, "finished": False, "error": " ".join(str(result).split())}
    return Continuation(token_ids=(), seed=seed, **result)
