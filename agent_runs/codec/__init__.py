"""Encodes events as JSON messages, decodes messages, and validates them for producers and consumer alike.

May import: errors, event_base, events, ids, labels, signal_safety.
"""
