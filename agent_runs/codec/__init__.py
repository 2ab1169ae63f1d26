"""Events to JSON messages and back: encoding, decoding, and the validation that both sides share.

May import: errors, events, ids, signal_safety.
"""
