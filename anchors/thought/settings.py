"""How rollouts are sampled in each profile, and the prompt layout of the paper (sec. 1, official code)."""

from dataclasses import dataclass

from anchors.companion.params import choose

PROMPT = (
    "Solve this math problem step by step. You MUST put your final answer in \\boxed{{}}. "
    "Problem: {problem} Solution: \n<think>\n"
)
FORCED_SUFFIX = "\n</think>\n\nTherefore, the final answers is \\boxed{"  # its grammar is the paper's


@dataclass(frozen=True)
class Sampling:
    """Settings of a resampling experiment.

    ``max_new_tokens`` is per rollout; ``rollouts`` per sentence; traces longer than ``max_sentences`` are skipped.
    """

    model: str
    temperature: float
    top_p: float
    max_new_tokens: int
    rollouts: int
    max_sentences: int
    problems: int


PUBLISHED = Sampling("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", 0.6, 0.95, 16_384, 100, 275, 10)


def sampling(profile: str, model: str = "reasoner") -> Sampling:
    """Return the settings of ``profile``: the published ones for ``paper``, with ``model`` in place of the published.

    The reasoner is sampled at its own temperature 1, where the exact importances of its process are defined.
    """
    own = model == "reasoner"
    small = Sampling(model, 1.0 if own else 0.6, 1.0 if own else 0.95, 160, 10, 60, 2)
    laptop = Sampling(model, small.temperature, small.top_p, 160, 100 if own else 20, 60, 5)
    full = PUBLISHED if model in ("", PUBLISHED.model) else Sampling(model, *list(vars(PUBLISHED).values())[1:])
    return choose(profile, small, laptop, full)
