"""Sequences encoded in parts: chunk after chunk with gradient caching, and on several processes (derived; see below).

The loss needs all vectors of a batch, its gradient only one part at a time (Gao et al., *Scaling Deep Contrastive
Learning Batch Size under Memory Limited Setup*, 2021): encode without gradients, take the gradient of the loss with
respect to the vectors, then encode each part again and push its share of that gradient through.
"""

import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch


class World:
    """The processes of ``accelerate launch`` or ``torchrun``, alone without; on GPUs where there are any.

    ``ANCHORS_DEVICE=cpu`` keeps a run off the GPU. Only CPU processes could be tried here.
    """

    def __init__(self):
        self.rank, self.size = 0, 1
        use_gpu = torch.cuda.is_available() and os.environ.get("ANCHORS_DEVICE", "cuda") != "cpu"
        self.device = torch.device("cuda" if use_gpu else "cpu")
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import PartialState

            state = PartialState(cpu=not use_gpu)
            self.rank, self.size, self.device = state.process_index, state.num_processes, state.device

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def share(self, count: int) -> list[int]:
        """Return the ends of each process's rows: ``size + 1`` numbers from 0 to ``count``."""
        return [count * place // self.size for place in range(self.size + 1)]

    def gather(self, own: torch.Tensor, count: int) -> torch.Tensor:
        """Return the rows (count, d) of all processes, in order; without gradients."""
        if self.size == 1:
            return own
        from accelerate.utils import gather

        ends = self.share(count)
        most = max(b - a for a, b in pairwise(ends))
        padded = own.new_zeros(most, own.shape[1])
        padded[: len(own)] = own
        rows = gather(padded).split(most)
        return torch.cat([part[: b - a] for part, a, b in zip(rows, ends[:-1], ends[1:], strict=True)])

    def add_up(self, parameters: Sequence[Any]) -> None:
        """Replace the gradients by their sums over the processes: each pushed its own rows through the encoder."""
        if self.size == 1:
            return
        from accelerate.utils import reduce

        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad.copy_(reduce(parameter.grad, "sum"))


class Parts:
    """``count`` sequences, encoded by ``job(slice) -> (b, d)`` in chunks (0: at once), this process's share only."""

    def __init__(self, count: int, job: Callable[[slice], torch.Tensor], chunk: int, world: World):
        ends = world.share(count)
        self.count, self.job, self.world = count, job, world
        self.start, self.stop = ends[world.rank], ends[world.rank + 1]
        step = chunk or max(1, self.stop - self.start)
        self.slices = [slice(at, min(at + step, self.stop)) for at in range(self.start, self.stop, step)]
        self.lone = world.size == 1 and len(self.slices) == 1

    def vectors(self) -> torch.Tensor:
        """Return all vectors (count, d), for the loss."""
        if self.lone:
            return self.job(self.slices[0])
        self.states, parts = [], []
        with torch.set_grad_enabled(len(self.slices) == 1):
            for rows in self.slices:
                self.states.append(self._rng())
                parts.append(self.job(rows))
        self.own = parts[0] if len(parts) == 1 else torch.cat(parts)
        self.leaf = self.world.gather(self.own.detach(), self.count).clone().requires_grad_()
        return self.leaf

    def backward(self) -> None:
        """Push the gradient of the loss with respect to the vectors through the encoder, part by part."""
        if self.lone:
            return
        if len(self.slices) == 1:
            self.own.backward(self.leaf.grad[self.slices[0]])
            return
        after = self._rng()
        for rows, state in zip(self.slices, self.states, strict=True):
            self._rng(state)  # the same dropout as before
            self.job(rows).backward(self.leaf.grad[rows])
        self._rng(after)

    def _rng(self, state: tuple | None = None) -> tuple:
        """Return the state of the generators that dropout draws from; restore ``state`` first when it is given."""
        gpu = self.world.device.type == "cuda"
        if state is not None:
            torch.set_rng_state(state[0])
            if gpu:
                torch.cuda.set_rng_state(state[1], self.world.device)
        return torch.get_rng_state(), torch.cuda.get_rng_state(self.world.device) if gpu else None
