"""The log is the truth: consumed again it changes nothing, and consumed into another database it gives the same."""

from __future__ import annotations

from random import Random

import asyncpg

from tests.nemesis.fleet import FLEET_SETTINGS
from tests.nemesis.world import Room, World
from tests.support.foreign_producer import consume_to_the_end
from tests.support.snapshots import RUN_DATA, row_versions, snapshot

# To any earlier place of each partition; what was counted as repeats on the way is counted again.
REWIND = """
    UPDATE consumer_offsets
       SET next_offset = first_offset + floor((next_offset - first_offset) * $1 / (partition + 1))::bigint,
           last_offset = NULL, last_timestamp = NULL
"""

SETTINGS = {name: FLEET_SETTINGS[name] for name in ("AGENT_RUNS_MAX_EVENT_BYTES", "AGENT_RUNS_BREAKER_SHARE")}


async def consumed_again(room: Room, rng: Random) -> list[str]:
    """S13: the offsets are put back, the records are consumed again; not one row may be written anew."""
    scene = room.direct
    before = await row_versions(scene.database)
    connection = await asyncpg.connect(scene.database)
    await connection.execute(REWIND, rng.random())
    await connection.close()
    ended = await consume_to_the_end(scene.servers.bootstrap_servers, scene.topic, scene.database, **SETTINGS)
    if ended.exit_code:
        return [f"S13 replay: it ended with exit code {ended.exit_code}: {ended.output[-1_000:]}"]
    after = await row_versions(scene.database)
    return [f"S13 replay: rows of {table} were written anew" for table in RUN_DATA if before[table] != after[table]]


async def consumed_elsewhere(world: World, room: Room) -> list[str]:
    """S15: a second consumer of the same log, into an empty database, writes the same rows."""
    scene, name = room.direct, await world.template.clone()
    other = world.template.url_of(name)
    ended = await consume_to_the_end(scene.servers.bootstrap_servers, scene.topic, other, **SETTINGS)
    if ended.exit_code:
        return [f"S15 determinism: it ended with exit code {ended.exit_code}: {ended.output[-1_000:]}"]
    one, two = await snapshot(scene.database), await snapshot(other)
    await world.template.drop(name)
    return [f"S15 determinism: {table} differs" for table in RUN_DATA if one[table] != two[table]]
