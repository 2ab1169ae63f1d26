"""The health of a consumer, as a probe asks for it."""

import asyncio


async def health(port: int) -> tuple[int, str]:
    """Status and body of `GET /healthz`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), body
