"""Texts after the frozen layers, computed once per graph and language model and kept on disk (safetensors)."""

from collections import OrderedDict
from dataclasses import replace

from anchors.companion.codehash import digest
from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write
from anchors.companion.paths import cache_dir, relative
from anchors.companion.progress import track
from anchors.companion.used import remembered
from anchors.entity import loaders
from anchors.entity.encoder import Texts, freeze, plm, tokenise
from anchors.entity.graph import Graph
from anchors.entity.settings import Settings
from anchors.entity.training import Inputs, reading
from anchors.models import embed, tensors

_recent: OrderedDict[str, Inputs] = OrderedDict()
KEPT = 4  # inputs that a process keeps


def read(graph: Graph | str, settings: Settings) -> Inputs:
    """Return a graph with its texts as the language model of ``settings`` reads them, from the cache where they are.

    Raises as :func:`loaders.load` and :func:`encoder.plm`.
    """
    graph = loaders.load(graph) if isinstance(graph, str) else graph
    key = digest(graph.texts, graph.directed_texts, _identity(settings.plm), *reading(settings))
    if key not in _recent:
        model = plm(settings)
        parts = [
            _texts(model, texts, settings.max_tokens, f"{key[:24]}-{name}", f"texts of {graph.name}")
            for name, texts in (("entities", graph.texts), ("relations", graph.directed_texts))
        ]
        _recent[key] = Inputs(graph, model, *parts, reading(settings))
        while len(_recent) > KEPT:
            _recent.popitem(last=False)
    found = _recent[key]
    return replace(found, graph=graph)


@remembered()
def _identity(name: str) -> str:
    """Return what stands for a language model's weights and vocabulary."""
    return digest(embed.identity(name), embed.load(name)[0].get_vocab())


def _texts(model, texts: tuple[str, ...], max_tokens: int, name: str, label: str) -> Texts:
    from filelock import FileLock
    from safetensors.torch import save

    folder = cache_dir() / "entity"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    with FileLock(f"{path}.lock"):
        if not path.is_file():
            found = freeze(model, tokenise(model, texts, max_tokens), track=lambda rows: track(rows, label))
            atomic_write(path, save({k: v.contiguous() for k, v in vars(found).items() if v is not None}))
    found = tensors.load(path)
    try:
        return Texts(**found)
    except TypeError as error:
        raise InputError(relative(path), f"tensors {', '.join(found)}"[:80], "those of a text", tensors.CURE) from error
