"""The traces that the figures on models read: problems, solutions that the model itself wrote, and their sentences.

The reasoner solves problems of its own process; any other model solves word problems. As in the paper (sec. 1), a
problem is kept when the model solves it sometimes, and gives one correct and one incorrect trace.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from anchors.companion import recorded
from anchors.companion.cache import cached_grid
from anchors.companion.errors import InputError
from anchors.companion.params import choose
from anchors.models.language import identity, load
from anchors.thought import answers, experiments, official, word_problems
from anchors.thought.reasoner import program
from anchors.thought.sentences import Sentence, shifted, split
from anchors.thought.settings import PUBLISHED, Sampling
from anchors.thought.studies.specimens import SAMPLING

RUN, EMBEDDED = "thought/smollm2_traces", ("reasoner", "smollm2")
RECORDED = "smollm2"  # whose traces are a recorded run, but in the paper profile
KEPT = 0.1, 0.9  # share of right answers of a problem that is kept; the paper's 0.25 to 0.75 leaves a small model few
TRIED, WRITTEN = 16, 160  # rollouts per problem, tokens each
SHORTEST = 6  # sentences
APART = 1000  # between the first seeds of two problems
MOVED = 0.05  # how far a rank correlation or a p of few traces may move where another processor draws another token


@dataclass(frozen=True)
class Trace:
    """A solution that a model wrote: ``case`` with prompt, text and sentences, a category for each sentence.

    ``problem`` is the number of its problem, which two traces may share.
    ``accuracy`` is the share of right answers among ``tried`` rollouts of its problem; ``logprob`` of the text (nats).
    """

    seed: int
    number: int
    problem: int
    case: experiments.Case
    categories: tuple[str, ...]
    correct: bool
    accuracy: float
    tried: int
    logprob: float

    @property
    def whole(self) -> str:
        """Prompt and solution."""
        return self.case.prompt + self.case.text

    @property
    def located(self) -> list[Sentence]:
        """The sentences with their places in :attr:`whole`."""
        return shifted(self.case.sentences, len(self.case.prompt))


def style_of(model: str, profile: str) -> str:
    """Return how problems are put: the paper's problems in its ``paper`` layout at its scale, else after examples.

    The embedded models keep their own problems in every profile.
    """
    return "paper" if profile == "paper" and model not in EMBEDDED else "examples"


def traces(model: str, profile: str, seed: int, count: int) -> list[Trace]:
    """Return ``count`` traces of a model: recorded ones for ``smollm2``, else sampled now and cached.

    Raises
    ------
    InputError
        The recorded run has fewer.
    """
    if is_recorded(model, profile):
        return _recorded(seed, count)
    if model == "reasoner":
        jobs = [{"model": model, "seed": seed, "number": k} for k in range(count)]
        return [read(row) for row in cached_grid(solved, jobs, f"traces of {model}", salt=identity(model))]
    pairs = -(-count // 2)
    how = {"model": model, "seed": seed, "style": style_of(model, profile), "tried": choose(profile, 4, TRIED, 64)}
    jobs = [how | {"number": k} for k in range(pairs)]
    found = cached_grid(pair, jobs, f"traces of {model}", salt=identity(model))
    return [read(row) for rows in found for row in rows][:count]


def is_recorded(model: str, profile: str) -> bool:
    """Return whether the rollouts of a model are a recorded run."""
    return model == RECORDED and profile != "paper"


def name_of(model: str) -> str:
    """Return a short name: of a folder or hub id, its last part."""
    return model.rstrip("/").split("/")[-1]


def mark_of(model: str) -> str:
    """Return what a row's name begins with: nothing where it stands beside the paper's value, else the model.

    That is SmolLM2, which too writes natural language.
    """
    return "" if model == RECORDED else f"{name_of(model)}: "


def read(row: dict[str, Any]) -> Trace:
    """Return the trace that a row of the log describes."""
    name = f"{row['seed']}/{row['number']}"
    problem = problem_of(row["model"], row["seed"], row["problem"], row["style"])
    prompt = problem.text if row["model"] == "reasoner" else word_problems.prompt(problem, row["style"])
    case = experiments.Case(name, prompt, row["text"], str(problem.answer))
    texts = [s.text for s in case.sentences]
    labels = program.read_trace(problem, texts).categories if row["model"] == "reasoner" else word_problems.label(texts)
    about = (bool(row["correct"]), float(row["accuracy"]), int(row["tried"]), float(row["logprob"]))
    return Trace(int(row["seed"]), int(row["number"]), int(row["problem"]), case, tuple(labels), *about)


def problem_of(model: str, seed: int, number: int, style: str = "examples") -> Any:
    """Return the problem ``number`` of a seed: of the process for the reasoner, else a word problem.

    In the ``paper`` layout it is the problem at that place of the paper's list, whatever the seed (sec. 1).
    """
    if style == "paper":
        listed = official.selected_problems()
        asked = listed[number % len(listed)]
        return word_problems.WordProblem(asked["problem"], asked["gt_answer"])
    draw = program.sample_problem if model == "reasoner" else word_problems.sample_problem
    return draw(np.random.default_rng([seed, 41, number]))


def solved(model: str, seed: int, number: int) -> dict[str, Any]:
    """Return the first solution of six sentences or more that the reasoner writes in its language, as a row."""
    problem = problem_of(model, seed, number)
    found = sample(model, problem.text, [APART * number + k + 7 for k in range(TRIED)])
    right = [answers.boxed(c.text).strip() == str(problem.answer) for c in found]
    for c, correct in zip(found, right, strict=True):
        text = " " + c.text.strip()
        sentences = [s.text for s in split(text)]
        if len(sentences) >= SHORTEST and program.grammatical(problem, sentences):
            more = {"accuracy": float(np.mean(right)), "tried": TRIED, "logprob": c.logprob}
            return _row(model, seed, number, number, text, correct, more)
    expected = "one that the process can write"
    raise InputError(f"traces of {model}", f"none in {TRIED} solutions", expected, "Train it again: make runs.")


def pair(model: str, seed: int, number: int, style: str, tried: int, candidates: int = 8) -> list[dict[str, Any]]:
    """Return two solutions as rows, one correct and one incorrect, of the first problem that the model solves at times.

    Where no candidate has both kinds, the two longest solutions are taken: a model that knows no arithmetic has
    attention all the same.
    """
    first, candidates = None, 1 if style == "paper" else candidates  # the paper's list is screened already
    for k in range(candidates):
        rows, kept = screened(model, seed, number * candidates + k, number, style, tried)
        if kept:
            return rows
        first = first or (rows if len(rows) == 2 else None)
    if first is None:
        found = f"no solution of {SHORTEST} sentences in {candidates} problems"
        raise InputError(f"traces of {model}", found, "solutions in sentences", "Choose another model or style.")
    return first


def screened(
    model: str, seed: int, problem: int, number: int, style: str, tried: int
) -> tuple[list[dict[str, Any]], bool]:
    """Return two solutions of one problem as rows, and whether it is kept: then one is correct and one incorrect."""
    asked = problem_of(model, seed, problem, style)
    seeds = [APART * problem + k for k in range(tried)]
    found = sample(model, word_problems.prompt(asked, style), seeds, style)
    whole = [(c, answers.boxed(c.text)) for c in found if len(split(c.text)) >= SHORTEST]
    right = [answers.equal(answers.boxed(c.text), asked.answer) for c in found]
    more = {"accuracy": float(np.mean(right)), "tried": tried, "style": style}
    groups = {ok: [c for c, a in whole if a and answers.equal(a, asked.answer) == ok] for ok in (True, False)}
    kept = bool(KEPT[0] <= more["accuracy"] <= KEPT[1] and groups[True] and groups[False])
    if kept:
        chosen = [(groups[ok][0], ok) for ok in (True, False)]
    else:
        longest = sorted(whole, key=lambda one: -len(one[0].text))[:2]
        chosen = [(c, bool(a) and answers.equal(a, asked.answer)) for c, a in longest]
    rows = [
        _row(model, seed, 2 * number + k, problem, c.text.rstrip(), ok, more | {"logprob": c.logprob})
        for k, (c, ok) in enumerate(chosen)
    ]
    return rows, kept


def _row(model: str, seed: int, number: int, problem: int, text: str, correct: bool, more: dict) -> dict[str, Any]:
    about = {"model": model, "seed": seed, "number": number, "problem": problem, "style": "", "correct": bool(correct)}
    return about | more | {"text": text}


def sampling(model: str, style: str = "examples") -> Sampling:
    """Return how a model's traces are sampled: the paper's temperature and top-p, and its length in its own layout."""
    if model == "reasoner":
        return SAMPLING
    length = PUBLISHED.max_new_tokens if style == "paper" else WRITTEN
    return Sampling(model, PUBLISHED.temperature, PUBLISHED.top_p, length, PUBLISHED.rollouts, 275, 1)


def stops(model: str, style: str = "examples") -> tuple[str, ...]:
    """Return the texts that end a rollout."""
    return word_problems.STOP if model != "reasoner" and style == "examples" else ()


def sample(model: str, prompt: str, seeds: list[int], style: str = "examples") -> list[Any]:
    """Return one continuation of the prompt per seed."""
    run = experiments.sampler(load(model), sampling(model, style), len(seeds), stops(model, style))
    return run([(prompt, seed) for seed in seeds])


def _recorded(seed: int, count: int) -> list[Trace]:
    log, _ = recorded.load(RUN)
    own = log[log.seed == seed]
    if len(own) < count:
        cure = "Take fewer traces, or PROFILE=paper to sample."
        raise InputError(f"traces of seed {seed}", f"{len(own)} recorded", f"{count}", cure)
    return [read(row) for row in own.head(count).to_dict("records")]
