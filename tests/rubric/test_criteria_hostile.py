"""Every check on hostile texts, and what holds for any text: spans inside, scores in [0, 1], order without effect."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rubric.criteria_cases import PIECES, WORDS, hostile, options

from anchors.rubric import criteria

SECONDS = 2.0  # of processor time for one text of 100,000 characters; most take milliseconds
CHECKS = {name: check for name, check in criteria.checks().items() if check.kind not in ("embedding", "lm")}


def judged(check, prompts, texts):
    found = check.run(prompts, texts, **check.validated(options(check)))
    assert found.values.shape == (len(texts),)
    assert len(found.evidence) == len(texts)
    assert (np.isnan(found.values) | ((found.values >= 0) & (found.values <= 1))).all()
    for text, spans in zip(texts, found.evidence, strict=True):
        assert len(spans) <= 20
        for start, end, label in spans:
            assert 0 <= start <= end <= len(text)
            assert isinstance(label, str)
    return found


@pytest.mark.parametrize("name", CHECKS)
def test_no_text_breaks_a_check(name):
    found = hostile(2000)
    judged(CHECKS[name], [text[:50] for text in found.values()], list(found.values()))


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKS)
def test_no_text_hangs_a_check(name):
    for title, text in hostile(100_000).items():
        start = time.process_time()
        judged(CHECKS[name], [text[:50]], [text])
        assert time.process_time() - start < SECONDS, title


@pytest.mark.parametrize("name", CHECKS)
def test_no_response_is_no_score(name):
    found = judged(CHECKS[name], [], [])
    assert found.values.dtype == float


texts = st.one_of(
    st.text(max_size=200),
    st.text(st.characters(categories=["Cs", "Cc", "Mn", "Lo", "Po"]), max_size=60),
    st.lists(st.sampled_from([*WORDS, *PIECES, " ", " ", " "]), max_size=40).map("".join),
)


@given(st.lists(texts, min_size=1, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_properties_of_all_checks(responses, random):
    order = list(range(len(responses)))
    random.shuffle(order)
    prompts = [text[::-1][:30] for text in responses]
    for check in CHECKS.values():
        found = judged(check, prompts, responses)
        again = judged(check, [prompts[k] for k in order], [responses[k] for k in order])
        np.testing.assert_array_equal(again.values, found.values[order])
        assert again.evidence == [found.evidence[k] for k in order]


@given(texts)
@settings(max_examples=200, deadline=None)
def test_a_ramp_turned_round_adds_up_to_one(text):
    for check in CHECKS.values():
        if "low" not in check.options or not text.strip():
            continue
        given = options(check) | {"low": 0.0, "high": 2.0}
        up = check.run(["x"], [text], **check.validated(given))
        down = check.run(["x"], [text], **check.validated(given | {"low": 2.0, "high": 0.0}))
        np.testing.assert_allclose(up.values + down.values, 1, err_msg=check.name)
