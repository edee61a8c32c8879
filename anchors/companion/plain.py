"""Text, JSON and YAML that people write, read within limits: no file makes its reader wait or fills the memory."""

import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anchors.companion.errors import InputError
from anchors.companion.paths import relative

TEXT, JSON, YAML = 256 << 20, 64 << 20, 4 << 20  # bytes of a file
LINE = 4 << 20  # characters of a line
DEPTH = 100  # brackets within brackets
NODES = 50_000  # values in YAML, with every alias written out
_DIGITS = re.compile(r"[-+.:_\da-fA-FxXoO]{1000,}")  # YAML reads 1:10:10 to the base 60, in quadratic time
_WRONG = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)


def regular(path: str | Path) -> Path:
    """Return the path of a file; InputError where there is none, or a folder, a pipe, a device (which might wait)."""
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", None) or error
        raise InputError(_named(path), found, "a readable file", "Mind the path.") from error
    kernel = path.resolve().parts[1:2] in (("proc",), ("sys",))  # files without a size, some of which wait or never end
    if kernel or not stat.S_ISREG(mode):
        found = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        found = "a file of the running system" if stat.S_ISREG(mode) else found
        raise InputError(relative(path), found, "a readable file", "Mind the path.")
    return path


def waits(path: str | Path) -> bool:
    """Return whether a path is a pipe, socket or device, on which a reader might wait for ever."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def read_bytes(path: str | Path, most: int = TEXT) -> bytes:
    """Return the bytes of a file; InputError as :func:`regular`, or when there are more than ``most``."""
    path = regular(path)
    try:
        with path.open("rb") as handle:
            content = handle.read(most + 1) if path.stat().st_size <= most else None
    except OSError as error:
        raise InputError(relative(path), error.strerror or error, "a readable file", "Mind the path.") from error
    if content is None or len(content) > most:
        found = f"more than {most:,} bytes"
        raise InputError(relative(path), found, "a smaller file", "Mind the path, or split the file.")
    return content


def read_text(path: str | Path, most: int = TEXT) -> str:
    """Return a UTF-8 file's text; InputError as :func:`read_bytes`, or when it is not UTF-8 (the line is named)."""
    try:
        return read_bytes(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        found = f"bytes that are not UTF-8 in line {line}"
        raise InputError(relative(Path(path)), found, "UTF-8 text", "Save it as UTF-8.") from error


def from_json(text: str, hook: Callable[[list], Any] | None = None) -> Any:
    """Return the value of a JSON text; ``hook`` as ``object_pairs_hook`` of :func:`json.loads`.

    Raises
    ------
    ValueError
        It is no JSON, or has more than :data:`DEPTH` brackets within one another.
    """
    try:
        value = json.loads(text, object_pairs_hook=hook)
    except RecursionError as error:
        raise ValueError(f"more than {DEPTH} brackets within one another") from error
    if text.count("[") + text.count("{") > DEPTH and _deeper(value):
        raise ValueError(f"more than {DEPTH} brackets within one another")
    return value


def from_yaml(text: str, place: str) -> Any:
    """Return the plain data of a YAML text of one document; keys are texts.

    Raises
    ------
    InputError
        Broken YAML (the line is named), a key twice, or more than :data:`DEPTH` levels or :data:`NODES` values, where
        an alias counts as what it stands for; an alias of what it stands in has no end.
    """
    import yaml

    _bounded(text, place)
    try:
        return yaml.load(text, _loader())  # a SafeLoader: nothing but plain data
    except (yaml.YAMLError, *_WRONG) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        said = str(getattr(error, "problem", None) or error)[:200]
        raise InputError(place, f"broken YAML{line} ({said})", "whole YAML", "Mend it.") from error


def read_yaml(path: str | Path) -> Any:
    """Return the plain data in a YAML file; errors as :func:`read_text` and :func:`from_yaml`."""
    return from_yaml(read_text(path, YAML), relative(Path(path)))


def _loader() -> type:
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
            seen = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} twice", key.start_mark)
                seen.add(key.value)
            return {str(key): value for key, value in super().construct_mapping(node, deep).items()}

    return Loader


def _bounded(text: str, place: str) -> None:
    """Raise InputError where YAML is too large or too deep once its aliases are written out; the text is read once.

    Each open node is a pair of its anchor and of how many values were there before it. What is broken is left to the
    loader, whose words name it.
    """
    import yaml

    count, opened, sizes = 0, [], {}
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                if event.anchor in [anchor for anchor, _ in opened]:
                    raise _endless(place, event)
                count += sizes.get(event.anchor, 1)
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, before = opened.pop()
                sizes[anchor] = count - before
            elif isinstance(event, yaml.NodeEvent):
                count += 1
                sizes[event.anchor] = 1
                if isinstance(event, yaml.CollectionStartEvent):
                    opened.append((event.anchor, count - 1))
                elif (not event.style or event.tag) and _DIGITS.fullmatch(event.value):
                    found = f"a number of {len(event.value):,} characters"
                    raise InputError(place, found, "a shorter number", "Put a text in quotes.")
            if count > NODES:
                cure = "Split the file; mind its aliases."
                raise InputError(place, f"over {NODES:,} values, aliases written out", "fewer", cure)
            if len(opened) > DEPTH:
                raise InputError(place, f"over {DEPTH} levels", "fewer levels", "Mend its brackets and indentation.")
    except (yaml.YAMLError, UnicodeError):
        return


def _endless(place: str, event: Any) -> InputError:
    line = event.start_mark.line + 1
    found = f"an alias of what it stands in, *{event.anchor}, in line {line}"
    return InputError(place, found, "values that end", "Leave the alias out.")


def _deeper(value: Any) -> bool:
    """Return whether a value from JSON has more than :data:`DEPTH` levels."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEPTH):
        inner = (each for one in level for each in (one.values() if isinstance(one, dict) else one))
        level = [each for each in inner if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def _named(path: Path) -> str:
    """Return the path in words; of a very long one the start."""
    name = relative(path)
    return name if len(name) <= 200 else f"{name[:200]}…"
