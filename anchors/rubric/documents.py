"""Files that people write: UTF-8 text, YAML, JSON and JSON Lines; what is wrong is said in one line with its place."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anchors.companion.errors import InputError
from anchors.companion.paths import relative
from anchors.companion.plain import JSON, LINE, from_json, read_text, read_yaml

SUFFIXES = (".yml", ".yaml", ".json")
_ODD = set("\x85\u2028\u2029\ufeff")


def suffixed(path: str | Path) -> Path:
    """Return a path; InputError unless it ends like a YAML or JSON file."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(relative(path), f"suffix {path.suffix!r}", " | ".join(SUFFIXES), "Rename it.")
    return path


def read_mapping(path: str | Path) -> dict[str, Any]:
    """Return the mapping in a YAML or JSON file, plain data only.

    Raises
    ------
    InputError
        No such file, another suffix, not UTF-8, broken YAML or JSON (the line is named), a key twice, no mapping.
    """
    path = suffixed(path)
    data = _json(path) if path.suffix.lower() == ".json" else read_yaml(path)
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
        if len(line) > LINE:
            raise InputError(place, f"{len(line):,} characters", f"at most {LINE:,} a line", "Mend it.")
        try:
            row = from_json(line)
        except ValueError as error:
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


def _json(path: Path) -> Any:
    try:
        return from_json(read_text(path, JSON), _once)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(relative(path), f"broken JSON ({error})", "one JSON object", "Mend that place.") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {twice!r} twice in one object")
    return found
