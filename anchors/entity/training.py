"""Training of one encoder: seeded, resumable after any kill with identical losses, in one process or several.

Everything random of a step is drawn from (seed, step), so a resumed run is the run it would have been. All processes
of ``accelerate launch`` make the same plan, each encodes its share of the sequences, and the loss is that of the whole
batch: two processes give the losses of one.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.progress import bar
from anchors.entity import anchors as choice
from anchors.entity import memory, negatives, rank
from anchors.entity.encoder import Encoder, Plm, Texts, freeze, plm, tokenise
from anchors.entity.graph import Graph
from anchors.entity.loss import Negatives, info_nce
from anchors.entity.parts import Parts, World
from anchors.entity.settings import Settings
from anchors.models import checkpoint

WATCHED = 1000  # validation triples of the curve and of early stopping, each in both directions
SEQUENCES = 1024  # encoded at a time where nothing is learnt


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the runs on one graph share: the texts as the language model reads them (see :func:`inputs`)."""

    graph: Graph
    model: Plm
    entities: Texts
    relations: Texts
    read: tuple = ()


def reading(settings: Settings) -> tuple:
    """Return the settings that decide how texts are read."""
    return settings.plm, settings.layers, settings.top, settings.max_tokens


def inputs(graph: Graph, settings: Settings, track: Any = iter) -> Inputs:
    """Return the texts of a graph after the frozen layers; the costly part of a run with a frozen language model."""
    model = plm(settings)
    parts = [freeze(model, tokenise(model, texts, settings.max_tokens), track=track) for texts in _texts(graph)]
    return Inputs(graph, model, *parts, reading(settings))


def _texts(graph: Graph) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return graph.texts, graph.directed_texts


def anchors_for(found: Inputs, settings: Settings) -> choice.Anchors | None:
    """Return the anchors of a run with one spare per entity (it replaces a dropped one), or None without anchors."""
    if not (settings.k or settings.relation_tokens):
        return None
    graph, rng = found.graph, np.random.default_rng([settings.seed, 3])
    chosen = choice.select(graph, settings.anchors, settings.strategy, rng, _vectors(found, settings))
    made = choice.assign(graph, chosen, settings.k + 1 if settings.k else 0)
    made = choice.with_types(made, graph, settings.relation_tokens)
    if settings.extra:
        return choice.same_for_all(made)
    return made.permuted(rng) if settings.permuted else made


def _vectors(found: Inputs, settings: Settings) -> np.ndarray | None:
    """Return what stands for the entities' texts: pooled vectors, or means of their word embeddings; None if unused."""
    if settings.start != "names" and settings.strategy != "kmeans":
        return None
    if found.entities.pooled is not None:
        return found.entities.pooled.numpy()
    words = found.model.network.embeddings.word_embeddings.weight.detach()
    mask = torch.arange(found.entities.ids.shape[1]) < found.entities.lengths[:, None]
    total = torch.stack([words[row[keep]].mean(0) for row, keep in zip(found.entities.ids, mask, strict=True)])
    return total.numpy()


@dataclass(eq=False)
class Model:
    """An encoder with the graph and the anchors it reads: what a training returns."""

    found: Inputs
    settings: Settings
    anchors: choice.Anchors | None
    encoder: Encoder
    log: list[dict[str, Any]] = field(default_factory=list)

    def entity_vectors(self, anchors: Any = "own") -> np.ndarray:
        """Return unit vectors (N, d) of all entities; ``anchors=None`` reads none, others may be given."""
        everyone = np.arange(self.found.graph.size)
        return self._encoded(lambda rows: self._candidates(everyone[rows], anchors), len(everyone))

    def query_vectors(self, triples: np.ndarray, anchors: Any = "own") -> np.ndarray:
        """Return unit vectors (q, d) of the queries of directed ``triples`` (q, 3); the tails are not looked at."""
        return self._encoded(lambda rows: self._queries(triples[rows], anchors), len(triples))

    def ranks(self, triples: np.ndarray, boost: Any = None, anchors: Any = "own") -> rank.Ranks:
        """Return filtered ranks of directed ``triples`` (q, 3) against all entities."""
        queries, candidates = self.query_vectors(triples, anchors), self.entity_vectors(anchors)
        return rank.ranked(queries, candidates, triples, self.found.graph.filter, boost)

    def _candidates(self, entities: np.ndarray, anchors: Any) -> torch.Tensor:
        return self.encoder.candidates(torch.from_numpy(entities), *self._read(entities, anchors))

    def _queries(self, triples: np.ndarray, anchors: Any) -> torch.Tensor:
        heads, relations = (torch.from_numpy(np.ascontiguousarray(triples[:, place])) for place in (0, 1))
        return self.encoder.queries(heads, relations, *self._read(triples[:, 0], anchors))

    def _read(self, entities: np.ndarray, anchors: Any) -> tuple[Any, Any]:
        used = self.anchors if isinstance(anchors, str) else anchors
        if self.anchors is None:
            return None, None
        nobody = np.full(len(entities), choice.NONE)
        if used is None:
            ids = np.full((len(entities), self.settings.k + self.settings.relation_tokens), choice.NONE, np.int32)
            return torch.from_numpy(ids), torch.full(ids.shape, choice.FAR)
        ids, hops = negatives.anchors_of(used, entities, nobody, self.settings.k)
        return torch.from_numpy(ids), torch.from_numpy(hops)

    def _encoded(self, encode: Callable[[slice], torch.Tensor], count: int) -> np.ndarray:
        """Return what ``encode`` gives for all rows, in parts, without gradients or dropout."""
        training = self.encoder.training
        self.encoder.eval()
        with torch.no_grad():
            parts = [encode(slice(at, at + SEQUENCES)).float().cpu() for at in range(0, max(1, count), SEQUENCES)]
        self.encoder.train(training)
        return torch.cat(parts).numpy()


def untrained(found: Inputs, settings: Settings) -> Model:
    """Return the model of a run before its first step.

    Raises
    ------
    InputError
        ``found`` was read for other layers, another number of trainable ones, or other tokens.
    """
    if found.read != (asked := reading(settings)):
        raise InputError("inputs", f"texts read with {found.read}", asked, "Read them with these settings.")
    made = anchors_for(found, settings)
    start = None
    if made is not None and settings.start == "names":
        start = torch.from_numpy(_vectors(found, settings)[made.entities])
    encoder = Encoder(found.model, found.entities, found.relations, settings, made.count if made else 0, start)
    return Model(found, settings, made, encoder)


class Training:
    """A run; :meth:`run` continues from the checkpoint in ``folder`` when there is one.

    Parameters
    ----------
    found : from :func:`inputs`, with the same language model, layers and tokens.
    folder : where checkpoints go, every ``every`` steps; None keeps none.
    """

    def __init__(self, found: Inputs, settings: Settings, folder: Path | None = None, every: int = 200):
        self.found, self.settings, self.folder, self.every = found, settings, folder, every
        self.triples = found.graph.directed("train")
        self.known = found.graph.known()
        self.batch = min(settings.batch, len(self.triples))
        self.world = World()
        self.model = untrained(found, settings)
        self.model.encoder.to(self.world.device)
        self.parameters = list(self.encoder.parameters())  # to find them takes a tenth of a small step
        self.optimizer = torch.optim.AdamW(
            self._groups(), lr=settings.rate, weight_decay=settings.weight_decay, fused=True
        )
        self.step, self.best, self.waited, self.seconds = 0, -1.0, 0, 0.0
        self.epoch: tuple[int, np.ndarray | None] = -1, None  # and the order of its triples
        self.kept: dict[str, torch.Tensor] = {}  # tails of earlier batches, random negatives of earlier steps

    @property
    def encoder(self) -> Encoder:
        """The encoder that is trained."""
        return self.model.encoder

    def _groups(self) -> list[dict[str, Any]]:
        table = [p for name, p in self.encoder.named_parameters() if name.startswith("anchors.")]
        other = [p for name, p in self.encoder.named_parameters() if not name.startswith("anchors.")]
        return [{"params": other, "share": 1.0}] + [{"params": table, "share": self.settings.anchor_rate}] * bool(table)

    def run(self, steps: int = 0) -> Model:
        """Return the trained model; with ``steps``, stop after so many in all.

        Where validation no longer gains (``patience``), training ends with the weights it has then, not those of the
        best validation: the rate falls to zero, so the two differ little.

        Raises
        ------
        InputError
            The checkpoint belongs to another run.
        AnchorsError
            The memory will not suffice, or does not (the message suggests a chunk), or the loss is no number.
        """
        memory.check(
            self.settings, self.found.model.network.config, self._tokens(), memory.free_bytes(self.world.device)
        )
        self._load()
        last = min(steps or self.settings.steps, self.settings.steps)
        with bar(f"{self.found.graph.name} seed {self.settings.seed}", total=last, initial=self.step) as shown:
            while self.step < last and not self._enough():
                begun = time.perf_counter()
                loss = self._safe_update()
                self.step += 1
                self.seconds += time.perf_counter() - begun
                self._note(loss)
                shown.update()
                if self.folder and self.step % self.every == 0:
                    self._save()
        if self.folder:
            self._save()
        return self.model

    def _tokens(self) -> int:
        """Return the tokens of the longest query: a head, a relation, and the anchors."""
        s = self.settings
        texts = self.found.entities.ids.shape[1] + self.found.relations.ids.shape[1]
        return texts + s.k + s.relation_tokens

    def _enough(self) -> bool:
        return bool(self.settings.patience) and self.waited >= self.settings.patience

    def _note(self, loss: float) -> None:
        s = self.settings
        entry: dict[str, Any] = {"step": self.step, "loss": loss}
        if s.evaluate_every and (self.step % s.evaluate_every == 0 or self.step == s.steps):
            entry |= {"MRR": self.validation()["MRR"], "seconds": self.seconds}
            self.waited = 0 if entry["MRR"] > self.best else self.waited + 1
            self.best = max(self.best, entry["MRR"])
        self.model.log.append(entry)

    def validation(self) -> dict[str, float]:
        """Return the filtered metrics of the first :data:`WATCHED` validation triples, both directions.

        Raises
        ------
        InputError
            There are none.
        """
        graph = self.found.graph
        count = len(graph.splits["valid"])
        if not count:
            raise InputError("valid", "no triple", "at least one, or evaluate_every=0", "Add some.")
        watched = np.r_[:count, count : 2 * count].reshape(2, count)[:, :WATCHED].ravel()
        return rank.metrics(self.model.ranks(graph.directed("valid")[watched]).realistic)

    def rows(self, step: int) -> np.ndarray:
        """Return the (B,) rows of the directed training triples of a step: epoch by epoch, each in its own order."""
        per_epoch = max(1, len(self.triples) // self.batch)
        epoch, place = divmod(step, per_epoch)
        if self.epoch[0] != epoch:
            order = np.random.default_rng([self.settings.seed, 1, epoch]).permutation(len(self.triples))
            self.epoch = epoch, order
        return self.epoch[1][place * self.batch : (place + 1) * self.batch]

    def plan(self, step: int) -> negatives.Plan:
        """Return what a step encodes."""
        s, rng = self.settings, np.random.default_rng([self.settings.seed, 2, step // self.settings.refresh])
        fresh = s.random and step % s.refresh == 0
        drawn = negatives.draw(self.found.graph.degree, s.random, s.weighting, rng) if fresh else np.zeros(0, int)
        rows = self.rows(step)
        return negatives.plan(self.triples[rows], self.model.anchors, drawn, s.self_negative, s.leakage_rule)

    def _safe_update(self) -> float:
        try:
            loss = self.update(self.plan(self.step))
        except (RuntimeError, MemoryError) as error:
            if "memory" not in str(error) and not isinstance(error, MemoryError):
                raise
            half = max(1, (self.settings.chunk or self.batch) // 2)
            raise AnchorsError(
                f"step {self.step}: the memory does not suffice; say chunk={half} (gradient caching), "
                "what was saved is kept"
            ) from error
        if not np.isfinite(loss):
            raise AnchorsError(f"step {self.step}: the loss is {loss}; lower rate ({self.settings.rate})")
        return loss

    def update(self, plan: negatives.Plan) -> float:
        """Take one step and return its loss."""
        s = self.settings
        rng = np.random.default_rng([s.seed, 4, self.step])
        self._seed(int(rng.integers(2**62)))
        self.encoder.train()
        for group in self.optimizer.param_groups:
            group["lr"] = s.rate * group["share"] * rate_share(self.step, s.steps, s.warmup)
        query = self._parts(self.encoder.queries, plan.queries, rng)
        candidate = self._parts(self.encoder.candidates, plan.candidates, rng)
        queries, candidates = query.vectors(), candidate.vectors()
        loss = self.loss(plan, queries, candidates)
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        query.backward()
        candidate.backward()
        self.world.add_up([p for p in self.parameters if p is not self.encoder.log_inverse_temperature])
        torch.nn.utils.clip_grad_norm_(self.parameters, s.clip)
        self.optimizer.step()
        return loss.item()

    def _seed(self, seed: int) -> None:
        """Seed dropout; ``torch.manual_seed`` does more and takes as long as a small step."""
        torch.default_generator.manual_seed(seed)
        if self.world.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def _parts(self, encode: Callable, sequences: np.ndarray, rng: np.random.Generator) -> Parts:
        """Return the parts of ``sequences`` (n, 2 or 3) of a plan: what ``encode`` reads, the dropped anchor last."""
        *texts, dropped = sequences.T
        read = (*texts, *self._anchors(texts[0], dropped, rng))
        tensors = [None if one is None else torch.from_numpy(np.ascontiguousarray(one)) for one in read]

        def job(rows: slice) -> torch.Tensor:
            with torch.autocast(self.world.device.type, torch.bfloat16, enabled=self.settings.dtype == "bfloat16"):
                return encode(*(None if one is None else one[rows] for one in tensors)).float()

        return Parts(len(sequences), job, self.settings.chunk, self.world)

    def _anchors(self, entities: np.ndarray, dropped: np.ndarray, rng: np.random.Generator) -> tuple[Any, Any]:
        s = self.settings
        if self.model.anchors is None:
            return None, None
        ids, hops = negatives.anchors_of(self.model.anchors, entities, dropped, s.k)
        return negatives.drop(ids, s.drop_anchor, s.drop_set, rng), hops

    def loss(self, plan: negatives.Plan, queries: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """Return the loss from vectors of the plan's queries (u, d) and candidates (v, d)."""
        s, triples = self.settings, plan.triples
        q, tails = queries[plan.query], candidates[plan.tail]
        scale = self.encoder.log_inverse_temperature.exp()
        known = self._here(negatives.in_batch(self.known, triples))
        extra = self._random(plan, candidates) + self._earlier(triples, tails)
        if s.self_negative:
            own = self._here(negatives.self_known(self.known, triples))[:, None]
            extra.append(Negatives(candidates[plan.own][:, None], own))
        return info_nce(q, tails, known, scale, s.margin, extra)[0]

    def _random(self, plan: negatives.Plan, candidates: torch.Tensor) -> list[Negatives]:
        """Return the reusable random negatives: of this step, or of an earlier one while they are not drawn anew."""
        if not self.settings.random:
            return []
        if len(plan.drawn):
            vectors, drawn = candidates[plan.random], plan.drawn
            if self.settings.refresh > 1:
                self.kept["random"], self.kept["drawn"] = vectors.detach().clone(), torch.from_numpy(drawn)
        else:
            vectors, drawn = self.kept["random"], self.kept["drawn"].numpy()
        vectors = vectors if self.settings.random_gradient else vectors.detach()
        return [Negatives(vectors, self._here(negatives.against(self.known, plan.triples, drawn)))]

    def _here(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.world.device)

    def _earlier(self, triples: np.ndarray, tails: torch.Tensor) -> list[Negatives]:
        """Return the tails of earlier batches with halved logits, and remember those of this one (SimKGC)."""
        count, found = self.settings.pre_batch, []
        if not count:
            return []
        if "earlier" in self.kept:
            mask = negatives.against(self.known, triples, self.kept["entities"].numpy())
            found = [Negatives(self.kept["earlier"], self._here(mask), 0.5)]
        for name, fresh in (("earlier", tails.detach().clone()), ("entities", torch.from_numpy(triples[:, 2].copy()))):
            old = self.kept.get(name, fresh[:0])
            self.kept[name] = torch.cat([fresh, old])[: count * self.batch]
        return found

    def _identity(self) -> dict[str, Any]:
        return {"graph": self.found.graph.name, "triples": len(self.triples), "settings": asdict(self.settings)}

    def _save(self) -> None:
        if self.world.first:
            state = {
                "training": self._identity(), "step": self.step, "best": self.best, "waited": self.waited,
                "seconds": self.seconds, "log": self.model.log,
            }  # fmt: skip
            checkpoint.save(self.folder, f"step-{self.step}", self.encoder, self.optimizer, state, **self.kept)

    def _load(self) -> None:
        found = self.folder and checkpoint.load(self.folder, self.encoder, self.optimizer, self._identity())
        if found:
            state, kept = found
            self.kept = {
                name: one.to(self.world.device) if name in ("earlier", "random") else one for name, one in kept.items()
            }
            self.step, self.best, self.waited = state["step"], state["best"], state["waited"]
            self.seconds, self.model.log = state["seconds"], state["log"]


def rate_share(step: int, steps: int, warmup: int) -> float:
    """Return the share of the peak rate: a linear warm-up (at most a tenth of the steps), then linear to zero."""
    warm = min(warmup, steps // 10)
    if step < warm:
        return (step + 1) / (warm + 1)
    return (steps - step) / max(1, steps - warm)
