"""The addresses of the viewer, and what answers each."""

import asyncio
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from agent_runs.emitter.settings import Config
from agent_runs.errors import AgentRunsError
from agent_runs.reader import Reader
from viewer import api, run_api
from viewer.access import Access
from viewer.answer_page import answer_page, get_answer, post_answer, post_form
from viewer.answers import Answers
from viewer.checks import Checks
from viewer.compare_page import compare_page
from viewer.dead_letter_page import dead_letter_page
from viewer.errors import on_error, on_unknown_address
from viewer.find_page import find_page
from viewer.inbox_page import inbox_page
from viewer.live import LiveRuns
from viewer.live_list_api import follow_questions, follow_runs
from viewer.live_lists import LiveLists
from viewer.operations import Operations
from viewer.operations_page import get_operations, operations_page
from viewer.prompt_page import prompt_of_event, prompt_page
from viewer.run_page import run_page
from viewer.runs_page import runs_page
from viewer.timeline_page import timeline_page

_STATIC: Final = Path(__file__).parent / "static"
_ROUTES: Final = (
    Route("/", runs_page),
    Route("/inbox", inbox_page),
    Route("/find", find_page),
    Route("/operations", operations_page),
    Route("/operations/dead-letters/{number}", dead_letter_page),
    Route("/runs/{run}", run_page),
    Route("/runs/{run}/answers/{question}", answer_page),
    Route("/runs/{run}/answers/{question}", post_form, methods=["POST"]),
    Route("/runs/{run}/timeline", timeline_page),
    Route("/compare", compare_page),
    Route("/runs/{run}/calls/{number}", prompt_page),
    Route("/runs/{run}/events/{seq}/prompt", prompt_of_event),
    Route("/api/runs", api.list_runs),
    Route("/api/runs/{run}", api.get_run),
    Route("/api/runs/{run}/events", api.list_events),
    Route("/api/runs/{run}/events/stream", api.follow_events),
    Route("/api/runs/{run}/events/{seq}", api.get_event),
    Route("/api/runs/{run}/answers", post_answer, methods=["POST"]),
    Route("/api/runs/{run}/answers/{question}", get_answer),
    Route("/api/runs/{run}/structure", run_api.get_structure),
    Route("/api/runs/{run}/search", run_api.search_events),
    Route("/api/runs/{run}/usage", run_api.get_usage),
    Route("/api/runs/{run}/calls/{number}", api.get_call),
    Route("/api/questions", api.list_questions),
    Route("/api/live/runs", follow_runs),
    Route("/api/live/questions", follow_questions),
    Route("/api/operations", get_operations),
    Route("/api/status", api.get_status),
    Route("/api/openapi.json", api.get_openapi),
    Mount("/static", StaticFiles(directory=_STATIC)),
)


def create_app(reader: Reader, live: LiveRuns, lists: LiveLists, kafka: Config | None, access: Access) -> ASGIApp:
    """Return the web application.

    Args:
        reader: reads the runs.
        live: follows runs, with the same reader.
        lists: follows lists, with the same reader.
        kafka: how to reach Kafka; None: answers cannot be published, and the lag is not known.
        access: who may use it.
    """
    app = Starlette(
        routes=_ROUTES,
        exception_handlers={AgentRunsError: on_error, HTTPException: on_unknown_address, Exception: on_error},
    )
    app.router.redirect_slashes = False
    app.state.reader = reader
    app.state.live = live
    app.state.live_lists = lists
    app.state.scans = asyncio.Semaphore(run_api.MAX_SCANS)
    app.state.comparisons = asyncio.Semaphore(1)
    app.state.answers = Answers(reader, kafka)
    app.state.operations = Operations(reader, kafka)
    return Checks(app, access)  # outermost, so that the page of an unexpected error has its headers too
