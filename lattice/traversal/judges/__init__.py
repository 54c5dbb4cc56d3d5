"""Judges: who reads a slate and scores it. All scores leave in [0, 1], larger is more relevant."""
