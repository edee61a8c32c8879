"""A judge that writes nothing: how likely a model in this process finds each tier's number (ours; section 5.3).

The judge's messages are those of :mod:`anchors.rubric.judge_text`; the reply is begun up to its verdict and the model's
probabilities of the tiers' numbers are read off. One forward pass a response, the same value each time, and a small
model cannot miss the form. Whether it means anything is another matter. Measured on SmolLM2-135M-Instruct (Q4_1
de-quantised) and the 48 labelled responses of ``tests/rubric/judge_cases.py`` (four criteria, half of them met): 24
are right at 0.5, which is chance, since all are found met; the mean area under the ROC curve of a criterion is 0.58
(0.22 to 0.78). It is no valid judge.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.companion.progress import bar
from anchors.rubric.judge_text import messages
from anchors.rubric.judges import HasTiers, check_texts

BEGUN = '{"verdict": '
MOST = 10  # tiers: their numbers are one digit


class LikelihoodJudge:
    """A judge that reads probabilities; ``failures`` counts the responses it gave no value, by kind.

    Parameters
    ----------
    model : of :func:`anchors.models.language.load`, with a chat template. secret : of the numbers in the marks around
        the response (:func:`~anchors.rubric.judge_text.nonce`); give one of your own where responses may be written
        against the judge.

    Raises
    ------
    InputError
        The model's tokenizer has no chat template.
    """

    def __init__(self, model: Any, secret: str = "no response was written against this judge"):
        if not getattr(model.tokenizer, "chat_template", None):
            raise InputError(model.name, "a tokenizer without a chat template", "a model made for chat, 'smollm2' say")
        self.model, self.secret, self.failures = model, secret, Counter()

    def judge(
        self, criterion: HasTiers, prompts: Sequence[str], responses: Sequence[str], track: bool = False
    ) -> np.ndarray:
        """Return (n,) the mean place of the tiers in [0, 1] under the model's probabilities of their numbers.

        NaN, counted as "too long", where criterion, prompt and response do not fit the model's context.

        Raises
        ------
        InputError
            More than ten tiers; prompts and responses that are no texts, or not as many.
        """
        check_texts(prompts, responses)
        if len(criterion.tiers) > MOST:
            raise InputError(f"criterion {criterion.id!r}", f"{len(criterion.tiers)} tiers", f"at most {MOST}")
        scores = np.array([tier.score for tier in criterion.tiers], dtype=float)
        places = (scores - scores[0]) / (scores[-1] - scores[0])
        pairs = list(zip(prompts, responses, strict=True))
        pairs = bar(f"judging {criterion.id}", track, iterable=pairs)
        return np.array([self._one(criterion, places, *pair) for pair in pairs], dtype=float)

    def _one(self, criterion: HasTiers, places: np.ndarray, prompt: str, response: str) -> float:
        tiers = [tier.description for tier in criterion.tiers]
        text = messages(criterion.description, tiers, prompt, response, self.secret)
        begun = self.model.tokenizer.apply_chat_template(text, tokenize=False, add_generation_prompt=True) + BEGUN
        try:
            ways = [self.model.encode(f"{begun}{number}}}") for number in range(len(places))]
        except InputError:
            self.failures["too long"] += 1
            return float("nan")
        p = self._probabilities(ways)
        return float(p @ places)

    def _probabilities(self, ways: list[list[int]]) -> np.ndarray:
        """Return the probabilities (m,) of the tokens at which the ways (m lists) part, made to sum to 1."""
        import torch

        part = next(place for place, tokens in enumerate(zip(*ways, strict=False)) if len(set(tokens)) > 1)
        with torch.inference_mode():
            ids = torch.tensor([ways[0][:part]], device=self.model.network.device)
            logits = self.model.network(ids, use_cache=False, logits_to_keep=1).logits[0, -1].double()
            return torch.softmax(logits[[way[part] for way in ways]], -1).cpu().numpy()
