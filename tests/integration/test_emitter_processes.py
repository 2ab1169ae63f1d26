"""Agent processes that fork, end, or are terminated: emitted events are neither lost nor sent twice."""

from collections.abc import Sequence
from pathlib import Path
from signal import SIGTERM
from time import monotonic

import pytest

from tests.support.agent_process import run_agent, start_agent
from tests.support.agents import Agents

pytestmark = pytest.mark.timeout(120)

START = """
    emitter = Emitter()
    run = emitter.run("run")
    for number in range(20):
        emit(run, number)
"""


# --- the end of a process ---

ENDS: dict[str, tuple[str, int]] = {
    "by itself": ("", 0),
    "with sys.exit": ("sys.exit(3)", 3),
    "with a running thread": ("threading.Timer(0.5, emit, (run, 'later')).start()", 0),
    "with a callback that runs before the emitter's": (
        "atexit.register(emit, run, 'registered last, runs first')",
        0,
    ),
}


@pytest.mark.parametrize(("end", "exit_code"), ENDS.values(), ids=ENDS)
async def test_a_program_that_ends_without_closing_its_emitter_loses_nothing(
    agents: Agents, end: str, exit_code: int
) -> None:
    # The callback registered first runs last, after the emitter's: its event is sent in the call that emits it.
    before = "atexit.register(lambda: emit(run, 'registered first, runs last'))\n"
    result = await agents.run(before, START, end)

    assert result.exit_code == exit_code
    await agents.assert_all_arrived(result, 21 + ("emit" in end))


async def test_a_program_that_ends_with_an_exception_loses_nothing(agents: Agents) -> None:
    result = await agents.run(START, "with emitter.run('other') as other: emit(other, 1); raise LookupError('no')")

    assert result.exit_code == 1
    assert result.errors.rstrip().endswith("LookupError: no")
    arrivals = await agents.arrivals()
    assert len(arrivals.runs["run"]) == 20
    assert len(arrivals.runs["other"]) == 2  # its event, and `run_failed`


async def test_a_program_that_ends_before_kafka_is_connected_loses_nothing(agents: Agents) -> None:
    # A host name: asyncio would resolve it in a thread, but no thread can be started while the process ends.
    by_name = agents.bootstrap_servers.replace("127.0.0.1", "localhost")
    result = await agents.run(f"emit(Emitter(bootstrap_servers={by_name!r}).run('run'), 1)")

    await agents.assert_all_arrived(result, 1)


async def test_a_closed_emitter_has_sent_all_events_and_ended_its_thread(agents: Agents) -> None:
    result = await agents.run(
        START,
        """
        assert emitter.close() == 0
        print_stats(emitter)
        deadline = time.monotonic() + 40
        while threading.active_count() > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.write(1, f"threads {threading.active_count()}\\n".encode())
        os._exit(0)  # without the emitter's atexit callback
        """,
    )

    assert "threads 1\n" in result.output
    assert result.stats == [{"emitted": 20, "sent": 20, "pending": 0, "dropped": {}, "recorded": 0}]
    await agents.assert_all_arrived(result, 20)


async def test_an_emitter_without_references_sends_its_events_and_ends_its_thread(agents: Agents) -> None:
    result = await agents.run(
        START,
        """
        del emitter, run
        deadline = time.monotonic() + 40
        while threading.active_count() > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.write(1, f"threads {threading.active_count()}\\n".encode())
        os._exit(0)
        """,
    )

    assert "threads 1\n" in result.output
    await agents.assert_all_arrived(result, 20)


async def test_without_kafka_the_process_ends_after_the_timeout_and_logs_what_may_be_lost(
    tmp_path: Path,
) -> None:
    result = await run_agent(
        (START,), tmp_path, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", AGENT_RUNS_EXIT_TIMEOUT_S="1", PYTHONWARNINGS=""
    )

    assert result.exit_code == 0
    *_, last = result.errors.splitlines()
    assert last.startswith("The process ends before Kafka acknowledged all events; 20 may be lost: 20 of run '")
    assert "Traceback" not in result.errors
    # The other line: Kafka does not accept events. A busy machine may end before it has tried.
    assert len(result.errors.splitlines()) <= 2


async def test_the_end_of_the_process_does_not_wait_for_events_that_close_gave_up(tmp_path: Path) -> None:
    result = await run_agent(  # which waits for a shorter time than the timeout
        (START, "assert emitter.close(0.5) == 20\nprint_stats(emitter)"),
        tmp_path,
        KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
        AGENT_RUNS_EXIT_TIMEOUT_S="600",
    )

    assert result.exit_code == 0
    assert result.stats == [{"emitted": 20, "sent": 0, "pending": 0, "dropped": {"given_up": 20}, "recorded": 0}]
    *_, last = result.errors.splitlines()
    assert last.startswith(
        "The emitter was closed before Kafka acknowledged all events; 20 dropped (given_up): 20 of run '"
    )


async def test_a_sigterm_handler_that_exits_loses_nothing(agents: Agents) -> None:
    code = """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        while True:
            emit(run, "working")
            time.sleep(0.001)
    """
    async with start_agent((START, code), agents.directory, **agents.environment) as agent:
        for _ in range(100):
            await agent.wait_for_line("emitted run")
        agent.signal(SIGTERM)
        result = await agent.wait()

    assert result.exit_code == 0
    # The signal can arrive between an event and its line in the output.
    arrivals = await agents.arrivals()
    emitted, arrived = result.ledger.emitted["run"], [arrival.id for arrival in arrivals.runs["run"]]
    assert len(emitted) >= 100
    assert arrived[: len(emitted)] == emitted
    assert len(arrived) - len(emitted) in (0, 1)


async def test_sigterm_without_a_handler_loses_at_most_the_last_event(agents: Agents) -> None:
    async with start_agent(
        (START, "emitter.flush()\nemit(run, 'last')\ntime.sleep(60)"), agents.directory, **agents.environment
    ) as agent:
        for _ in range(21):
            await agent.wait_for_line("emitted run")
        agent.signal(SIGTERM)
        result = await agent.wait()

    assert result.exit_code == -SIGTERM
    arrived = [arrival.id for arrival in (await agents.arrivals()).runs["run"]]
    assert arrived == result.ledger.emitted["run"][: len(arrived)]
    assert len(arrived) >= 20


async def test_a_signal_handler_may_emit(agents: Agents) -> None:
    code = """
        signal.signal(signal.SIGTERM, lambda *_: (emit(run, "in the handler"), sys.exit(0)))
        os.write(1, b"ready\\n")
        while True:
            emitter.stats()
    """
    async with start_agent((START, code), agents.directory, **agents.environment) as agent:
        await agent.wait_for_line("ready")
        agent.signal(SIGTERM)
        result = await agent.wait()

    await agents.assert_all_arrived(result, 21)


async def test_events_of_finalisers_during_interpreter_shutdown_are_dropped_and_counted(agents: Agents) -> None:
    code = """
        class Resource:
            def __init__(self, name):
                self.name = name
            def __del__(self, is_finalizing=sys.is_finalizing, print_stats=print_stats, emitter=emitter, run=run):
                assert is_finalizing()
                assert run.input("t", self.name)
                print_stats(emitter)
        module_global, ring = Resource("global"), Resource("ring")
        ring.ring = ring
        sys.modules["kept"] = Resource("in sys.modules")
    """
    # Nothing can be sent any more, so the emitter does not wait: `run` waits for a shorter time than this timeout.
    result = await agents.run(START, code, AGENT_RUNS_EXIT_TIMEOUT_S="600")

    assert (result.exit_code, result.errors.count("Traceback")) == (0, 0)
    assert [stats["dropped"] for stats in result.stats] == [{"closed": 1}, {"closed": 2}, {"closed": 3}]
    arrivals = await agents.arrivals()
    assert [arrival.id for arrival in arrivals.runs["run"]] == result.ledger.emitted["run"]


async def test_a_log_handler_may_emit_and_flush(tmp_path: Path, agents: Agents) -> None:
    code = """
        import logging
        class Emitting(logging.Handler):
            def emit(self, record):
                run.input("log", record.getMessage())
                emitter.flush(0.2)
        emitter = Emitter(bootstrap_servers="127.0.0.1:1", exit_timeout_s=0.5)
        run = emitter.run("run")
        logging.basicConfig(level="DEBUG", handlers=[Emitting()])
        run.tool_requested(5)
        deadline = time.monotonic() + 50
        while emitter.stats().pending < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        print_stats(emitter)
    """
    result = await agents.run(code)

    assert result.exit_code == 0
    (stats,) = result.stats
    assert stats["dropped"] == {"invalid": 1}
    assert stats["pending"] >= 2


async def test_a_first_event_from_the_last_atexit_callback_arrives(agents: Agents) -> None:
    result = await agents.run(
        "atexit.register(lambda: emit(run, 1))\n", "emitter = Emitter()\nrun = emitter.run('run')"
    )

    await agents.assert_all_arrived(result, 1)


async def test_sigterm_while_the_thread_starts_loses_nothing(agents: Agents) -> None:
    # Given a handler that ends the program, and a signal while the emitter's thread is being started,
    code = """
        emitter = Emitter()
        run = emitter.run("run")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        def terminate(frame, event, argument):
            if frame.f_code.co_name == "wait" and "threading" in frame.f_code.co_filename:
                sys.settrace(None)
                os.kill(os.getpid(), signal.SIGTERM)
        sys.settrace(terminate)
        run.run_waiting()
        os.write(1, b"not interrupted\\n")
    """
    result = await agents.run(code)

    # then the event arrives.
    assert (result.exit_code, result.output, result.errors) == (0, "", "")
    assert len((await agents.arrivals()).runs["run"]) == 1


async def test_exceptions_from_signal_handlers_leave_one_thread_and_right_counts(agents: Agents) -> None:
    code = """
        class Interrupted(BaseException):  # as KeyboardInterrupt and SystemExit are
            pass
        def interrupt(*_):
            if emitting:  # Python may run a handler late, if another thread received the signal
                raise Interrupted
        signal.signal(signal.SIGALRM, interrupt)
        emitting = False
        interrupted = 0
        for number in range(60):
            emitter = Emitter()
            run = emitter.run(f"run-{number}")
            for step in range(20):
                try:
                    emitting = True
                    signal.setitimer(signal.ITIMER_REAL, 0.00005 * (number % 8 + 1))
                    run.input("t", step)
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    emitting = False
                except Interrupted:
                    emitting = False
                    interrupted += 1
            run.run_completed()
            deadline = time.monotonic() + 10  # the thread of the previous emitter ends meanwhile
            while sum(thread.is_alive() for thread in threading.enumerate()) > 2:
                assert time.monotonic() < deadline, threading.enumerate()
                time.sleep(0.01)
            assert emitter.close(20) == 0
            stats = emitter.stats()
            assert stats.emitted == stats.sent, stats
        assert interrupted > 20, interrupted
    """
    result = await agents.run(code)

    # The agent gets its exceptions, except those raised where Python itself ignores them, such as in a finaliser.
    assert result.exit_code == 0, result.errors


async def test_an_exception_from_a_signal_handler_reaches_the_agent(agents: Agents) -> None:
    code = """
        class TooLate(Exception):
            pass
        def time_out(*_):
            raise TooLate
        emitter = Emitter()
        run = emitter.run("run")
        run.input("t", "first")
        emitter.flush()
        signal.signal(signal.SIGALRM, time_out)
        for number in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0002 + 0.00001 * (number % 20))
                while True:
                    run.input("t", number)
            except TooLate:
                continue
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert emitter.flush(20) == 0
        stats = emitter.stats()
        assert stats.emitted == stats.sent, stats
    """
    result = await agents.run(code)

    assert (result.exit_code, result.errors) == (0, "")


async def test_an_emitter_may_be_closed_by_a_signal_handler(agents: Agents) -> None:
    # Given signal handlers that interrupt an emit and close the emitter,
    code = """
        for number in range(12):
            emitter = Emitter()
            run = emitter.run(f"run-{number}")
            closed = []
            def close(*_):
                began = time.monotonic()
                emitter.close(50)
                closed.append(time.monotonic() - began)
            signal.signal(signal.SIGALRM, close)
            signal.setitimer(signal.ITIMER_REAL, 0.05 + 0.0037 * number)
            while not closed:
                run.input("t", "x")
            assert closed[0] < 40, closed
            deadline = time.monotonic() + 40
            while emitter.stats().pending and time.monotonic() < deadline:
                time.sleep(0.01)
            assert emitter.stats().dropped.keys() <= {"closed", "queue_full"}, emitter.stats()
    """
    result = await agents.run(code)

    # then they return at once, and the events from before are sent.
    assert result.exit_code == 0, result.errors


async def test_threads_stopped_by_the_shutdown_during_an_emit_do_not_block_the_end_of_a_program(tmp_path: Path) -> None:
    code = """
        emitter = Emitter(exit_timeout_s=0.0)
        run = emitter.run("main")
        class Resource:
            def __del__(self, run=run):
                run.input("t", "bye")
        sys.modules["kept"] = Resource()
        def work(number):
            own = emitter.run(f"run-{number}")
            while True:
                own.input("t", number)
        for number in range(4):
            threading.Thread(target=work, args=(number,), daemon=True).start()
        time.sleep(0.2)
    """
    for _ in range(8):
        result = await run_agent((code,), tmp_path, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
        assert result.exit_code == 0, result.errors


async def test_several_emitters_share_one_timeout_at_the_end(tmp_path: Path) -> None:
    code = """
        import multiprocessing.util
        emitters = [Emitter(exit_timeout_s=2.0) for _ in range(4)]
        for emitter in emitters:
            emitter.run("r").run_waiting()
        os.write(1, f"ends {time.monotonic()}\\n".encode())
    """
    result = await run_agent((code,), tmp_path, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")

    # All processes have the same monotonic clock. One after the other, the emitters would wait 8 s.
    assert 2 <= monotonic() - float(result.output.removeprefix("ends ")) < 8
    assert result.errors.count("The process ends before Kafka acknowledged all events; 1 may be lost") == 4


async def test_an_emitter_works_where_there_is_no_fork(agents: Agents) -> None:
    result = await agents.run("del os.register_at_fork\n", "emit(Emitter().run('run'), 1)")

    await agents.assert_all_arrived(result, 1)


# --- forks ---


def forking(start: str) -> Sequence[str]:
    """Return the program of a parent that emits while its children, started by this method, emit too."""
    return (
        """
        emitter = Emitter()

        def work(run_id):
            assert emitter.stats().emitted == 0
            run = emitter.run(run_id)
            for number in range(200):
                emit(run, number)
            print_stats(emitter)
        """,
        f"""
        if __name__ == "__main__":
            context = multiprocessing.get_context({start!r})
            stop = threading.Event()
            def emit_until_stopped():
                run = emitter.run("parent")
                while not stop.is_set():
                    emit(run, "busy")
                    time.sleep(0.0005)
            thread = threading.Thread(target=emit_until_stopped)
            thread.start()
            children = [context.Process(target=work, args=(f"child-{{number}}",)) for number in range(4)]
            for child in children:
                child.start()
            for child in children:
                child.join()
            stop.set()
            thread.join()
            assert [child.exitcode for child in children] == [0] * 4
            print_stats(emitter)
        """,
    )


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
async def test_children_of_an_emitting_parent_start_empty_and_can_emit(agents: Agents, start: str) -> None:
    result = await agents.run(*forking(start))

    from_parent = len(result.ledger.emitted["parent"])
    assert result.exit_code == 0, result.errors
    assert from_parent > 20
    assert [stats["emitted"] for stats in result.stats] == [200] * 4 + [from_parent]
    await agents.assert_all_arrived(result, 800 + from_parent)


async def test_a_thread_of_a_child_may_emit_after_the_child_s_target_function_has_returned(agents: Agents) -> None:
    code = """
        import aiokafka  # here, because an import takes a part of the child's timeout
        emitter = Emitter(exit_timeout_s=2.0)
        def work():
            run = emitter.run("run")
            emit(run, "work")
            def late():
                time.sleep(2.5)
                emit(run, "late")
            threading.Thread(target=late).start()
        if __name__ == "__main__":
            child = multiprocessing.get_context("fork").Process(target=work)
            child.start()
            child.join()
    """
    result = await agents.run(code)

    await agents.assert_all_arrived(result, 2)


async def test_workers_forked_before_and_after_the_first_event_both_emit(agents: Agents) -> None:
    # A pre-forking server does this too. The second fork happens while the parent's thread imports or connects.
    code = """
        emitter = Emitter()
        run = emitter.run("parent")

        def serve(name):
            pid = os.fork()
            if pid:
                return pid
            child = emitter.run(name)
            for number in range(50):
                emit(child, number)
            emit(run, "of the parent's run")
            sys.exit(0)

        pids = [serve("before")]
        emit(run, 1)
        pids += [serve(f"after-{number}") for number in range(3)]
        emit(run, 2)
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    """
    result = await agents.run(code)

    assert result.exit_code == 0, result.errors
    arrivals = await agents.arrivals()
    assert result.errors == ""
    assert arrivals.repeats == 0
    for name in ("before", "after-0", "after-1", "after-2"):
        assert [arrival.id for arrival in arrivals.runs[name]] == result.ledger.emitted[name]
        assert len(arrivals.runs[name]) == 50
    # There is no order between processes.
    assert sorted(arrival.id for arrival in arrivals.runs["parent"]) == sorted(result.ledger.emitted["parent"])
    assert len(arrivals.runs["parent"]) == 6


async def test_a_child_does_not_send_the_pending_events_of_its_parent(agents: Agents) -> None:
    # Given a parent whose events are still pending, and a child that only flushes and ends,
    code = """
        emitter = Emitter()
        run = emitter.run("run")
        for number in range(500):
            emit(run, number)
        pid = os.fork()
        if not pid:
            assert emitter.flush() == 0
            print_stats(emitter)
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    """
    result = await agents.run(code)

    # then each event is in the log once.
    assert result.stats == [{"emitted": 0, "sent": 0, "pending": 0, "dropped": {}, "recorded": 0}]
    await agents.assert_all_arrived(result, 500)


async def test_a_worker_forked_in_c_may_emit(agents: Agents) -> None:
    # Python's fork hooks do not run: the emitter compares process ids.
    code = """
        import ctypes
        emitter = Emitter()
        run = emitter.run("run")
        emit(run, "parent")
        emitter.flush()
        time.sleep(0.3)  # until its thread waits: a fork in C is not safe while it runs Python code
        pid = ctypes.PyDLL(None).fork()
        if not pid:
            emit(run, "child")
            assert emitter.flush() == 0
            print_stats(emitter)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        emit(run, "parent again")
    """
    result = await agents.run(code)

    assert result.exit_code == 0, result.errors
    assert result.stats == [{"emitted": 1, "sent": 1, "pending": 0, "dropped": {}, "recorded": 0}]
    await agents.assert_all_arrived(result, 3)


async def test_after_a_failed_start_of_the_thread_the_next_event_starts_it(agents: Agents) -> None:
    code = """
        import types
        sys.modules["multiprocessing.util"] = types.ModuleType("incomplete, as while another thread imports it")
        emitter = Emitter()
        run = emitter.run("run")
        started = threading.Thread.start
        def refuse(thread):
            raise RuntimeError("can't start new thread")
        threading.Thread.start = refuse
        emit(run, 1)
        emit(run, 2)
        assert emitter.flush(0.1) == 2
        threading.Thread.start = started
        time.sleep(0.3)
        emit(run, 3)
        assert emitter.flush() == 0
        print_stats(emitter)
    """
    result = await agents.run(code)

    assert result.stats == [{"emitted": 3, "sent": 3, "pending": 0, "dropped": {}, "recorded": 0}]
    assert result.errors.count("Cannot start the emitter's thread (RuntimeError(\"can't start new thread\"))") == 1
    arrivals = await agents.arrivals()
    assert result.ledger.differences(arrivals) == []


# --- event loops and threads ---


async def test_two_event_loops_and_many_threads_share_one_emitter(agents: Agents) -> None:
    code = """
        emitter = Emitter()

        async def agent(name):
            async with emitter.run(name) as run:
                for number in range(20):
                    emit(run, number)
                    await asyncio.sleep(0.001)
                print_emitted(name, run.run_completed())

        async def agents(loop):
            await asyncio.gather(*(agent(f"{loop}-{number}") for number in range(10)))

        def in_thread(number):
            run = emitter.run(f"thread-{number}")
            for step in range(20):
                emit(run, step)
                time.sleep(0.001)

        threads = [threading.Thread(target=asyncio.run, args=(agents(f"loop-{loop}"),)) for loop in range(2)]
        threads += [threading.Thread(target=in_thread, args=(number,)) for number in range(64)]
        balances = []
        def collect_balances():
            while any(thread.is_alive() for thread in threads):
                stats = emitter.stats()
                balances.append(stats.emitted - stats.sent - stats.pending - sum(stats.dropped.values()))
        for thread in threads:
            thread.start()
        collect_balances()
        assert len(balances) > 3 and set(balances) == {0}, balances[:20]
    """
    result = await agents.run(code)

    assert result.exit_code == 0, result.errors
    await agents.assert_all_arrived(result, 20 * 21 + 64 * 20)
