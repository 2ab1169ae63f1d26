"""The demo's own checks of the tables, independent of the command `verify`."""

from examples.demo.errors import DemoFailed
from examples.demo.foreign_producer import rejections
from examples.demo.scenario import Outcome
from examples.demo.tables import Database, query


async def check(outcome: Outcome, database: Database) -> None:
    """Check the numbers of stored records, the order of each run's events, and the reasons of the dead letters.

    Raises:
        DemoFailed: a check failed.
    """
    counts = outcome.counts
    if counts.processed != outcome.published:
        raise DemoFailed(f"{outcome.published} records were published, {counts.processed} were processed")
    if counts.event_count != counts.stored:
        raise DemoFailed(f"the sum of event_count is {counts.event_count}, but {counts.stored} events are stored")
    if disordered := await query(database, "runs_out_of_order"):
        run_ids = ", ".join(row["run_id"] for row in disordered)
        raise DemoFailed(f"the events of these runs have gaps or are out of order: {run_ids}")
    expected, found = sorted(rejections()), sorted(row["reason"] for row in await query(database, "dead_letters"))
    if found != expected:
        raise DemoFailed(f"expected the dead letters {expected}, found {found}")
