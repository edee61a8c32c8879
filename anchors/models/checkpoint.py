"""Checkpoints of a training: weights, optimizer and state, safe against any kill; nothing is pickled."""

import json
import os
from pathlib import Path
from typing import Any

from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write
from anchors.companion.paths import relative

STATE = "state.json"


def save(folder: Path, name: str, network: Any, optimizer: Any, state: dict[str, Any], **tensors: Any) -> None:
    """Write weights, moments and further ``tensors`` as ``<name>.*.safetensors``; ``state.json``, last, names them.

    Older files are deleted afterwards: at every moment the state file names whole files.
    """
    from safetensors.torch import save as packed

    moments = {
        f"{i}.{key}": value.detach().clone().reshape(value.shape)
        for i, parameter in enumerate(network.parameters())
        for key, value in optimizer.state.get(parameter, {}).items()
    }
    weights = {key: value.contiguous() for key, value in network.state_dict().items()}
    parts = {"weights": weights, "moments": moments} | ({"tensors": tensors} if tensors else {})
    for part, values in parts.items():
        atomic_write(folder / f"{name}.{part}.safetensors", packed(values))
    atomic_write(folder / STATE, json.dumps({**state, "name": name, "parts": list(parts)}).encode())
    for old in folder.glob("*.safetensors"):
        if not old.name.startswith(f"{name}."):
            os.unlink(old)


def load(folder: Path, network: Any, optimizer: Any, training: dict[str, Any]) -> tuple[dict[str, Any], dict] | None:
    """Restore network and optimizer from ``folder``; return the state and the further tensors, None if there is none.

    Raises
    ------
    InputError
        The checkpoint's ``state["training"]`` is not ``training``, or its weights are of another architecture.
    """
    from safetensors.torch import load_file

    path = folder / STATE
    if not path.is_file():
        return None
    state = json.loads(path.read_text(encoding="utf-8"))
    cure = "Delete the folder, or choose another."
    if state["training"] != json.loads(json.dumps(training)):
        raise InputError(relative(path), "the checkpoint of another training", "the same sizes and seed", cure)
    parts = {part: load_file(folder / f"{state['name']}.{part}.safetensors") for part in state["parts"]}
    try:
        network.load_state_dict(parts["weights"])
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(relative(folder), f"weights of another architecture ({reason})", "this one", cure) from error
    for i, parameter in enumerate(network.parameters()):
        own = {  # the count of steps stays in the computer's memory, as the optimizer keeps it
            key.split(".", 1)[1]: v.to(parameter.device) if v.ndim else v
            for key, v in parts["moments"].items() if key.split(".", 1)[0] == str(i)
        }  # fmt: skip
        if own:
            optimizer.state[parameter] = own
    return state, parts.get("tensors", {})
