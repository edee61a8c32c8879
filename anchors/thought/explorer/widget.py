"""The explorer in JupyterLab and as a page: a bundle, the sentence that is selected, the trace that is shown."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.files import atomic_write
from anchors.companion.widgets import Widget
from anchors.thought.experiments import Case
from anchors.thought.explorer import bundle, sources

FOLDER, TITLE = Path(__file__).parent, "Thought-anchor explorer"


class Explorer(Widget):
    """A trace to look at: its sentences, importances, links, answers and heads, as far as the source has them.

    Parameters
    ----------
    source : what to show, one thing or a list; see :func:`anchors.thought.explorer.sources.read`.
    cases : the traces that a store or Parquet file holds rollouts of.
    trace : id of the trace shown first; the first one by default.
    options : of :class:`anchors.thought.explorer.sources.Reading`: embed, model, suffixes, bootstrap, seed.

    Raises
    ------
    InputError
        The source is unknown or ill-formed.
    MissingData
        A released trace that is not on this machine.
    """

    def __init__(
        self, source: Any, cases: Case | Iterable[Case] = (), trace: str | None = None, title: str = TITLE,
        **options: Any,
    ):  # fmt: skip
        self.reading = sources.Reading(sources.as_cases(cases), **options)
        found = sources.read(source, self.reading)
        super().__init__(FOLDER, title, bundle=found, selected=None, trace=found["traces"][0]["id"])
        if trace is not None:
            self.trace = trace

    @property
    def bundle(self) -> dict[str, Any]:
        """What is shown, as JSON has it; set it to any source."""
        return self.get("bundle")

    @bundle.setter
    def bundle(self, source: Any) -> None:
        found = sources.read(source, self.reading)
        self._show(bundle=found, trace=found["traces"][0]["id"], selected=None)

    @property
    def traces(self) -> list[str]:
        """The ids of all traces."""
        return [trace["id"] for trace in self.bundle["traces"]]

    @property
    def trace(self) -> str:
        """The id of the trace that is shown."""
        return self.get("trace")

    @trace.setter
    def trace(self, id: str) -> None:
        if id not in self.traces:
            raise InputError("trace", repr(id), " | ".join(self.traces[:5]), "See explorer.traces.")
        if id != self.trace:
            self._show(trace=id, selected=None)

    @property
    def selected(self) -> int | None:
        """The index of the sentence that is selected, from 0; None when none is."""
        return self.get("selected")

    @selected.setter
    def selected(self, index: int | None) -> None:
        size = len(self.shown["sentences"])
        if index is not None and (isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < size):
            raise InputError("selected", repr(index), f"None, or an index from 0 to {size - 1}")
        self.set("selected", index)

    @property
    def shown(self) -> dict[str, Any]:
        """The trace that is shown, as JSON has it."""
        return next(trace for trace in self.bundle["traces"] if trace["id"] == self.trace)

    def observe(self, callback: Callable[[str, Any], None], *names: str) -> Callable[[], None]:
        """Call ``callback(name, value)`` when the reader selects a sentence or a trace; return what ends that.

        ``names`` are of ``selected``, ``trace`` and ``bundle``; the first two by default.
        """
        names, live = names or ("selected", "trace"), self.live
        if unknown := set(names) - set(self.state):
            raise InputError("observe", ", ".join(sorted(unknown)), " | ".join(self.state), "Mind the spelling.")

        def tell(change: Any) -> None:
            callback(change.name, change.new)

        live.observe(tell, names=list(names))
        return lambda: live.unobserve(tell, names=list(names))

    def save(self, path: str | Path) -> Path:
        """Write a page (``.html``) or the bundle (``.json``), whole or not at all, and return the path."""
        path = Path(path)
        if path.suffix not in (".html", ".json"):
            raise InputError("path", path.name, "a name that ends with .html or .json")
        if path.suffix == ".json":
            return bundle.save(self.bundle, path)
        return atomic_write(path, self.page().encode("utf-8"))

    def _listen(self, live: Any) -> None:
        """Read the files that are dropped on the anywidget."""
        live.on_msg(self._received)

    def _received(self, _: Any, content: Any, buffers: list) -> None:
        """Read dropped files: show their traces, or send back one line that says what is wrong."""
        if not isinstance(content, dict) or content.get("kind") != "files":
            return
        try:
            self.bundle = self._dropped([str(name) for name in content.get("names", [])], buffers)
        except (AnchorsError, OSError, ValueError) as error:
            self.live.send({"kind": "error", "text": " ".join(str(error).split())})

    def _dropped(self, names: list[str], buffers: list) -> dict[str, Any]:
        """Return the bundle in files that were dropped, by their names or paths."""
        if not names or len(names) != len(buffers):
            raise InputError("dropped files", f"{len(names)} names, {len(buffers)} files", "one name for each file")
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "dropped")
            for name, content in zip(names, buffers, strict=True):
                path = folder.joinpath(*_inside(name))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            try:
                return sources.read(path if len(names) == 1 else folder, self.reading)
            except InputError as error:  # the reader knows the names, not where they were put for a moment
                what = error.what.replace(f"{folder}/", "").replace(f"{place}/", "")
                raise InputError(what, error.found, error.expected, error.cure) from error


def _inside(name: str) -> list[str]:
    """Return the parts of a name that lead nowhere but downwards."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    if not parts:
        raise InputError("dropped file", repr(name), "a name")
    return parts
