"""What a reader waits for: importing the package (bound 0.2 s) and ``make figures`` when nothing changed (bound 20 s).

The second is only meaningful after a complete ``make figures``.
"""

import subprocess
import sys
import time

from anchors.companion.paths import ROOT


def seconds(*command: str) -> float:
    """Return the wall time of a command run from the repository's root."""
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the import time beside a bare interpreter's, and the time of a warm ``make figures``."""
    bare = min(seconds(sys.executable, "-c", "pass") for _ in range(5))
    package = min(seconds(sys.executable, "-c", "import anchors, anchors.hashing") for _ in range(5))
    print(f"python {bare:.3f} s, with the package {package:.3f} s: import {package - bare:.3f} s (bound 0.2)")
    print(f"make figures, nothing changed: {seconds('make', 'figures'):.1f} s (bound 20)")


if __name__ == "__main__":
    main()
