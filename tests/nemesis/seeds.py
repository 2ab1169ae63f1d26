"""Rounds that once failed, as pairs of the hour's seed and the round's number: pytest plays them again."""

FAILED: list[tuple[int, int]] = []
