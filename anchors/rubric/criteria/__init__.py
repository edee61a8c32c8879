"""Criteria that need no judge: programs, lexicons, statistics, embeddings and a frozen language model.

Every check is vectorised over responses, returns evidence (character spans), and never raises on hostile text.
"""

from anchors.rubric.criteria.registry import REQUIRED, Check, Checked, check, checks, each, find
from anchors.rubric.criteria.scoring import Scores, score, validate
from anchors.rubric.criteria.spans import Span

__all__ = ["REQUIRED", "Check", "Checked", "Scores", "Span", "check", "checks", "each", "find", "score", "validate"]
