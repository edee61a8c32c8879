"""Which results are out of date, asked again only when something was touched: the gallery is written often."""

import json
import sysconfig
from pathlib import Path
from typing import Any

from anchors.companion.codehash import digest
from anchors.companion.files import atomic_write
from anchors.companion.paths import NOTEBOOKS, PUBLISHED, ROOT, RUNS, cache_dir
from anchors.companion.runner import ENDINGS, Task, is_current

LOOKED_AT = (ROOT / "anchors", RUNS, PUBLISHED, NOTEBOOKS)  # what the inputs of a notebook are read from


class Staleness:
    """Remembers for each task whether its results were out of date, as long as no file behind them was touched."""

    def __init__(self):
        self.path = cache_dir() / "pages" / "stale.json"
        try:
            self.known = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.known = {}
        self.world, self.used = _world(), {}

    def stale(self, task: Task) -> bool:
        """Return whether the task would be built again."""
        name = str(task.state)
        files = [task.state, task.executed, *(Path(f"{task.stem}.{ending}") for ending in ENDINGS)]
        key = digest(self.world, task.notebook.missing, task.notebook.lacking, [_touched(path) for path in files])
        known = self.known.get(name)
        self.used[name] = known if known and known[0] == key else [key, not is_current(task)]
        return self.used[name][1]

    def close(self) -> None:
        """Leave what is known to the next gallery."""
        if self.used != self.known:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self.path, json.dumps(self.used).encode())


def _world() -> str:
    """Return a hash of when and how large all sources, logs, notebooks and packages were last written."""
    folders = [path for top in LOOKED_AT for path in sorted(top.rglob("*")) if "__pycache__" not in path.parts]
    packages = Path(sysconfig.get_paths()["purelib"])
    return digest([_touched(path) for path in (*folders, ROOT / "data" / "datasets.yml", packages)])


def _touched(path: Path) -> list[Any]:
    try:
        stat = path.stat()
    except OSError:
        return [str(path)]
    return [str(path), stat.st_size if path.is_file() else 0, stat.st_mtime_ns]
