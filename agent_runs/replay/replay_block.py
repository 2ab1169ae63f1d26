"""The block `with recording:`, and what becomes of a recording that is copied or pickled."""

from typing import Self

from agent_runs.emitter import recorded_answers
from agent_runs.emitter.pickling import Shared
from agent_runs.replay.no_recording import IN_ANOTHER_PROCESS, NoRecording


class ReplayBlock(Shared):
    """The base class of `Recording`. In a block `with recording:`, it answers the calls of the runs that start there.

    Tasks that start in the block belong to it; threads do not, unless they are started with the context of the block,
    as `asyncio.to_thread` does. A copy is the object itself. In another process, an unpickled recording refuses every
    call, so that a replay calls no model there.
    """

    def __enter__(self) -> Self:
        recorded_answers.enter(self)  # type: ignore[arg-type]  # a subclass has the methods
        return self

    def __exit__(self, *_: object) -> None:
        recorded_answers.leave()

    def _to_pickle(self) -> None:
        return None

    @classmethod
    def _from_pickle(cls, state: None) -> NoRecording:  # noqa: ARG003
        return NoRecording(IN_ANOTHER_PROCESS)
