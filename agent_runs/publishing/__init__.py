"""Publishes single events of runs, above all answers to questions, for the command line and the viewer.

May import: codec, emitter, events, ids, reader, run_file, status.
"""
