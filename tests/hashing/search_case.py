"""A small emoji search for the tests: real pictures and names, random features, codes learnt from them."""

from functools import cache

import numpy as np

from anchors.hashing import views
from anchors.hashing.emoji_views import catalogue
from anchors.hashing.rreh import RREH
from anchors.hashing.search_box import SearchBox, materials, plain

SHELF, HELD_OUT, BITS = 90, 20, 20  # 20 bits: the last byte is not full
EXAMPLES = ["a cat", "rain and thunder"]
HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>\u2028 \'é 💥'


@cache
def fitted() -> tuple[RREH, views.Views]:
    """Return hash functions and the emoji they were fitted on: every 17th of the catalogue, with random features."""
    rng = np.random.default_rng(0)
    chosen = catalogue()[::17][: SHELF + HELD_OUT]
    latent = rng.normal(size=(len(chosen), 12))
    image, text = (np.tanh(latent @ rng.normal(size=(12, width))).astype(np.float32) for width in (40, 384))
    split = np.where(np.arange(len(chosen)) < SHELF, "train", "test")
    extras = {key: np.array([getattr(emoji, key) for emoji in chosen]) for key in ("code", "subgroup", "words")}
    names, labels = [emoji.name for emoji in chosen], np.zeros(len(chosen), int)
    made = views.build("emoji", (image, text), labels, split, names, ["all"], extras=extras)
    model = RREH(bits=BITS, n_landmarks=30, random_state=0)
    return model.fit(made.train().image, made.train().text), made


@cache
def _made() -> dict:
    model, made = fitted()
    return materials(model, made, EXAMPLES, sorted({plain(name) for name in made.items} | set(EXAMPLES)))


def small_state(hostile: bool = False) -> dict:
    """Return the materials of the small search; with ``hostile``, an answer, a picture and a word try to be code."""
    state = dict(_made())
    if hostile:
        state["names"] = [HOSTILE, *state["names"][1:-1], f"held out {HOSTILE}"]
        state["about"] = [HOSTILE, *state["about"][1:]]
        state["vocabulary"] = [*state["vocabulary"][:-1], plain(HOSTILE)]
        state["examples"], state["subgroups"] = [HOSTILE], [HOSTILE for _ in state["subgroups"]]
    return state


def small_box(hostile: bool = False) -> SearchBox:
    """Return a box of the small search."""
    return SearchBox(fitted()[0], small_state(hostile))
