"""A folder that any static host serves: the gallery with all it links to, every link relative, no request outside."""

from pathlib import Path

from anchors.companion import codehash
from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write
from anchors.companion.listing import write_listings
from anchors.companion.paths import ROOT, relative
from anchors.companion.place import Place
from anchors.companion.press import Press
from anchors.companion.report import write_pages

MARK = ".nojekyll"  # tells one host not to leave out folders that begin with an underscore; here also: a site of ours


def write_site(out: Path, profile: str = "laptop") -> Path:
    """Write gallery, pages, texts, sources and files of results to the folder ``out``; return the path of its index.

    A relative path counts from the repository. What has not changed since the last call is left as it is.

    Raises
    ------
    InputError
        ``out`` holds something else, or is a folder of the repository.
    """
    out = (ROOT / Path(out).expanduser()).resolve()
    _check(out)
    out.mkdir(parents=True, exist_ok=True)
    atomic_write(out / MARK, b"")
    place = Place(out, profile, site=True)
    press = Press(out, f"site-{place.name}")
    write_listings(press, place, write_pages(press, place))
    press.close()
    codehash.remember()
    return out / "index.html"


def _check(out: Path) -> None:
    used = out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file())
    if used or ROOT.is_relative_to(out):
        raise InputError(relative(out), "other files", "an empty or new folder", "For example make site OUT=_site.")
