"""Encodes events as JSON messages, decodes messages, and validates them for producers and consumer alike.

May import: errors, events, ids, signal_safety.
"""
