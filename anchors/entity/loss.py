"""InfoNCE over unit vectors, with a margin on the positive and a learnable temperature (SimKGC, ACL 2022, eq. 3-4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

MASKED = float("-inf")


@dataclass(frozen=True, eq=False)
class Negatives:
    """Further candidates that only the forward loss sees.

    Attributes
    ----------
    vectors : (c, d), the same for every query; or (B, c, d), a query's own.
    known : (B, c) booleans: pairs that are no negatives, since the triple is known or repeats the positive.
    factor : multiplies the logit (SimKGC halves those of earlier batches).
    """

    vectors: torch.Tensor
    known: torch.Tensor
    factor: float = 1.0

    def logits(self, queries: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """Return (B, c) logits, with what is no negative masked."""
        form = "bd,cd->bc" if self.vectors.ndim == 2 else "bd,bcd->bc"
        scores = torch.einsum(form, queries, self.vectors).float()
        return (scores * scale * self.factor).masked_fill(self.known, MASKED)


def info_nce(
    queries: torch.Tensor,
    tails: torch.Tensor,
    known: torch.Tensor,
    scale: torch.Tensor,
    margin: float,
    extra: Sequence[Negatives] = (),
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss and the in-batch logits (B, B).

    Forward, each query picks its tail among the tails of the batch and ``extra``; backward, each tail picks its query
    among those of the batch (sec. 1.4).

    Parameters
    ----------
    queries, tails : (B, d) unit vectors; row i of both belongs to one triple.
    known : (B, B) booleans: other tails of the batch that also answer query i (the diagonal is ignored).
    scale : one over the temperature; the margin is subtracted from the positive's cosine.
    """
    size = len(queries)
    own = torch.eye(size, dtype=torch.bool, device=queries.device)
    logits = ((queries @ tails.T).float() - margin * own) * scale
    logits = logits.masked_fill(known & ~own, MASKED)
    wide = torch.cat([logits, *(part.logits(queries, scale) for part in extra)], 1)
    target = torch.arange(size, device=queries.device)
    return cross_entropy(wide, target) + cross_entropy(logits.T, target), logits
