"""DATABASE_URL is read as libpq reads it, and no message shows a part of it."""

import pytest

from agent_runs.postgres.database_url import parse, problems
from consumer.settings import DatabaseConfig

SECRET = "S3cret"
AT_HOST = "@127.0.0.1:5432/runs"

NOT_ENCODED = ["#", "/", "?", "@", "[", "]", "%", " ", "\n", "\t", "\x7f", "%zz", "#/?@", "%ff", "%00"]


@pytest.mark.parametrize("special", NOT_ENCODED)
def test_a_password_with_a_special_character_that_is_not_encoded_is_refused_with_the_remedy(special: str) -> None:
    (problem,) = problems(f"postgresql://ada:{SECRET}{special}pw9{AT_HOST}")

    assert "percent-encode" in problem or "percent-encoded" in problem
    assert SECRET not in problem
    assert "pw9" not in problem


@pytest.mark.parametrize(
    "url",
    [
        f"ada:{SECRET}{AT_HOST}",
        f"postgresql+asyncpg://ada:{SECRET}{AT_HOST}",
        f"mysql://ada:{SECRET}{AT_HOST}",
        f"postgresql:/ada:{SECRET}{AT_HOST}",
        f"postgresql://ada:{SECRET}@127.0.0.1:54x2/runs",
        f"postgresql://ada:{SECRET}@127.0.0.1:0/runs",
        f"postgresql://ada:{SECRET}@127.0.0.1:65536/runs",
        f"postgresql://ada:{SECRET}@127.0.0.1:٣/runs",
        f"postgresql://ada:{SECRET}@/runs",
        f"postgresql://ada:{SECRET}@:5432/runs",
        f"postgresql://ada:{SECRET}@[::1/runs",
        f"postgresql://ada:{SECRET}@a:1:2/runs",
        f"postgresql://ada:{SECRET}@a,b/runs?port=1,2,3",
        f"postgresql://ada:{SECRET}@a/runs?sslmode=verify",
        f"postgresql://ada:{SECRET}@a/runs?{SECRET}",
        f"postgresql://ada:{SECRET}@a/runs?connect_timeout=3",
        f"postgresql://ada:{SECRET}@a/runs?channel_binding=require",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_showing_a_part_of_it(url: str) -> None:
    (problem,) = problems(url)

    assert SECRET not in problem
    assert "ada" not in problem.replace("database", "")


@pytest.mark.parametrize(
    ("encoded", "password"),
    [
        ("S3cret%23pw9", "S3cret#pw9"),
        ("%40%3A%2F%3F%23%5B%5D%25", "@:/?#[]%"),
        ("S3:cret", "S3:cret"),
        ("p+w", "p+w"),
        ("pässwörd", "pässwörd"),
        ("p%C3%A4", "pä"),
        ("!$&'()*+,;=-._~^{}|", "!$&'()*+,;=-._~^{}|"),
        ("", ""),
    ],
)
def test_a_password_is_decoded(encoded: str, password: str) -> None:
    url = parse(f"postgresql://ada:{encoded}{AT_HOST}")

    assert (url.user, url.password, url.hosts, url.ports, url.database) == (
        "ada",
        password,
        ["127.0.0.1"],
        [5432],
        "runs",
    )


@pytest.mark.parametrize(
    ("url", "hosts", "ports", "database"),
    [
        ("postgres://ada@db", ["db"], [5432], "ada"),
        ("postgresql://ada@db:1/r%2F1\n", ["db"], [1], "r/1"),
        ("postgresql://ada@[::1]:7/r", ["::1"], [7], "r"),
        ("postgresql://ada@a,b:2/r", ["a", "b"], [5432, 2], "r"),
        ("postgresql://ada@a,b/r?port=7", ["a", "b"], [7, 7], "r"),
        ("postgresql://ada@/r?host=/run/postgresql", ["/run/postgresql"], [5432], "r"),
        ("postgresql://ada@%2Frun%2Fpg/r", ["/run/pg"], [5432], "r"),
        ("postgresql:///?host=h&port=3&user=ada&password=p%40&dbname=r", ["h"], [3], "r"),
    ],
)
def test_hosts_ports_and_database_are_read_from_both_places(
    url: str, hosts: list[str], ports: list[int], database: str
) -> None:
    found = parse(url)

    assert (found.user, found.hosts, found.ports, found.database) == ("ada", hosts, ports, database)


def test_parameters_are_of_tls_or_the_driver_or_the_session() -> None:
    url = parse("postgresql://ada@db/r?sslmode=require&sslrootcert=%2Fca&gsslib=gssapi&work_mem=9MB&options=-c%20x=1")

    assert url.tls == {"sslmode": "require", "sslrootcert": "/ca"}
    assert url.driver == {"gsslib": "gssapi"}
    assert url.server_settings == {"work_mem": "9MB", "options": "-c x=1"}


def test_a_url_and_its_settings_are_shown_without_user_and_password() -> None:
    text = f"postgresql://ada:{SECRET}{AT_HOST}"

    assert repr(parse(text)) == "DatabaseUrl(hosts=['127.0.0.1'], ports=[5432], database='runs')"
    assert SECRET not in repr(DatabaseConfig(url=text))
    assert "timeout_s=60.0" in repr(DatabaseConfig(url=text))
