"""Safetensors, read with one line for what is damaged: truncated files, lying headers, numbers that are none."""

import json
from pathlib import Path
from typing import Any

from anchors.companion.errors import InputError
from anchors.companion.paths import relative
from anchors.companion.plain import regular

HEADER = 100 << 20  # bytes of a header, the bound of the format
WHOLE = "a whole safetensors file"
CURE = "Delete it and make or fetch it again."


def load(path: Path) -> dict[str, Any]:
    """Return the tensors of a file by name; InputError when it is missing or damaged."""
    from safetensors.torch import load_file

    names(path)
    try:
        return load_file(path)
    except Exception as error:  # SafetensorError, OSError, ValueError, KeyError: arbitrary bytes
        raise InputError(relative(path), f"a damaged file ({_said(error)})", WHOLE, CURE) from error


def finite(path: Path, name: str, tensor: Any) -> None:
    """Raise InputError for a tensor with NaN or infinity."""
    import torch

    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise InputError(f"{relative(path)}: {name}", "NaN or infinity", "finite numbers", CURE)


def names(path: Path) -> list[str]:
    """Return the names of the tensors in a file from its header; InputError when it is damaged."""
    size = regular(path).stat().st_size
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if size < 8 or length > min(HEADER, size - 8):
            found = f"{size:,} bytes, the header alone being {length:,}" if size >= 8 else f"{size} bytes"
            raise InputError(relative(path), found, WHOLE, CURE)
        try:
            header = json.loads(handle.read(length))
            ends = [about["data_offsets"][1] for name, about in header.items() if name != "__metadata__"]
            if max(ends, default=0) != size - 8 - length:
                raise ValueError(f"{size - 8 - length:,} bytes of numbers, {max(ends, default=0):,} by its header")
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            raise InputError(relative(path), f"a damaged file ({_said(error)})", WHOLE, CURE) from error
    return [name for name in header if name != "__metadata__"]


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:160]
