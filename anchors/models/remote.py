"""Sampling from models behind OpenAI-compatible servers (vLLM on a cluster), as :mod:`anchors.models.sampling` does.

A rollout is one request with a seed of its own, so that it can be asked for again alone. What differs from sampling
here: the prompt is tokenised by the server and continuations have no ``token_ids``; most servers leave the stop text
out; what a request does not say (``top_k``, penalties) is the server's default, which vLLM takes from the model's
generation config unless it is started with ``--generation-config vllm``.
"""

import math
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from numbers import Integral
from threading import Lock
from typing import Any

import numpy as np

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.progress import bar
from anchors.models.dispatch import Dispatch, Manner, Refusal, Send, Trouble
from anchors.models.sampling import Continuation
from anchors.models.scoring import TOP, Scored
from anchors.models.wire import address, header_key, hidden, post, read_answer, whole, written

OWN_KEY, OPENAI_KEY = "ANCHORS_API_KEY", "OPENAI_API_KEY"  # environment variables
OPENAI = "https://api.openai.com"  # the only place that the second key goes to
CONNECT = 10.0  # seconds for a connection
ENDS = {"stop": True, "eos": True, "eos_token": True, "stop_sequence": True, "length": False}
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
    key : sent as a bearer token to ``urls``, never on to where they redirect, and never shown; ``ANCHORS_API_KEY`` by
        default. ``OPENAI_API_KEY`` is sent to api.openai.com alone.
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
        self.urls = tuple(dict.fromkeys(address(url) for url in urls))
        self.key = header_key(self.key or os.environ.get(OWN_KEY), OWN_KEY)
        self.name = self.name or self.model
        if not self.urls or not self.model:
            raise InputError("endpoint", "no url or no model", "at least one url and a model's name")
        above = (self.timeout, 1 if self.rate is None else self.rate)
        fit = all(0 < x < math.inf for x in above) and 0 <= self.pause < math.inf
        if not (fit and all(isinstance(n, Integral) and n >= 0 for n in (self.concurrency - 1, self.retries))):
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

    def _key_for(self, url: str) -> str | None:
        """Return the key that may be sent to one of the servers."""
        if self.key is None and (url == OPENAI or url.startswith(f"{OPENAI}/")):
            return header_key(os.environ.get(OPENAI_KEY), OPENAI_KEY)
        return self.key

    @asynccontextmanager
    async def _sender(self, path: str, read: Callable[[Any], Any]) -> AsyncIterator[Send]:
        """Open an HTTP client and give the function that posts one request; the key is in its header only.

        Whatever goes wrong with one request is a Trouble or a Refusal of that request, without the key in its text, and
        with nothing behind it: a traceback would show it.
        """
        import asyncio

        import httpx

        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        timeout = httpx.Timeout(None, connect=min(CONNECT, self.timeout))
        async with httpx.AsyncClient(limits=limits, timeout=timeout) as client:

            async def send(url: str, body: dict[str, Any]) -> Any:
                await asyncio.sleep(self._pace.wait())
                key, content = self._key_for(url), written(body)
                try:
                    async with asyncio.timeout(self.timeout):
                        answer = await post(client, f"{url}/v1/{path}", content, key)
                except TimeoutError:
                    failure = Trouble(f"no answer within {self.timeout:g} s")
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    failure = Trouble(f"cannot be reached ({hidden(str(error), key) or 'timeout'})", absent=True)
                except Refusal as refusal:
                    failure = refusal
                except Exception as error:  # httpx's own, and what a hostile answer makes of its parsers
                    why = hidden(str(error), key) or type(error).__name__
                    failure = Trouble(f"broke the connection ({why[:200]})")
                else:
                    return read_answer(answer, read, key)
                raise failure from None

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


def _check(max_new_tokens: int, temperature: float, top_p: float) -> None:
    if not (isinstance(max_new_tokens, Integral) and max_new_tokens >= 1):
        raise InputError("max_new_tokens", max_new_tokens, "at least 1")
    if not 0 <= temperature < math.inf:
        raise InputError("temperature", temperature, "0 (the most likely token) or more")
    if not 0 < top_p <= 1:
        raise InputError("top_p", top_p, "more than 0, at most 1")


def _completion(answer: Any) -> dict[str, Any]:
    """Return text, log-probability (NaN where it is not given) and whether it ended, of an answer's first choice."""
    choice = answer["choices"][0]
    reason, text = choice.get("finish_reason"), choice["text"]
    if not isinstance(text, str) or reason in ("abort", "error"):
        raise ValueError(reason)
    values = (choice.get("logprobs") or {}).get("token_logprobs") or [None]
    logprob = math.nan if None in values else float(sum(values))
    return {"text": whole(text), "logprob": logprob, "finished": ENDS.get(reason, False), "error": None}


def _echoed(answer: Any) -> tuple | None:
    """Return tokens, where they start, and likeliest tokens of an echoed prompt; None when they are not given."""
    found = answer["choices"][0].get("logprobs") or {}
    parts = [found.get(name) for name in ("tokens", "text_offset", "top_logprobs")]
    return None if not all(parts) else tuple(parts)


def _reply(answer: Any) -> str:
    content = answer["choices"][0]["message"]["content"]
    if not isinstance(content, str):
        raise TypeError("no text")
    return whole(content)


def _continuation(result: Any, seed: int) -> Continuation:
    if isinstance(result, Refusal):
        result = {"text": "", "logprob": math.nan, "finished": False, "error": " ".join(str(result).split())}
    return Continuation(token_ids=(), seed=seed, **result)
