"""The emoji search to play with: codes and pictures for the browser, which ranks; Python hashes free text.

The browser holds the codes of all emoji and of a vocabulary (:func:`materials`), so that it answers by itself. What is
not in the vocabulary is embedded and hashed here while the notebook runs.
"""

import base64
import io
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.cache import cached, limited
from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.widgets import Widget, text64
from anchors.hashing.codes import pack, unpack
from anchors.hashing.emoji_views import catalogue, render
from anchors.hashing.search_plot import CREDIT
from anchors.hashing.studies.emoji_search import DATA, fitted, search
from anchors.hashing.trials import dataset, salt
from anchors.hashing.views import Views
from anchors.models import embed

SOURCE = Path(__file__).with_name("search_widget")
TILE, COLUMNS, COLOURS = 56, 41, 128  # pixels of a picture, pictures in a row of the sheet, colours of the sheet
LONGEST = 300  # characters of a question


class SearchBox(Widget):
    """Words find pictures and pictures find words, in the browser.

    Parameters
    ----------
    model : fitted hash functions, or a function that returns them: it is called when Python is first asked.
    state : from :func:`materials` of that model.
    picture : the held-out emoji that asks, by test row.

    Raises
    ------
    InputError
        No such test row.
    """

    def __init__(self, model: Any, state: dict[str, Any], picture: int = 0):
        held_out = len(state["names"]) - state["shelf"]
        if not 0 <= picture < held_out:
            raise InputError("picture", picture, f"0..{held_out - 1}", "Count test rows.")
        self._model = model
        super().__init__(
            SOURCE, "Emoji search", **state, direction="words", word=state["examples"][0],
            picture=state["shelf"] + picture, length=state["bits"], selected=-1, asked="", answer={},
        )  # fmt: skip

    @classmethod
    def trained(
        cls, bits: int, ratio: float, seed: int, words: list[str], picture: int = 0, data: str = DATA
    ) -> "SearchBox":
        """Return the box of the search engine (:func:`anchors.hashing.studies.emoji_search.fitted`); cached.

        ``words`` are phrases that are offered first; the first one is asked.
        """
        if not words:
            raise InputError("words", "an empty list", "one phrase or more", "The first one is asked.")
        setting = {"bits": bits, "ratio": ratio, "seed": seed, "data": data}
        state = cached(trained_materials, salt([data]) + embed.identity(), **setting, words=list(words))
        return cls(lambda: limited(fitted, setting), state, picture)

    @cached_property
    def model(self) -> Any:
        """The fitted hash functions behind the box."""
        return self._model if hasattr(self._model, "transform") else self._model()

    def _listen(self, live: Any) -> None:
        """Hash by :meth:`hashed` what the browser cannot."""
        live.observe(lambda change: setattr(live, "answer", self.hashed(change["new"])), "asked")

    @property
    def query(self) -> str:
        """What asks now: the words, or the name of the picture."""
        return self.get("word") if self.get("direction") == "words" else self.get("names")[self.get("picture")]

    @property
    def selected(self) -> str | None:
        """The name of the answer that the reader chose, or None."""
        row = self.get("selected")
        return None if row < 0 else self.get("names")[row]

    def hashed(self, text: str) -> dict[str, str]:
        """Return ``{"text", "code"}``, the code in base64, or ``{"text", "error"}`` with one line."""
        try:
            return {"text": text, "code": text64(self.code_of(text), "u1")}
        except AnchorsError as error:
            return {"text": text, "error": str(error)}

    def code_of(self, text: str) -> np.ndarray:
        """Return the packed code (1, bytes) of free text, embedded and hashed now.

        Raises
        ------
        InputError
            Nothing is asked, or more than :data:`LONGEST` characters.
        """
        if not isinstance(text, str) or not 0 < len(text.strip()) <= LONGEST:
            found = f"{len(text)} characters" if isinstance(text, str) else type(text).__name__
            raise InputError("words", found, f"1 to {LONGEST} characters", "Ask with a word or a phrase.")
        return self.model.transform(texts=embed.embed([text.strip()]))

    def answers(self, k: int = 8) -> pd.DataFrame:
        """Return the k nearest answers to what asks now: name and Hamming distance, ties in database order."""
        asking, database = self._compared()
        hits = search(asking[0], database, self.get("length"), self.query, k)
        return pd.DataFrame({"answer": [self.get("names")[row] for row in hits.rows], "distance": hits.distances})

    def _compared(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the first ``length`` bits of the query (1, ·) and of the database (n, ·), packed."""
        width = -(-self.get("bits") // 8)
        table = {name: _codes(self.get(name), width) for name in ("pictures", "texts", "codes")}
        if self.get("direction") == "words":
            known = {word: place for place, word in enumerate(self.get("vocabulary"))}
            place = known.get(plain(self.get("word")))
            asking = self.code_of(self.get("word")) if place is None else table["codes"][[place]]
            database = table["pictures"][: self.get("shelf")]
        else:
            asking, database = table["pictures"][[self.get("picture")]], table["texts"]
        return tuple(pack(unpack(one, self.get("bits"))[:, : self.get("length")]) for one in (asking, database))


def trained_materials(bits: int, ratio: float, seed: int, words: list[str], data: str = DATA) -> dict[str, Any]:
    """Return :func:`materials` of the search engine, with all of :func:`vocabulary`; of other ``data``, names only."""
    views = dataset(data)
    known = vocabulary(words) if data == DATA else sorted(map(plain, {*words, *views.train().items}))
    return materials(fitted(bits, ratio, seed, data), views, words, known)


def materials(model: Any, views: Views, examples: list[str], known: list[str]) -> dict[str, Any]:
    """Return what the browser needs of emoji ``views``, JSON-able; binary parts in base64.

    ``names``, ``kinds`` (positions in ``subgroups``) and ``pictures`` (image codes) are of all emoji: first the
    ``shelf`` training emoji, which are searched, then the held-out ones. ``about`` (keywords) and ``texts`` (text
    codes) are of the shelf. ``codes`` belong to the ``vocabulary``, the plain phrases ``known``.
    """
    train, test = views.train(), views.test()
    both = {key: [*train.extras[key].tolist(), *test.extras[key].tolist()] for key in ("code", "subgroup")}
    subgroups, numbers = np.unique(both["subgroup"], return_inverse=True)
    coded = {
        "pictures": model.transform(images=np.concatenate([train.image, test.image])),
        "texts": model.transform(texts=train.text), "codes": model.transform(texts=embed.embed(known)),
    }  # fmt: skip
    return {
        "bits": model.bits, "shelf": len(train), "names": [*train.items, *test.items], "kinds": numbers.tolist(),
        "subgroups": subgroups.tolist(), "about": train.extras["words"].tolist(), "vocabulary": known,
        "examples": list(examples), "credit": f"{CREDIT} (openmoji.org)",
        "sheet": {"png": sheet(both["code"]), "columns": COLUMNS},
    } | {name: text64(packed, "u1") for name, packed in coded.items()}  # fmt: skip


def vocabulary(words: list[str]) -> list[str]:
    """Return ``words``, the names of all emoji and the single words of names and keywords: plain, distinct, sorted."""
    found = {plain(text) for text in words} | {plain(emoji.name) for emoji in catalogue()}
    for emoji in catalogue():
        found |= set(re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", plain(f"{emoji.name} {emoji.words}")))
    return sorted(found - {""})


def plain(text: str) -> str:
    """Return text in lower case with single blanks, as the vocabulary has it."""
    return " ".join(text.lower().split())


def sheet(codes: list[str], tile: int = TILE) -> str:
    """Return all pictures on one sheet, :data:`COLUMNS` in a row on white: a PNG of few colours, in base64."""
    from PIL import Image

    rgba = render(codes, tile)
    alpha = rgba[..., 3:].astype(np.float32) / 255
    colour = np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)  # (n, tile, tile, 3)
    whole = np.full((-(-len(codes) // COLUMNS) * COLUMNS, tile, tile, 3), 255, np.uint8)
    whole[: len(codes)] = colour
    grid = whole.reshape(-1, COLUMNS, tile, tile, 3).swapaxes(1, 2).reshape(-1, COLUMNS * tile, 3)
    out = io.BytesIO()
    Image.fromarray(grid).quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def _codes(text: str, width: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(-1, width)
