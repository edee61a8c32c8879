"""Where pages are written, and what on them leads where: to other pages, to files of results, to sources."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from anchors.companion import start
from anchors.companion.paths import NOTEBOOKS, PAPERS, ROOT, figures_dir
from anchors.companion.results import figures_root

TOP = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "NOTICE.md", "LICENSE")
SOURCES = (
    "anchors/**/*.py", "anchors/**/*.js", "anchors/**/*.css", "anchors/**/*.j2", "anchors/**/*.mplstyle",
    "anchors/**/*.yml", "tests/**/*.py", "benchmarks/*.py", "data/*.yml", "data/published/*.yml", "Makefile",
    "environment.sh", "environment.yml", "pyproject.toml", "requirements*.lock", "CITATION.cff",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A folder of pages for the results of one profile.

    ``site`` says that nothing outside of ``root`` can be linked to: files are copied there, sources become pages.
    """

    root: Path
    profile: str = "laptop"
    site: bool = False

    @property
    def name(self) -> str:
        """A short name of this place, for files in the cache."""
        from anchors.companion.codehash import digest

        plain = self.root == ROOT / "figures"
        return self.profile if plain else f"{self.profile}-{digest(str(self.root), self.site)[:8]}"

    @property
    def near(self) -> bool:
        """Whether pages may link to files of the repository as they lie there."""
        return not self.site and self.root.is_relative_to(ROOT)

    def link(self, path: Path, part: str = "") -> str | None:
        """Return the link from ``root`` to what shows a file of the repository; None where nothing does."""
        page = self._page(path.resolve())
        return None if page is None else page + (f"#{part}" if part else "")

    def _page(self, path: Path) -> str | None:
        if path in docs():
            return f"docs/{path.stem}.html"
        if path == start.PATH.resolve():
            return "start.html"
        if path.suffix == ".ipynb" and path.is_relative_to(NOTEBOOKS.resolve()) and path.is_file():
            return str(path.relative_to(NOTEBOOKS.resolve()).with_suffix(".html"))
        if path.name in PAPERS and path.is_dir():
            return f"{path.name}/index.html"
        if path.is_relative_to(ROOT / "figures") and path.suffix == ".html":
            return str(path.relative_to(ROOT / "figures"))
        if self.near and path.is_file():
            return os.path.relpath(path, self.root)
        return f"source/{path.relative_to(ROOT)}.html" if self.site and path in sources() else None

    def line(self, path: Path, number: int) -> str | None:
        """Return the link from ``root`` to a line of a source file."""
        return self.link(path, f"L-{number}" if self.site else "")

    def target(self, stem: Path) -> str:
        """Return where under ``root`` the files of a result with this stem are found, without ending."""
        if stem.is_relative_to(self.root) or (self.near and stem.is_relative_to(ROOT)):
            return os.path.relpath(stem, self.root)
        if stem.is_relative_to(figures_dir() / "_reduced"):
            return str(stem.relative_to(figures_dir()))
        own = figures_root(self.profile)
        if stem.is_relative_to(own):
            return str(stem.relative_to(own))
        inside = str(stem.relative_to(ROOT / "figures"))
        return inside if self.site else f"committed/{inside}"


@cache
def docs() -> dict[Path, str]:
    """Return the pages of text, README first: ``{file: what a link to it says}``."""
    files = [ROOT / name for name in TOP[:1]] + sorted((ROOT / "docs").glob("*.md")) + [ROOT / n for n in TOP[1:]]
    return {path: path.stem.replace("_", " ") for path in files if path.is_file()}


@cache
def sources() -> frozenset[Path]:
    """Return the files that a site shows as pages."""
    return frozenset(path for pattern in SOURCES for path in ROOT.glob(pattern) if path.is_file())
