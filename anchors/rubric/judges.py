"""Language models as judges of one criterion at a time: reason first, then the number of a tier (ours; section 3).

The paper publishes neither its training judge nor its prompts. Here a judgement is one chat completion at an
OpenAI-compatible endpoint; several samples are averaged; every reply is kept in a store and asked for once. A judgement
that fails is NaN and counted by its kind, never a score: a run goes on, its rollout is masked.

The embedded SmolLM2-135M-Instruct can be given in place of an endpoint, to try things out. It is no valid judge: of 24
replies to labelled responses, greedy and begun for it, none held a verdict (see also
:mod:`anchors.rubric.likelihood_judge`).
"""

import math
import secrets
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from anchors.companion.codehash import digest
from anchors.companion.errors import InputError
from anchors.models.chat import Budget, Chat, Chatted, LocalChat, OverBudget, kind_of
from anchors.models.dispatch import Refusal
from anchors.models.remote import Endpoint
from anchors.rubric.judge_cache import JudgeCache, Reply
from anchors.rubric.judge_text import VERSION, NoVerdict, messages, parse, shown
from anchors.rubric.judgements import Judgement, Report, Verdict

LONGEST = 200_000  # characters of prompt and response together
OPENING = '{"reason": "'  # of the replies of a model in this process, which may be too small to begin so by itself


class HasTiers(Protocol):
    """What is read of a criterion (:class:`anchors.rubric.rubric.Criterion`)."""

    id: str
    description: str
    tiers: Sequence[Any]  # with score and description, scores rising


@dataclass(frozen=True)
class _Ask:
    """One sample to be had: ``key`` stands for all that decides the reply."""

    key: str
    sample: int
    prompt: str
    response: str


class Judge:
    """A judge of one criterion at a time.

    Parameters
    ----------
    endpoint : an :class:`~anchors.models.remote.Endpoint` (its concurrency, rate, retries and timeout hold; its
        ``extra`` fields are sent), or a model of :func:`anchors.models.language.load`, which judges in this process.
    samples : judgements per response that are averaged; those that fail are left out of the mean.
    cache : file of the store; None keeps replies in memory.
    temperature, top_p, max_tokens : of the replies. seed : of the first sample, one more for each further.
    budget : a :class:`~anchors.models.chat.Budget` of requests and tokens over the life of this judge.
    prices : per million prompt tokens and per million completion tokens.
    json_mode : ask for ``response_format`` json_object, which some servers refuse and others ignore.
    longest : characters of prompt and response together; longer ones are not asked and fail as "too long".
    reask : ask again for stored replies that hold no verdict; else they fail as they did, so that a run that is taken
        up again is the run that was begun.
    secret : of the numbers in the marks around the response; random by default. With a secret of your own, and kept to
        yourself, requests are the same to the byte each time.

    Raises
    ------
    InputError
        An impossible number; a model without a chat template; a cache that is no store.
    """

    def __init__(
        self, endpoint: Endpoint | Any, samples: int = 3, cache: str | Path | None = None, temperature: float = 0.7,
        max_tokens: int = 256, budget: Budget | None = None, prices: tuple[float, float] | None = None,
        top_p: float = 1.0, seed: int = 0, json_mode: bool = True, longest: int = LONGEST, reask: bool = False,
        secret: str | None = None,
    ):  # fmt: skip
        _check(samples, temperature, max_tokens, top_p, prices)
        self.samples, self.prices, self.longest, self.reask, self.seed = samples, prices, longest, reask, seed
        local = not isinstance(endpoint, Endpoint)
        self.chat = LocalChat(endpoint, budget, opening=OPENING, stop=["}"]) if local else Chat(endpoint, budget)
        self.how: dict[str, Any] = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
        self.how |= {"response_format": {"type": "json_object"}} if json_mode else {}
        self.store = JudgeCache(cache)
        self._how = digest(self.how, self.chat.extra, self.chat.seeded)[:16]
        if not local and self.store.answered(self.chat.identity, self._how):
            self.chat.trust()  # a run that is taken up again does not end at the one request that was refused
        self._secret = secret or secrets.token_hex(16)
        self._asked = self._cached = 0
        self._failures: Counter[str] = Counter()

    def judge(
        self, criterion: HasTiers, prompts: Sequence[str], responses: Sequence[str], track: bool = False
    ) -> np.ndarray:
        """Return (n,) how far each response meets the criterion's description, in [0, 1]; else as :meth:`detail`.

        A tier counts by its score, (score - first) / (last - first). ``avoid`` is not looked at: whoever scores the
        rubric turns it round. NaN where no sample gave a verdict.
        """
        return np.array([one.value for one in self.detail(criterion, prompts, responses, track)], dtype=float)

    def detail(
        self, criterion: HasTiers, prompts: Sequence[str], responses: Sequence[str], track: bool = False,
        ask: bool = True,
    ) -> list[Judgement]:  # fmt: skip
        """Return one judgement per response; only what the store lacks is asked for, the same text once.

        Parameters
        ----------
        prompts, responses : n texts each. track : show progress. ask : False gives what is stored and asks nothing.

        Raises
        ------
        InputError
            Different numbers of prompts and responses, or one that is no text; or the first answer of the endpoint
            shows that url, key, model or a field is wrong.
        BudgetSpent, AnchorsError
            The budget is spent, or no server answers any more. What was answered is stored: ask again for the rest.
        """
        check_texts(prompts, responses)
        asks = [self._asks(criterion, *pair) for pair in zip(prompts, responses, strict=True)]
        wanted = {one.key: one for row in asks for one in row}
        found = self._stored(criterion, wanted, fresh=self.reask and ask)
        cached, missing = len(found), [one for key, one in wanted.items() if key not in found]
        try:
            if ask:
                self._ask(criterion, missing, found, track)
            else:
                found |= {one.key: Verdict(one.sample, failure="not asked") for one in missing}
        finally:
            self._count(found, cached)
        _tell(criterion, found)
        return [_judgement(criterion, [found[one.key] for one in row]) for row in asks]

    def report(self) -> Report:
        """Return what was asked, answered, failed and spent since this judge was made."""
        meter, cost = self.chat.meter, None
        if self.prices:
            cost = (self.prices[0] * meter.prompt_tokens + self.prices[1] * meter.completion_tokens) / 1e6
        tokens = (meter.prompt_tokens, meter.completion_tokens, meter.estimated)
        return Report(self._asked, self._cached, meter.requests, dict(self._failures), *tokens, cost)

    def _asks(self, criterion: HasTiers, prompt: str, response: str) -> list[_Ask]:
        """Return the samples of one response with their keys: of what the judge reads, its name and how it is asked."""
        read = [VERSION, criterion.description, [tier.description for tier in criterion.tiers], prompt, response]
        base = digest(read, self.chat.identity, self._how, self._seed(0))
        return [_Ask(f"{base}.{sample}", sample, prompt, response) for sample in range(self.samples)]

    def _seed(self, sample: int) -> int | None:
        return self.seed + sample if self.chat.seeded else None

    def _stored(self, criterion: HasTiers, wanted: dict[str, _Ask], fresh: bool) -> dict[str, Verdict]:
        """Return the verdicts in the store by key; with ``fresh`` only those that are none of a failure."""
        replies = self.store.get(list(wanted))
        found = {key: _verdict(criterion, wanted[key], reply, True) for key, reply in replies.items()}
        return {key: verdict for key, verdict in found.items() if not (fresh and verdict.failure)}

    def _ask(self, criterion: HasTiers, missing: list[_Ask], found: dict[str, Verdict], track: bool) -> None:
        """Ask for what is missing; put each verdict into ``found`` as it comes, its reply into the store first."""
        short = [one for one in missing if len(one.prompt) + len(one.response) <= self.longest]
        cause = f"more than {self.longest:,} characters"
        found |= {one.key: Verdict(one.sample, failure="too long", cause=cause) for one in {*missing} - {*short}}

        def done(place: int, result: Chatted | Refusal) -> None:
            one = short[place]
            if isinstance(result, OverBudget):
                return
            if isinstance(result, Refusal):
                found[one.key] = Verdict(one.sample, failure=kind_of(result), cause=str(result))
                return
            counts = (result.prompt_tokens, result.completion_tokens)
            about = (self.chat.identity, self._how, criterion.id, one.sample)
            new = Reply(one.key, *about, result.text, result.finished, *counts)
            found[one.key] = _verdict(criterion, one, self.store.put(new, again=self.reask), False)

        self.chat.many([self._body(criterion, one) for one in short], done, f"judging {criterion.id}", track)

    def _body(self, criterion: HasTiers, one: _Ask) -> dict[str, Any]:
        tiers = [tier.description for tier in criterion.tiers]
        text = messages(criterion.description, tiers, one.prompt, one.response, self._secret)
        seed = self._seed(one.sample)
        return {"messages": text, **self.how} | ({} if seed is None else {"seed": seed})

    def _count(self, found: dict[str, Verdict], cached: int) -> None:
        self._asked += len(found)
        self._cached += cached
        self._failures.update(verdict.failure for verdict in found.values() if verdict.failure)


def _verdict(criterion: HasTiers, one: _Ask, reply: Reply, cached: bool) -> Verdict:
    """Return what a reply says."""
    data = f"{shown(one.prompt)}\n{shown(one.response)}"
    try:
        tier, reason = parse(reply.text, len(criterion.tiers), data, reply.finished)
    except NoVerdict as fault:
        return Verdict(one.sample, text=reply.text, failure=fault.kind, cause=str(fault), cached=cached)
    return Verdict(one.sample, tier, reason, reply.text, cached=cached)


def _judgement(criterion: HasTiers, verdicts: list[Verdict]) -> Judgement:
    """Return the mean place of the tiers of the samples that have one."""
    scores = [tier.score for tier in criterion.tiers]
    places = [(scores[one.tier] - scores[0]) / (scores[-1] - scores[0]) for one in verdicts if one.tier is not None]
    return Judgement(math.fsum(places) / len(places) if places else math.nan, tuple(verdicts))


def _tell(criterion: HasTiers, found: dict[str, Verdict]) -> None:
    """Warn where a whole call has no verdict: one bad judgement is counted, but this is no accident."""
    causes = Counter(verdict.failure for verdict in found.values() if verdict.failure)
    if found and causes.total() == len(found):
        kinds = ", ".join(f"{number} {kind}" for kind, number in causes.most_common())
        example = next((verdict.cause for verdict in found.values() if verdict.cause), "")
        warnings.warn(f"no judgement of {criterion.id!r} has a verdict ({kinds}); {example}", stacklevel=3)


def _check(samples: int, temperature: float, max_tokens: int, top_p: float, prices: Any) -> None:
    if samples < 1 or max_tokens < 1:
        raise InputError("samples, max_tokens", (samples, max_tokens), "1 or more each")
    if not temperature >= 0 or not 0 < top_p <= 1:
        raise InputError("temperature, top_p", (temperature, top_p), "0 or more; more than 0 and at most 1")
    if prices is not None and not (len(prices) == 2 and all(price >= 0 for price in prices)):
        raise InputError("prices", prices, "two numbers, per million prompt tokens and per million completion tokens")


def check_texts(prompts: Sequence[str], responses: Sequence[str]) -> None:
    """Raise InputError unless these are lists of as many texts each."""
    for name, texts in (("prompts", prompts), ("responses", responses)):
        if isinstance(texts, str):
            raise InputError(name, "one text", "a list of texts", "Put it in a list.")
        wrong = next((place for place, text in enumerate(texts) if not isinstance(text, str)), None)
        if wrong is not None:
            raise InputError(f"{name}: number {wrong}", type(texts[wrong]).__name__, "a text")
    if len(prompts) != len(responses):
        raise InputError("prompts and responses", f"{len(prompts)} and {len(responses)}", "as many of each")
