"""The three methods on one trace of a model, each cached by itself: rollouts, attention, suppression, deleted text.

Rollouts of SmolLM2 are a recorded run; all else is computed when it is asked for. Numbers go in and out as JSON.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion import recorded
from anchors.companion.cache import cached, cached_grid
from anchors.companion.results import Row
from anchors.companion.used import remembered
from anchors.models.language import load
from anchors.thought import attention, deletion, experiments, receivers, suppression, word_problems
from anchors.thought.importance import mark_different, trace_importances
from anchors.thought.reasoner import program
from anchors.thought.rollouts import RolloutStore
from anchors.thought.sentences import Sentence, shifted, split
from anchors.thought.settings import FORCED_SUFFIX
from anchors.thought.steps import step_importance
from anchors.thought.studies import corpus
from anchors.thought.studies.specimens import one_hot, texts_of

RUN, STEPS = "thought/smollm2_rollouts", "thought/smollm2_steps"
ANSWER = " The answer is \\boxed{"  # what forces an answer after worked examples
FORCED_TOKENS = 8
SEEDS = 10_000_000  # rollouts have seeds from here on, none of a base trace
PROXIMITY = 2  # sentences between a sentence and those that count as later; the paper's 4 would leave little here


@dataclass(frozen=True)
class Rolled:
    """The rollouts of one trace: ``counts`` with columns kind, sentence, answer, correct, different, count.

    ``steps`` (M, M) [source, target] is the sentence-to-sentence importance, NaN unless source < target.
    """

    trace: corpus.Trace
    counts: pd.DataFrame
    steps: np.ndarray

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per rollout, as :func:`anchors.thought.importance.trace_importances` reads them."""
        rows = self.counts.loc[self.counts.index.repeat(self.counts["count"])].reset_index(drop=True)
        return rows.drop(columns="count").assign(first_sentence="")

    def importance(self, method: str, unit: str, bootstrap: int = 0, seed: int = 0) -> pd.DataFrame:
        """Return the importances of every sentence by a method, with intervals if ``bootstrap``."""
        rng, count = np.random.default_rng(seed), len(self.trace.categories)
        return trace_importances(self.table, method, unit, bootstrap=bootstrap, rng=rng, count=count)


def rolled(model: str, profile: str, seed: int, count: int, rollouts: int) -> list[Rolled]:
    """Return the rollouts of ``count`` traces: recorded ones for SmolLM2, else sampled now and cached."""
    found = corpus.traces(model, profile, seed, count)
    if corpus.is_recorded(model, profile):
        return [_recorded(trace) for trace in found]
    jobs = [roll_job(model, corpus.style_of(model, profile), trace, rollouts) for trace in found]
    results = cached_grid(roll, jobs, f"rollouts of {model}", salt=corpus.identity(model))
    return [
        Rolled(t, pd.DataFrame(r["counts"]), np.array(r["steps"], float)) for t, r in zip(found, results, strict=True)
    ]


def roll_job(model: str, style: str, trace: corpus.Trace, rollouts: int) -> dict[str, Any]:
    """Return the arguments of :func:`roll` for a trace."""
    texts = {"prompt": trace.case.prompt, "text": trace.case.text, "right": trace.case.right}
    return texts | {"model": model, "style": style, "first": SEEDS + corpus.APART * trace.number, "rollouts": rollouts}


def roll(model: str, style: str, prompt: str, text: str, right: str, first: int, rollouts: int) -> dict[str, Any]:
    """Return the rollouts of one trace, with seeds from ``first`` on, as counts, and its step importances."""
    case, seeds = experiments.Case("trace", prompt, text, right), range(first, first + rollouts)
    sampling, suffix = corpus.sampling(model, style), suffix_of(model, style)
    texts, lm, embed = [s.text for s in case.sentences], load(model), embedder(model)
    with tempfile.TemporaryDirectory() as folder, RolloutStore(Path(folder) / "rollouts.db") as store:
        experiments.resample(lm, case, store, sampling, seeds, stop=corpus.stops(model, style))
        brief = replace(sampling, max_new_tokens=FORCED_TOKENS)
        experiments.force(lm, case, store, brief, seeds, suffix, stop=("}",))
        free = experiments.rollouts_of(store, lm.name, case)
        forced = experiments.rollouts_of(store, lm.name, case, "forced", suffix)
    free["different"], forced["different"] = mark_different(free, texts, embed), False
    steps = step_importance(texts, free.text.tolist(), free.sentence.to_numpy(), embed, texts_of)
    return {"counts": _counts(pd.concat([free, forced])), "steps": steps.tolist()}


def suffix_of(model: str, style: str) -> str:
    """Return what makes a model answer at once."""
    return program.FORCED_SUFFIX if model == "reasoner" else FORCED_SUFFIX if style == "paper" else ANSWER


def embedder(model: str) -> Callable[[Sequence[str]], np.ndarray]:
    """Return what decides whether two sentences say the same: MiniLM as in the paper; for the reasoner, equality."""
    if model == "reasoner":
        return one_hot
    from anchors.models.embed import embed

    return embed


def vertical_scores(
    model: str, profile: str, seed: int, count: int, proximity: int = PROXIMITY
) -> tuple[list[corpus.Trace], list[np.ndarray]]:
    """Return the traces and the attention (L, H, M) that each sentence of each receives from later ones (sec. 2.6)."""
    return _each(attended, model, profile, seed, count, proximity=proximity)


def suppressions(model: str, profile: str, seed: int, count: int):
    """Return the traces and their suppression matrices (M, M) in log units, not normalised (sec. 2.7)."""
    return _each(suppressed, model, profile, seed, count)


def deletions(model: str, profile: str, seed: int, count: int) -> tuple[list[corpus.Trace], list[np.ndarray]]:
    """Return the traces and the effects (M, M) of deleting a sentence's text, in nats per token (sec. 2.9)."""
    return scored_deletions(model, profile, seed, count)[:2]


def scored_deletions(
    model: str, profile: str, seed: int, count: int
) -> tuple[list[corpus.Trace], list[np.ndarray], list[float]]:
    """Return :func:`deletions` and the log-probability [nats] of each trace, which the same pass gives."""
    found, values = _computed(deleted, model, profile, seed, count)
    return found, [np.array(one["matrix"], float) for one in values], [one["logprob"] for one in values]


def attended(model: str, prompt: str, text: str, proximity: int) -> list:
    """Return the vertical scores (L, H, M) of one trace."""
    matrices = attention.sentence_attention(load(model), *_located(prompt, text), shared(prompt))
    return significant(attention.vertical_scores(matrices, proximity)).tolist()


def significant(values: np.ndarray, digits: int = 6) -> np.ndarray:
    """Return values rounded to so many significant digits: attention may be tiny, and its kurtosis has no scale."""
    size = np.abs(np.asarray(values, float))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (digits - 1 - np.floor(np.log10(np.where(size > 0, size, 1.0))))
    return np.round(values * scale) / scale


def attention_matrix(model: str, trace: corpus.Trace, layer: int, head: int) -> np.ndarray:
    """Return the sentence matrix (M, M) [reading, read] of one head on one trace (cached)."""
    how = {"model": model, "prompt": trace.case.prompt, "text": trace.case.text, "layer": layer, "head": head}
    return np.array(cached(_head_matrix, corpus.identity(model), **how), float)


def _head_matrix(model: str, prompt: str, text: str, layer: int, head: int) -> list:
    matrices = attention.sentence_attention(load(model), *_located(prompt, text), shared(prompt))
    return matrices[layer, head].tolist()


def suppressed(model: str, prompt: str, text: str) -> list:
    """Return the suppression matrix (M, M) of one trace."""
    matrix = suppression.suppression_matrix(load(model), *_located(prompt, text), shared=shared(prompt))
    return np.round(matrix, 6).tolist()


def deleted(model: str, prompt: str, text: str) -> dict[str, Any]:
    """Return the deletion matrix (M, M) of one trace, and the log-probability of its text."""
    lm = load(model)
    full = deletion.read(lm, prompt + text, shared(prompt))
    matrix = deletion.deletion_matrix(lm, *_located(prompt, text), full=full)
    return {"matrix": np.round(matrix, 8).tolist(), "logprob": _logprob(lm, prompt, text, *full)}


def shared(prompt: str) -> str:
    """Return what prompts of many problems begin with: the worked examples, or nothing."""
    return word_problems.SHOWN if prompt.startswith(word_problems.SHOWN) else ""


def receiver_heads(vertical: Sequence[np.ndarray], heads: int = 0) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Return the receiver heads over traces (the ``heads`` of highest mean kurtosis) and the kurtoses (traces, L, H).

    0 heads asks for :func:`anchors.thought.receivers.head_count`.
    """
    kurtoses = np.array([attention.kurtosis(v) for v in vertical])
    layers, width = kurtoses.shape[1:]
    return attention.receiver_heads(kurtoses, heads or receivers.head_count(layers, width)), kurtoses


def _each(function: Callable, model: str, profile: str, seed: int, count: int, **more: Any):
    found, values = _computed(function, model, profile, seed, count, **more)
    return found, [np.array(value, float) for value in values]


def _computed(function: Callable, model: str, profile: str, seed: int, count: int, **more: Any):
    found = corpus.traces(model, profile, seed, count)
    jobs = [{"model": model, "prompt": t.case.prompt, "text": t.case.text} | more for t in found]
    return found, cached_grid(function, jobs, f"{function.__name__} {model}", salt=corpus.identity(model))


def _located(prompt: str, text: str) -> tuple[str, list[Sentence]]:
    """Return prompt and solution as one text, and the sentences of the solution with their places in it."""
    return prompt + text, shifted(split(text), len(prompt))


def _counts(table: pd.DataFrame) -> list[dict]:
    """Return how often each kind, sentence, answer, correctness and difference occurs."""
    by = ["kind", "sentence", "answer", "correct", "different"]
    answer = table.answer.str.strip().str.slice(0, 24)  # longer ones are no numbers
    rows = table.assign(answer=answer, correct=table.correct.fillna(False).astype(bool))
    return rows.groupby(by).size().reset_index(name="count").to_dict("records")


@remembered()
def _logs() -> tuple[pd.DataFrame, pd.DataFrame]:
    counts = recorded.load(RUN)[0]
    return counts.assign(answer=[as_text(answer) for answer in counts.answer]), recorded.load(STEPS)[0]


def as_text(answer: Any) -> str:
    """Return an answer of a log as it was written: a column of numbers is read as such, an empty one as NaN."""
    if isinstance(answer, str):
        return answer
    return "" if np.isnan(answer) else f"{int(answer)}" if float(answer).is_integer() else f"{answer}"


def _recorded(trace: corpus.Trace) -> Rolled:
    counts, pairs = (log[(log.seed == trace.seed) & (log.number == trace.number)] for log in _logs())
    size = len(trace.categories)
    steps = np.full((size, size), np.nan)
    steps[pairs.source, pairs.target] = pairs.steps
    return Rolled(trace, counts.drop(columns=["seed", "number"]).reset_index(drop=True), steps)


def live_rows(
    model: str, found: Sequence[corpus.Trace], profile: str, logprobs: Sequence[float] | None = None
) -> list[Row]:
    """Return what of a recorded run is repeated, as a row: the log-probability of its traces; none for other models.

    ``logprobs`` are those of today, computed here where they are not given.
    """
    if not corpus.is_recorded(model, profile) or not found:
        return []
    today = [rescored(trace, model) for trace in found] if logprobs is None else logprobs
    gap = max(abs(own - trace.logprob) for own, trace in zip(today, found, strict=True))
    quantity = f"{corpus.name_of(model)}: largest |live − recorded| log-probability of a trace"
    return [Row(quantity, gap, n=len(found), unit="nats", slack=0.01)]


def rescored(trace: corpus.Trace, model: str) -> float:
    """Return the log-probability (nats) of a recorded trace under the model of today: the live part of the run."""
    return cached(_rescored, corpus.identity(model), model=model, prompt=trace.case.prompt, text=trace.case.text)


def _rescored(model: str, prompt: str, text: str) -> float:
    lm = load(model)
    return _logprob(lm, prompt, text, *deletion.read(lm, prompt + text, shared(prompt)))


def _logprob(lm: Any, prompt: str, text: str, read: Any, n: int) -> float:
    """Return the log-probability (nats) of a text after its prompt from a pass over both, whose logits begin at n."""
    import torch

    start = len(lm.encode(prompt))
    tokens = torch.tensor(lm.encode(prompt + text)[start:], device=read.logits.device)
    logits = read.logits[0, start - 1 - n : -1].float().log_softmax(-1)
    return float(logits.gather(1, tokens[:, None]).sum())
