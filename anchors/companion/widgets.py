"""Things to play with: one ES module each, run by anywidget in Jupyter and by a small page outside of it.

A widget is a folder with ``widget.js`` and ``widget.css`` in its paper's package. ``web/dom.js`` and ``web/base.css``
go before them, ``web/page.js`` after them where there is no Jupyter: it stands in for the model. Nothing is built and
nothing is fetched; the page carries code, style and data, and a policy that forbids everything else.
"""

import base64
import json
import os
from html import escape
from pathlib import Path
from typing import Any

from anchors.companion.errors import InputError
from anchors.companion.policy import policy
from anchors.companion.used import remembered

WEB = Path(__file__).with_name("web")


class Widget:
    """What one widget shows: its code and a state that both Python and the browser hold.

    Parameters
    ----------
    source : folder with ``widget.js`` (ends with ``export default { render }``) and ``widget.css``.
    title : heading of the page.
    state : names and values, as JSON has them; the module reads them with ``model.get(name)``.
    """

    def __init__(self, source: Path, title: str, **state: Any):
        self.source, self.title, self.state = Path(source), title, state
        self._live = None

    @property
    def live(self) -> Any:
        """The anywidget behind this one, made when it is first asked for; its traits are the state."""
        if self._live is None:
            self._live = _live_class(self.source, tuple(self.state))(live=True, **self.state)
            self._listen(self._live)
        return self._live

    def _listen(self, live: Any) -> None:
        """Hook: what Python does when the browser asks; called once, when the anywidget has been made."""

    def get(self, name: str) -> Any:
        """Return a value of the state, as the reader has left it."""
        return self.state[name] if self._live is None else getattr(self._live, name)

    def set(self, name: str, value: Any) -> None:
        """Set a value of the state; the browser follows."""
        if name not in self.state:
            raise InputError("widget state", repr(name), " | ".join(self.state), "Mind the spelling.")
        self._show(**{name: value})

    def _show(self, **values: Any) -> None:
        """Set several values of the state at once, so that the browser never sees half of them."""
        self.state.update(values)
        if self._live is not None:
            with self._live.hold_sync():
                for name, value in values.items():
                    setattr(self._live, name, value)

    def page(self, trail: tuple[tuple[str, str], ...] = (), note: str = "") -> str:
        """Return the widget as one HTML page without any request; ``trail`` (name, link) leads back, ``note`` below."""
        return page(self.source, self.title, self.state, trail, note)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if os.environ.get("ANCHORS_HEADLESS") == "1":  # executed notebooks hold results only
            return {"text/plain": repr(self), "text/html": f"<p>{escape(repr(self))}</p>"}
        return self.live._repr_mimebundle_(**kwargs)

    def __repr__(self) -> str:
        return f"{self.title}: run this cell in JupyterLab to play with it, or open its page from the gallery."


def text64(array: Any, dtype: str) -> str:
    """Return the numbers of an array as ``dtype`` (``"<f4"``, ``"u1"``) in base64, as a state holds them."""
    import numpy as np

    return base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode()


@remembered()
def module(source: Path, standalone: bool = False) -> str:
    """Return the ES module of a widget; ``standalone`` adds what stands in for Jupyter's model."""
    parts = [WEB / "dom.js", Path(source) / "widget.js"] + ([WEB / "page.js"] if standalone else [])
    return "\n".join(_read(part) for part in parts)


@remembered()
def style(source: Path) -> str:
    """Return the style sheet of a widget."""
    return "\n".join(_read(part) for part in (WEB / "base.css", Path(source) / "widget.css"))


def page(source: Path, title: str, state: dict[str, Any], trail: tuple = (), note: str = "") -> str:
    """Return one HTML page with code, style and state of a widget.

    Its policy allows this script and this style, by their hashes, and pictures from data; no request can leave it.
    The state is data: it is read as JSON and never parsed as HTML.
    """
    import jinja2

    script, css = module(source, standalone=True), style(source) + "\n" + _read(WEB / "page.css")
    data = json.dumps(state, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return jinja2.Environment(autoescape=True).from_string(_read(WEB / "page.html.j2")).render(
        title=title, script=script, css=css, trail=trail, note=note, policy=policy(script, css, "data: blob:"),
        data=data.replace("<", "\\u003c").replace("\u2028", "\\u2028"),
    )  # fmt: skip


@remembered()
def _live_class(source: Path, names: tuple[str, ...]) -> type:
    """Return the anywidget class of a widget; ``live`` tells the module that Python listens."""
    import anywidget
    import traitlets

    traits = {name: traitlets.Any().tag(sync=True) for name in (*names, "live")}
    name = f"{source.parent.name}_{source.name}"  # anywidget keeps one style sheet per class name
    return type(name, (anywidget.AnyWidget,), {"_esm": module(source), "_css": style(source), **traits})


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip("\n")
