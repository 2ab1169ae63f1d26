"""Where health and metrics are served, and which address is refused."""

import asyncio
import socket
from urllib.request import urlopen

import pytest

from consumer.errors import UsageError
from consumer.settings import ServiceConfig
from consumer.telemetry.health_server import http_server
from consumer.telemetry.observer import Observer
from deploy.local.ports import free_port

NOT_OF_THIS_MACHINE = "192.0.2.1"  # reserved for documentation (RFC 5737)


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
async def test_the_host_may_be_an_ipv6_address() -> None:
    port = free_port()

    async with http_server(ServiceConfig(http_host="[::1]", http_port=port), Observer(60.0)):
        answer = await asyncio.to_thread(urlopen, f"http://[::1]:{port}/livez", timeout=60)

    with answer:
        assert answer.status == 200


async def test_a_host_that_is_not_of_this_machine_is_refused_with_the_setting_to_change() -> None:
    config = ServiceConfig(http_host=NOT_OF_THIS_MACHINE, http_port=8000)

    with pytest.raises(UsageError, match=r"set AGENT_RUNS_HTTP_HOST to an address of this machine"):
        async with http_server(config, Observer(60.0)):
            pass
