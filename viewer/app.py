"""The addresses of the viewer, and what answers each."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from agent_runs.errors import AgentRunsError
from agent_runs.reader import Reader
from viewer import api
from viewer.checks import Checks
from viewer.errors import on_error, on_unknown_address
from viewer.live import LiveRuns
from viewer.prompt_page import prompt_of_event, prompt_page
from viewer.run_page import run_page
from viewer.runs_page import runs_page

_STATIC = Path(__file__).parent / "static"


def create_app(reader: Reader, live: LiveRuns, token: str | None) -> ASGIApp:
    """Return the web application.

    Args:
        reader: reads the runs.
        live: follows runs, with the same reader.
        token: see `Checks`.
    """
    app = Starlette(
        routes=[
            Route("/", runs_page),
            Route("/runs/{run}", run_page),
            Route("/runs/{run}/calls/{number}", prompt_page),
            Route("/runs/{run}/events/{seq}/prompt", prompt_of_event),
            Route("/api/runs", api.list_runs),
            Route("/api/runs/{run}", api.get_run),
            Route("/api/runs/{run}/events", api.list_events),
            Route("/api/runs/{run}/events/stream", api.follow_events),
            Route("/api/runs/{run}/events/{seq}", api.get_event),
            Route("/api/runs/{run}/calls/{number}", api.get_call),
            Route("/api/questions", api.list_questions),
            Route("/api/status", api.get_status),
            Route("/api/openapi.json", api.get_openapi),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        exception_handlers={AgentRunsError: on_error, HTTPException: on_unknown_address, Exception: on_error},
    )
    app.router.redirect_slashes = False
    app.state.reader = reader
    app.state.live = live
    return Checks(app, token)  # outermost, so that the page of an unexpected error has its headers too
