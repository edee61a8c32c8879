"""Which content each module of this package had when it was imported: a file may change while a process runs.

Python takes a compiled module from its cache when time and size of the source are as before; here its content decides.
"""

import hashlib
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader

LOADED: dict[str, tuple[str, str]] = {}  # module -> file, sha256 of its content when it was imported


class ContentLoader(SourceFileLoader):
    """Imports a module and remembers the content that it had."""

    def path_stats(self, path: str) -> dict[str, int]:
        """Return what a compiled module is known by: four bytes of the source's hash in place of its time."""
        content = self.get_data(path)
        value = hashlib.sha256(content)
        LOADED[self.name] = (path, value.hexdigest())
        return {"mtime": int.from_bytes(value.digest()[:4], "little"), "size": len(content)}


class Watch:
    """Finds the modules of this package as Python does, and gives them :class:`ContentLoader`."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the spec of a module of this package, None for others."""
        spec = PathFinder.find_spec(name, path, target) if name.startswith("anchors.") else None
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = ContentLoader(name, spec.origin)
        return spec


def watch() -> None:
    """Note the modules that are here and watch those to come; a watch of an earlier import of this package ends."""
    sys.meta_path[:] = [Watch, *(finder for finder in sys.meta_path if getattr(finder, "__name__", "") != "Watch")]
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name.partition(".")[0] == "anchors" and path and name not in LOADED:
            with open(path, "rb") as source:
                LOADED[name] = (path, hashlib.file_digest(source, "sha256").hexdigest())
