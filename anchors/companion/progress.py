"""Progress bars with rate and ETA for work that may take long."""

import os
from collections.abc import Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")


def track(items: Iterable[Item], label: str) -> Iterable[Item]:
    """Return ``items`` wrapped in :func:`bar`."""
    return bar(label, iterable=items)


def bar(label: str, shown: bool = True, **how: Any) -> Any:
    """Return a bar (rate, ETA) that appears after two seconds; ``how`` says what it counts (``total``, ``iterable``).

    Silent unless ``shown``, and when ``ANCHORS_HEADLESS=1``: the runner sets it so that executed notebooks hold
    results only.
    """
    from tqdm import tqdm

    headless = os.environ.get("ANCHORS_HEADLESS") == "1"
    return tqdm(desc=label, delay=2, leave=False, disable=headless or not shown, **how)
