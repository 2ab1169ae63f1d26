"""Real agents' runs: from the emitter through the topic and the tables to the reader, every text is the same."""

import asyncio
import json

from agent_runs import Emitter, LlmCalled
from agent_runs.reader import Reader
from tests.support.scene import Scene
from tests.support.workloads import real_runs


async def test_every_event_of_real_runs_is_read_as_it_was_emitted(scene: Scene) -> None:
    # Given the events of real runs,
    trajectories = real_runs.trajectories(25)
    emitted = {trajectory["run_id"]: real_runs.events_of(trajectory) for trajectory in trajectories}
    # when they are emitted, and consumed,
    servers = scene.servers.bootstrap_servers
    with Emitter(environ={}, bootstrap_servers=servers, topic=scene.topic) as emitter:
        for run_id, events in emitted.items():
            for event in events:
                emitter.emit(run_id, event)
        assert await asyncio.to_thread(emitter.flush, 60) == 0
    await scene.consume()
    # then the reader returns the same events,
    async with Reader(scene.database) as reader:
        for run_id, events in emitted.items():
            run = await reader.get_run(run_id)
            assert run is not None
            assert [stored.event for stored in run.events] == events
            # and the calls of models have the exact prompts; each adds messages to the one before, and changes none.
            calls = [call async for call in reader.llm_calls(run_id)]
            sent = [event for event in events if isinstance(event, LlmCalled)]
            assert [call.user_prompt for call in calls] == [event.user_prompt for event in sent]
            assert [call.raw_response for call in calls] == [event.raw_response for event in sent]
            for before, call in zip(sent, calls[1:], strict=False):
                added = [(change.path[-1], change.after) for change in call.changes if change.kind == "added"]
                old, new = json.loads(before.user_prompt), json.loads(call.user_prompt)
                assert added == list(enumerate(new))[len(old) :]
                assert len(added) == len(call.changes)
