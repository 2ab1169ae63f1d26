"""The emitter in applications that change asyncio or threads, and in frameworks that own the process."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGTERM

import pytest

from deploy.local.ports import free_port
from tests.support.agent_process import CHECKOUT, start_agent
from tests.support.agents import Agents
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(120)

# --- applications that change asyncio or threads ---

ASYNCIO_AGENT = """
    emitter = Emitter()
    emit(emitter.run("first"), 0)  # the emitter's thread runs before the agent's loop does

    async def agent():
        for number in range(10):
            emit(emitter.run("run"), number)
            await asyncio.sleep(0.01)

    async def notebook():
        return asyncio.run(agent()) if {nested} else await agent()

    asyncio.run(notebook())
    print("left", emitter.flush(50))
"""


def ignoring_warnings(lines: str) -> str:
    return f"import warnings\nwith warnings.catch_warnings(action='ignore'):\n    {lines}\n"


BEFORE: dict[str, str] = {
    "gevent": "from gevent import monkey; monkey.patch_all()\n",
    "eventlet": ignoring_warnings("import eventlet; eventlet.monkey_patch()"),
    "nest_asyncio": ignoring_warnings("import asyncio, nest_asyncio; nest_asyncio.apply()")
    + "warnings.filterwarnings('ignore', message='.*get_event_loop_policy')\n",
    "asyncio's classes replaced": "import asyncio\nclass Other:\n    def __init__(self, *_, **__): raise RuntimeError\n"
    "Task = asyncio.Task; asyncio.Task = asyncio.tasks.Task = asyncio.tasks._CTask = Other\n"
    "factory = lambda loop, coro, **kw: Task(coro, loop=loop, **kw)\n"
    "new = asyncio.new_event_loop\n"
    "def make():\n    loop = new(); loop.set_task_factory(factory); return loop\n"
    "asyncio.events.new_event_loop = make\n",
    # A step that takes more than 0.1 s, as on a busy machine, is logged as a warning in this mode.
    "asyncio's debug mode": "import logging, os; os.environ['PYTHONASYNCIODEBUG'] = '1'\n"
    "logging.getLogger('asyncio').setLevel('ERROR')\n",
}


@pytest.mark.parametrize("name", BEFORE)
async def test_the_emitter_works_beside_changed_threads_and_loops(agents: Agents, name: str) -> None:
    nested = name == "nest_asyncio"
    result = await agents.run_after(BEFORE[name], ASYNCIO_AGENT.format(nested=nested))

    assert result.errors == ""
    assert result.exit_code == 0
    assert "left 0" in result.output
    assert result.ledger.differences(await agents.arrivals()) == []


# --- pools of processes ---

POOL_AGENT = """
    emitter = Emitter()

    def work(number):
        return emit(emitter.run(f"run-{{number}}"), number)

    if __name__ == "__main__":
        from {pool} import get_context
        pool = get_context({method!r}).Pool(2, maxtasksperchild=1)
        print("tasks", len(pool.map(work, range(6), chunksize=1)))
        pool.close(); pool.join()
"""


@pytest.mark.parametrize(
    ("pool", "method"),
    [("multiprocessing", "fork"), ("billiard", "fork")]
    + [pytest.param("multiprocessing", method, marks=pytest.mark.slow) for method in ("forkserver", "spawn")]
    + [pytest.param("billiard", method, marks=pytest.mark.slow) for method in ("forkserver", "spawn")]
    + [pytest.param("multiprocess", method, marks=pytest.mark.slow) for method in ("fork", "spawn")],
)
async def test_the_children_of_a_pool_lose_nothing(agents: Agents, pool: str, method: str) -> None:
    pytest.importorskip(pool)
    # A child sends its events when it ends, which on a busy machine takes longer than by default.
    result = await agents.run(POOL_AGENT.format(pool=pool, method=method), AGENT_RUNS_EXIT_TIMEOUT_S="60")

    assert "tasks 6" in result.output, result.errors
    assert result.ledger.size == 6
    assert result.ledger.differences(await agents.arrivals()) == []


EXECUTOR_AGENT = """
    from concurrent.futures import ProcessPoolExecutor

    emitter = Emitter()

    def work(number):
        return emit(emitter.run(f"run-{{number}}"), number)

    if __name__ == "__main__":
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context({method!r})) as pool:
            print("tasks", len(list(pool.map(work, range(6)))))
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
async def test_the_processes_of_an_executor_lose_nothing(agents: Agents, method: str) -> None:
    result = await agents.run(EXECUTOR_AGENT.format(method=method), AGENT_RUNS_EXIT_TIMEOUT_S="60")

    assert "tasks 6" in result.output, result.errors
    assert result.ledger.size == 6
    assert result.ledger.differences(await agents.arrivals()) == []


# --- a process that is frozen between its invocations ---

FROZEN_AGENT = """
    emitter = Emitter()
    for invocation in range(2):
        emit(emitter.run("run"), invocation)
        print("left", emitter.flush(50), flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
"""


async def test_a_flush_at_the_end_of_an_invocation_loses_nothing_if_the_process_is_frozen(agents: Agents) -> None:
    async with start_agent([FROZEN_AGENT], agents.directory, **agents.environment) as agent:
        for invocation in range(2):
            await agent.wait_for_line("left 0")
            assert len((await agents.arrivals()).runs["run"]) == invocation + 1
            await until(agent.is_stopped, "the agent is stopped")
            agent.signal(SIGCONT)
        result = await agent.wait()
    assert result.ledger.differences(await agents.arrivals()) == []


# --- frameworks that own the process ---

CELERY_TASKS = """
import os, sys
from celery import Celery
from agent_runs import Emitter
from tests.support.agent_prelude import emit
folder = os.environ["QUEUE"]
app = Celery("agents", broker="filesystem://", backend=None)
app.conf.update(
    broker_transport_options={
        "data_folder_in": folder, "data_folder_out": folder, "control_folder": folder + "-control"
    },
    worker_max_tasks_per_child=int(os.environ["TASKS_PER_CHILD"]) or None,
    worker_prefetch_multiplier=1, task_acks_late=True, worker_redirect_stdouts=False,
)
emitter = Emitter()

@app.task
def work(number):
    with emitter.start_run(agent_id="celery", run_id=f"run-{number}") as run:
        emit(run, number)

if __name__ == "__main__":
    import tasks
    for number in range(6):
        tasks.work.delay(number)
"""


@asynccontextmanager
async def server(directory: Path, *command: str, **environment: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command),
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}:{directory}", **environment},
        cwd=directory,
        stdout=PIPE,
        stderr=STDOUT,
        limit=2**24,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("tasks_per_child", [0, 1, 2])
async def test_the_tasks_of_celery_lose_nothing(agents: Agents, tasks_per_child: int) -> None:
    folder = agents.directory
    (folder / "tasks.py").write_text(CELERY_TASKS)
    (folder / "queue").mkdir()
    environment = {**agents.environment, "QUEUE": str(folder / "queue"), "TASKS_PER_CHILD": str(tasks_per_child)}
    async with server(folder, "tasks", **environment) as publisher:
        await publisher.communicate()
    command = ("celery", "-A", "tasks", "worker", "-P", "prefork", "-c", "2", "-l", "WARNING")
    async with server(folder, *command, **environment) as worker:
        output = b""
        while output.count(b"emitted ") < 6:
            assert worker.stdout is not None
            output += await worker.stdout.readline()
        worker.send_signal(SIGTERM)
        rest, _ = await worker.communicate()

    ids = [line.split()[2] for line in (output + rest).decode().splitlines() if line.startswith("emitted ")]
    arrived = {each.id for run in (await agents.arrivals()).runs.values() for each in run}
    assert set(ids) <= arrived
    assert len(arrived) == 18


WEB_APPLICATION = """
from agent_runs import Emitter
emitter = Emitter()

def app(environ, start_response):
    with emitter.start_run(agent_id="web") as run:
        run.input("message_from_user", environ["PATH_INFO"])
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        emitter.close()
        await send({"type": "lifespan.shutdown.complete"})
        return
    with emitter.start_run(agent_id="web") as run:
        run.input("message_from_user", scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""


async def request(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
    except OSError:
        return False
    return answer.endswith(b"ok")


async def answered(port: int) -> None:
    await until(lambda: request(port), "the server answers")


@pytest.mark.slow
@pytest.mark.parametrize("worker_class", ["sync", "gthread"])
async def test_the_workers_of_gunicorn_lose_nothing(agents: Agents, worker_class: str) -> None:
    port = free_port()
    (agents.directory / "web.py").write_text(WEB_APPLICATION)
    options = ("--bind", f"127.0.0.1:{port}", "--worker-class", worker_class, "--workers", "2", "--preload")
    command = ("gunicorn", *options, "--max-requests", "2", "web:app")
    async with server(agents.directory, *command, **agents.environment) as process:
        for _ in range(8):
            await answered(port)
        process.send_signal(SIGHUP)  # replaces the workers
        await answered(port)
        process.send_signal(SIGTERM)
        await process.communicate()
    assert len((await agents.arrivals()).runs) >= 9


@pytest.mark.slow
async def test_a_server_of_uvicorn_that_is_reloaded_loses_nothing(agents: Agents) -> None:
    port = free_port()
    application = agents.directory / "web.py"
    application.write_text(WEB_APPLICATION)
    command = ("uvicorn", "--port", str(port), "--reload", "--reload-dir", str(agents.directory), "web:asgi")
    async with server(agents.directory, *command, **agents.environment) as process:
        await answered(port)
        application.write_text(WEB_APPLICATION + "\n# changed\n")
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while b"Reloading" not in await process.stdout.readline():
                pass
        await answered(port)
        process.send_signal(SIGTERM)
        await process.communicate()
    assert len((await agents.arrivals()).runs) >= 2
