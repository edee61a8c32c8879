"""Head ablation: the output of an attention head is zero before the output projection mixes the heads (sec. 2.6).

The official code zeroes slices of what comes after the projection, which belong to no head (sec. 5.1).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from anchors.companion.errors import InputError

PROJECTIONS = ("o_proj", "out_proj", "dense", "c_proj")  # what the output projection is called, by architecture


def output_projections(network: Any) -> list[Any]:
    """Return each layer's output projection of the attention, in order of layers.

    Raises
    ------
    InputError
        The network's attention is built in another way.
    """
    found = {}
    for module in network.modules():
        projection = next((getattr(module, name) for name in PROJECTIONS if hasattr(module, name)), None)
        if projection is not None and isinstance(getattr(module, "layer_idx", None), int):
            found[module.layer_idx] = projection
    layers = network.config.num_hidden_layers
    if sorted(found) != list(range(layers)) or not getattr(network.config, "num_attention_heads", 0):
        expected = f"attention with an output projection ({' | '.join(PROJECTIONS)}) in each of {layers} layers"
        raise InputError(type(network).__name__, "other ones", expected, "Choose another model.")
    return [found[layer] for layer in range(layers)]


def head_width(network: Any, projection: Any) -> int:
    """Return the size of one head's output; the projection's input holds all heads side by side."""
    inputs = getattr(projection, "in_features", None) or projection.weight.shape[0]  # GPT-2's has its inputs first
    return inputs // network.config.num_attention_heads


@contextmanager
def ablated(network: Any, heads: Sequence[tuple[int, int]]) -> Iterator[None]:
    """Within the context, the outputs of the heads (layer, head) are zero, in every pass and for every token.

    Raises
    ------
    InputError
        A head that the network does not have.
    """
    projections = output_projections(network)
    by_layer: dict[int, list[int]] = {}
    for layer, head in heads:
        if not (0 <= layer < len(projections) and 0 <= head < network.config.num_attention_heads):
            shape = f"{len(projections)} layers of {network.config.num_attention_heads} heads"
            raise InputError("head", (layer, head), shape)
        by_layer.setdefault(layer, []).append(head)
    hooks = [
        projections[layer].register_forward_pre_hook(_zero(head_width(network, projections[layer]), numbers))
        for layer, numbers in by_layer.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _zero(width: int, heads: list[int]) -> Any:
    """Return a hook that zeroes the heads' parts of a projection's input (..., heads * width)."""

    def hook(_module: Any, inputs: tuple) -> tuple:
        changed = inputs[0].clone()
        changed.view(*changed.shape[:-1], -1, width)[..., heads, :] = 0
        return (changed, *inputs[1:])

    return hook
