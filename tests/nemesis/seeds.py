"""Rounds that once failed, by their seeds: pytest plays them again, as long as they were."""

FAILED: list[str] = []
