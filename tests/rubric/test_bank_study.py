"""The study of the bank: what it counts, what draws tell apart, what its rows and verdict say of a small table."""

import math

import numpy as np
import pandas as pd
import pytest

from anchors.rubric import audit as audits
from anchors.rubric import bank_plots, criteria
from anchors.rubric.studies import bank as study

CAUGHT = {("praise", "prefatory_praise"): -0.9, ("self_praise", "self_praise"): -1.0}


def change(perturbation, criterion):
    move = CAUGHT.get((perturbation, criterion), 0.3 if criterion == "words" else 0.0)
    return {"perturbation": perturbation, "criterion": criterion, "n": 10, "before": 1.0, "after": 1 + move,
            "change": move, "low": move - 0.1, "high": move + 0.1, "fell": max(0.0, -move), "rose": 0.0}  # fmt: skip


@pytest.fixture
def found():
    """Sixteen thousand of a benchmark, four of the families, one hybrid; two draws of each pool; ten human answers."""
    kinds = [("healthbench", "llm_judge", 16_000), ("families", "program", 3), ("families", "lexicon", 1),
             ("hybrids", "program", 1)]  # fmt: skip
    counts = pd.DataFrame(
        [{"source": s, "kind": k, "entries": n, "dropped": 7, "prompts": 2, "licence": "MIT"} for s, k, n in kinds]
    )
    draws = pd.DataFrame(
        [{"pool": pool, "seed": seed, "criteria": 10, "constant": 5, "learnable": 2 + seed, "effective": number + seed}
         for seed in (0, 1) for pool, number in (("all families", 8.0), ("one family", 3.0))]
    )  # fmt: skip
    names = [c.id for c in study.style_rubric().criteria]
    style = pd.DataFrame([{"criterion": name, "base_rate": 0.5, "low": 0.3, "high": 0.7, "n": 10} for name in names])
    human = pd.DataFrame([{"criterion": name, "value": 0.1, "low": 0.01, "high": 0.4, "count": 1, "n": 10}
                          for name in (*study.VOICES, "any")])  # fmt: skip
    changes = pd.DataFrame([change(one, name) for one in study.CHANGES for name in names])
    return study.Found(counts, draws, style, human, changes)


def value(rows, words):
    return next(row for row in rows if words in row.quantity)


def test_hybrids_are_not_counted_again(found):
    rows, verdict = study.summarise(found)
    assert value(rows, "distinct criteria").measured == 16_004
    assert value(rows, "which need no data").measured == 4
    assert value(rows, "only a judge").measured == 16_000
    assert value(rows, "hybrids of two").measured == 1
    assert value(rows, "duplicates").measured == 21, "of each source once, not of each kind"
    assert verdict.kind == "measured"
    assert "16,004 distinct criteria, more than 10,000" in verdict.text


def test_a_small_bank_is_said_to_be_small(found):
    few = found._replace(counts=found.counts.assign(entries=5))
    assert "not more than 10,000" in study.verdict(few).text


def test_shares_of_draws_stay_shares(found):
    rows, verdict = study.summarise(found)
    learnable = value(rows, "criteria of all families on human answers: learnable")
    assert learnable.measured == pytest.approx(0.25)
    assert learnable.low == 0, "two draws have a wide interval, which is cut"
    assert learnable.seeds == 2
    assert value(rows, "all families − one family").measured == 5
    assert set(verdict.claims) == {"diversity_matters"}


def test_what_praise_does_to_the_check_that_sees_it_is_no_side_effect(found):
    rows, _ = study.summarise(found)
    assert value(rows, "praise before it").measured == pytest.approx(0.3)
    assert "(words)" in value(rows, "praise before it").quantity
    caught = value(rows, "praises the question, one fixed phrase added")
    assert (caught.measured, caught.n) == (0.9, 10)
    assert value(rows, "by any of them").low == 0.01


def test_a_constant_tells_nothing_apart():
    values = np.array([[1.0, 0, 1, 0], [1, 0, 0, 0], [1, 1, 1, 0.4], [1, 0, 0, 0]])
    found = study.judged(values)
    assert found["criteria"] == 4
    assert found["constant"] == 1
    assert found["learnable"] == 2, "the last is never met, and yet no constant"
    assert 1 < found["effective"] <= 3


def test_the_figure_draws_every_part(found):
    figure = bank_plots.bank(found)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[0] == "16,004 distinct criteria, and hybrids"
    assert len(figure.axes) == 4


def test_the_table_names_its_parts(found):
    table = found.table()
    assert list(dict.fromkeys(table.part)) == list(found._fields)
    assert len(table) == sum(map(len, found))


def test_the_style_checks_are_those_of_the_package():
    rubric = study.style_rubric()
    criteria.validate(rubric)
    assert sum(c.critical for c in rubric.criteria) == len(study.VOICES)
    assert set(study.CHANGES) == set(audits.PERTURBATIONS)


@pytest.mark.needs(*study.NEEDS)
def test_live_counts_and_a_small_draw():
    counts = pd.DataFrame(study.counted())
    assert study.singles(counts).entries.sum() > study.CLAIMED
    lines = study.drawn(0, 4)
    assert [line["pool"] for line in lines] == ["all families", "one family"]
    assert lines == study.drawn(0, 4)
    assert all(line["criteria"] == 4 and math.isfinite(line["effective"]) for line in lines)
