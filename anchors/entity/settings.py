"""Settings of a model and its training, the named variants, and what each profile runs.

Where the text of SEA-KGC is silent, SimKGC's values stand (its scripts), and every open choice is a switch (section 8
of the dossier).
"""

from dataclasses import dataclass, replace

from anchors.companion.errors import InputError

VARIANTS = ("simkgc_ib", "simkgc_ib+pb", "simkgc_ib+sn", "simkgc", "anchors_only", "random_only", "sea")
CONTROLS = ("permuted", "extra", "anchors_alone")
SHORT = {
    "simkgc_ib": "text", "simkgc_ib+pb": "text + pre-batch", "simkgc_ib+sn": "text + self",
    "simkgc": "text + pre-batch + self",
    "anchors_only": "text + anchors", "random_only": "text + random negatives", "sea": "SEA (both)",
    "permuted": "text + permuted anchors", "extra": "text + extra parameters", "anchors_alone": "anchors alone",
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """One training run.

    Parameters
    ----------
    plm : ``minilm`` (inside an installed package), a folder, or a hub id of a BERT-like encoder.
    layers : layers of the language model that are used, from the first; 0 is all.
    top : of these, the trainable ones. Anchors enter below them, as tokens; the hidden states of the layers underneath
        are computed once. With all layers trainable, anchors enter as input embeddings (sec. 1.3). 0 freezes the whole
        model, and a small fusion network over its pooled vectors is trained.
    max_tokens : word-pieces of a text; ``width``, ``hidden``, ``dropout`` are of the fusion network.
    k, anchors, strategy, anchor_width, start : anchors per entity (0: none), how many there are, how they are chosen,
        the width of their table, and its start: ``names`` (vectors of their texts) or ``normal``.
    place : ``suffix`` | ``prefix``, where anchor tokens stand; ``pool_anchors`` whether they enter the mean.
    drop_anchor, drop_set : dropout of single anchors and of all anchors of a sequence.
    leakage_rule : whether the target is dropped from the head's anchors, and the head from the target's, in training.
    permuted, extra, text : controls: anchors of other entities; one learnt vector for all in the anchors' place;
        False leaves only anchors.
    relation_tokens : so many incident relation types stand beside the anchors (NodePiece's relational context).
    margin, temperature : of InfoNCE; the temperature is where learning starts.
    random, weighting, refresh, random_gradient : reusable random negatives a batch, drawn ``uniform`` or ``degree``
        (to the power 0.75), drawn anew every so many steps, and whether they receive gradients.
    pre_batch, self_negative : tails of so many earlier batches, and the head itself, as negatives (SimKGC).
    batch, steps, rate, anchor_rate : queries a step, steps, peak learning rate (linear decay after a warm-up), and by
        how much the anchors' rate is higher.
    chunk : sequences encoded at a time (gradient caching); 0 is all at once.
    evaluate_every, patience : steps between two filtered validation MRRs, and how many may pass without a gain; 0 off.
    dtype : ``float32`` | ``bfloat16`` of the matrix products.
    """

    plm: str = "minilm"
    layers: int = 0
    top: int = 0
    max_tokens: int = 50
    width: int = 384
    hidden: int = 512
    dropout: float = 0.1
    k: int = 0
    anchors: int = 500
    strategy: str = "degree"
    anchor_width: int = 128
    start: str = "names"
    place: str = "suffix"
    pool_anchors: bool = True
    drop_anchor: float = 0.1
    drop_set: float = 0.1
    leakage_rule: bool = True
    permuted: bool = False
    extra: bool = False
    text: bool = True
    relation_tokens: int = 0
    margin: float = 0.02
    temperature: float = 0.05
    random: int = 0
    weighting: str = "uniform"
    refresh: int = 1
    random_gradient: bool = True
    pre_batch: int = 0
    self_negative: bool = False
    batch: int = 512
    steps: int = 500
    rate: float = 1e-3
    anchor_rate: float = 10.0
    weight_decay: float = 1e-4
    warmup: int = 400
    clip: float = 10.0
    chunk: int = 0
    evaluate_every: int = 0
    patience: int = 0
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self):
        at_least(self, LEAST)
        for name in ("dropout", "drop_anchor", "drop_set"):
            if not getattr(self, name) <= 1:
                raise InputError(name, getattr(self, name), "a share, at most 1")
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise InputError(name, repr(getattr(self, name)), " | ".join(allowed))
        if not self.text and not (self.k or self.relation_tokens):
            raise InputError("text", "False without anchors", "True, or k of at least 1", "Nothing would be encoded.")


def at_least(settings: object, least: dict[str, float]) -> None:
    """Raise InputError for the first of the fields in ``least`` that is smaller than it may be."""
    for name, low in least.items():
        if not getattr(settings, name) >= low:
            raise InputError(name, getattr(settings, name), f"at least {low}")


LEAST = {
    "layers": 0, "top": 0, "max_tokens": 4, "width": 1, "hidden": 1, "k": 0, "anchors": 1, "anchor_width": 1,
    "dropout": 0, "drop_anchor": 0, "drop_set": 0, "relation_tokens": 0, "temperature": 1e-4, "random": 0, "refresh": 1,
    "pre_batch": 0, "batch": 2, "steps": 1, "rate": 0, "warmup": 0, "chunk": 0, "evaluate_every": 0, "patience": 0,
}  # fmt: skip
CHOICES = {
    "weighting": ("uniform", "degree"), "start": ("names", "normal"), "place": ("suffix", "prefix"),
    "dtype": ("float32", "bfloat16"),
}  # fmt: skip


def variant(name: str, base: Settings, k: int = 8, random: int = 0) -> Settings:
    """Return the settings of a named variant or control; ``random`` is the number of random negatives (0: the batch).

    ``simkgc_ib`` has in-batch negatives only (and the head itself as one where ``base`` has it); ``+pb`` and ``+sn``
    add two earlier batches or the head itself, and ``simkgc`` both; ``anchors_only`` and ``random_only`` add one
    mechanism of SEA-KGC to ``simkgc_ib``, ``sea`` both. The controls have no random negatives: ``permuted`` gives each
    entity the anchors of another one, ``extra`` has the parameters of the anchors without structure,
    ``anchors_alone`` has no text of entities.

    Raises
    ------
    InputError
        No such variant.
    """
    plain = replace(base, k=0, random=0, pre_batch=0, permuted=False, extra=False, text=True)
    many = random or base.batch
    changes = {
        "simkgc_ib": {}, "simkgc_ib+pb": {"pre_batch": 2}, "simkgc_ib+sn": {"self_negative": True},
        "simkgc": {"pre_batch": 2, "self_negative": True},
        "anchors_only": {"k": k}, "random_only": {"random": many}, "sea": {"k": k, "random": many},
        "permuted": {"k": k, "permuted": True}, "extra": {"k": k, "extra": True},
        "anchors_alone": {"k": k, "text": False, "drop_set": 0.0},
    }  # fmt: skip
    if name not in changes:
        raise InputError("variant", repr(name), " | ".join(changes))
    return replace(plain, **changes[name])
