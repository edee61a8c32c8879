"""Many chat completions at once, their tokens counted and a budget kept: of an endpoint, or of a model in this process.

Both kinds have ``many(bodies, done)``: a body is the request as ``/v1/chat/completions`` takes it, and each ends as a
:class:`Chatted` or as the :class:`~anchors.models.dispatch.Refusal` that says why there is none. One request that fails
never ends the others; what ends them is said once, after what came was handed over.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.progress import bar
from anchors.models.dispatch import Dispatch, Manner, Refusal, Send
from anchors.models.remote import Endpoint
from anchors.models.wire import TOO_LONG, whole

PATH = "chat/completions"
CURE = (
    "Check the url, the model's name and the key (ANCHORS_API_KEY); leave out what the server does not take "
    "(a seed: seeded=False; response_format: json_mode=False)."
)
SPARE = 8  # requests whose attempts all fail, one after the other, before an endpoint is given up on
CHARACTERS = 4  # per token, where a server does not say how many tokens a request was

Done = Callable[[int, "Chatted | Refusal"], None]


@dataclass(frozen=True)
class Chatted:
    """A reply: ``finished`` is False where the limit cut it; ``estimated`` where the server counted no tokens."""

    text: str
    finished: bool
    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False


@dataclass(frozen=True)
class Budget:
    """Limits over the life of a chat: HTTP requests (attempts count), tokens (prompt and reply), tokens per minute.

    Nothing new is asked once ``tokens`` are spent; what is under way is kept, so that the requests under way, and no
    others, may go beyond it.

    Raises
    ------
    InputError
        A negative number.
    """

    requests: int | None = None
    tokens: int | None = None
    tokens_per_minute: float | None = None

    def __post_init__(self):
        for name in ("requests", "tokens"):
            if (value := getattr(self, name)) is not None and not value >= 0:  # NaN neither
                raise InputError(f"budget: {name}", value, "0 or more, or None for no limit")
        if self.tokens_per_minute is not None and not self.tokens_per_minute > 0:
            raise InputError("budget: tokens_per_minute", self.tokens_per_minute, "more than 0, or None for no limit")


class BudgetSpent(AnchorsError):
    """A budget was reached before all requests were made."""


class OverBudget(Refusal):
    """A request that was not made because the budget is spent."""


class Meter:
    """What was spent, under a budget; shared by threads."""

    def __init__(self, budget: Budget | None = None):
        self.budget = budget or Budget()
        self.requests = self.prompt_tokens = self.completion_tokens = self.estimated = 0
        self._next, self._lock = 0.0, Lock()

    def begin(self) -> float:
        """Count one more request and return the seconds until it may be sent; OverBudget when it may not."""
        with self._lock:
            tokens, most = self.prompt_tokens + self.completion_tokens, self.budget
            if (most.requests is not None and self.requests >= most.requests) or (
                most.tokens is not None and tokens >= most.tokens
            ):
                raise OverBudget("the budget is spent")
            self.requests += 1
            return max(0.0, self._next - time.monotonic())

    def spent(self) -> BudgetSpent:
        """Return the error that says what was spent."""
        with self._lock:
            tokens = self.prompt_tokens + self.completion_tokens
            cure = "what was answered is kept: raise the budget and ask again for the rest"
            return BudgetSpent(f"the budget is spent: {self.requests:,} requests, {tokens:,} tokens; {cure}")

    def add(self, reply: Chatted) -> None:
        """Count the tokens of a reply."""
        with self._lock:
            self.prompt_tokens += reply.prompt_tokens
            self.completion_tokens += reply.completion_tokens
            self.estimated += reply.estimated
            if self.budget.tokens_per_minute:
                took = 60 * (reply.prompt_tokens + reply.completion_tokens) / self.budget.tokens_per_minute
                self._next = max(self._next, time.monotonic()) + took


class Chat:
    """Chat completions of an :class:`~anchors.models.remote.Endpoint`: its retries, rate, servers and timeouts hold.

    ``identity`` names the model. An endpoint that answered once is trusted: what it refuses later is a failed request
    and no reason to stop. It is given up on only after ``SPARE`` requests in a row failed at all attempts, counted over
    calls.
    """

    def __init__(self, endpoint: Endpoint, budget: Budget | None = None):
        self.endpoint, self.identity, self.meter = endpoint, endpoint.name, Meter(budget)
        self.extra, self.seeded = dict(endpoint.extra), endpoint.seeded
        self._known: dict[str, tuple[bool, int]] = {}  # by url: whether it ever answered, attempts failed in a row

    def many(self, bodies: Sequence[dict[str, Any]], done: Done, label: str = "chats", track: bool = False) -> None:
        """Call ``done(place, reply or Refusal)`` on this thread as answers come, once for each body.

        What ``done`` raises, Ctrl-C included, cancels the requests under way. ``model`` is filled in.

        Raises
        ------
        InputError
            A server's first answer ever shows that url, key, model or a field is wrong.
        AnchorsError
            No server answers any more; what was handed over is the caller's.
        BudgetSpent
            Requests were left unmade; each was handed over as an :class:`OverBudget`.
        """
        if not bodies:
            return
        end = self.endpoint
        manner = Manner(end.concurrency, end.retries, end.pause, f"{end.model!r} to answer at /v1/{PATH}", CURE)
        full = [self._whole(body) for body in bodies]
        work = _Patient(end.urls, full, self._sender, manner)
        for host in work.hosts:
            host.proven, host.strikes = self._known.get(host.url, (False, 0))
        try:
            with closing(work.results()) as results:
                complete = _hand_over(results, done, len(bodies), label, track)
        finally:
            self._known |= {host.url: (host.proven, host.strikes) for host in work.hosts}
        if not complete:
            raise self.meter.spent()

    def trust(self) -> None:
        """Take the endpoint for one that answered such requests before, in another process."""
        self._known = dict.fromkeys(self.endpoint.urls, (True, 0)) | self._known

    def _whole(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a body with the model and the endpoint's further fields, whose word for the limit comes first."""
        full = {"model": self.endpoint.model} | body | self.extra
        if "max_completion_tokens" in self.extra:
            full.pop("max_tokens", None)
        return full

    @asynccontextmanager
    async def _sender(self) -> AsyncIterator[Send]:
        async with self.endpoint._sender(PATH, _chatted) as send:

            async def metered(url: str, body: dict[str, Any]) -> Chatted:
                await asyncio.sleep(self.meter.begin())
                reply = _counted(await send(url, body), body)
                self.meter.add(reply)
                return reply

            yield metered


class LocalChat:
    """Chat completions of a model in this process (:mod:`anchors.models.language`); ``identity`` names its weights.

    ``batch`` bodies are looked at together; those with the same messages share the pass over them. Replies begin with
    ``opening``, which small models would not find, and end with the first of the texts ``stop`` where any are given.

    Raises
    ------
    InputError
        The model's tokenizer has no chat template.
    """

    seeded = True

    def __init__(
        self, model: Any, budget: Budget | None = None, batch: int = 16, opening: str = "", stop: Sequence[str] = ()
    ):
        if not getattr(model.tokenizer, "chat_template", None):
            raise InputError(model.name, "a tokenizer without a chat template", "a model made for chat, 'smollm2' say")
        self.model, self.identity, self.meter, self.batch = model, model.identity, Meter(budget), batch
        self.extra = {"opening": opening, "stop": list(stop)}

    def many(self, bodies: Sequence[dict[str, Any]], done: Done, label: str = "chats", track: bool = False) -> None:
        """Call ``done(place, reply or Refusal)`` as replies are finished, once for each body; else as :class:`Chat`."""
        results = (found for start in range(0, len(bodies), self.batch) for found in self._some(bodies, start))
        if not _hand_over(results, done, len(bodies), label, track):
            raise self.meter.spent()

    def _some(self, bodies: Sequence[dict[str, Any]], start: int) -> list[tuple[int, Any]]:
        """Return (place, reply or Refusal) of the bodies from ``start`` on, as many as a batch holds."""
        found, jobs = [], {}
        for place in range(start, min(start + self.batch, len(bodies))):
            try:
                prefix = self._prefix(bodies[place])
                self.meter.begin()
                jobs[place] = (prefix, bodies[place].get("seed") or 0)
            except Refusal as refusal:
                found.append((place, refusal))
        replies = self._sampled(list(jobs.values()), bodies[start]) if jobs else []
        for reply in replies:
            self.meter.add(reply)
        return found + list(zip(jobs, replies, strict=True))

    def _prefix(self, body: dict[str, Any]) -> str:
        text = self.model.tokenizer.apply_chat_template(body["messages"], tokenize=False, add_generation_prompt=True)
        text += self.extra["opening"]
        try:
            self.model.encode(text)
        except InputError as error:
            raise Refusal(f"too long: {error}") from error
        return text

    def _sampled(self, jobs: list[tuple[str, int]], body: dict[str, Any]) -> list[Chatted]:
        from anchors.models.sampling import many

        heat, limit = body.get("temperature", 0.0), body.get("max_tokens", 256)
        how = {
            "temperature": heat or 1.0,
            "greedy": not heat,
            "top_p": body.get("top_p", 1.0),
            "stop": self.extra["stop"],
        }
        texts = many(self.model, jobs, limit, **how)
        sizes = {prefix: len(self.model.encode(prefix)) for prefix, _ in jobs}
        return [
            Chatted(self.extra["opening"] + made.text, made.finished, sizes[prefix], len(made.token_ids))
            for (prefix, _), made in zip(jobs, texts, strict=True)
        ]


class _Patient(Dispatch):
    """Gives a server up only when several requests in a row fail at all attempts, however few are under way."""

    def _patience(self) -> int:
        alone = len(self._live()) < 2
        return max(super()._patience(), SPARE * (self.manner.retries + 1) if alone else 0)


def kind_of(refusal: Refusal) -> str:
    """Return the kind of a failed request: ``"timeout"``, ``"too long"``, ``"refused"`` or ``"endpoint"``."""
    said = str(refusal)
    if "no answer within" in said:
        return "timeout"
    status = (re.findall(r"\bstatus (\d{3}):", said) or [""])[0]
    if said.startswith("too long") or status == "413" or (status in ("400", "422") and TOO_LONG.search(said)):
        return "too long"
    return "refused" if status.startswith("4") and status not in ("408", "425", "429") else "endpoint"


def _hand_over(results: Any, done: Done, total: int, label: str, track: bool) -> bool:
    """Give each result to ``done``; return whether all requests were made."""
    complete = True
    with bar(label, track, total=total) as progress:
        for place, result in results:
            done(place, result)
            progress.update()
            complete = complete and not isinstance(result, OverBudget)
    return complete


def _chatted(answer: Any) -> Chatted:
    """Return the reply in an answer; text that is not given is empty, tokens that are not given are -1."""
    choice, usage = answer["choices"][0], answer.get("usage") or {}
    text, reason = choice["message"].get("content"), choice.get("finish_reason")
    if not isinstance(text, str | None) or reason in ("abort", "error"):
        raise ValueError(reason)
    text = whole(text or "")
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    known = all(isinstance(count, int) and 0 <= count < 1 << 53 for count in counts)
    return Chatted(text, reason != "length", *(counts if known else (-1, -1)))


def _counted(reply: Chatted, body: dict[str, Any]) -> Chatted:
    if reply.prompt_tokens >= 0:
        return reply
    sent = sum(len(message["content"]) for message in body["messages"])
    sizes = [-(-size // CHARACTERS) for size in (sent, len(reply.text))]
    return replace(reply, prompt_tokens=sizes[0], completion_tokens=sizes[1], estimated=True)
