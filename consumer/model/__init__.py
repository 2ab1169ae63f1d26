"""The data of the service: records, events, rejections, slices, claims, group members, the topic's status. No I/O.

May import: agent_runs.
"""
