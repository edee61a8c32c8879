"""One trace of a reasoner under every method at once, beside the exact truth of the process behind it."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.errors import InputError
from anchors.companion.stats import known_mean
from anchors.thought import experiments, ranking
from anchors.thought.importance import mark_different, trace_importances
from anchors.thought.reasoner import program, truth
from anchors.thought.rollouts import RolloutStore
from anchors.thought.sentences import shifted, split
from anchors.thought.settings import Sampling
from anchors.thought.steps import step_importance
from anchors.thought.studies.ideal import Process

SAMPLING = Sampling("reasoner", 1.0, 1.0, 320, 100, 80, 1)  # where the process defines its probabilities
FORCED = Sampling("reasoner", 1.0, 1.0, 4, 100, 80, 1)
PROXIMITY = 2  # sentences; the paper's 4 would leave little of a trace of fifteen
HEADS = 2  # receiver heads: of a dozen or so heads in all
APART = 10_000  # between the first seeds of two traces, so that no two traces share a rollout's random numbers
TRIES = 20  # base traces sampled until one is in the language of the process


def network(name: str) -> Any:
    """Return a language model whose attention can be read; MissingData or InputError when it is not there."""
    from anchors.models.language import load

    return load(name, attention="eager")


def specimen(seed: int, number: int, rollouts: int, model: str = "process", reader: str = "none") -> dict[str, Any]:
    """Return estimates and truth of one trace: rows of sentences, rows of pairs, and per head what attention gives.

    ``model`` writes and continues the trace: ``process`` (the process itself) or a language model; ``reader`` is the
    language model whose attention is read, or ``none``. Equal sentences count as the same and others as different, as
    in the truth.
    """
    problem = program.sample_problem(np.random.default_rng([seed, 21, number]))
    writer = Process([problem]) if model == "process" else network(model)
    return measured(writer, problem, seed, number, rollouts, None if reader == "none" else network(reader))


def measured(
    model: Any, problem: program.Problem, seed: int, number: int, rollouts: int, reader: Any = None
) -> dict[str, Any]:
    """Return :func:`specimen` for given models and a given problem."""
    first = APART * (1000 * seed + number)
    case, trace, tries = base_trace(model, problem, f"{seed}/{number}", first)
    exact = truth.exact_importances(trace.problem, trace.sentences)
    sentences = pd.DataFrame({"sentence": range(len(trace.sentences)), "category": trace.categories})
    for name in ("resampling_accuracy", "resampling_kl", "counterfactual_accuracy", "counterfactual_kl"):
        sentences[f"true_{name}"] = exact[name]
    estimates, steps = resampled(model, case, range(first, first + rollouts))
    i, j, _ = ranking.pair_features(len(trace.sentences))
    pairs = pd.DataFrame({"source": i, "target": j, "steps": steps[i, j]})
    pairs["edge"] = truth.dependency_matrix(trace.dependencies, len(trace.sentences))[i, j]
    pairs["true_steps"] = truth.exact_step_matrix(trace.problem, trace.sentences)[i, j]
    sentences = sentences.join(estimates)
    sentences["steps_out"] = known_mean(steps, 1)
    heads = {} if reader is None else white_box(reader, case, sentences, pairs)
    about = {"seed": seed, "number": number}
    return heads | {
        "tries": tries, "correct": bool(trace.correct), "sentences": sentences.assign(**about).to_dict("records"),
        "pairs": pairs.assign(**about).to_dict("records"),
    }  # fmt: skip


def base_trace(
    model: Any, problem: program.Problem, name: str, first: int
) -> tuple[experiments.Case, program.ReasonerTrace, int]:
    """Return a trace that the model wrote, as text and parsed, and how many had to be sampled for it."""
    sample = experiments.sampler(model, SAMPLING, 1)
    for attempt in range(TRIES):
        text = sample([(problem.text, first + APART // 2 + attempt)])[0].text
        sentences = split(text)
        if program.grammatical(problem, [s.text for s in sentences]):
            case = experiments.Case(name, problem.text, _spaced(text), str(problem.answer))
            return case, program.read_trace(problem, [s.text for s in sentences]), attempt + 1
    raise InputError(
        "base trace", f"none in {TRIES} that the process can write", "a trained reasoner", "Train it again."
    )


def resampled(model: Any, case: experiments.Case, seeds: range) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the four importances and the forced one by sentence, and the sentence-to-sentence matrix."""
    texts = [sentence.text for sentence in case.sentences]
    with tempfile.TemporaryDirectory() as folder, RolloutStore(Path(folder) / "rollouts.db") as store:
        experiments.resample(model, case, store, SAMPLING, seeds)
        experiments.force(model, case, store, FORCED, seeds, program.FORCED_SUFFIX)
        table = experiments.rollouts_of(store, model.name, case)
        forced = experiments.rollouts_of(store, model.name, case, "forced", program.FORCED_SUFFIX)
    table["different"] = mark_different(table, texts, one_hot)
    columns = {
        f"{method}_{unit}": trace_importances(table, method, unit, bootstrap=0, count=len(texts)).value
        for method in ("resampling", "counterfactual") for unit in ("accuracy", "kl")
    }  # fmt: skip
    columns["forced_kl"] = trace_importances(forced, "forced", "kl", bootstrap=0, count=len(texts)).value
    steps = step_importance(texts, table.text.tolist(), table.sentence.to_numpy(), one_hot, texts_of)
    return pd.DataFrame(columns), steps


def white_box(model: Any, case: experiments.Case, sentences: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, list]:
    """Add suppression and mean attention to the tables; return kurtosis (L, H), vertical scores, attention by head."""
    from anchors.thought import attention, suppression

    text, spans = case.prompt + case.text, shifted(case.sentences, len(case.prompt))
    matrices = np.nan_to_num(attention.sentence_attention(model, text, spans))  # (L, H, M, M)
    vertical = attention.vertical_scores(matrices, proximity=PROXIMITY)  # (L, H, M)
    effect = suppression.suppression_matrix(model, text, spans, normalise="official")
    i, j = pairs.source.to_numpy(), pairs.target.to_numpy()
    pairs["suppression"], pairs["attention"] = effect[i, j], matrices[:, :, j, i].mean((0, 1))
    sentences["suppression_out"] = known_mean(effect, 1)
    sentences["attention_received"] = np.nanmean(np.nan_to_num(vertical), axis=(0, 1))
    return {
        "kurtosis": attention.kurtosis(vertical).tolist(), "vertical": np.round(vertical, 6).tolist(),
        "attention": np.round(matrices[:, :, j, i], 6).tolist(),
    }  # fmt: skip


def assemble(found: list[dict], heads: list | None = None) -> tuple[pd.DataFrame, pd.DataFrame, list]:
    """Return the logs of sentences and of pairs with the scores of the receiver heads, and these heads.

    The heads are those of highest mean kurtosis over the traces (sec. 2.6), unless given; the process has none.
    """
    if "attention" not in found[0]:
        both = [pd.concat([pd.DataFrame(f[k]) for f in found], ignore_index=True) for k in ("sentences", "pairs")]
        return *both, []
    if heads is None:
        from anchors.thought.attention import receiver_heads

        heads = receiver_heads(np.array([f["kurtosis"] for f in found]), HEADS)
    sentences, pairs = [], []
    for f in found:
        by_head, chosen = np.array(f["attention"], float), tuple(np.array(heads, int).T)
        received = np.array(f["vertical"], float)[chosen].mean(0)
        sentences.append(pd.DataFrame(f["sentences"]).assign(receiver_score=received))
        pairs.append(pd.DataFrame(f["pairs"]).assign(receiver=by_head[chosen].mean(0)))
    plain = [[int(layer), int(head)] for layer, head in heads]
    return pd.concat(sentences, ignore_index=True), pd.concat(pairs, ignore_index=True), plain


def one_hot(texts: list[str]) -> np.ndarray:
    """Return vectors (n, n) that make distinct texts orthogonal: only equal sentences are alike."""
    return np.eye(len(texts), dtype=np.float32)


def texts_of(text: str) -> list[str]:
    return [sentence.text for sentence in split(text)]


def _spaced(text: str) -> str:
    """Return a continuation with the one blank between it and its prompt."""
    return " " + text.strip()
