"""Anchors: a reproducible companion to four papers that share a word.

Importing this package is cheap: no torch, no transformers, no matplotlib until a function needs them.
"""

from anchors.companion import loaded

__version__ = "0.1.0"

loaded.watch()
from anchors.companion import used  # noqa: E402,F401  (listens to what is read from now on)
