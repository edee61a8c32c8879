"""The profiles of the studies on models, dry: what they would sample, without sampling; `paper` has its settings."""

import pytest

from anchors.thought import official
from anchors.thought.settings import FORCED_SUFFIX, PUBLISHED
from anchors.thought.studies import corpus, head_ablation, methods
from anchors.thought.studies import receiver_heads as heads_study

MODEL = PUBLISHED.model


class Planned(Exception):
    """Carries the jobs of a study instead of running them."""


@pytest.fixture(autouse=True)
def dry(monkeypatch):
    def stop(function, jobs, *_, **__):
        raise Planned(function, jobs)

    for module in (corpus, methods, head_ablation):
        monkeypatch.setattr(module, "cached_grid", stop)
        monkeypatch.setattr(corpus, "identity", lambda model: model)


def planned(run, *arguments):
    with pytest.raises(Planned) as found:
        run(*arguments)
    return found.value.args


def test_smoke_is_smaller_and_paper_larger_than_laptop():
    for model in (MODEL, "reasoner"):
        sizes = [
            len(planned(heads_study.compute, [model], profile, 0, 24, 0, 4)[1])
            for profile in ("smoke", "laptop", "paper")
        ]
        assert 0 < sizes[0] < sizes[1] < sizes[2]
        plans = [len(head_ablation.conditions(model, profile)) for profile in ("smoke", "laptop", "paper")]
        assert 0 < plans[0] < plans[1] < plans[2]


def test_the_paper_profile_asks_the_published_model_as_published():
    function, jobs = planned(corpus.traces, MODEL, "paper", 0, 20)
    assert function is corpus.pair
    assert len(jobs) == 10, "ten problems, a correct and an incorrect trace each"
    assert {job["style"] for job in jobs} == {"paper"}
    s = corpus.sampling(MODEL, "paper")
    published = (PUBLISHED.temperature, PUBLISHED.top_p, PUBLISHED.max_new_tokens, PUBLISHED.rollouts)
    assert (s.temperature, s.top_p, s.max_new_tokens, s.rollouts) == published == (0.6, 0.95, 16_384, 100)
    assert corpus.stops(MODEL, "paper") == ()
    assert methods.suffix_of(MODEL, "paper") == FORCED_SUFFIX


def test_the_embedded_models_keep_their_problems_in_every_profile():
    assert corpus.style_of("smollm2", "paper") == corpus.style_of(MODEL, "laptop") == "examples"
    assert corpus.stops("smollm2", "examples") != () == corpus.stops("reasoner", "examples")


def test_the_paper_profile_has_a_style_of_its_own():
    assert corpus.style_of(MODEL, "paper") == "paper"


@pytest.mark.needs(official.TABLES)
def test_the_papers_problems_are_its_list():
    first = corpus.problem_of(MODEL, 5, 0, "paper")
    assert first == corpus.problem_of(MODEL, 6, 0, "paper")
    assert len({corpus.problem_of(MODEL, 0, k, "paper").text for k in range(10)}) == 10
    assert first.answer
