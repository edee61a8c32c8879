"""The settings of the three profiles: the paper profile names the published ones."""

import pytest

from anchors.companion.errors import InputError
from anchors.thought.settings import FORCED_SUFFIX, PROMPT, PUBLISHED, sampling


def test_the_paper_profile_is_the_published_one():
    s = sampling("paper", "")
    assert s == PUBLISHED == sampling("paper", "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B")
    assert (s.temperature, s.top_p, s.max_new_tokens, s.rollouts, s.max_sentences) == (0.6, 0.95, 16_384, 100, 275)


def test_another_model_at_the_published_settings():
    s = sampling("paper", "some/model")
    assert s.model == "some/model"
    assert (s.temperature, s.rollouts, s.max_new_tokens) == (0.6, 100, 16_384)


def test_smoke_is_smaller_than_laptop_and_the_reasoner_keeps_its_own_temperature():
    assert sampling("smoke").rollouts < sampling("laptop").rollouts
    assert sampling("laptop").temperature == sampling("laptop").top_p == 1.0
    assert sampling("laptop", "smollm2").temperature == 0.6
    with pytest.raises(InputError, match="PROFILE"):
        sampling("tiny")


def test_the_prompt_has_the_official_layout():
    text = PROMPT.format(problem="What is 1+1?")
    assert text.startswith(
        "Solve this math problem step by step. You MUST put your final answer in \\boxed{}. Problem: W"
    )
    assert text.endswith("Solution: \n<think>\n")
    assert FORCED_SUFFIX.endswith("\\boxed{")
