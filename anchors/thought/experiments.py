"""Resampling experiments: continue every prefix of a trace many times and keep each rollout in a store (sec. 2.4).

A prefix ends where a sentence ends, without the blank that follows: that blank begins the next token of most
tokenizers. Each finished batch is one transaction of the store, so that Ctrl-C or a kill loses one batch at most and
the next call asks for the missing seeds only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anchors.companion.errors import AnchorsError, InputError, MissingData
from anchors.companion.progress import track
from anchors.thought import answers
from anchors.thought.rollouts import Rollout, RolloutStore, prefix_hash
from anchors.thought.sentences import Sentence, first_sentence, split
from anchors.thought.settings import FORCED_SUFFIX, Sampling

if TYPE_CHECKING:
    from pandas import DataFrame

PATIENCE = 3  # batches in a row that may fail before an experiment stops


@dataclass(frozen=True)
class Case:
    """A base trace to resample: ``text`` follows ``prompt``; ``sentences`` are slices of ``text``; ``right`` answer.

    Raises
    ------
    InputError
        There is no sentence, or a sentence is not a slice of the text.
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
    model : a loaded language model (``anchors.models.language``), or anything with a ``name`` and ``continuations``
        (``anchors.models.remote``).
    sampling : temperature, top_p, tokens, and ``rollouts`` per prefix where ``seeds`` are not given.
    batch : rollouts per call and per transaction; retry : whether failed rollouts are asked for again.

    Raises
    ------
    InputError
        The trace has too many sentences or does not fit in the model's context.
    AnchorsError
        Three batches in a row failed, or the disk is full; what was committed stays.
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
    jobs, kept = [], 0
    for sentence, prefix in enumerate(case.prefixes):
        key = (model.name, case.problem, prefix_hash(prefix + suffix), sentence)
        todo = store.missing(*key, seeds, kind, retry)
        kept += len(seeds) - len(todo)
        jobs += [(key, prefix + suffix, todo[start : start + batch]) for start in range(0, len(todo), batch)]
    done, lost, failures = 0, 0, 0
    sample = sampler(model, sampling, batch, stop)
    for key, prefix, todo in track(jobs, f"{kind} {case.problem}"):
        rows, error = _batch(sample, case, store, key, prefix, todo, kind, suffix)
        store.add(rows)
        failures = failures + 1 if error else 0
        done, lost = done + (0 if error else len(rows)), lost + (len(rows) if error else 0)
        if failures == PATIENCE:
            raise AnchorsError(f"{PATIENCE} batches in a row failed, the last one: {error}; what was sampled is kept")
    return {"sampled": done, "kept": kept, "failed": lost}


def _batch(sample, case, store, key, prefix, seeds, kind, suffix) -> tuple[list[Rollout], str]:
    """Return the rollouts of a batch, or one failed rollout per seed and the error, in one line."""
    try:
        found = sample(prefix, seeds)
    except (InputError, MissingData):
        raise
    except (AnchorsError, OSError) as error:
        text, tried = " ".join(str(error).split()), store.attempts(*key, kind)
        return [_rollout(key, seed, kind, error=text, attempt=tried.get(seed, 0)) for seed in seeds], text
    return [_read(case, key, prefix, c, kind, suffix) for c in found], ""


def _read(case: Case, key: tuple, prefix: str, continuation: Any, kind: str, suffix: str) -> Rollout:
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
    """Return ``sample(prefix, seeds)`` -> continuations, for a loaded model or an endpoint."""
    how = {"max_new_tokens": sampling.max_new_tokens, "temperature": sampling.temperature, "top_p": sampling.top_p}
    if hasattr(model, "continuations"):
        return lambda prefix, seeds: model.continuations(prefix, seeds, **how, stop=tuple(stop))
    from anchors.models.sampling import continuations

    return lambda prefix, seeds: continuations(model, prefix, seeds, **how, batch=batch, stop=tuple(stop))


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
