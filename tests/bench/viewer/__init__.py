"""Measures the viewer: a big run, lists of a million runs, the delay of new events, watchers beside ingest."""
