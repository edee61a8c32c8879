"""A progress bar with rate and ETA for loops that may take long."""

import os
from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item")


def track(items: Iterable[Item], label: str) -> Iterable[Item]:
    """Return ``items`` wrapped in a bar (rate, ETA) that appears after two seconds.

    Silent when ``ANCHORS_HEADLESS=1``: the runner sets it so that executed notebooks hold results only.
    """
    from tqdm import tqdm

    return tqdm(items, desc=label, delay=2, leave=False, disable=os.environ.get("ANCHORS_HEADLESS") == "1")
