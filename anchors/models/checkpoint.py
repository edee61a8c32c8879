"""Checkpoints of a training: weights, optimizer and state, safe against any kill; nothing is pickled."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write, read_json, sha256
from anchors.companion.paths import relative
from anchors.models import tensors as stored

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
    hashes = {}
    for part, values in parts.items():
        content = packed(values)
        hashes[part] = hashlib.sha256(content).hexdigest()
        atomic_write(folder / f"{name}.{part}.safetensors", content)
    state = {**state, "name": name, "parts": hashes}
    atomic_write(folder / STATE, json.dumps({**state, "sha256": _hash(state)}).encode())
    for old in folder.glob("*.safetensors"):
        if not old.name.startswith(f"{name}."):
            os.unlink(old)


def load(folder: Path, network: Any, optimizer: Any, training: dict[str, Any]) -> tuple[dict[str, Any], dict] | None:
    """Restore network and optimizer from ``folder``; return the state and the further tensors, None if there is none.

    Raises
    ------
    InputError
        The checkpoint's ``state["training"]`` is not ``training``, its weights are of another architecture, or a file
        of it is missing or is not the one that was written.
    """
    path = folder / STATE
    if not path.exists():
        return None
    state = read_json(path, dict)
    cure = "Delete the folder, or choose another."
    if state.pop("sha256", None) != _hash(state):
        raise InputError(relative(path), "a damaged state, or one of another version", "the state as written", cure)
    if state["training"] != json.loads(json.dumps(training)):
        raise InputError(relative(path), "the checkpoint of another training", "the same sizes and seed", cure)
    parts = {}
    for part, expected in state["parts"].items():
        file = folder / f"{state['name']}.{part}.safetensors"
        if sha256(file) != expected:
            raise InputError(relative(file), "a damaged file", "the tensors as written", cure)
        parts[part] = stored.load(file)
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


def _hash(state: dict[str, Any]) -> str:
    """Return the SHA-256 of a state as JSON."""
    plain = json.loads(json.dumps(state))  # numbers that are keys become texts, as they are read
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
