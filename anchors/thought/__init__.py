"""Thought Anchors: sentences, categories, answers, importances, rollouts, attention, suppression, reasoner, plots."""
