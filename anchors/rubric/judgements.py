"""What a judge returns: the samples of a response, what failed and why, and what it all cost."""

from dataclasses import dataclass

FAILURES = {  # kinds, and what each means
    "empty": "the reply holds no text",
    "cut off": "the reply reached max_tokens before its verdict was whole",
    "not JSON": "the reply holds no object of JSON, or a broken one",
    "no verdict": "the object has no verdict or no reason",
    "wrong type": "the verdict is not a whole number, or the reason no text",
    "out of range": "there is no tier of that number",
    "ambiguous": "several verdicts that differ",
    "quoted": "the only verdict is quoted from the judged text",
    "too long": "prompt and response do not fit",
    "timeout": "no answer in time, at all attempts",
    "refused": "the endpoint refuses this request",
    "endpoint": "the request failed at all attempts",
    "not asked": "not in the store, and not asked for",
}


@dataclass(frozen=True)
class Verdict:
    """One sample: the number of the tier (from 0) and the reason, or a ``failure`` of :data:`FAILURES` and its cause.

    ``text`` is the reply as it came; ``cached`` whether it was in the store before.
    """

    sample: int
    tier: int | None = None
    reason: str = ""
    text: str = ""
    failure: str = ""
    cause: str = ""
    cached: bool = False


@dataclass(frozen=True)
class Judgement:
    """The samples of one response; ``value`` is the mean place of their tiers in [0, 1], NaN where none has a tier."""

    value: float
    verdicts: tuple[Verdict, ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """The kinds of the samples that failed."""
        return tuple(one.failure for one in self.verdicts if one.failure)

    @property
    def reason(self) -> str:
        """The reason of the first sample that has one."""
        return next((one.reason for one in self.verdicts if one.reason), "")


@dataclass(frozen=True)
class Report:
    """What a judge did so far.

    Attributes
    ----------
    asked : judgements (samples) wanted, each once per call; ``cached`` of them came from the store.
    requests : HTTP requests made, attempts counted. failures : judgements without a verdict by kind, stored ones too.
    prompt_tokens, completion_tokens : of replies that came; those of ``estimated`` replies are characters / 4.
    cost : at the judge's prices, None without prices; what the server charged for attempts without a reply is not in.
    """

    asked: int
    cached: int
    requests: int
    failures: dict[str, int]
    prompt_tokens: int
    completion_tokens: int
    estimated: int
    cost: float | None

    @property
    def failed(self) -> int:
        """Judgements without a verdict."""
        return sum(self.failures.values())

    def __str__(self) -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.failures.items()))
        cost = "" if self.cost is None else f", cost {self.cost:.4g}"
        tokens = f"{self.prompt_tokens:,} + {self.completion_tokens:,} tokens"
        counted = f" ({self.estimated} replies estimated)" if self.estimated else ""
        return (
            f"{self.asked:,} judgements, {self.cached:,} from the store, {self.failed:,} failed"
            f"{f' ({kinds})' if kinds else ''}; {self.requests:,} requests, {tokens}{counted}{cost}"
        )
