"""Anchors: a reproducible companion to four papers that share a word.

Importing this package is cheap: no torch, no transformers, no matplotlib until a function needs them.
"""

__version__ = "0.1.0"
