"""Reinforcement Learning with Rubric Anchors (Rubicon): rubrics, checks and judges, aggregation, defence, training."""
