"""The check of identities while another consumer inserts rows."""

from typing import Any, cast

from consumer.postgres.identity_check import identity_problems
from consumer.postgres.store import Store


class GrowingTable:
    """A store with one table, into which a row is inserted after each query."""

    def __init__(self) -> None:
        self.next_id = 1

    async def fetch(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        largest, self.next_id = self.next_id - 1, self.next_id + 1
        if query == "next_identities":
            return [{"name": "dead_letters", "sequence": "dead_letters_id_seq", "next": largest + 1}]
        return [{"id": largest or None}]


async def test_a_row_that_is_inserted_during_the_check_is_not_a_problem() -> None:
    assert await identity_problems(cast("Store", GrowingTable()), ["dead_letters"]) == []
