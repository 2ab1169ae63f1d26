"""Defines the command line `agent-runs` with click and rich: reads runs, answers questions, exports, imports, replays.

Install it with the extra `cli`. `docs/command-line.md` describes the commands.

May import: codec, errors, escaping, events, ids, kafka, labels, publishing, reader, replay, run_file, service_command,
settings, standard_streams, status, times, click, rich.
"""
