"""The default parent of an event is the last event of its run in the same task or thread."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Barrier, Thread

from agent_runs import Run
from agent_runs.emitter.last_events import MAX_RUNS, last_events
from agent_runs.testing import RecordingEmitter


def parents(emitter: RecordingEmitter, event_type: str) -> list[str | None]:
    """The parents of all events of a type, in order."""
    return [event.parent_event_id for event in emitter.events() if event.type == event_type]


def ask_model(run: Run) -> str:
    return run.llm_called(model="m", user_prompt="u", raw_response="r")


# --- tasks ---


async def test_tools_in_parallel_tasks_have_the_model_call_as_their_parent(emitter: RecordingEmitter, run: Run) -> None:
    async def call_tool(number: int) -> None:
        with run.tool("search", number):
            await asyncio.sleep(0)
            run.context_assembled(number)

    calls = []
    for _ in range(2):
        calls.append(ask_model(run))
        await asyncio.gather(*map(call_tool, range(3)))
    run.run_completed()

    assert parents(emitter, "tool_requested") == [calls[0]] * 3 + [calls[1]] * 3
    requests = [event.id for event in emitter.events() if event.type == "tool_requested"]
    assert sorted(parents(emitter, "context_assembled")) == sorted(requests)  # type: ignore[type-var]
    assert parents(emitter, "llm_called")[1] == calls[0]
    assert parents(emitter, "run_completed") == [calls[1]]


async def test_a_task_has_the_last_event_at_its_start(emitter: RecordingEmitter, run: Run) -> None:
    async def call_tool() -> None:
        with run.tool("search"):
            pass

    call = ask_model(run)
    task = asyncio.create_task(call_tool())
    ask_model(run)  # before the first step of the task
    await task

    assert parents(emitter, "tool_requested") == [call]


async def test_tools_that_are_awaited_one_after_another_follow_each_other(emitter: RecordingEmitter, run: Run) -> None:
    async def call_tool() -> None:
        with run.tool("search"):
            await asyncio.sleep(0)

    call = ask_model(run)
    await call_tool()
    await call_tool()

    answers = [event.id for event in emitter.events() if event.type == "tool_succeeded"]
    assert parents(emitter, "tool_requested") == [call, answers[0]]


async def test_two_runs_in_one_task_do_not_mix(emitter: RecordingEmitter, run: Run) -> None:
    child = run.child(agent_id="b")
    first = run.input("message_from_user")
    child.input("message_from_user")
    child_call = ask_model(child)
    run.run_waiting()
    child.run_completed()

    assert parents(emitter, "run_waiting") == [first]
    assert parents(emitter, "run_completed") == [child_call]


async def test_to_thread_inherits_the_task_s_last_event(emitter: RecordingEmitter, run: Run) -> None:
    call = ask_model(run)
    await asyncio.gather(*(asyncio.to_thread(run.run_waiting) for _ in range(3)))

    assert parents(emitter, "run_waiting") == [call] * 3


async def test_an_async_generator_continues_the_task_that_iterates_it(emitter: RecordingEmitter, run: Run) -> None:
    async def generate() -> AsyncIterator[str]:
        yield ask_model(run)
        yield run.run_waiting()

    ids = [event_id async for event_id in generate()]
    run.run_resumed()

    assert parents(emitter, "run_waiting") == ids[:1]
    assert parents(emitter, "run_resumed") == ids[1:]


# --- threads ---


def test_tools_in_a_pool_have_the_model_call_as_their_parent(emitter: RecordingEmitter, run: Run) -> None:
    run.input("message_from_user")
    barrier = Barrier(2)

    def call_tool(_: int) -> None:
        with run.tool("search"):
            barrier.wait()
            run.context_assembled("inside")

    calls = []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            calls.append(ask_model(run))
            list(pool.map(call_tool, range(2)))
    end = run.run_completed()

    assert parents(emitter, "tool_requested") == [calls[0]] * 2 + [calls[1]] * 2
    requests = [event.id for event in emitter.events() if event.type == "tool_requested"]
    assert sorted(parents(emitter, "context_assembled")) == sorted(requests)  # type: ignore[type-var]
    assert (emitter.events()[-1].id, emitter.events()[-1].parent_event_id) == (end, calls[1])


def test_a_thread_that_continues_a_run_follows_its_own_events(emitter: RecordingEmitter, run: Run) -> None:
    started = run.input("message_from_user")

    def work() -> None:
        ask_model(run)
        with run.tool("search"):
            pass
        run.run_completed()

    thread = Thread(target=work)
    thread.start()
    thread.join()

    called, requested, succeeded, completed = emitter.events()[1:]
    assert [event.parent_event_id for event in (called, requested, succeeded, completed)] == [
        started,
        called.id,
        requested.id,
        succeeded.id,
    ]


# --- objects and emitters ---


def test_two_objects_of_one_run_have_the_same_last_event(emitter: RecordingEmitter) -> None:
    first = emitter.run("r").input("message_from_user")
    emitter.run("r").run_completed()

    assert parents(emitter, "run_completed") == [first]


def test_emitters_do_not_share_the_events_of_runs_with_the_same_id(emitter: RecordingEmitter, run: Run) -> None:
    run.input("message_from_user")
    other = RecordingEmitter()
    other.run("run-1").run_completed()

    assert parents(other, "run_completed") == [None]


def test_a_context_keeps_the_last_events_of_a_bounded_number_of_runs(emitter: RecordingEmitter) -> None:
    runs = [emitter.run(f"run-{number}") for number in range(10 * MAX_RUNS)]
    firsts = [run.input("message_from_user") for run in runs]
    with runs[0].tool("search"):
        pass
    for run in runs:
        run.run_completed()

    assert len(last_events.get()) <= MAX_RUNS
    assert parents(emitter, "tool_requested") == firsts[:1]
    assert parents(emitter, "run_completed")[1:] == firsts[1:]


def test_generators_of_two_runs_do_not_mix(emitter: RecordingEmitter) -> None:
    def work(run: Run) -> Iterator[str]:
        yield run.input("message_from_user")
        yield run.run_waiting()

    first, second = work(emitter.run("a")), work(emitter.run("b"))
    ids = [next(first), next(second)]
    next(second)
    next(first)

    assert parents(emitter, "run_waiting") == [ids[1], ids[0]]


def test_an_event_in_a_copied_context_changes_nothing_outside(emitter: RecordingEmitter, run: Run) -> None:
    first = run.input("message_from_user")
    copy_context().run(run.run_waiting)
    run.run_resumed()

    assert parents(emitter, "run_resumed") == [first]


def test_a_thread_of_a_pool_keeps_a_bounded_number_of_open_tool_calls(emitter: RecordingEmitter) -> None:
    runs = [emitter.run(f"run-{number}") for number in range(3 * MAX_RUNS)]
    for run in runs:
        ask_model(run)
    kept: list[int] = []

    def request() -> None:
        for run in runs:
            run.tool_requested("search")
        kept.append(len(last_events.get()))

    thread = Thread(target=request)
    thread.start()
    thread.join()

    assert 0 < kept[0] <= MAX_RUNS
