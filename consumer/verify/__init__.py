"""Compares the tables with the fold of their events, and the topic with the tables."""
