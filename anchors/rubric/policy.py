"""The policy: what is trained (adapters or all weights), the frozen model it came from, and what writes rollouts.

The base is never changed. Adapters (LoRA through peft) are trained on a copy that shares the base's memory; sampling
uses another copy whose adapted weights are base plus adapter, written anew before each step's rollouts: a merged model
decodes faster, and nothing is ever subtracted again, so that a resumed run has the same bits.
"""

import copy
import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.models.decoding import SHARING
from anchors.models.language import LanguageModel
from anchors.models.sampling import Continuation
from anchors.rubric import grove
from anchors.rubric.packing import Packed, pack

ADAPTER = "default"  # peft's name of the one adapter


class Policy:
    """A language model under training.

    Parameters
    ----------
    model : the frozen base. It is left as it is.
    rank : of the LoRA adapters; 0 trains all weights (for tiny models; a frozen copy stays as reference).
    alpha : the adapters' scale is ``alpha / rank``. targets : names of the layers they adapt, as peft takes them.
    seed : of the adapters' first weights.
    chat : whether prompts are messages of a user, to be put into the model's chat template.

    Attributes
    ----------
    network : what is trained (peft's model, or the copy).
    writer : a :class:`LanguageModel` that samples; :meth:`refresh` brings it up to date.
    parameters : the trainable ones.
    """

    def __init__(
        self, model: LanguageModel, rank: int = 16, alpha: float = 32.0, targets: Any = "all-linear", seed: int = 0,
        chat: bool = False,
    ):  # fmt: skip
        if rank < 0 or not alpha > 0:
            raise InputError("rank, alpha", (rank, alpha), "at least 0, more than 0", "rank=0 trains all weights.")
        if chat and not model.tokenizer.chat_template:
            raise InputError("chat", f"{model.name} has no chat template", "a chat model", "Say chat=False.")
        self.base, self.rank, self.chat = model, rank, chat
        self.about = {"rank": rank, "alpha": alpha, "targets": targets, "seed": seed, "chat": chat}
        self.network = _adapted(model.network, self.about) if rank else copy.deepcopy(model.network)
        if not rank:
            self.network.requires_grad_(True)
        self.network.eval()  # no dropout: the ratio of probabilities is then 1 before the first update
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        written, self.pairs = _writer(model.network, self.network) if rank else (self.network, [])
        self.writer = LanguageModel(model.tokenizer, written, model.name, f"{model.identity}, trained")
        self.refresh()

    def refresh(self) -> None:
        """Write base plus adapter into the weights that sample."""
        import torch

        with torch.no_grad():
            for adapter, written in self.pairs:
                torch.add(adapter.get_base_layer().weight, adapter.get_delta_weight(ADAPTER), out=written)

    def encode(self, prompt: str) -> list[int]:
        """Return the token ids of a prompt, in the chat template where the policy chats.

        Raises
        ------
        InputError
            The prompt is empty or does not fit the context.
        """
        if self.chat:
            messages = [{"role": "user", "content": prompt}]
            text = self.base.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            ids = self.base.tokenizer(text, add_special_tokens=False)["input_ids"]
        else:
            ids = self.base.tokenizer(prompt)["input_ids"]
        if not 0 < len(ids) < self.base.max_context:
            found, most = f"{len(ids)} tokens in {prompt[:40]!r}", self.base.max_context - 1
            raise InputError("prompt", found, f"1 to {most}", "Change the prompt.")
        return list(ids)

    def sample(
        self, prompts: Sequence[str], seeds: Sequence[int], max_new_tokens: int, temperature: float = 1.0,
        top_p: float = 1.0,
    ) -> list[Continuation]:  # fmt: skip
        """Return one response per prompt and seed (n each) as the policy is now."""
        self.refresh()
        ids = {prompt: self.encode(prompt) for prompt in dict.fromkeys(prompts)}
        return grove.sample(self.writer, [ids[p] for p in prompts], seeds, max_new_tokens, temperature, top_p)

    def parts(self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], tokens: int) -> Any:
        """Yield the rollouts (token ids) packed for this model's attention (see :func:`packing.pack`)."""
        longest = max((len(p) + len(r) for p, r in zip(prompts, responses, strict=True)), default=0)
        config = self.base.network.config
        window = getattr(config, "sliding_window", None) or longest
        return pack(prompts, responses, tokens, share=config.model_type in SHARING and window >= longest)

    def score(self, part: Packed, temperature: float = 1.0, base: bool = False) -> tuple[Any, Any]:
        """Return log-probabilities and entropies (N,) of the part's response tokens at ``temperature``, in nats.

        ``base`` asks the frozen base (adapters off, or the frozen copy), without gradients. Entropies have none.
        """
        import torch

        with self._frozen() if base else nullcontext(self.network) as network:
            logits = network(**_inputs(part, network), use_cache=False, logits_to_keep=part.keep).logits
            logits = logits[part.row, part.column].float() / temperature  # (N, V)
            every = logits.log_softmax(-1)
            with torch.no_grad():
                entropy = -(every.exp() * every).sum(-1)
            return every.gather(1, part.target.to(every.device)[:, None])[:, 0], entropy

    @contextmanager
    def _frozen(self) -> Iterator[Any]:
        """Yield the base as a network: peft's with its adapters switched off, or the frozen copy."""
        import torch

        with torch.no_grad():
            if self.rank:
                with self.network.disable_adapter():
                    yield self.network
            else:
                yield self.base.network

    def table(self, prompts: Any, responses: Any, tokens: int, temperature: float = 1.0, base: bool = False) -> Any:
        """Return log-probabilities (n, longest response) of all rollouts without gradients; 0 beyond their ends."""
        import torch

        found = torch.zeros(len(responses), max(map(len, responses)), device=self.base.network.device)
        with torch.no_grad():
            for part in self.parts(prompts, responses, tokens):
                found[part.rollout, part.place] = self.score(part, temperature, base)[0]
        return found

    def fingerprint(self) -> str:
        """Return 16 hex digits for the base and the trainable weights as they are now."""
        digest = hashlib.sha256(f"{self.base.identity} {self.about}".encode())
        for parameter in self.parameters:
            digest.update(parameter.detach().cpu().float().numpy().tobytes())
        return digest.hexdigest()[:16]

    def vector(self) -> np.ndarray:
        """Return the gradients of all trainable weights as one vector (P,), zeros where there is none."""
        import torch

        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        return torch.cat([grad.flatten() for grad in grads]).cpu().float().numpy()

    def save(self, folder: str | Path) -> Path:
        """Write the adapters (as peft reads them) or the whole model, with the tokenizer; safetensors only."""
        self.network.save_pretrained(folder)
        self.base.tokenizer.save_pretrained(folder)
        return Path(folder)


def _inputs(part: Packed, network: Any) -> dict[str, Any]:
    """Return what a network takes: the mask of a packed part becomes one that is added to the scores."""
    import torch

    mask = part.mask
    if mask.ndim == 4:
        lowest = torch.finfo(network.dtype).min
        mask = torch.zeros(mask.shape, dtype=network.dtype).masked_fill_(~mask, lowest)
    found = {"input_ids": part.ids, "position_ids": part.positions, "attention_mask": mask}
    return {name: value.to(network.device) for name, value in found.items()}


def _adapted(network: Any, about: dict[str, Any]) -> Any:
    """Return a copy that shares the weights of ``network``, with new adapters that change nothing yet."""
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=about["rank"], lora_alpha=about["alpha"], target_modules=about["targets"], lora_dropout=0.0, bias="none",
        task_type="CAUSAL_LM",
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that is going
        torch.manual_seed(about["seed"])
        return get_peft_model(_sharing(network), config)


def _sharing(network: Any) -> Any:
    """Return a copy with modules of its own over the same memory, frozen."""
    import torch

    memo: dict[int, Any] = {id(p): torch.nn.Parameter(p.detach(), requires_grad=False) for p in network.parameters()}
    return copy.deepcopy(network, memo | {id(buffer): buffer for buffer in network.buffers()})


def _writer(base: Any, adapted: Any) -> tuple[Any, list[tuple[Any, Any]]]:
    """Return a copy of ``base`` for sampling, and pairs (adapted layer, the copy's own weight for it)."""
    import torch
    from peft.tuners.lora import LoraLayer

    network, pairs = _sharing(base), []
    for name, layer in adapted.get_base_model().named_modules():
        if isinstance(layer, LoraLayer):
            own = torch.nn.Parameter(torch.empty_like(layer.get_base_layer().weight), requires_grad=False)
            network.get_submodule(name).weight = own
            pairs.append((layer, own))
    return network, pairs
