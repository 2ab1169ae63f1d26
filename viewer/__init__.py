"""The viewer: a web application that shows runs and publishes answers to their questions, and a JSON API for the same.

Install it with the extra `viewer`, and start it with `agent-runs-viewer`, or with `python -m viewer` in a checkout.
`docs/viewer.md` describes it. `app.py` lists the addresses; `checks.py` decides which requests are answered at all.

May import: agent_runs, starlette, uvicorn.
"""
