"""Structured entity anchors for knowledge-graph completion (SEA-KGC, reconstructed) beside SimKGC and lookup models."""
