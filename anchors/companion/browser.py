"""The Chromium that browser tests and photographs use: ``CHROMIUM=``, on the path, or an app bundle."""

import os
import shutil
import sys
from pathlib import Path

from anchors.companion.errors import InputError, short

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BUNDLES = ("Chromium", "Google Chrome")  # macOS: in /Applications or the user's own
FOLDERS = (Path("/Applications"), Path.home() / "Applications")
CURE = "Install it (Debian: apt-get install chromium), or say CHROMIUM=/path/to/chromium."


def browser() -> str | None:
    """Return the path of a Chromium or Chrome, None where there is none.

    Raises
    ------
    InputError
        ``CHROMIUM`` names none.
    """
    if asked := os.environ.get("CHROMIUM", "").strip():
        return _asked(asked)
    bundles = [folder / f"{name}.app" for folder in FOLDERS for name in BUNDLES]
    return next(filter(None, [*map(shutil.which, NAMES), *map(_inside, bundles)]), None)


def _asked(path: str) -> str:
    place = os.path.expanduser(path)
    found = _inside(Path(place)) if os.path.isdir(place) else shutil.which(place)
    if found is None:
        raise InputError("CHROMIUM", short(path), "a program, or an app bundle, that can be run", CURE)
    return found


def _inside(bundle: Path) -> str | None:
    """Return the program in an app bundle of macOS, None where it is not there."""
    return shutil.which(str(bundle / "Contents" / "MacOS" / bundle.stem))


def main() -> int:
    """Say in one line that there is no browser; the exit code says it too."""
    try:
        if browser() is None:
            raise InputError("Chromium", "none", f"{' or '.join(NAMES[:3])} on the path, or an app bundle", CURE)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
