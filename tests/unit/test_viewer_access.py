"""Who may use the viewer: hosts, tokens, and the user whom a proxy names."""

import base64

import pytest
from starlette.types import Scope

from viewer.access import MAX_WRONG_TOKENS, Access, WrongTokens, client_of
from viewer.settings import ViewerSettings

TOKEN = "open-sesame-open-sesame"
RIGHT = {"authorization": f"Bearer {TOKEN}"}


def scope(client: str = "10.0.0.1", **headers: str) -> Scope:
    named = {"host": "127.0.0.1", **headers}
    return {
        "type": "http",
        "path": "/",
        "client": (client, 1),
        "headers": [(name.replace("_", "-").encode(), text.encode()) for name, text in named.items()],
    }


def status(access: Access, request: Scope) -> int:
    failure = access.failure(request)
    return 200 if failure is None else failure.status


def test_a_client_that_guesses_must_wait_whatever_it_sends_then_and_others_need_not() -> None:
    access = Access(ViewerSettings(token=TOKEN))
    guesses = [status(access, scope(authorization=f"Bearer {number}")) for number in range(MAX_WRONG_TOKENS + 1)]

    assert (set(guesses[:-1]), guesses[-1]) == ({401}, 429)
    assert status(access, scope(**RIGHT)) == 429
    assert status(access, scope("10.0.0.2", **RIGHT)) == 200


def test_a_request_without_a_token_is_not_a_guess() -> None:
    access = Access(ViewerSettings(token=TOKEN))

    assert {status(access, scope()) for _ in range(2 * MAX_WRONG_TOKENS)} == {401}
    assert status(access, scope(**RIGHT)) == 200


def test_the_wait_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("viewer.access.time.monotonic", lambda: now[0])
    wrong = WrongTokens()
    for _ in range(MAX_WRONG_TOKENS):
        wrong.add("::1")
    assert wrong.wait_s("::1") == 61

    now[0] += 60

    assert wrong.wait_s("::1") == 0
    wrong.add("::1")
    assert wrong.wait_s("::1") == 0


def test_the_addresses_of_one_ipv6_network_are_one_client_and_the_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("viewer.access._MAX_CLIENTS", 3)
    wrong = WrongTokens()
    for number in range(MAX_WRONG_TOKENS):
        wrong.add(f"2001:db8::{number:x}")
    assert wrong.wait_s("2001:db8::ffff") > 0
    assert wrong.wait_s("2001:db8:0:1::1") == 0

    for number in range(3):
        wrong.add(f"10.0.0.{number}")

    assert wrong.wait_s("2001:db8::1") == 0


def test_the_host_must_be_a_loopback_name_or_an_allowed_one_also_with_a_token() -> None:
    hosts = "runs.example.org, [2001:db8::1]"
    for settings, others in (
        (ViewerSettings(allowed_hosts=hosts), 421),
        (ViewerSettings(allowed_hosts=hosts, token=TOKEN), 421),
        (ViewerSettings(token=TOKEN), 200),
    ):
        access = Access(settings)
        for host in ("Runs.Example.org:443", "localhost", "[2001:db8::1]:80"):
            assert status(access, scope(**{**RIGHT, "host": host})) == 200
        assert status(access, scope(**{**RIGHT, "host": "evil.org"})) == others


@pytest.mark.parametrize(
    ("headers", "user"),
    [
        ([b"ada"], "ada"),
        (["  Amélie ".encode()], "Amélie"),
        ([], None),
        ([b""], None),
        ([b"ada", b"bob"], None),
        ([b"a" * 256], None),
        ([b"\xff"], None),
        ([b"a\x1bb"], None),
    ],
)
def test_a_proxy_names_the_user_once(headers: list[bytes], user: str | None) -> None:
    access = Access(ViewerSettings(user_header="X-Forwarded-User"))
    request = scope()
    request["headers"] += [(b"x-forwarded-user", text) for text in headers]

    assert status(access, request) == (403 if user is None else 200)
    assert request["state"]["user"] == user


def test_the_header_of_the_proxy_is_not_a_token() -> None:
    access = Access(ViewerSettings(user_header="X-User", token=TOKEN))

    assert status(access, scope(x_user="ada")) == 401
    basic = base64.b64encode(f"proxy:{TOKEN}".encode()).decode()
    assert status(access, scope(x_user="ada", authorization=f"Basic {basic}")) == 200


def test_behind_a_proxy_a_client_is_a_user_and_else_an_address() -> None:
    access = Access(ViewerSettings(user_header="X-User"))
    named, unnamed = [scope(x_user=name) for name in ("ada", "bob", "ada")], scope("2001:db8::1")
    assert [status(access, each) for each in named] == [200, 200, 200]

    assert [client_of(each) for each in named] == ["user ada", "user bob", "user ada"]
    assert client_of(unnamed) == client_of(scope("2001:db8::2")) != client_of(scope("2001:db8:0:1::1"))
