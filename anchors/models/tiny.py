"""Tiny Llamas trained from scratch on a CPU: seeded, in phases, resumable after any kill with identical losses."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion.errors import AnchorsError
from anchors.models import checkpoint

Example = tuple[list[int], list[int]]  # token ids and, for each, the label to learn or IGNORED
IGNORED = -100
SMOOTHING = 0.95  # of the running loss that ends a phase


@dataclass(frozen=True)
class Architecture:
    """Sizes of a Llama: about ``layers * (4 width² + 3 width hidden)`` parameters besides the embeddings."""

    vocabulary: int
    width: int = 128
    layers: int = 4
    heads: int = 4
    hidden: int = 256
    positions: int = 512
    pad: int = 0
    end: int = 1


@dataclass(frozen=True)
class Phase:
    """One part of a curriculum.

    Parameters
    ----------
    example : draws one example with the generator it is given.
    steps, batch, rate : updates at most, examples each, highest learning rate (warm-up, then cosine if ``decay``).
    until : the running loss that ends the phase early; a phase that never reaches it has stalled. 0 runs all steps.
    """

    name: str
    example: Callable[[np.random.Generator], Example]
    steps: int
    batch: int = 32
    rate: float = 1e-3
    until: float = 0.0
    decay: bool = False


class Stalled(AnchorsError):
    """A phase that did not reach its loss: another seed may."""


def build(architecture: Architecture, seed: int) -> Any:
    """Return a ``LlamaForCausalLM`` with random weights drawn from ``seed``."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    a = architecture
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=a.vocabulary, hidden_size=a.width, intermediate_size=a.hidden, num_hidden_layers=a.layers,
                num_attention_heads=a.heads, num_key_value_heads=a.heads, max_position_embeddings=a.positions,
                tie_word_embeddings=False, pad_token_id=a.pad, eos_token_id=a.end, bos_token_id=None,
            )
        )  # fmt: skip


def collate(examples: Sequence[Example], pad: int = 0) -> tuple[Any, Any]:
    """Return ids and labels (b, t) int64, padded on the right."""
    import torch

    longest = max(len(ids) for ids, _ in examples)
    ids = np.full((len(examples), longest), pad)
    labels = np.full((len(examples), longest), IGNORED)
    for row, (tokens, targets) in enumerate(examples):
        ids[row, : len(tokens)], labels[row, : len(targets)] = tokens, targets
    return torch.from_numpy(ids), torch.from_numpy(labels)


def rate_at(phase: Phase, step: int, warm_up: int = 50) -> float:
    """Return the learning rate of a step: linear warm-up, then constant, or a cosine down to a twentieth."""
    share = min(1.0, (step + 1) / warm_up)
    if phase.decay:
        share *= 0.525 + 0.475 * np.cos(np.pi * step / phase.steps)
    return float(phase.rate * share)


class Training:
    """A training run and its state; :meth:`run` continues from the checkpoint in ``folder`` when there is one."""

    def __init__(self, architecture: Architecture, phases: Sequence[Phase], seed: int, folder: Path, every: int = 200):
        import torch

        self.architecture, self.phases, self.seed = architecture, list(phases), seed
        self.folder, self.every = Path(folder), every
        self.network = build(architecture, seed)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), weight_decay=0.01, betas=(0.9, 0.98))
        self.rng = np.random.default_rng(seed)
        self.phase, self.step, self.running = 0, 0, None
        self.log: list[dict[str, Any]] = []

    def run(self) -> Any:
        """Return the trained network.

        Raises
        ------
        Stalled
            A phase with ``until`` ended above that loss.
        InputError
            The checkpoint belongs to another training.
        """
        self._load()
        self.network.train()
        while self.phase < len(self.phases):
            self._run_phase(self.phases[self.phase])
            self.phase, self.step, self.running = self.phase + 1, 0, None
            self._save()
        return self.network.eval()

    def _run_phase(self, phase: Phase) -> None:
        from anchors.companion.progress import track

        for step in track(range(self.step, phase.steps), phase.name):
            self.step = step
            if self.step and self.step % self.every == 0:
                self._save()
            loss = self._update(phase)
            self.running = loss if self.running is None else SMOOTHING * self.running + (1 - SMOOTHING) * loss
            if self.step % 25 == 0:
                self.log.append({"phase": phase.name, "step": self.step, "loss": loss, "running": self.running})
            if self.running < phase.until:
                return
        if phase.until:
            raise Stalled(f"phase {phase.name!r}: loss {self.running:.3f} after {phase.steps} steps; try another seed")

    def _update(self, phase: Phase) -> float:
        import torch

        ids, labels = collate([phase.example(self.rng) for _ in range(phase.batch)], self.architecture.pad)
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(phase, self.step)
        logits = self.network(ids, use_cache=False).logits[:, :-1]  # (b, t - 1, vocabulary)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=IGNORED)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()

    def _identity(self) -> dict[str, Any]:
        phases = [{k: v for k, v in vars(phase).items() if k != "example"} for phase in self.phases]
        return {"architecture": asdict(self.architecture), "phases": phases, "seed": self.seed}

    def _save(self) -> None:
        state = {
            "training": self._identity(), "phase": self.phase, "step": self.step, "running": self.running,
            "rng": self.rng.bit_generator.state, "log": self.log,
        }  # fmt: skip
        checkpoint.save(self.folder, f"{self.phase}-{self.step}", self.network, self.optimizer, state)

    def _load(self) -> None:
        found = checkpoint.load(self.folder, self.network, self.optimizer, self._identity())
        if found:
            state, _ = found
            self.phase, self.step, self.running = state["phase"], state["step"], state["running"]
            self.rng.bit_generator.state = state["rng"]
            self.log = state["log"]


def train(
    architecture: Architecture, phases: Sequence[Phase], seeds: Sequence[int], folder: Path
) -> tuple[Any, Training]:
    """Return the first network whose training does not stall, trying ``seeds`` in order, and its training.

    Raises
    ------
    Stalled
        Every seed stalled.
    """
    for seed in seeds:
        training = Training(architecture, phases, seed, Path(folder) / f"seed-{seed}")
        try:
            return training.run(), training
        except Stalled:
            shutil.rmtree(training.folder, ignore_errors=True)
    raise Stalled(f"all seeds {list(seeds)} stalled; give more seeds or an easier first phase")
