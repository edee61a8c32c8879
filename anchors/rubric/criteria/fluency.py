"""How likely a frozen language model finds a response, with and without its prompt (ours).

Fluency is the mean log-probability of the response's tokens given the prompt; pointwise mutual information (PMI) is how
much more likely, per token, the prompt makes them: mean of log p(y_t | x, y_<t) − log p(y_t | y_<t), in nats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from anchors.companion.errors import InputError
from anchors.rubric.criteria.registry import Checked, Real, Size, check
from anchors.rubric.criteria.spans import Span, clean, whole
from anchors.rubric.criteria.statistics import ramp

READ = 8000  # characters of a text that are tokenised
LOGITS = 5e7  # numbers in the logits of one pass, padding included
LEAST = 3  # tokens shown as evidence: those the model finds least likely
Form = Literal["auto", "chat", "plain"]


@dataclass(frozen=True)
class Likelihood:
    """Log-probabilities of a response's tokens (t,), nats, and their places (t, 2) in characters."""

    logprobs: np.ndarray
    places: np.ndarray

    @property
    def mean(self) -> float:
        """Mean over the tokens; NaN without any."""
        return float(self.logprobs.mean()) if len(self.logprobs) else float("nan")


def likelihoods(
    model: Any, prompts: Sequence[str] | None, responses: Sequence[str], form: Form = "auto", tokens: int = 256
) -> list[Likelihood]:
    """Return the likelihood of each response given its prompt, or given none.

    Parameters
    ----------
    model : an :class:`anchors.models.language.LanguageModel`; its network is in evaluation mode.
    prompts : n prompts, None for none.
    form : ``chat`` uses the tokenizer's chat template, ``plain`` sets the response's tokens after the prompt's;
        ``auto`` takes the chat template where there is one.
    tokens : of a response that are read, and of a prompt, of which the last are kept.

    Raises
    ------
    InputError
        ``chat`` for a tokenizer without a template.
    """
    tokens = max(1, min(tokens, model.max_context // 2))
    starts = _starts(model, prompts, len(responses), form)
    room = min(model.max_context, 2**20) - tokens
    encoded = [_encoded(model, text, tokens) for text in responses]
    found = _logprobs(model, [start[-min(room, 4 * tokens) :] for start in starts], [ids for ids, _ in encoded])
    return [Likelihood(values, places) for values, (_, places) in zip(found, encoded, strict=True)]


def _encoded(model: Any, text: str, most: int) -> tuple[list[int], np.ndarray]:
    """Return the first token ids of a text without special tokens, and their places (t, 2) in characters."""
    found = model.tokenizer(clean(text[:READ]), add_special_tokens=False, return_offsets_mapping=True)
    return list(found["input_ids"][:most]), np.array(found["offset_mapping"][:most], dtype=int).reshape(-1, 2)


def _starts(model: Any, prompts: Sequence[str] | None, n: Size, form: str) -> list[list[int]]:
    """Return the token ids that stand before each response, at least one."""
    tokenizer = model.tokenizer
    chat = getattr(tokenizer, "chat_template", None)
    if form == "chat" and not chat:
        raise InputError(f"tokenizer of {model.name}", "no chat template", "one", "Say form: plain.")
    made: dict[str, list[int]] = {}
    for prompt in set(prompts if prompts is not None else [""]):
        text = clean(prompt[-READ:])
        if chat and form != "plain":
            messages = [{"role": "user", "content": text}]
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            made[prompt] = tokenizer(text, add_special_tokens=False)["input_ids"]
        else:
            made[prompt] = (tokenizer(text)["input_ids"] if text else []) or [_first(tokenizer)]
    return [made[prompt] for prompt in (prompts if prompts is not None else [""] * n)]


def _first(tokenizer: Any) -> int:
    """Return the token that stands before a text that nothing precedes."""
    known = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return next((token for token in known if token is not None), 0)


def _logprobs(model: Any, starts: list[list[int]], responses: list[list[int]]) -> list[np.ndarray]:
    """Return the log-probabilities of the responses' tokens; rows of like length share a pass."""
    lengths = [len(start) + len(ids) for start, ids in zip(starts, responses, strict=True)]
    order = [k for k in sorted(range(len(lengths)), key=lengths.__getitem__) if responses[k]]
    vocabulary = getattr(model.network.config, "vocab_size", 50_000)
    found = [np.zeros(0)] * len(lengths)
    while order:
        rows = max(1, int(LOGITS / vocabulary) // lengths[order[-1]])
        batch, order = order[-min(rows, 256) :], order[: -min(rows, 256)]
        scored = _scored(model.network, [starts[k] for k in batch], [responses[k] for k in batch])
        for k, values in zip(batch, scored, strict=True):
            found[k] = values
    return found


def _scored(network: Any, starts: list[list[int]], responses: list[list[int]]) -> list[np.ndarray]:
    """Return the log-probabilities of one padded batch; padding stands on the right, where nothing reads it."""
    import torch

    rows = [[*start, *ids] for start, ids in zip(starts, responses, strict=True)]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for k, row in enumerate(rows):
        ids[k, : len(row)], mask[k, : len(row)] = torch.tensor(row), 1
    ids, mask = ids.to(network.device), mask.to(network.device)
    with torch.inference_mode():
        logits = network(ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()  # (b, t - 1, V)
        gained = logits.gather(2, ids[:, 1:, None])[..., 0] - logits.logsumexp(-1)  # (b, t - 1)
    table = gained.cpu().numpy().astype(float)
    return [table[k, len(s) - 1 : len(s) + len(r) - 1] for k, (s, r) in enumerate(zip(starts, responses, strict=True))]


def mean_logprob(model: Any, prompts: Sequence[str], responses: Sequence[str], **how: Any) -> np.ndarray:
    """Return the mean log-probability (n,) of each response's tokens given its prompt, nats; NaN without tokens.

    ``how``: form and tokens, as :func:`likelihoods`.
    """
    return np.array([found.mean for found in likelihoods(model, prompts, responses, **how)])


def mutual_information(model: Any, prompts: Sequence[str], responses: Sequence[str], **how: Any) -> np.ndarray:
    """Return what the prompt adds to a token's log-probability, mean (n,), nats; NaN without tokens (PMI per token)."""
    return mean_logprob(model, prompts, responses, **how) - mean_logprob(model, None, responses, **how)


@check("fluency", kind="lm")
def fluency(
    prompts: Sequence[str],
    responses: Sequence[str],
    *,
    model: str = "smollm2",
    form: Form = "auto",
    tokens: Size = 256,
    low: Real = -5.0,
    high: Real = -1.0,
) -> Checked:
    """Mean log-probability of the response's tokens under a frozen model, nats, from ``low`` (u = 0) to ``high``.

    Evidence: the three least likely tokens. A blank response gets 0.
    """
    if not responses:
        return _checked(np.zeros(0), [], [], low, high)
    found = likelihoods(_load(model), prompts, responses, form, tokens)
    evidence = [_least(one) for one in found]
    return _checked(np.array([one.mean for one in found]), responses, evidence, low, high)


@check("pmi", kind="lm")
def pmi(
    prompts: Sequence[str],
    responses: Sequence[str],
    *,
    model: str = "smollm2",
    form: Form = "auto",
    tokens: Size = 256,
    low: Real = 0.0,
    high: Real = 1.0,
) -> Checked:
    """How much likelier, per token, the prompt makes the response under a frozen model, nats: from ``low`` to ``high``.

    A blank response gets 0. A response that repeats its prompt gains, too: guard it with ``copied``.
    """
    if not responses:
        return _checked(np.zeros(0), [], [], low, high)
    values = mutual_information(_load(model), prompts, responses, form=form, tokens=tokens)
    evidence = [whole(text, f"{value:.2f} nats") for text, value in zip(responses, values, strict=True)]
    return _checked(values, responses, evidence, low, high)


def _load(model: str) -> Any:
    from anchors.models.language import load

    return load(model)


def _least(found: Likelihood) -> tuple[Span, ...]:
    rows = np.argsort(found.logprobs, kind="stable")[:LEAST]
    return tuple(Span(*map(int, found.places[k]), f"{found.logprobs[k]:.1f} nats") for k in rows)


def _checked(values: np.ndarray, responses: Sequence[str], evidence: list, low: Real, high: Real) -> Checked:
    blank = np.array([not text.strip() for text in responses], dtype=bool)
    return Checked(np.where(blank, 0.0, ramp(values, low, high)), evidence)
