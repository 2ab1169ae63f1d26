"""The data of the service: records, events, rejections, slices, claims. No I/O.

May import: agent_runs.
"""
