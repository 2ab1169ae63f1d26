"""Measures the reader on a small and a large database (`python -m tests.bench.reader`)."""
