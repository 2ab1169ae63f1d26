"""The page for operators: lag, partitions that make no progress, and dead letters, from real servers."""

from pathlib import Path

from tests.support.messages import Message, event
from tests.support.scene import MakeScene
from tests.support.servers.clients import execute
from tests.support.servers.logins import READER, login
from tests.support.viewer_process import get, running_viewer

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"


async def test_lag_halted_partitions_and_dead_letters_are_shown_with_the_commands(make_scene: MakeScene) -> None:
    # Given dead letters of two reasons, two records that wait, and a partition whose log has lost records,
    scene = await make_scene(partitions=2)
    invalid = event("x", "tool_failed", tool_name=HOSTILE)
    await scene.publish(
        *(Message(b"run", b"{", partition=0) for _ in range(55)),
        Message(HOSTILE.encode(), invalid, partition=0),
        Message(b"\xff", event("a"), partition=0),
        Message(b"run", event("a"), partition=1),
    )
    await scene.consume()
    await scene.publish(*(Message(b"run", event(name), partition=0) for name in ("b", "c")))
    await execute(scene.database, "UPDATE consumer_offsets SET next_offset = 1000 WHERE partition = 1")
    async with (
        login(scene.database, READER) as url,
        running_viewer(url, scene.directory, **scene.kafka_environ) as port,
    ):
        # then the API has the lag of each partition, and the dead letters by reason,
        found = (await get(port, "/api/operations")).json
        assert [(each["partition"], each["state"], each["lag_records"]) for each in found["partitions"]] == [
            (0, "behind", 2),
            (1, "lost", 0),
        ]
        assert (found["lag_problem"], found["partitions"][0]["lag_seconds"] >= 0) == (None, True)
        assert found["dead_letters"] == {"not_json": 55, "invalid_event": 1, "invalid_key": 1}
        # the page has the command for the halted partition,
        page = (await get(port, "/operations")).text
        assert "agent-runs-consumer offsets accept-loss --partition 1 --by NAME" in page
        assert "1 lost, 1 behind" in page
        # and the dead letters page by page, newest first, also of one reason.
        first, path = (await get(port, "/operations?reason=not_json")).text, ""
        assert first.count('class="reason"') == 50
        path = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
        assert (await get(port, path)).text.count('class="reason"') == 5
        (number,) = (await scene.rows("SELECT id FROM dead_letters WHERE reason = 'invalid_event'"))[0]
        letter = (await get(port, f"/operations/dead-letters/{number}")).text
        for text in ("&lt;script&gt;alert(1)", "\\x1b", "\\u202e", "`error`", f"dead-letters retry {number}"):
            assert text in letter
        assert "<script>alert" not in page + first + letter
        for path, status in {
            "/operations?reason=no": 400,
            "/operations?cursor=AA": 400,
            "/operations/dead-letters/999999": 404,
            "/operations/dead-letters/x": 404,
        }.items():
            assert ((await get(port, path)).status, path) == (status, path)


async def test_a_kafka_that_is_away_is_named_with_its_address_and_the_remedy(database: str, tmp_path: Path) -> None:
    async with running_viewer(database, tmp_path, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1") as port:
        problem = (await get(port, "/api/operations")).json["lag_problem"]

    assert "broker 127.0.0.1:1: Connect call failed" in problem
    assert problem.endswith(": correct KAFKA_BOOTSTRAP_SERVERS, or start the broker.")
