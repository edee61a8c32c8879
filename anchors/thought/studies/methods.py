"""The three methods on one trace of a model, each cached by itself: rollouts, attention, suppression, deleted text.

Rollouts of SmolLM2 are a recorded run; all else is computed when it is asked for. Numbers go in and out as JSON.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion import recorded
from anchors.companion.cache import cached, cached_grid
from anchors.companion.files import sha256
from anchors.companion.paths import RUNS
from anchors.thought import attention, deletion, experiments, receivers, suppression
from anchors.thought.importance import mark_different, trace_importances
from anchors.thought.reasoner import program
from anchors.thought.rollouts import RolloutStore
from anchors.thought.sentences import Sentence, split
from anchors.thought.settings import FORCED_SUFFIX, Sampling
from anchors.thought.steps import step_importance
from anchors.thought.studies import corpus
from anchors.thought.studies.specimens import one_hot

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
    how = {"model": model, "profile": profile, "rollouts": rollouts}
    jobs = [how | {"seed": t.seed, "number": t.number, "count": count} for t in found]
    results = cached_grid(roll, jobs, f"rollouts of {model}", salt=salt(model))
    return [
        Rolled(t, pd.DataFrame(r["counts"]), np.array(r["steps"], float)) for t, r in zip(found, results, strict=True)
    ]


def roll(model: str, profile: str, seed: int, number: int, count: int, rollouts: int) -> dict[str, Any]:
    """Return the rollouts of one trace as counts, and its sentence-to-sentence importances."""
    trace, style = corpus.traces(model, profile, seed, count)[number], corpus.style_of(model, profile)
    sampling = corpus.sampling(model, style)
    suffix = suffix_of(model, style)
    forced = Sampling(*(vars(sampling) | {"max_new_tokens": FORCED_TOKENS}).values())
    seeds = range(SEEDS + corpus.APART * number, SEEDS + corpus.APART * number + rollouts)
    texts = [s.text for s in trace.case.sentences]
    with tempfile.TemporaryDirectory() as folder, RolloutStore(Path(folder) / "rollouts.db") as store:
        lm, stops = _network(model), corpus.stops(model, style)
        experiments.resample(lm, trace.case, store, sampling, seeds, stop=stops)
        experiments.force(lm, trace.case, store, forced, seeds, suffix, stop=("}",))
        tables = [
            experiments.rollouts_of(store, lm.name, trace.case),
            experiments.rollouts_of(store, lm.name, trace.case, "forced", suffix),
        ]
    embed = embedder(model)
    tables[0]["different"], tables[1]["different"] = mark_different(tables[0], texts, embed), False
    steps = step_importance(texts, tables[0].text.tolist(), tables[0].sentence.to_numpy(), embed, _texts)
    return {"counts": _counts(pd.concat(tables)), "steps": steps.tolist()}


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


def deletions(model: str, profile: str, seed: int, count: int):
    """Return the traces and the effects (M, M) of deleting a sentence's text, in nats per token (sec. 2.9)."""
    return _each(deleted, model, profile, seed, count)


def attended(model: str, profile: str, seed: int, number: int, count: int, proximity: int) -> list:
    """Return the vertical scores (L, H, M) of one trace."""
    trace = corpus.traces(model, profile, seed, count)[number]
    matrices = attention.sentence_attention(_network(model), trace.whole, trace.located)
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
    return np.array(cached(_head_matrix, salt(model), **how), float)


def _head_matrix(model: str, prompt: str, text: str, layer: int, head: int) -> list:
    shift = len(prompt)
    sentences = [Sentence(s.start + shift, s.end + shift, s.text) for s in split(text)]
    return attention.sentence_attention(_network(model), prompt + text, sentences)[layer, head].tolist()


def suppressed(model: str, profile: str, seed: int, number: int, count: int) -> list:
    """Return the suppression matrix (M, M) of one trace."""
    trace = corpus.traces(model, profile, seed, count)[number]
    return np.round(suppression.suppression_matrix(_network(model), trace.whole, trace.located), 6).tolist()


def deleted(model: str, profile: str, seed: int, number: int, count: int) -> list:
    """Return the deletion matrix (M, M) of one trace."""
    trace = corpus.traces(model, profile, seed, count)[number]
    return np.round(deletion.deletion_matrix(_network(model), trace.whole, trace.located), 8).tolist()


def receiver_heads(vertical: Sequence[np.ndarray], heads: int = 0) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Return the receiver heads over traces (the ``heads`` of highest mean kurtosis) and the kurtoses (traces, L, H).

    0 heads asks for :func:`anchors.thought.receivers.head_count`.
    """
    kurtoses = np.array([attention.kurtosis(v) for v in vertical])
    layers, width = kurtoses.shape[1:]
    return attention.receiver_heads(kurtoses, heads or receivers.head_count(layers, width)), kurtoses


@cache
def salt(model: str) -> str:
    """Return what the results of a model depend on besides code: its weights, and the traces recorded of it."""
    log = RUNS / f"{corpus.RUN}.csv"
    return corpus.identity(model) + (sha256(log)[:16] if model == corpus.RECORDED and log.is_file() else "")


def _each(function: Callable, model: str, profile: str, seed: int, count: int, **more: Any):
    found = corpus.traces(model, profile, seed, count)
    how = {"model": model, "profile": profile, "count": count, **more}
    jobs = [how | {"seed": t.seed, "number": t.number} for t in found]
    values = cached_grid(function, jobs, f"{function.__name__} {model}", salt=salt(model))
    return found, [np.array(value, float) for value in values]


def _network(model: str) -> Any:
    from anchors.models.language import load

    return load(model)


def _texts(text: str) -> list[str]:
    return [sentence.text for sentence in split(text)]


def _counts(table: pd.DataFrame) -> list[dict]:
    """Return how often each kind, sentence, answer, correctness and difference occurs."""
    by = ["kind", "sentence", "answer", "correct", "different"]
    answer = table.answer.str.strip().str.slice(0, 24)  # longer ones are no numbers
    rows = table.assign(answer=answer, correct=table.correct.fillna(False).astype(bool))
    return rows.groupby(by).size().reset_index(name="count").to_dict("records")


@cache
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


def rescored(trace: corpus.Trace, model: str) -> float:
    """Return the log-probability (nats) of a recorded trace under the model of today: the live part of the run."""
    return cached(_rescored, salt(model), model=model, prompt=trace.case.prompt, text=trace.case.text)


def _rescored(model: str, prompt: str, text: str) -> float:
    import torch

    lm = _network(model)
    ids, start = lm.encode(prompt + text), len(lm.encode(prompt))
    with torch.inference_mode():
        logits = lm.network(torch.tensor([ids], device=lm.network.device)).logits[0].float().log_softmax(-1)
    return float(logits[torch.arange(start - 1, len(ids) - 1), torch.tensor(ids[start:])].sum())
