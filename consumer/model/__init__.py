"""The data of the service: records, events, rejections, slices, claims, group members. No I/O.

May import: agent_runs.
"""
