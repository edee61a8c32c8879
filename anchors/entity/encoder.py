"""Two encoders from one language model, with anchors among the tokens (reconstructed; the towers are SimKGC's).

A query is ``[CLS] head [SEP] relation [SEP] anchors of the head``, a candidate ``[CLS] entity [SEP] its anchors``
(section 1.3 of the dossier). Texts, relations and anchors are blocks of one sequence; padding may stand between them,
since attention is masked and positions count only what is there. The vector of a sequence is the mean over its tokens,
scaled to unit length. Each text is cut by itself, while SimKGC cuts the pair.

Layers under the trainable ones are the same for every sequence, so their hidden states are computed once per text
(``Texts.states``); texts of head and relation then first meet in the trainable layers. With none trainable, the pooled
vectors of the texts enter a small fusion network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import gelu, normalize

from anchors.companion.errors import InputError
from anchors.entity.anchors import FAR, NONE
from anchors.entity.settings import Settings
from anchors.models import embed

SMALL = 0.1  # share of its usual size with which the fusion network joins the text that passes straight through
FURTHEST = 5  # hops that have an embedding of their own; what lies further shares one


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts as the encoder reads them.

    Attributes
    ----------
    ids : (n, t) int64 word-pieces ``[CLS] … [SEP]``, padded; ``lengths`` (n,).
    states : (n, t, d) hidden states under the trainable layers, float16; None where all layers are trainable.
    pooled : (n, d) float32 mean of the last hidden states; None unless the whole model is frozen.
    """

    ids: torch.Tensor
    lengths: torch.Tensor
    states: torch.Tensor | None = None
    pooled: torch.Tensor | None = None


@dataclass(frozen=True)
class Plm:
    """A BERT-like language model, cut to its first layers, and how many of them are trainable."""

    tokenizer: Any
    network: Any
    top: int

    @property
    def width(self) -> int:
        """Width d of its hidden states."""
        return self.network.config.hidden_size

    @property
    def frozen(self) -> int:
        """Number of layers whose states are computed once."""
        return len(self.network.encoder.layer) - self.top


def plm(settings: Settings) -> Plm:
    """Return a fresh copy of the language model that ``settings`` name.

    Raises
    ------
    InputError
        It is no BERT-like encoder, or has fewer layers than are asked for.
    MissingData
        It is nowhere and cannot be downloaded.
    """
    from copy import deepcopy

    tokenizer, network = embed.load(settings.plm)
    if not (hasattr(network, "embeddings") and hasattr(getattr(network, "encoder", None), "layer")):
        found = type(network).__name__
        raise InputError(f"plm {settings.plm!r}", found, "a BERT-like encoder (BERT, MiniLM)", "Choose another.")
    depth, wanted = len(network.encoder.layer), settings.layers or len(network.encoder.layer)
    if not settings.top <= wanted <= depth:
        raise InputError("layers, top", f"{settings.layers}, {settings.top}", f"top <= layers <= {depth} (0: all)")
    network = deepcopy(network)
    network.encoder.layer = network.encoder.layer[:wanted]
    network.pooler = None
    return Plm(tokenizer, network, settings.top)


def tokenise(model: Plm, texts: Sequence[str], max_tokens: int) -> Texts:
    """Return the word-pieces of ``texts``, cut to ``max_tokens`` with the two special ones."""
    rows = model.tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.full((len(rows), int(lengths.max())), model.tokenizer.pad_token_id or 0)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    return Texts(ids, lengths)


def freeze(model: Plm, texts: Texts, batch: int = 128, track: Any = iter, rows: torch.Tensor | None = None) -> Texts:
    """Return ``texts`` with what the frozen layers make of them: hidden states, or pooled vectors if all are frozen.

    Texts of like length share a pass. The cost is one pass over every text, or over ``rows`` only (the others stay
    zero); nothing where all layers are trainable.
    """
    if model.frozen == 0:
        return texts
    order = torch.argsort(texts.lengths) if rows is None else rows[torch.argsort(texts.lengths[rows])]
    out = torch.zeros(len(texts.ids), model.width) if model.top == 0 else None
    states = torch.zeros(*texts.ids.shape, model.width, dtype=torch.float16) if model.top else None
    for start in track(range(0, len(order), batch)):
        some = order[start : start + batch]
        t = int(texts.lengths[some].max())
        mask = torch.arange(t) < texts.lengths[some, None]  # (b, t)
        with torch.no_grad():
            hidden = model.network.embeddings(input_ids=texts.ids[some, :t])
            hidden = _through(model.network.encoder.layer[: model.frozen], hidden, mask)
        if out is not None:
            out[some] = _mean(hidden, mask)
        else:
            states[some, :t] = hidden.half()
    return Texts(texts.ids, texts.lengths, states, out)


def _through(layers: Any, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return hidden states (b, t, d) after ``layers``; only tokens of ``mask`` (b, t) are attended to."""
    attended = None if mask.all() else mask[:, None, None, :].expand(-1, 1, mask.shape[1], -1)
    for layer in layers:
        hidden = layer(hidden, attended)
    return hidden


def _mean(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return (b, d) means of ``hidden`` (b, t, d) over the tokens of ``mask`` (b, t)."""
    weight = mask.to(hidden.dtype)
    return torch.einsum("btd,bt->bd", hidden, weight) / weight.sum(1, keepdim=True).clamp(min=1)


class AnchorTable(nn.Module):
    """Parameters of the anchors, shared by both towers: ``(m + tokens, width)``; nothing per entity (sec. 1.2)."""

    def __init__(self, count: int, width: int, vectors: torch.Tensor | None, generator: torch.Generator):
        super().__init__()
        self.table = nn.Parameter(0.02 * torch.randn(count, width, generator=generator))
        self.basis = None
        if vectors is not None:  # the best approximation of the given vectors (m, d) with that width
            left, scale, right = torch.linalg.svd(vectors, full_matrices=False)
            keep = min(width, len(scale))
            self.table.data[: len(vectors), :keep] = left[:, :keep] * scale[:keep]
            self.basis = right[:keep]


class AnchorEmbedding(nn.Module):
    """Anchor vectors as a tower reads them: projection, layer norm, hop embedding, and one vector for "no anchor"."""

    def __init__(self, table: AnchorTable, width: int, generator: torch.Generator):
        super().__init__()
        rows = table.table.shape[1]
        self.project = nn.Linear(rows, width)
        nn.init.normal_(self.project.weight, std=rows**-0.5, generator=generator)
        nn.init.zeros_(self.project.bias)
        if table.basis is not None:
            self.project.weight.data[:, : len(table.basis)] = table.basis.T
        self.norm = nn.LayerNorm(width)
        self.hop = nn.Parameter(torch.zeros(FURTHEST + 2, width))
        self.none = nn.Parameter(0.02 * torch.randn(width, generator=generator))

    def forward(self, table: torch.Tensor, ids: torch.Tensor, hops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return vectors (n, k, d) and the mask (n, k) of anchors ``ids`` (n, k); rows without any get "no anchor"."""
        mask, kinds = ids != NONE, _kinds(hops)
        projected = self.norm(self.project(table))  # (m, d): as few rows as there are anchors
        vectors = projected[ids.clamp(min=0)] + self.hop[kinds]
        empty = ~mask.any(1)
        first = torch.zeros_like(mask)
        first[:, 0] = empty
        return torch.where(first[..., None], self.none, vectors), mask | first

    def pooled(self, table: torch.Tensor, ids: torch.Tensor, hops: torch.Tensor, linear: nn.Linear) -> torch.Tensor:
        """Return (n, h): ``linear`` of the mean of what :meth:`forward` gives over its mask.

        The map is linear, so it is applied to the few rows of the tables, and the mean is a bag of these rows.
        """
        rows = torch.cat([linear(self.norm(self.project(table))), linear(self.hop), linear(self.none[None])])
        mask, count = ids != NONE, len(table)
        empty = ~mask.any(1, keepdim=True)
        weight = mask / mask.sum(1, keepdim=True).clamp(min=1)
        bag = torch.cat([ids.clamp(min=0), count + _kinds(hops), torch.full_like(ids[:, :1], len(rows) - 1)], 1)
        weights = torch.cat([weight, weight, empty], 1)
        return nn.functional.embedding_bag(bag.long(), rows, mode="sum", per_sample_weights=weights.to(rows.dtype))


def _kinds(hops: torch.Tensor) -> torch.Tensor:
    """Return the rows of the hop embedding: 0, 1, …, "further" and "out of reach"."""
    return torch.where(hops >= FAR, FURTHEST + 1, hops.clamp(max=FURTHEST)).long()


class Tower(nn.Module):
    """One of the two encoders: the trainable top of the language model."""

    def __init__(self, model: Plm, settings: Settings):
        super().__init__()
        from copy import deepcopy

        self.embeddings = deepcopy(model.network.embeddings)
        self.layers = deepcopy(model.network.encoder.layer[model.frozen :])
        self.whole, self.settings = model.frozen == 0, settings
        if not self.whole:  # words are read by the frozen layers only
            self.embeddings.word_embeddings = None

    def forward(self, blocks: list[tuple[Texts, torch.Tensor]], anchors: tuple | None) -> torch.Tensor:
        """Return vectors (n, d) of sequences: text blocks, each a store and its rows (n,), and anchors with mask."""
        read = [self._text(texts, rows, int(place > 0)) for place, (texts, rows) in enumerate(blocks)]
        parts, masks = [one for one, _ in read], [mask for _, mask in read]
        kinds = [int(place > 0) for place in range(len(read))]
        if anchors is not None:
            place = len(parts) if self.settings.place == "suffix" else 0
            parts.insert(place, anchors[0])
            masks.insert(place, anchors[1])
            kinds.insert(place, 1)
        mask = torch.cat(masks, 1)
        positions = (mask.cumsum(1) - 1).clamp(min=0, max=self.embeddings.position_embeddings.num_embeddings - 1)
        types = torch.cat([torch.full_like(m, kind, dtype=torch.long) for m, kind in zip(masks, kinds, strict=True)], 1)
        hidden = self._through(parts, positions, types, mask, anchors is not None)
        if anchors is not None and not self.settings.pool_anchors:
            k = anchors[1].shape[1]
            where = slice(0, -k) if self.settings.place == "suffix" else slice(k, None)
            return _mean(hidden[:, where], mask[:, where])
        return _mean(hidden, mask)

    def _text(self, texts: Texts, rows: torch.Tensor, start: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return states or word embeddings (n, t, d) of texts from token ``start`` on, and their mask.

        Only the first block keeps its [CLS]: the pair is ``[CLS] head [SEP] relation [SEP]``.
        """
        lengths, device = texts.lengths[rows], self.embeddings.position_embeddings.weight.device
        t = int(lengths.max())
        mask = (torch.arange(start, t) < lengths[:, None]).to(device)
        if self.whole:
            return self.embeddings.word_embeddings(texts.ids[rows, start:t].to(device)), mask
        return texts.states[rows, start:t].to(device).float(), mask

    def _through(self, parts: list, positions: Any, types: Any, mask: Any, anchored: bool) -> torch.Tensor:
        """Embed what is not embedded yet (all words, or the anchors only) and pass the sequence through the layers."""
        if self.whole:
            hidden = self.embeddings(inputs_embeds=torch.cat(parts, 1), position_ids=positions, token_type_ids=types)
        else:
            if anchored:
                place = len(parts) - 1 if self.settings.place == "suffix" else 0
                start = sum(part.shape[1] for part in parts[:place])
                where = slice(start, start + parts[place].shape[1])
                parts[place] = self.embeddings(
                    inputs_embeds=parts[place], position_ids=positions[:, where], token_type_ids=types[:, where]
                )
            hidden = torch.cat(parts, 1)
        return _through(self.layers, hidden, mask)


class Fusion(nn.Module):
    """The encoder over a frozen language model: pooled text, relation and mean anchor vector in, one vector out.

    A query's hidden layer is scaled and shifted by its relation, which lets one head answer each relation in its own
    way. The relation has its text vector and learnt parameters of its own; entities have none. A text also passes
    straight through; both towers begin with the same isometry there, so that training begins at the cosines of the
    language model.
    """

    def __init__(self, width: int, settings: Settings, relations: int = 0):
        super().__init__()
        hidden, out = settings.hidden, settings.width
        self.text = nn.Linear(width, hidden) if settings.text else None
        self.anchor = nn.Linear(width, hidden, bias=False) if settings.k or settings.relation_tokens else None
        self.relation = nn.Linear(width, 2 * hidden) if relations else None
        self.own = nn.Parameter(torch.zeros(relations, 2 * hidden)) if relations else None
        self.norm, self.drop = nn.LayerNorm(hidden), nn.Dropout(settings.dropout)
        self.middle, self.out = nn.Linear(hidden, hidden), nn.Linear(hidden, out)
        self.through = nn.Linear(width, out, bias=False) if settings.text else None
        if self.through is not None:
            nn.init.eye_(self.through.weight)
            self.out.weight.data *= SMALL

    def forward(self, text: torch.Tensor | None, anchors: Any = None, relation: Any = None) -> torch.Tensor:
        """Return (n, width) from text (n, d), anchors, and relations: distinct vectors (r, d), rows (r,), whose (n,).

        ``anchors`` maps the layer that reads anchor vectors to its mean output (n, hidden), see
        :meth:`AnchorEmbedding.pooled`; None where there are none.
        """
        parts = [self.text(text)] if self.text is not None else []
        parts += [anchors(self.anchor)] if anchors is not None else []
        hidden = self.norm(sum(parts))
        if relation is not None:
            vectors, rows, which = relation
            shift, scale = (self.relation(vectors) + self.own[rows])[which].chunk(2, dim=1)
            hidden = hidden * (1 + scale) + shift
        hidden = gelu(hidden)
        made = self.out(self.drop(hidden + gelu(self.middle(hidden))))
        return made if self.through is None else made + self.through(text)


class Encoder(nn.Module):
    """Queries and candidates as unit vectors.

    Parameters
    ----------
    model : the language model, already cut; each tower trains its own copy of the top (SimKGC).
    entities, relations : texts as :func:`freeze` returns them; relations are directed (2 R).
    anchors : number of rows of the anchor table (with relation types, if they are tokens too); 0 for none.
    vectors : (m, d) where the table starts, or None.
    """

    def __init__(
        self, model: Plm, entities: Texts, relations: Texts, settings: Settings, anchors: int = 0,
        vectors: torch.Tensor | None = None,
    ):  # fmt: skip
        super().__init__()
        generator = torch.Generator().manual_seed(settings.seed)
        self.settings, self.entities, self.relations = settings, entities, relations
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            if model.top:
                self.query, self.candidate = Tower(model, settings), Tower(model, settings)
            else:
                self.query = Fusion(model.width, settings, len(relations.ids))
                self.candidate = Fusion(model.width, settings)
            if anchors:
                self.anchors = AnchorTable(anchors, settings.anchor_width, vectors, generator)
                self.sides = nn.ModuleList(AnchorEmbedding(self.anchors, model.width, generator) for _ in range(2))
        self.log_inverse_temperature = nn.Parameter(torch.tensor(float(-np.log(settings.temperature))))

    @property
    def pooled(self) -> bool:
        """Whether the language model is frozen and a fusion network is trained."""
        return isinstance(self.query, Fusion)

    def queries(self, heads: torch.Tensor, relations: torch.Tensor, ids: Any = None, hops: Any = None) -> torch.Tensor:
        """Return unit vectors (n, d) of queries ``heads, relations`` (n,) with the anchors of the heads (n, k)."""
        if self.pooled:
            used, which = torch.unique(relations, return_inverse=True)  # a relation is read once, whoever asks
            relation = self._here(self.relations.pooled[used]), self._here(used), self._here(which)
            return normalize(self.query(self._pooled_text(heads), self._bag(0, ids, hops), relation), dim=1)
        anchors = self._anchors(0, ids, hops)
        blocks = [(self.entities, heads)] if self.settings.text else []
        return normalize(self.query([*blocks, (self.relations, relations)], anchors), dim=1)

    def candidates(self, entities: torch.Tensor, ids: Any = None, hops: Any = None) -> torch.Tensor:
        """Return unit vectors (n, d) of candidate ``entities`` (n,) with their anchors (n, k)."""
        if self.pooled:
            return normalize(self.candidate(self._pooled_text(entities), self._bag(1, ids, hops)), dim=1)
        blocks = [(self.entities, entities)] if self.settings.text else []
        return normalize(self.candidate(blocks, self._anchors(1, ids, hops)), dim=1)

    def _pooled_text(self, rows: torch.Tensor) -> torch.Tensor | None:
        return self._here(self.entities.pooled[rows]) if self.settings.text else None

    def _here(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a tensor where the parameters are: the texts stay in the computer's memory, a batch of them moves."""
        return tensor.to(self.log_inverse_temperature.device)

    def _anchors(self, side: int, ids: Any, hops: Any) -> tuple[torch.Tensor, torch.Tensor] | None:
        if not self._anchored(ids):
            return None
        return self.sides[side](self.anchors.table, self._here(ids), self._here(hops))

    def _bag(self, side: int, ids: Any, hops: Any) -> Any:
        if not self._anchored(ids):
            return None
        own = self._here(ids), self._here(hops)
        return lambda linear: self.sides[side].pooled(self.anchors.table, *own, linear)

    def _anchored(self, ids: Any) -> bool:
        return ids is not None and hasattr(self, "anchors")
