"""Publishes single events of runs, above all answers to questions, for the command line and the viewer.

May import: codec, emitter, errors, events, ids, questions, reader, run_file, status.
"""
