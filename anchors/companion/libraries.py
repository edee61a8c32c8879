"""The installed libraries behind a computation: those that its modules import, and what these require in turn."""

import json
import sys
import sysconfig
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

from anchors.companion.codehash import digest, read_code
from anchors.companion.files import atomic_write
from anchors.companion.paths import cache_dir

# What shows, stores, waits or serves, and computes no number; all else that is imported counts.
SERVANTS = frozenset((
    "annotated-types", "anyio", "anywidget", "asttokens", "attrs", "beautifulsoup4", "certifi", "charset-normalizer",
    "click", "cloudpickle", "comm", "decorator", "diskcache", "executing", "filelock", "fsspec", "h11", "hf-xet",
    "httpcore", "httpx", "huggingface-hub", "idna", "importlib-metadata", "ipykernel", "ipython", "ipywidgets",
    "jedi", "jinja2", "jsonschema", "jupyter-client", "jupyter-core", "jupyterlab", "latex2mathml", "locket",
    "markdown-it-py", "markupsafe", "matplotlib-inline", "nbclient", "nbconvert", "nbformat", "nest-asyncio",
    "papermill", "parso", "partd", "pexpect", "platformdirs", "prompt-toolkit", "psutil", "psygnal", "ptyprocess",
    "pure-eval", "pydantic", "pydantic-core", "pygments", "pytest", "pyyaml", "pyzmq", "requests", "rich",
    "setuptools", "shellingham", "six", "sniffio", "soupsieve", "stack-data", "tenacity", "threadpoolctl", "toolz",
    "tornado", "tqdm", "traitlets", "typer", "typer-slim", "typing-extensions", "typing-inspection", "urllib3",
    "wcwidth", "widgetsnbextension", "zipp",
))  # fmt: skip


@cache
def versions(tops: frozenset[str]) -> dict[str, str]:
    """Return Python's version and that of every library that computes behind the top-level modules ``tops``."""
    waiting, found = [name for top in tops for name in _providers().get(top, [])], {}
    while waiting:
        name = waiting.pop()
        if name not in found and name not in SERVANTS:
            version, required = _installed(name)
            if version:
                found[name] = version
                waiting += required
    return {"python": sys.version.split()[0], **dict(sorted(found.items()))}


def versions_behind(files: Iterable[Path], more: Iterable[str] = ()) -> dict[str, str]:
    """Return :func:`versions` of all that source files import, and of ``more`` top-level modules."""
    return versions(frozenset(more).union(*(read_code(path).libraries for path in files)))


@cache
def _installed(name: str) -> tuple[str, list[str]]:
    """Return the version of a distribution and the names of those that it requires here; nothing where it is not."""
    from packaging.requirements import Requirement

    try:
        about = distribution(name)
    except PackageNotFoundError:
        return "", []
    wanted = [Requirement(line) for line in about.requires or []]
    here = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return about.version, [_plain(one.name) for one in here]


@cache
def _providers() -> dict[str, list[str]]:
    """Return the distributions behind each top-level module; looked up again when something was installed."""
    folder = Path(sysconfig.get_paths()["purelib"])
    path = cache_dir() / "code" / f"libraries-{digest(str(folder), folder.stat().st_mtime_ns)[:12]}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {top: sorted({_plain(name) for name in names}) for top, names in packages_distributions().items()}
        atomic_write(path, json.dumps(found, sort_keys=True).encode())
        return found


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
