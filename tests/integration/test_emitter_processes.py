"""Processes that fork, end, and are ended: nothing that was said before is lost, and nothing is said twice."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from signal import SIGTERM
from time import monotonic

import pytest

from tests.checker import read_log
from tests.support.agent_process import Ended, run, started
from tests.support.ledgers.emitted import Found, in_log
from tests.support.servers import Servers

pytestmark = pytest.mark.timeout(120)

BEGIN = """
    emitter = Emitter()
    run = emitter.run("run")
    for number in range(20):
        say(run, number)
"""


class Stage:
    """A topic, and programs that emit to it."""

    def __init__(self, servers: Servers, topic: str, directory: Path) -> None:
        self.bootstrap_servers = servers.bootstrap_servers
        self.topic = topic
        self.directory = directory

    @property
    def environment(self) -> dict[str, str]:
        return {"KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers, "AGENT_RUNS_TOPIC": self.topic}

    async def play(self, *parts: str, **environment: str) -> Ended:
        return await run(parts, self.directory, **self.environment, **environment)

    async def found(self) -> Found:
        return in_log(await asyncio.to_thread(read_log, self.bootstrap_servers, self.topic))

    async def assert_all_arrived(self, ended: Ended, events: int) -> None:
        """All that was said is in the log, once and in order; nobody complained."""
        assert ended.errors == ""
        assert ended.ledger.size == events, ended.output[-2000:]
        found = await self.found()
        assert ended.ledger.differences(found) == []
        assert (found.repeats, found.admitted) == (0, 0)


@pytest.fixture
def stage(servers: Servers, topic: str, tmp_path: Path) -> Stage:
    return Stage(servers, topic, tmp_path)


# --- the end ---

ENDS: dict[str, tuple[str, int]] = {
    "by itself": ("", 0),
    "with sys.exit": ("sys.exit(3)", 3),
    "with a thread that goes on": ("threading.Timer(0.5, say, (run, 'later')).start()", 0),
    "with a callback that is called before ours": ("atexit.register(say, run, 'registered last, called first')", 0),
}


@pytest.mark.parametrize(("end", "exit_code"), ENDS.values(), ids=ENDS)
async def test_a_program_that_ends_without_a_word_to_its_emitter_loses_nothing(
    stage: Stage, end: str, exit_code: int
) -> None:
    # The first callback of all is called last, after ours: what it says has no time but its own.
    before = "atexit.register(lambda: say(run, 'registered first, called last'))\n"
    ended = await stage.play(before, BEGIN, end)

    assert ended.exit_code == exit_code
    await stage.assert_all_arrived(ended, 21 + ("say" in end))


async def test_a_program_that_fails_loses_nothing(stage: Stage) -> None:
    ended = await stage.play(BEGIN, "with emitter.run('other') as other: say(other, 1); raise LookupError('no')")

    assert ended.exit_code == 1
    assert ended.errors.rstrip().endswith("LookupError: no")
    found = await stage.found()
    assert len(found.runs["run"]) == 20
    assert len(found.runs["other"]) == 2  # what it said, and that it has failed


async def test_a_program_of_one_event_is_over_before_kafka_is_reached_and_loses_nothing(stage: Stage) -> None:
    # By a name: to look it up asyncio would start a thread, and threads cannot be started any more.
    by_name = stage.bootstrap_servers.replace("127.0.0.1", "localhost")
    ended = await stage.play(f"say(Emitter(bootstrap_servers={by_name!r}).run('run'), 1)")

    await stage.assert_all_arrived(ended, 1)


async def test_a_closed_emitter_has_sent_everything_and_ends_its_thread(stage: Stage) -> None:
    ended = await stage.play(
        BEGIN,
        """
        assert emitter.close() == 0
        tell_stats(emitter)
        deadline = time.monotonic() + 10
        while threading.active_count() > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.write(1, f"threads {threading.active_count()}\\n".encode())
        os._exit(0)  # nothing is left for the end
        """,
    )

    assert "threads 1\n" in ended.output
    assert ended.stats == [{"emitted": 20, "sent": 20, "pending": 0, "dropped": {}, "recorded": 0}]
    await stage.assert_all_arrived(ended, 20)


async def test_an_emitter_that_nobody_holds_sends_what_it_has_and_ends_its_thread(stage: Stage) -> None:
    ended = await stage.play(
        BEGIN,
        """
        del emitter, run
        deadline = time.monotonic() + 20
        while threading.active_count() > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.write(1, f"threads {threading.active_count()}\\n".encode())
        os._exit(0)
        """,
    )

    assert "threads 1\n" in ended.output
    await stage.assert_all_arrived(ended, 20)


async def test_without_kafka_the_end_takes_no_longer_than_it_may_and_says_what_is_lost(tmp_path: Path) -> None:
    began = monotonic()
    ended = await run(
        (BEGIN,), tmp_path, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", AGENT_RUNS_EXIT_TIMEOUT_S="1", PYTHONWARNINGS=""
    )

    assert monotonic() - began < 15
    assert ended.exit_code == 0
    *_, last = ended.errors.splitlines()
    assert last.startswith("The process ends, and Kafka has not acknowledged 20 events; they may be lost. ")
    assert "Traceback" not in ended.errors
    assert len(ended.errors.splitlines()) == 2  # the other: that Kafka takes no events


async def test_what_close_gave_up_is_not_waited_for_again_at_the_end(tmp_path: Path) -> None:
    began = monotonic()
    ended = await run(
        (BEGIN, "assert emitter.close(0.5) == 20\ntell_stats(emitter)"),
        tmp_path,
        KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
        AGENT_RUNS_EXIT_TIMEOUT_S="60",
    )

    assert monotonic() - began < 30
    assert ended.exit_code == 0
    assert ended.stats == [{"emitted": 20, "sent": 0, "pending": 0, "dropped": {"given_up": 20}, "recorded": 0}]
    *_, last = ended.errors.splitlines()
    assert last.startswith("The emitter was closed before Kafka acknowledged 20 events; they are dropped (given_up). ")


async def test_sigterm_that_ends_a_program_in_good_order_loses_nothing(stage: Stage) -> None:
    code = """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        while True:
            say(run, "working")
            time.sleep(0.001)
    """
    async with started((BEGIN, code), stage.directory, **stage.environment) as program:
        for _ in range(100):
            await program.says("said run")
        program.signal(SIGTERM)
        ended = await program.ended()

    assert ended.exit_code == 0
    # The signal may come between an event and its line in the ledger.
    found = await stage.found()
    said, arrived = ended.ledger.said["run"], [arrival.id for arrival in found.runs["run"]]
    assert len(said) >= 100
    assert arrived[: len(said)] == said
    assert len(arrived) - len(said) in (0, 1)


async def test_sigterm_without_a_handler_loses_at_most_what_was_said_last(stage: Stage) -> None:
    async with started(
        (BEGIN, "emitter.flush()\nsay(run, 'last')\ntime.sleep(60)"), stage.directory, **stage.environment
    ) as program:
        for _ in range(21):
            await program.says("said run")
        program.signal(SIGTERM)
        ended = await program.ended()

    assert ended.exit_code == -SIGTERM
    arrived = [arrival.id for arrival in (await stage.found()).runs["run"]]
    assert arrived == ended.ledger.said["run"][: len(arrived)]
    assert len(arrived) >= 20


async def test_a_signal_handler_may_emit(stage: Stage) -> None:
    code = """
        signal.signal(signal.SIGTERM, lambda *_: (say(run, "in the handler"), sys.exit(0)))
        os.write(1, b"ready\\n")
        while True:
            emitter.stats()
    """
    async with started((BEGIN, code), stage.directory, **stage.environment) as program:
        await program.says("ready")
        program.signal(SIGTERM)
        ended = await program.ended()

    await stage.assert_all_arrived(ended, 21)


async def test_what_finalisers_say_at_the_very_end_hurts_nobody(stage: Stage) -> None:
    code = """
        class Resource:
            def __init__(self, name):
                self.name = name
            def __del__(self, is_finalizing=sys.is_finalizing, tell_stats=tell_stats, emitter=emitter, run=run):
                assert is_finalizing()
                assert run.input("t", self.name)
                tell_stats(emitter)
        module_global, ring = Resource("global"), Resource("ring")
        ring.ring = ring
        sys.modules["kept"] = Resource("in sys.modules")
    """
    began = monotonic()
    ended = await stage.play(BEGIN, code, AGENT_RUNS_EXIT_TIMEOUT_S="60")

    # Nothing can be sent then, so nothing waits; it is counted.
    assert monotonic() - began < 30
    assert (ended.exit_code, ended.errors.count("Traceback")) == (0, 0)
    assert [stats["dropped"] for stats in ended.stats] == [{"closed": 1}, {"closed": 2}, {"closed": 3}]
    found = await stage.found()
    assert [arrival.id for arrival in found.runs["run"]] == ended.ledger.said["run"]


async def test_a_log_handler_that_emits_what_it_hears_is_no_trap(tmp_path: Path, stage: Stage) -> None:
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
        time.sleep(1)
        tell_stats(emitter)
    """
    ended = await stage.play(code)

    assert ended.exit_code == 0
    (stats,) = ended.stats
    assert stats["dropped"] == {"invalid": 1}
    assert stats["pending"] >= 2


async def test_a_first_event_that_is_said_last_of_all_arrives(stage: Stage) -> None:
    ended = await stage.play("atexit.register(lambda: say(run, 1))\n", "emitter = Emitter()\nrun = emitter.run('run')")

    await stage.assert_all_arrived(ended, 1)


async def test_sigterm_in_the_middle_of_the_first_event_loses_nothing(stage: Stage) -> None:
    # Given a handler that ends the program, and that strikes while the emitter's thread is being started,
    code = """
        emitter = Emitter()
        run = emitter.run("run")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        def strike(frame, event, argument):
            if frame.f_code.co_name == "wait" and "threading" in frame.f_code.co_filename:
                sys.settrace(None)
                os.kill(os.getpid(), signal.SIGTERM)
        sys.settrace(strike)
        run.run_waiting()
        os.write(1, b"not interrupted\\n")
    """
    ended = await stage.play(code)

    # then the event arrives all the same.
    assert (ended.exit_code, ended.output, ended.errors) == (0, "", "")
    assert len((await stage.found()).runs["run"]) == 1


async def test_exceptions_out_of_signal_handlers_leave_one_thread_and_everything_in_order(stage: Stage) -> None:
    code = """
        class Interrupted(BaseException):  # as KeyboardInterrupt and SystemExit are
            pass
        def strike(*_):
            raise Interrupted
        signal.signal(signal.SIGALRM, strike)
        interrupted = 0
        for number in range(60):
            emitter = Emitter()
            run = emitter.run(f"run-{number}")
            for step in range(20):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.00005 * (number % 8 + 1))
                    run.input("t", step)
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except Interrupted:
                    interrupted += 1
            run.run_completed()
            settle_down = time.monotonic() + 10  # the thread of the emitter before ends by itself
            while sum(thread.is_alive() for thread in threading.enumerate()) > 2:
                assert time.monotonic() < settle_down, threading.enumerate()
                time.sleep(0.01)
            assert emitter.close(20) == 0
            stats = emitter.stats()
            assert stats.emitted == stats.sent, stats
        assert interrupted > 20, interrupted
    """
    ended = await stage.play(code)

    # They reach the agent, as its own alarm should, but for those that strike where Python itself ignores exceptions.
    assert ended.exit_code == 0, ended.errors


async def test_an_alarm_of_the_agent_reaches_the_agent(stage: Stage) -> None:
    code = """
        class TooLate(Exception):
            pass
        def strike(*_):
            raise TooLate
        emitter = Emitter()
        run = emitter.run("run")
        run.input("t", "first")
        emitter.flush()
        signal.signal(signal.SIGALRM, strike)
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
    ended = await stage.play(code)

    assert (ended.exit_code, ended.errors) == (0, "")


async def test_an_emitter_may_be_closed_by_a_signal_handler(stage: Stage) -> None:
    # Given handlers that come in the middle of an emit, and close,
    code = """
        for number in range(12):
            emitter = Emitter()
            run = emitter.run(f"run-{number}")
            closed = []
            def close(*_):
                began = time.monotonic()
                emitter.close(5)
                closed.append(time.monotonic() - began)
            signal.signal(signal.SIGALRM, close)
            signal.setitimer(signal.ITIMER_REAL, 0.05 + 0.0037 * number)
            while not closed:
                run.input("t", "x")
            assert closed[0] < 4, closed
            deadline = time.monotonic() + 20
            while emitter.stats().pending and time.monotonic() < deadline:
                time.sleep(0.01)
            assert emitter.stats().dropped.keys() <= {"closed", "queue_full"}, emitter.stats()
    """
    ended = await stage.play(code)

    # then they return at once, and what was said before is sent.
    assert ended.exit_code == 0, ended.errors


async def test_threads_that_are_frozen_in_the_middle_do_not_keep_a_program_from_its_end(tmp_path: Path) -> None:
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
        ended = await run((code,), tmp_path, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
        assert ended.exit_code == 0, ended.errors


async def test_several_emitters_take_one_timeout_at_the_end_and_not_one_each(tmp_path: Path) -> None:
    code = """
        import multiprocessing.util
        emitters = [Emitter(exit_timeout_s=2.0) for _ in range(4)]
        for emitter in emitters:
            emitter.run("r").run_waiting()
    """
    began = monotonic()
    ended = await run((code,), tmp_path, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")

    assert 2 <= monotonic() - began < 6
    assert ended.errors.count("The process ends, and Kafka has not acknowledged 1 events") == 4


async def test_an_emitter_works_where_there_is_no_fork(stage: Stage) -> None:
    ended = await stage.play("del os.register_at_fork\n", "say(Emitter().run('run'), 1)")

    await stage.assert_all_arrived(ended, 1)


# --- forks ---


def forking(start: str) -> Sequence[str]:
    """A parent that goes on emitting while it has children by this method, which emit too."""
    return (
        """
        emitter = Emitter()

        def work(run_id):
            assert emitter.stats().emitted == 0
            run = emitter.run(run_id)
            for number in range(200):
                say(run, number)
            tell_stats(emitter)
        """,
        f"""
        if __name__ == "__main__":
            context = multiprocessing.get_context({start!r})
            stop = threading.Event()
            def busy():
                run = emitter.run("parent")
                while not stop.is_set():
                    say(run, "busy")
                    time.sleep(0.0005)
            thread = threading.Thread(target=busy)
            thread.start()
            children = [context.Process(target=work, args=(f"child-{{number}}",)) for number in range(4)]
            for child in children:
                child.start()
            for child in children:
                child.join()
            stop.set()
            thread.join()
            assert [child.exitcode for child in children] == [0] * 4
            tell_stats(emitter)
        """,
    )


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
async def test_children_of_a_busy_parent_start_empty_and_alive(stage: Stage, start: str) -> None:
    ended = await stage.play(*forking(start))

    parents = len(ended.ledger.said["parent"])
    assert ended.exit_code == 0, ended.errors
    assert parents > 20
    assert [stats["emitted"] for stats in ended.stats] == [200] * 4 + [parents]
    await stage.assert_all_arrived(ended, 800 + parents)


async def test_a_child_may_have_a_thread_that_goes_on_when_its_work_is_over(stage: Stage) -> None:
    code = """
        emitter = Emitter(exit_timeout_s=1.0)
        def work():
            run = emitter.run("run")
            say(run, "work")
            def late():
                time.sleep(1.5)
                say(run, "late")
            threading.Thread(target=late).start()
        if __name__ == "__main__":
            child = multiprocessing.get_context("fork").Process(target=work)
            child.start()
            child.join()
    """
    ended = await stage.play(code)

    await stage.assert_all_arrived(ended, 2)


async def test_workers_forked_before_and_after_the_first_event_both_emit(stage: Stage) -> None:
    # As a pre-forking server does it. The second fork hits the parent's thread while it imports or connects.
    code = """
        emitter = Emitter()
        run = emitter.run("parent")

        def serve(name):
            pid = os.fork()
            if pid:
                return pid
            child = emitter.run(name)
            for number in range(50):
                say(child, number)
            say(run, "of the parent's run")
            sys.exit(0)

        pids = [serve("before")]
        say(run, 1)
        pids += [serve(f"after-{number}") for number in range(3)]
        say(run, 2)
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    """
    ended = await stage.play(code)

    assert ended.exit_code == 0, ended.errors
    found = await stage.found()
    assert ended.errors == ""
    assert found.repeats == 0
    for name in ("before", "after-0", "after-1", "after-2"):
        assert [arrival.id for arrival in found.runs[name]] == ended.ledger.said[name]
        assert len(found.runs[name]) == 50
    # Between processes no order is promised.
    assert sorted(arrival.id for arrival in found.runs["parent"]) == sorted(ended.ledger.said["parent"])
    assert len(found.runs["parent"]) == 6


async def test_a_child_does_not_send_what_its_parent_has_pending(stage: Stage) -> None:
    # Given a parent whose events are still pending, and a child that only flushes and ends,
    code = """
        emitter = Emitter()
        run = emitter.run("run")
        for number in range(500):
            say(run, number)
        pid = os.fork()
        if not pid:
            assert emitter.flush() == 0
            tell_stats(emitter)
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    """
    ended = await stage.play(code)

    # then each event is in the log once.
    assert ended.stats == [{"emitted": 0, "sent": 0, "pending": 0, "dropped": {}, "recorded": 0}]
    await stage.assert_all_arrived(ended, 500)


async def test_a_worker_that_was_forked_in_c_emits_too(stage: Stage) -> None:
    # No hook of Python's is called: the emitter sees by itself that it is in another process.
    code = """
        import ctypes
        emitter = Emitter()
        run = emitter.run("run")
        say(run, "parent")
        emitter.flush()
        time.sleep(0.3)  # its thread sleeps: in the middle of Python no fork in C would be safe
        pid = ctypes.PyDLL(None).fork()
        if not pid:
            say(run, "child")
            assert emitter.flush() == 0
            tell_stats(emitter)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        say(run, "parent again")
    """
    ended = await stage.play(code)

    assert ended.exit_code == 0, ended.errors
    assert ended.stats == [{"emitted": 1, "sent": 1, "pending": 0, "dropped": {}, "recorded": 0}]
    await stage.assert_all_arrived(ended, 3)


async def test_a_thread_that_cannot_be_started_is_tried_again_with_the_next_event(stage: Stage) -> None:
    code = """
        import types
        sys.modules["multiprocessing.util"] = types.ModuleType("half of it, as another thread imports it")
        emitter = Emitter()
        run = emitter.run("run")
        started = threading.Thread.start
        def refuse(thread):
            raise RuntimeError("can't start new thread")
        threading.Thread.start = refuse
        say(run, 1)
        say(run, 2)
        assert emitter.flush(0.1) == 2
        threading.Thread.start = started
        time.sleep(0.3)
        say(run, 3)
        assert emitter.flush() == 0
        tell_stats(emitter)
    """
    ended = await stage.play(code)

    assert ended.stats == [{"emitted": 3, "sent": 3, "pending": 0, "dropped": {}, "recorded": 0}]
    assert ended.errors.count("Cannot start the emitter's thread (RuntimeError(\"can't start new thread\"))") == 1
    found = await stage.found()
    assert ended.ledger.differences(found) == []


# --- loops and threads ---


async def test_two_event_loops_and_many_threads_share_one_emitter(stage: Stage) -> None:
    code = """
        emitter = Emitter()

        async def agent(name):
            async with emitter.run(name) as run:
                for number in range(20):
                    say(run, number)
                    await asyncio.sleep(0.001)
                note(name, run.run_completed())

        async def agents(loop):
            await asyncio.gather(*(agent(f"{loop}-{number}") for number in range(10)))

        def in_thread(number):
            run = emitter.run(f"thread-{number}")
            for step in range(20):
                say(run, step)
                time.sleep(0.001)

        threads = [threading.Thread(target=asyncio.run, args=(agents(f"loop-{loop}"),)) for loop in range(2)]
        threads += [threading.Thread(target=in_thread, args=(number,)) for number in range(64)]
        balances = []
        def watch():
            while any(thread.is_alive() for thread in threads):
                stats = emitter.stats()
                balances.append(stats.emitted - stats.sent - stats.pending - sum(stats.dropped.values()))
        for thread in threads:
            thread.start()
        watch()
        assert len(balances) > 3 and set(balances) == {0}, balances[:20]
    """
    ended = await stage.play(code)

    assert ended.exit_code == 0, ended.errors
    await stage.assert_all_arrived(ended, 20 * 21 + 64 * 20)
