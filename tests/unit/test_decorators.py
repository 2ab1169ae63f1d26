"""`current_run`, `Run.wrap`, and the decorators that record calls of functions as tool calls and runs."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Thread
from typing import Any

import pytest

from agent_runs import (
    Emitter,
    Run,
    RunCompleted,
    RunFailed,
    RunStarted,
    ToolFailed,
    ToolRequested,
    ToolSucceeded,
    current_run,
    tool,
)
from agent_runs.emitter.active_runs import innermost_run
from agent_runs.testing import RecordingEmitter


@tool
def search(query: str, limit: int = 3) -> list[str]:
    if query == "nothing":
        raise LookupError("no hits")
    return [query] * limit


@tool
async def fetch(url: str) -> str:
    await asyncio.sleep(0)
    if url == "gone":
        raise LookupError(url)
    return url.upper()


@tool("words")
def split(text: str) -> Iterator[str]:
    yield from text.split()


@tool
async def stream(text: str) -> AsyncIterator[str]:
    for word in text.split():
        await asyncio.sleep(0)
        yield word


# --- the current run ---


def test_the_current_run_is_that_of_the_innermost_block(emitter: RecordingEmitter, run: Run) -> None:
    other = emitter.run("other")
    with run:
        with other:
            assert current_run() is other
        assert current_run() is run
    assert innermost_run() is None


def test_outside_of_all_runs_events_are_discarded_and_a_warning_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    ids = {current_run().input("message_from_user"), current_run().run_completed()}

    assert len(ids) == 2
    assert {record.levelname for record in caplog.records} <= {"WARNING"}


async def test_tasks_inherit_the_current_run_and_do_not_share_their_own(emitter: RecordingEmitter, run: Run) -> None:
    async def work(number: int) -> str:
        assert current_run() is run
        with emitter.run(f"run of {number}") as own:
            await asyncio.sleep(0)
            return current_run().id if current_run() is own else "another"

    with run:
        assert await asyncio.gather(*map(work, range(3))) == ["run of 0", "run of 1", "run of 2"]
        assert current_run() is run


def test_a_block_may_end_in_another_context(emitter: RecordingEmitter, run: Run) -> None:
    run.__enter__()
    thread = Thread(target=run.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    assert current_run() is run
    run.__exit__(None, None, None)
    assert innermost_run() is None
    assert emitter.types() == ["run_completed"]


# --- threads ---


def test_a_wrapped_function_is_part_of_the_run_in_any_thread(emitter: RecordingEmitter, run: Run) -> None:
    def call_tool(number: int) -> list[str]:
        assert current_run() is run
        return search(str(number), limit=1)

    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            call = run.llm_called(model="m", user_prompt="u", raw_response="r")
            assert list(pool.map(run.wrap(call_tool), range(4))) == [["0"], ["1"], ["2"], ["3"]]
            requests = [event for event in emitter.events() if isinstance(event, ToolRequested)][-4:]
            assert {request.parent_event_id for request in requests} == {call}
    assert innermost_run() is None


async def test_a_wrapped_coroutine_function_is_part_of_the_run_in_another_loop(
    emitter: RecordingEmitter, run: Run
) -> None:
    work: Callable[[str], Any] = run.wrap(fetch)

    assert await asyncio.to_thread(lambda: asyncio.run(work("a"))) == "A"
    assert emitter.types() == ["tool_requested", "tool_succeeded"]


# --- tools ---


def test_a_call_of_a_tool_is_recorded(emitter: RecordingEmitter, run: Run) -> None:
    with run:
        assert search("tea", limit=1) == ["tea"]
        with pytest.raises(LookupError, match="no hits"):
            search("nothing")

    requested, succeeded, failing, failed = emitter.events()[:4]
    assert isinstance(requested, ToolRequested)
    assert isinstance(succeeded, ToolSucceeded)
    assert isinstance(failing, ToolRequested)
    assert isinstance(failed, ToolFailed)
    assert (requested.tool_name, requested.tool_args) == ("search", {"query": "tea", "limit": 1})
    assert (succeeded.result, succeeded.parent_event_id) == (["tea"], requested.id)
    assert (failing.tool_args, failed.error) == ({"query": "nothing"}, "LookupError: no hits")
    assert failed.parent_event_id == failing.id


async def test_calls_of_a_coroutine_function_are_recorded(emitter: RecordingEmitter, run: Run) -> None:
    with run:
        answers = await asyncio.gather(fetch("a"), fetch("gone"), fetch("b"), return_exceptions=True)

    assert [str(answer) for answer in answers] == ["A", "gone", "B"]
    results = [event.result for event in emitter.events() if isinstance(event, ToolSucceeded)]
    assert sorted(results) == ["A", "B"]
    assert emitter.types().count("tool_failed") == 1


async def test_a_cancelled_tool_has_failed(emitter: RecordingEmitter, run: Run) -> None:
    @tool
    async def wait() -> None:
        await asyncio.Event().wait()

    with run:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait(), 0.01)
        assert emitter.types() == ["tool_requested", "tool_failed"]


async def test_the_result_of_a_generator_is_the_list_of_its_items(emitter: RecordingEmitter, run: Run) -> None:
    with run:
        assert list(split("a b c")) == ["a", "b", "c"]
        assert [word async for word in stream("d e")] == ["d", "e"]

    answers = [(event.tool_name, event.result) for event in emitter.events() if isinstance(event, ToolSucceeded)]
    assert answers == [("words", ["a", "b", "c"]), ("stream", ["d", "e"])]


async def test_a_generator_that_its_consumer_closes_has_succeeded(emitter: RecordingEmitter, run: Run) -> None:
    closed: list[bool] = []

    @tool
    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "d"
        finally:
            closed.append(True)

    with run:
        generator: Any = split("a b c")
        next(generator)
        generator.close()
        words: Any = endless()
        await anext(words)
        await words.aclose()
        assert closed == [True]

    assert [event.result for event in emitter.events() if isinstance(event, ToolSucceeded)] == [["a"], ["d"]]


async def test_generators_receive_what_their_consumer_sends_and_throws(emitter: RecordingEmitter, run: Run) -> None:
    @tool
    def echo() -> Iterator[Any]:
        item: Any = "ready"
        for _ in range(3):
            try:
                item = yield item
            except ValueError as error:
                item = repr(error)
        return "done"  # type: ignore[return-value]

    @tool
    async def async_echo() -> AsyncIterator[Any]:
        item: Any = "ready"
        for _ in range(3):
            try:
                item = yield item
            except ValueError as error:
                item = repr(error)

    with run:
        generator: Any = echo()
        assert [next(generator), generator.send(1), generator.throw(ValueError("x"))] == ["ready", 1, "ValueError('x')"]
        with pytest.raises(StopIteration, match="done"):
            next(generator)
        words: Any = async_echo()
        assert [await anext(words), await words.asend(1), await words.athrow(ValueError("x"))] == [
            "ready",
            1,
            "ValueError('x')",
        ]
        with pytest.raises(StopAsyncIteration):
            await anext(words)
        failing: Any = echo()
        next(failing)
        with pytest.raises(LookupError):
            failing.throw(LookupError)

    assert emitter.types()[:-1] == ["tool_requested", "tool_succeeded"] * 2 + ["tool_requested", "tool_failed"]


def test_a_decorated_function_keeps_its_name_and_its_kind() -> None:
    assert (search.__name__, split.__name__) == ("search", "split")
    assert inspect.iscoroutinefunction(fetch)
    assert inspect.isgeneratorfunction(split)
    assert inspect.isasyncgenfunction(stream)
    assert list(inspect.signature(search).parameters) == ["query", "limit"]


async def test_outside_of_all_runs_a_tool_is_only_called(emitter: RecordingEmitter) -> None:
    assert (search("a", 1), await fetch("a"), list(split("a b"))) == (["a"], "A", ["a", "b"])
    assert [word async for word in stream("a b")] == ["a", "b"]
    assert emitter.records == []


def test_methods_builtins_partials_and_callable_objects_are_tools(emitter: RecordingEmitter, run: Run) -> None:
    class Shop:
        @tool
        def stock(self, article: str) -> int:
            return len(article)

        async def __call__(self, article: str) -> int:
            return len(article)

    with run:
        assert Shop().stock("cup") == 3
        assert tool(len)("abc") == 3
        assert tool(partial(search, limit=1))("a") == ["a"]
        assert asyncio.run(tool(Shop())("cup")) == 3

    requests = [(event.tool_name, event.tool_args) for event in emitter.events() if isinstance(event, ToolRequested)]
    assert requests[:3] == [("stock", {"article": "cup"}), ("len", {"obj": "abc"}), ("partial", {"query": "a"})]
    assert requests[-1] == ("Shop", {"article": "cup"})


def test_a_call_with_wrong_arguments_raises_what_the_function_raises(emitter: RecordingEmitter, run: Run) -> None:
    wrong: Any = search
    with run, pytest.raises(TypeError, match="unexpected keyword"):
        wrong("a", colour="red")

    request = emitter.events()[0]
    assert isinstance(request, ToolRequested)
    assert request.tool_args == {"args": ["a"], "colour": "red"}


# --- agents ---


def test_a_call_of_an_agent_is_a_run(emitter: RecordingEmitter) -> None:
    @emitter.agent("desk", input="message_from_user", session_argument="session", build="4f2")
    def answer(question: str, session: str) -> str:
        current_run().context_assembled([])
        return question.upper()

    assert answer("why?", "s-1") == "WHY?"
    assert emitter.types() == ["run_started", "input", "context_assembled", "run_completed"]
    started, stimulus, _, completed = emitter.events()
    assert isinstance(started, RunStarted)
    assert isinstance(completed, RunCompleted)
    assert (started.agent_id, started.session_id, started.further_fields) == ("desk", "s-1", {"build": "4f2"})
    assert stimulus.data == {"question": "why?", "session": "s-1"}  # type: ignore[union-attr]
    assert completed.result == "WHY?"


async def test_agents_that_raise_wait_or_have_ended_are_recorded_as_with_blocks_are(emitter: RecordingEmitter) -> None:
    @emitter.agent("a")
    async def work(kind: str) -> None:
        await asyncio.sleep(0)
        match kind:
            case "raise":
                raise LookupError("no")
            case "ask":
                current_run().tool_requested("ask_human")
            case "answer":
                with current_run().tool("respond_to_user"):
                    pass

    for kind in ("ask", "answer"):
        await work(kind)
    with pytest.raises(LookupError):
        await work("raise")

    assert [emitter.types(run_id)[-1] for run_id in emitter.run_ids] == [
        "tool_requested",
        "tool_succeeded",
        "run_failed",
    ]
    end = emitter.events()[-1]
    assert isinstance(end, RunFailed)
    assert end.error == "LookupError: no"


async def test_an_agent_inside_a_run_is_a_child_and_parallel_agents_do_not_mix(emitter: RecordingEmitter) -> None:
    @emitter.agent("child")
    async def child(number: int) -> str:
        await fetch(str(number))
        return current_run().id

    @emitter.agent("parent", session_argument="session")
    async def parent(session: str) -> list[str]:
        return await asyncio.gather(*map(child, range(3)))

    children = await parent("s")

    started = {run_id: emitter.events(run_id)[0] for run_id in emitter.run_ids}
    assert len(started) == 4
    (parent_id,) = set(started) - set(children)
    for run_id in children:
        event = started[run_id]
        assert isinstance(event, RunStarted)
        assert (event.parent_run_id, event.session_id) == (parent_id, "s")
        assert emitter.types(run_id) == ["run_started", "tool_requested", "tool_succeeded", "run_completed"]


def test_an_agent_inside_a_run_of_another_emitter_is_recorded_there(emitter: RecordingEmitter) -> None:
    @Emitter(environ={}).agent("desk")
    def answer(question: str) -> list[str]:
        return search(question, limit=1)

    with emitter.start_run(agent_id="test", session_id="s"):
        answer("why?")

    outer, inner = emitter.run_ids
    started = emitter.events(inner)[0]
    assert isinstance(started, RunStarted)
    assert (started.agent_id, started.session_id, started.parent_run_id) == ("desk", "s", outer)
    assert emitter.types(inner) == ["run_started", "tool_requested", "tool_succeeded", "run_completed"]


async def test_a_generator_agent_is_the_current_run_only_while_its_code_runs(emitter: RecordingEmitter) -> None:
    @emitter.agent("a")
    def numbers() -> Iterator[str]:
        yield current_run().id
        yield current_run().id

    @emitter.agent("b")
    async def letters() -> AsyncIterator[str]:
        yield current_run().id
        await fetch("x")
        yield current_run().id

    ids = []
    for run_id in numbers():
        assert innermost_run() is None
        ids.append(run_id)
    async for run_id in letters():
        assert innermost_run() is None
        ids.append(run_id)

    first, second = emitter.run_ids
    assert ids == [first, first, second, second]
    end = emitter.events(first)[-1]
    assert isinstance(end, RunCompleted)
    assert end.result == [first, first]
    assert emitter.types(second) == ["run_started", "tool_requested", "tool_succeeded", "run_completed"]


def test_the_decorators_take_their_names_from_the_function_too(emitter: RecordingEmitter) -> None:
    @tool()
    def double(number: int) -> int:
        return 2 * number

    def work(number: int) -> int:
        return double(number)

    without_parentheses: Any = emitter.agent
    assert emitter.agent()(work)(2) == without_parentheses(work)(3) - 2 == 4
    starts = [event.agent_id for event in emitter.events() if isinstance(event, RunStarted)]
    assert starts == ["work", "work"]
    assert emitter.types() == ["run_started", "tool_requested", "tool_succeeded", "run_completed"] * 2


def test_an_agent_whose_fields_are_not_valid_is_called_and_counted(emitter: RecordingEmitter) -> None:
    @emitter.agent("a", session_id="s")
    def valid() -> str:
        return current_run().run_waiting()

    @emitter.agent("a", agent_id="b")
    def work() -> str:
        return current_run().run_waiting()

    assert valid()
    assert emitter.events()[0].session_id == "s"  # type: ignore[union-attr]
    emitter.records.clear()
    assert work()
    assert emitter.stats().dropped == {"invalid": 1}
    assert emitter.types() == ["run_waiting"]


def test_misuse_of_wrap_and_end_raises_nothing(emitter: RecordingEmitter, run: Run) -> None:
    misused: Any = run

    assert misused.wrap()() is None
    assert misused.end(1, 2, 3) is None
    assert emitter.stats().dropped == {"invalid": 2}


def test_wrong_arguments_of_a_generator_are_not_a_call(emitter: RecordingEmitter, run: Run) -> None:
    wrong: Any = split
    with run, pytest.raises(TypeError):
        next(wrong())

    assert emitter.types() == ["run_completed"]


def test_a_result_that_is_too_large_leaves_the_run_completed(emitter: RecordingEmitter) -> None:
    @emitter.agent("a")
    def work() -> str:
        return "x" * 17_000_000

    work()

    assert emitter.types() == ["run_started", "events_dropped", "run_completed"]


def test_nothing_raises_for_objects_that_fail(emitter: RecordingEmitter) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise LookupError

    @emitter.agent(5, input=7, session_argument="thing")  # type: ignore[arg-type]
    def work(thing: Any) -> Any:
        return search(thing, limit=0)

    assert work(Broken()) == []
    assert sum(emitter.stats().dropped.values()) > 0
