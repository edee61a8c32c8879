"""Files that people write: UTF-8 text, YAML, JSON and JSON Lines; what is wrong is said in one line with its place."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anchors.companion.errors import InputError
from anchors.companion.paths import relative

SUFFIXES = (".yml", ".yaml", ".json")
_ODD = set("\x85\u2028\u2029\ufeff")


def suffixed(path: str | Path) -> Path:
    """Return a path; InputError unless it ends like a YAML or JSON file."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(relative(path), f"suffix {path.suffix!r}", " | ".join(SUFFIXES), "Rename it.")
    return path


def read_text(path: Path) -> str:
    """Return a UTF-8 file's text; InputError when it cannot be read or is not UTF-8 (the line is named)."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(relative(path), error.strerror or str(error), "a readable file", "Mind the path.") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        found = f"bytes that are not UTF-8 in line {line}"
        raise InputError(relative(path), found, "UTF-8 text", "Save it as UTF-8.") from error


def read_mapping(path: str | Path) -> dict[str, Any]:
    """Return the mapping in a YAML or JSON file, plain data only.

    Raises
    ------
    InputError
        No such file, another suffix, not UTF-8, broken YAML or JSON (the line is named), a key twice, no mapping.
    """
    path = suffixed(path)
    text = read_text(path)
    data = _json(path, text) if path.suffix.lower() == ".json" else _yaml(path, text)
    if not isinstance(data, dict):
        found = "nothing" if data is None else f"a {type(data).__name__}"
        raise InputError(relative(path), found, "a mapping", "Write its fields as name: value.")
    return data


def read_lines(path: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``(place, object)`` of each line of a JSON Lines file; blank lines are passed over.

    Raises
    ------
    InputError
        As :func:`read_mapping`; the place names file and line.
    """
    path = Path(path)
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        place = f"{relative(path)}: line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(place, f"broken JSON ({error})", "one JSON object a line", "Mend it.") from error
        if not isinstance(row, dict):
            raise InputError(place, f"a {type(row).__name__}", "one JSON object a line", "Mend it.")
        yield place, row


def yaml_text(data: dict[str, Any]) -> str:
    """Return plain data as YAML that reads back the same: the odd line breaks of Unicode are escaped."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _ODD & set(text) else None)

    Dumper.add_representer(str, quoted)
    return yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InputError(relative(path), f"broken JSON ({error})", "one JSON object", "Mend that place.") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} twice in one object")
    return found


def _yaml(path: Path, text: str) -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
            seen = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} twice", key.start_mark)
                seen.add(key.value)
            return {str(key): value for key, value in super().construct_mapping(node, deep).items()}

    try:
        return yaml.load(text, Loader)  # a SafeLoader: nothing but plain data
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        said = getattr(error, "problem", None) or error
        raise InputError(relative(path), f"broken YAML{place} ({said})", "one YAML mapping", "Mend it.") from error
