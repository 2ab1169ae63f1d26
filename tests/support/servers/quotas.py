"""Quotas of a broker's clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String

ENTITY = Array(("type", String("utf-8")), ("name", String("utf-8")))
FETCH_RATE = "consumer_byte_rate"
PRODUCE_RATE = "producer_byte_rate"
CLOSES_WITHIN_S = 2.0


# aiokafka, which has no types, lacks this request.


class AlterClientQuotasResponse(Response):  # type: ignore[misc]
    """The broker's answer, with an error for each entity."""

    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("entries", Array(("error_code", Int16), ("error_message", String("utf-8")), ("entity", ENTITY))),
    )


class AlterClientQuotasStruct(RequestStruct):  # type: ignore[misc]
    """Version 0 of the request."""

    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = AlterClientQuotasResponse
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", ENTITY),
                ("ops", Array(("key", String("utf-8")), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


class AlterClientQuotas(Request[AlterClientQuotasStruct]):  # type: ignore[misc]
    """Sets or removes quotas of one client id."""

    API_KEY = 49

    def __init__(self, client_id: str, *operations: tuple[str, float, bool]) -> None:
        self._entry = [("client-id", client_id)], list(operations)

    def build(self, request_struct_class: type[AlterClientQuotasStruct]) -> AlterClientQuotasStruct:
        return request_struct_class([self._entry], False)


@asynccontextmanager
async def byte_quota(bootstrap_servers: str, client_id: str, rate: str, bytes_per_s: float) -> AsyncIterator[None]:
    """Limit what all clients of this id together fetch or produce, for the duration of the block."""
    await _alter(bootstrap_servers, AlterClientQuotas(client_id, (rate, bytes_per_s, False)))
    try:
        yield
    finally:
        await _alter(bootstrap_servers, AlterClientQuotas(client_id, (rate, 0.0, True)))


async def _alter(bootstrap_servers: str, request: AlterClientQuotas) -> None:
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers)
    await client.bootstrap()
    try:
        response: Any = await client.send(client.get_random_node(), request)
    finally:
        # With a deadline: the client cancels a task of its own, which ignores that if a response arrives then.
        with suppress(TimeoutError):
            await asyncio.wait_for(client.close(), CLOSES_WITHIN_S)
    for code, message, _ in response.entries:
        if code:
            raise for_code(code)(message)
