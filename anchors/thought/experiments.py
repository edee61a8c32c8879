"""Resampling experiments: continue every prefix of a trace many times and keep each rollout in a store (sec. 2.4).

A prefix ends where a sentence ends, without the blank that follows: that blank begins the next token of most
tokenizers. Finished rollouts are stored a batch or half a minute at a time, one transaction each: a kill loses no more
than that and what was under way, Ctrl-C only the latter, and the next call asks for the missing seeds only.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from anchors.companion.errors import AnchorsError, InputError, MissingData
from anchors.companion.progress import track as tracked
from anchors.models.sampling import Continuation, many
from anchors.thought import answers
from anchors.thought.rollouts import Rollout, RolloutStore, prefix_hash
from anchors.thought.sentences import Sentence, first_sentence, split
from anchors.thought.settings import FORCED_SUFFIX, Sampling

if TYPE_CHECKING:
    from pandas import DataFrame

PATIENCE = 3  # batches in a row that may fail before an experiment stops
PAUSE = 30.0  # seconds after which finished rollouts are stored, however few


@dataclass(frozen=True)
class Case:
    """A base trace to resample: ``text`` follows ``prompt``; ``sentences`` are slices of ``text``; ``right`` answer.

    Raises
    ------
    InputError
        There is no sentence, a sentence is not a slice of the text, or the right answer is not given.
    """

    problem: str
    prompt: str
    text: str
    right: str
    sentences: tuple[Sentence, ...] | None = None

    def __post_init__(self):
        sentences = tuple(split(self.text)) if self.sentences is None else tuple(self.sentences)
        if not sentences:
            raise InputError(f"trace of problem {self.problem}", "no sentence", "at least one", "Sample another trace.")
        if not self.right.strip():
            raise InputError(f"right answer of problem {self.problem}", "none", "a text to compare answers with")
        if any(self.text[s.start : s.end] != s.text for s in sentences):
            raise InputError("sentences", "other text", "slices of the trace", "Use anchors.thought.sentences.split.")
        object.__setattr__(self, "sentences", sentences)

    @property
    def prefixes(self) -> list[str]:
        """The M+1 texts sampled from: the prompt with the first 0 … M sentences."""
        return [self.prompt, *(self.prompt + self.text[: sentence.end] for sentence in self.sentences)]


def resample(
    model: Any, case: Case, store: RolloutStore, sampling: Sampling, seeds: Sequence[int] | None = None,
    batch: int = 128, stop: Sequence[str] = (), retry: bool = True,
) -> dict[str, int]:  # fmt: skip
    """Sample what is missing of the rollouts from every prefix, and return how many were sampled, kept and failed.

    The last prefix holds the whole trace: its rollouts show what the full text leaves open (sec. 2.4).

    Parameters
    ----------
    model : a loaded language model (:mod:`anchors.models.language`), an endpoint (:mod:`anchors.models.remote`), or
        anything with a ``name`` and ``continuations(prefix, seeds, …)`` that gives :class:`Continuation` objects.
    sampling : temperature, top_p, tokens, and ``rollouts`` per prefix where ``seeds`` are not given.
    batch : rollouts at a time and per transaction; retry : whether failed rollouts are asked for again.

    Raises
    ------
    InputError
        The trace has too many sentences or does not fit in the model's context.
    AnchorsError
        Nothing answers any more, or the disk is full; what was committed stays.
    """
    return _run(model, case, store, sampling, seeds, batch, stop, retry, "resample", "")


def force(
    model: Any, case: Case, store: RolloutStore, sampling: Sampling, seeds: Sequence[int] | None = None,
    suffix: str = FORCED_SUFFIX, batch: int = 128, stop: Sequence[str] = (), retry: bool = True,
) -> dict[str, int]:  # fmt: skip
    """As :func:`resample`, but each prefix is followed by ``suffix``, which makes the model answer at once (sec. 2.4).

    The suffix ends with an opened box; the answer is what the continuation puts into it.
    """
    return _run(model, case, store, sampling, seeds, batch, stop, retry, "forced", suffix)


def rollouts_of(store: RolloutStore, model: str, case: Case, kind: str = "resample", suffix: str = "") -> "DataFrame":
    """Return the stored rollouts of one trace, as :func:`anchors.thought.importance.trace_importances` reads them.

    ``suffix`` as given to :func:`force`. Prefixes that two traces share are shared by their rollouts too.
    """
    hashes = [prefix_hash(prefix + suffix) for prefix in case.prefixes]
    table = store.table(model=model, problem=case.problem, kind=kind, prefix_hash=hashes)
    return table[[hashes[i] == h for i, h in zip(table.sentence, table.prefix_hash, strict=True)]].reset_index(
        drop=True
    )


def _run(model, case, store, sampling, seeds, batch, stop, retry, kind, suffix) -> dict[str, int]:
    seeds = list(range(sampling.rollouts)) if seeds is None else list(seeds)
    _check_length(model, case, suffix, sampling)
    keys, jobs = [], []
    for sentence, prefix in enumerate(case.prefixes):
        key = (model.name, case.problem, prefix_hash(prefix + suffix), sentence)
        todo = store.missing(*key, seeds, kind, retry)
        keys += [key] * len(todo)
        jobs += [(prefix + suffix, seed) for seed in todo]
    kept = len(case.prefixes) * len(seeds) - len(jobs)
    with _Journal(store, batch) as journal:

        def done(place: int, continuation: Any) -> None:
            journal.add(_row(case, store, keys[place], *jobs[place], continuation, kind, suffix))

        sampler(model, sampling, batch, stop)(jobs, done=done, track=True)
    return {"sampled": journal.good, "kept": kept, "failed": journal.failed}


class _Journal:
    """Stores finished rollouts ``batch`` at a time, or after half a minute; what is left, on the way out."""

    def __init__(self, store: RolloutStore, batch: int):
        self.store, self.batch, self.rows, self.good, self.failed = store, batch, [], 0, 0
        self.stored = time.monotonic()

    def __enter__(self) -> "_Journal":
        return self

    def __exit__(self, *_: Any) -> None:
        self.flush()

    def add(self, rollout: Rollout) -> None:
        self.rows.append(rollout)
        if len(self.rows) >= self.batch or time.monotonic() - self.stored > PAUSE:
            self.flush()

    def flush(self) -> None:
        rows, self.rows = self.rows, []  # a batch that cannot be stored is not tried again on the way out
        self.stored = time.monotonic()
        self.store.add(rows)
        failed = sum(row.error is not None for row in rows)
        self.good, self.failed = self.good + len(rows) - failed, self.failed + failed


def _row(case, store, key, prefix, seed, continuation, kind, suffix) -> Rollout:
    """Return the row of a finished rollout, or of a failed one with its error and how often it failed before."""
    if continuation.error is None:
        return _read(case, key, prefix, continuation, kind, suffix)
    tried = store.attempts(*key, kind).get(seed, 0)
    return _rollout(key, seed, kind, error=" ".join(continuation.error.split()), attempt=tried)


def _read(case: Case, key: tuple, prefix: str, continuation: Continuation, kind: str, suffix: str) -> Rollout:
    """Return a continuation with its first sentence, answer and correctness."""
    if kind == "forced":
        answer = answers.boxed(suffix[suffix.rfind("\\boxed") :] + continuation.text, "first").strip()
    else:
        answer = answers.boxed(prefix[len(case.prompt) :] + continuation.text)
    correct = answers.equal(answer, case.right) if answer else None
    texts = {"text": continuation.text, "first_sentence": first_sentence(continuation.text), "answer": answer}
    return _rollout(key, continuation.seed, kind, **texts, correct=correct, logprob=continuation.logprob)


def _rollout(key: tuple, seed: int, kind: str, **fields: Any) -> Rollout:
    blank = {"text": "", "first_sentence": "", "answer": "", "correct": None}
    return Rollout(*key, int(seed), kind, **blank | fields)


def sampler(model: Any, sampling: Sampling, batch: int = 128, stop: Sequence[str] = ()) -> Callable:
    """Return ``sample(jobs, done, track)`` -> continuations of jobs (prefix, seed), for any kind of model.

    All prefixes of a trace are sampled together: a local model computes the trace once for all of them, an endpoint
    has requests of all of them under way.
    """
    how = {"max_new_tokens": sampling.max_new_tokens, "temperature": sampling.temperature, "top_p": sampling.top_p}
    how["stop"] = tuple(stop)
    if hasattr(model, "many"):
        return partial(model.many, **how)
    if hasattr(model, "continuations"):
        return partial(_in_batches, partial(model.continuations, **how), batch)
    return partial(many, model, **how, batch=batch)


def _in_batches(
    ask: Callable, batch: int, jobs: Sequence[tuple[str, int]], done: Callable | None = None, track: bool = False
) -> list:  # fmt: skip
    """Sample job by job of one prefix in batches; a batch that fails leaves one failed rollout per job.

    Raises
    ------
    AnchorsError
        Three batches in a row failed.
    """
    found, failures = [], 0
    for batched in tracked(_batches(jobs, batch), "rollouts") if track else _batches(jobs, batch):
        seeds, error = [seed for _, seed in batched], None
        try:
            texts = ask(batched[0][0], seeds)
        except (InputError, MissingData):
            raise
        except (AnchorsError, OSError) as fault:
            error = " ".join(str(fault).split())
            texts = [Continuation("", (), float("nan"), False, seed, error) for seed in seeds]
        for continuation in texts:
            if done:
                done(len(found), continuation)
            found.append(continuation)
        failures = failures + 1 if error else 0
        if failures == PATIENCE:
            raise AnchorsError(f"{PATIENCE} batches in a row failed, the last one: {error}; what was sampled is kept")
    return found


def _batches(jobs: Sequence[tuple[str, int]], size: int) -> list[list[tuple[str, int]]]:
    """Return runs of jobs with the same prefix, at most ``size`` long, in order."""
    groups = [list(group) for _, group in groupby(jobs, key=lambda job: job[0])]
    return [group[start : start + size] for group in groups for start in range(0, len(group), size)]


def _check_length(model: Any, case: Case, suffix: str, sampling: Sampling) -> None:
    if len(case.sentences) > sampling.max_sentences:
        raise InputError(
            f"trace of problem {case.problem}", f"{len(case.sentences)} sentences", f"at most {sampling.max_sentences}"
        )
    limit = getattr(getattr(getattr(model, "network", None), "config", None), "max_position_embeddings", None)
    if limit is None:
        return
    tokens = len(model.tokenizer(case.prefixes[-1] + suffix)["input_ids"])
    if tokens >= limit:
        cure = "Take a shorter trace or a model with a longer context."
        raise InputError(f"trace of problem {case.problem}", f"{tokens} tokens", f"fewer than {limit}", cure)
