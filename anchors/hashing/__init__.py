"""Reconstruction Relations Embedded Hashing (RREH, reconstructed), baselines, metrics, retrieval, views, plots."""
