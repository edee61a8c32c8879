"""Traces that come with the companion: of the process whose truth is known, of SmolLM2's recorded runs."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.thought import answers, experiments
from anchors.thought.explorer import bundle, measured, whitebox
from anchors.thought.reasoner import program, truth
from anchors.thought.rollouts import RolloutStore
from anchors.thought.studies import corpus, methods
from anchors.thought.studies.ideal import Process
from anchors.thought.studies.specimens import APART, FORCED, SAMPLING, base_trace, network, one_hot

ROLLOUTS = 100  # per prefix, as in the paper
SHORTEST = 8  # sentences of a trace of the process that is shown
MODEL = "SmolLM2-135M-Instruct"
TRIED = 1000  # problems drawn until a trace is as long


def reasoner(
    number: int = 0, seed: int = 0, rollouts: int = ROLLOUTS, reader: str = "reasoner",
    bootstrap: int = measured.BOOTSTRAP,
) -> dict[str, Any]:  # fmt: skip
    """Return a trace that the process wrote and continued, beside its exact truth; attention is read in ``reader``.

    The process gives any trace its exact importances and its true dependencies; ``reader`` is the network that learnt
    it, or ``none``.
    """
    case, own = specimen(number, seed)
    table, forced = rollouts_of(case, own.problem, rollouts, APART * (1000 * seed + number))
    counting = measured.Counting(one_hot, bootstrap, seed)
    found = [measured.fields(own.sentences, table, counting, forced), exact(own)]
    if reader != "none":
        whole, located = case.prompt + case.text, corpus.shifted(case.sentences, len(case.prompt))
        found.append(whitebox.fields(network(reader), whole, located))
    made = f"written and continued {rollouts} times from every prefix by the process itself"
    made += "" if reader == "none" else "; attention read in the shipped network that learnt it"
    solution = "correct" if own.correct else "incorrect"
    depends = [sorted(i for i, j in own.dependencies if j == k) for k in range(len(own.sentences))]
    return bundle.trace(
        f"process/{seed}-{number}/{solution}", own.sentences, own.categories, depends=depends, model="process",
        problem=f"{seed}-{number}", title=f"ledger {number}, {own.plan}", solution=solution, question=own.problem.text,
        answer=str(own.problem.answer), given=str(own.answer), made_by=made, **bundle.merged(found),
    )  # fmt: skip


def specimen(number: int, seed: int) -> tuple[experiments.Case, program.ReasonerTrace]:
    """Return the first trace of :data:`SHORTEST` sentences or more that the process writes for draws of a number."""
    for draw in range(TRIED):
        problem = program.sample_problem(np.random.default_rng([seed, 61, number, draw]))
        name, first = f"{seed}-{number}", APART * (1000 * seed + number) + draw
        case, own, _ = base_trace(Process([problem]), problem, name, first)
        if len(own.sentences) >= SHORTEST:
            return case, own
    raise InputError("trace of the process", f"none of {SHORTEST} sentences in {TRIED}", "a longer one")


def rollouts_of(case: experiments.Case, problem: program.Problem, rollouts: int, first: int) -> tuple[Any, Any]:
    """Return the tables of rollouts and of forced answers of a trace, continued by the process."""
    writer, seeds = Process([problem]), range(first, first + rollouts)
    with tempfile.TemporaryDirectory() as folder, RolloutStore(Path(folder) / "rollouts.db") as store:
        experiments.resample(writer, case, store, SAMPLING, seeds)
        experiments.force(writer, case, store, FORCED, seeds, program.FORCED_SUFFIX)
        read = partial(experiments.rollouts_of, store, writer.name, case)
        return read(), read("forced", program.FORCED_SUFFIX)


def exact(own: program.ReasonerTrace) -> dict[str, Any]:
    """Return the exact importances, the exact sentence-to-sentence links and the true dependencies of a trace."""
    found, size = truth.exact_importances(own.problem, own.sentences), len(own.sentences)
    importances = [
        bundle.importance(f"{method}_{unit}", measured.label_of(method, unit), measured.UNITS[unit], "exact",
                          found[f"{method}_{unit}"])
        for method, unit in measured.ORDER
    ]  # fmt: skip
    steps = truth.exact_step_matrix(own.problem, own.sentences)
    edges = np.triu(truth.dependency_matrix(own.dependencies, size)).astype(float)
    return {
        "importances": importances,
        "links": [
            measured.said_more("exact", steps),
            bundle.links("truth", "True dependencies", "", "exact", edges),
        ],
    }


def smollm2(
    number: int = 0, seed: int = 0, reader: str = corpus.RECORDED, bootstrap: int = measured.BOOTSTRAP
) -> dict[str, Any]:  # fmt: skip
    """Return a recorded trace of SmolLM2 with its recorded rollouts, and what attention and suppression say in it now.

    Only answers were recorded, not texts: there are no alternatives and no intervals of the links. InputError when
    fewer traces were recorded.
    """
    log = methods.rolled(corpus.RECORDED, "laptop", seed, number + 1, 0)[number]
    own, found = log.trace, [recorded(log, measured.Counting(one_hot, bootstrap, seed))]
    if reader != "none":
        found.append(whitebox.fields(network(reader), own.whole, own.located, methods.shared(own.case.prompt)))
    solution, each = "correct" if own.correct else "incorrect", max(found[0]["accuracy"]["n"])
    return bundle.trace(
        f"{MODEL}/{seed}-{own.problem}/{solution}", [s.text for s in own.case.sentences], own.categories, model=MODEL,
        problem=f"{seed}-{own.problem}", title=f"word problem {own.problem}", solution=solution,
        question=corpus.problem_of(corpus.RECORDED, own.seed, own.problem).text, answer=own.case.right,
        given=answers.boxed(own.case.text),
        made_by=f"recorded run, up to {each} answered rollouts per prefix; attention and suppression computed now",
        **bundle.merged(found),
    )  # fmt: skip


def recorded(log: methods.Rolled, counting: measured.Counting) -> dict[str, Any]:
    """Return the fields that the recorded rollouts of a trace give."""
    table, size = log.table, len(log.trace.categories)
    free, forced = (table[table["kind"] == kind].reset_index(drop=True) for kind in ("resample", "forced"))
    importances, notes = measured.importances(free, forced, size, counting)
    return {
        "importances": importances, "links": [measured.said_more("measured", log.steps)],
        "accuracy": measured.curve(free, size), "forced": measured.curve(forced, size),
        "answers": measured.answers(free, size),
        "notes": ["Categories by rules.", "Only answers were recorded, not what was written instead.", *notes],
    }  # fmt: skip
