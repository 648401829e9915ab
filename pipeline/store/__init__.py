"""Artifacts on disk: written whole or not at all, the same bytes each time, checked on reading."""
