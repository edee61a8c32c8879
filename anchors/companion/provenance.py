"""Where a number comes from: commit, code, data, versions, device, time."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from typing import Any

from anchors.companion.codehash import closure, source_hash
from anchors.companion.libraries import versions_behind
from anchors.companion.paths import ROOT

TRACKED = ("anchors", "data", "notebooks", "requirements.lock", "requirements.nodeps.lock", "environment.yml")


@cache
def commit() -> str:
    """Return the short commit, with ``+`` when a tracked input differs from it, or ``none`` outside git."""

    def git(*words: str) -> str:
        try:
            run = subprocess.run(
                ["git", "-C", str(ROOT), *words], capture_output=True, text=True, timeout=20, check=True
            )
        except (OSError, subprocess.SubprocessError):  # no git, or no repository
            return ""
        return run.stdout.strip()

    head = git("rev-parse", "--short=10", "HEAD")
    return (head + ("+" if git("status", "--porcelain", "--", *TRACKED) else "")) if head else "none"


def device() -> str:
    """Return what computes here: cores, and the GPU's name where torch is loaded and sees one."""
    import sys

    torch = sys.modules.get("torch")
    gpu = f", {torch.cuda.get_device_name(0)}" if torch is not None and torch.cuda.is_available() else ""
    return f"{os.cpu_count()} cores, {platform.machine()}{gpu}"


def record(modules: list[str], data: dict[str, str], seconds: float | None = None) -> dict[str, Any]:
    """Return the provenance of a result made by ``modules`` from data sets with these fingerprints."""
    return {
        "commit": commit(),
        "code": source_hash(modules)[:16],
        "data": {name: value[:16] for name, value in data.items()},
        "versions": versions_behind(closure(modules).values()),
        "device": device(),
        "seconds": None if seconds is None else round(seconds, 2),
        "created": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
