"""Commands check what they need before their first work, and name the remedy; what may be temporary is waited for."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from consumer.errors import UsageError
from consumer.postgres.requirements import ACCEPT_LOSS, CONSUME, DISCARD, READ, RETRY
from consumer.postgres.store import Store
from consumer.settings import DatabaseConfig
from deploy.local import PostgreSQL
from deploy.local.ports import HOST
from tests.support.messages import events_of
from tests.support.scene import Finished, MakeScene, Scene
from tests.support.servers import TemplateDatabase
from tests.support.servers.clients import execute
from tests.support.servers.logins import CONSUMER, PASSWORD, READER, login

REFUSED_FOR = "0.3"  # seconds
UNTIL_END = ("run", "--until-end")
RETRY_ALL = ("dead-letters", "retry", "--all")
DISCARD_ALL = ("dead-letters", "discard", "--all", "--because", "x", "--by", "Ada")
ACCEPT = ("offsets", "accept-loss", "--partition", "0", "--by", "Ada")


def _assert_refused(finished: Finished, *texts: str) -> None:
    """Require exit code 2, these texts, and no traceback."""
    assert finished.exit_code == 2, finished.output
    assert "Traceback" not in finished.output, finished.output
    for text in texts:
        assert text in finished.output, finished.output


async def _all(scene: Scene, *commands: tuple[str, ...], **settings: str) -> list[Finished]:
    """Run the commands at the same time."""
    return await asyncio.gather(*(scene.command(*command, **settings) for command in commands))


def _with(url: str, **parts: str) -> str:
    """The URL with another user, password or database."""
    old = urlsplit(url)
    user = parts.get("user", old.username or "")
    password = f":{parts['password']}" if "password" in parts else ""
    path = f"/{parts['database']}" if "database" in parts else old.path
    return old._replace(netloc=f"{user}{password}@{old.hostname}:{old.port}", path=path).geturl()


async def test_a_login_with_the_readers_role_only_does_not_join_the_group(scene: Scene) -> None:
    # Given records, and a login that may only read,
    await scene.publish(*events_of("run", "a"))
    async with login(scene.database, READER) as url:
        user = urlsplit(url).username
        # when it should consume or change something, then each command names the rights and the role to grant.
        for finished in await _all(scene, ("run",), UNTIL_END, RETRY_ALL, DISCARD_ALL, ACCEPT, DATABASE_URL=url):
            _assert_refused(finished, "INSERT", f"GRANT {CONSUMER} TO {user}")
            assert "assigned" not in finished.output
        # It may run the commands that only read.
        reading = (("verify", "--topic"), ("offsets", "show"), ("dead-letters", "list"))
        for finished in await _all(scene, *reading, DATABASE_URL=url):
            assert finished.exit_code == 0, finished.output
        # And with the role, it consumes.
        await execute(scene.database, f"GRANT {CONSUMER} TO {user}")
        await replace(scene, database=url).run_until_end()
    assert await scene.event_ids("run") == ["a"]


async def test_a_login_without_any_right_is_told_of_all_that_are_missing(scene: Scene) -> None:
    # Given a login with no role, when it reads, then the smaller role is enough; when it consumes, it is not.
    async with login(scene.database, READER) as url:
        user = urlsplit(url).username
        await execute(scene.database, f"REVOKE {READER} FROM {user}")
        shown = await scene.command("offsets", "show", DATABASE_URL=url)
        _assert_refused(shown, f"GRANT {READER} TO {user}", "SELECT on _pogo_migration")
        finished = await scene.command("run", DATABASE_URL=url)
        _assert_refused(finished, f"GRANT {CONSUMER} TO {user}", "SELECT, INSERT on run_events")


async def test_a_member_of_a_role_without_its_rights_is_told_to_migrate(scene: Scene) -> None:
    # Given a group role that lost a right,
    await execute(scene.database, f"REVOKE INSERT ON dead_letters FROM {CONSUMER}")
    async with login(scene.database, CONSUMER) as url:
        # when a member should consume, then the command that restores the right is named, and restores it.
        finished = await scene.command("run", DATABASE_URL=url)
        _assert_refused(finished, "INSERT on dead_letters", "agent-runs-consumer migrate")
        assert (await scene.command("migrate")).exit_code == 0
        await replace(scene, database=url).run_until_end()


async def test_the_checked_rights_are_those_that_the_roles_have(scene: Scene) -> None:
    # Given the rights that `migrate` has granted, then the commands together need all of them, and no other.
    granted = {role: set(await scene.rows(GRANTED, role)) for role in (CONSUMER, READER)}
    checked = {
        CONSUMER: {tuple(right) for right in (*CONSUME, *RETRY, *DISCARD, *ACCEPT_LOSS)},
        READER: {tuple(right) for right in READ},
    }
    assert checked == granted


GRANTED = """
    SELECT c.relname::text, a.privilege_type, NULL::text
      FROM pg_class AS c, aclexplode(c.relacl) AS a
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.grantee = $1::regrole
    UNION
    SELECT c.attrelid::regclass::text, a.privilege_type, c.attname::text
      FROM pg_attribute AS c, aclexplode(c.attacl) AS a
     WHERE a.grantee = $1::regrole
"""


async def test_migrate_names_the_right_and_the_owner_that_it_needs(scene: Scene, empty_database: str) -> None:
    # Given an empty database, and one with tables, when a login that may not create tables migrates them,
    async with login(scene.database, CONSUMER) as url:
        user = urlsplit(url).username
        into_empty = _with(url, password=PASSWORD, database=urlsplit(empty_database).path[1:])
        created = await scene.command("migrate", DATABASE_URL=into_empty)
        changed = await scene.command("migrate", DATABASE_URL=url)
    # then the command names what is missing.
    _assert_refused(created, f"GRANT CREATE ON SCHEMA public TO {user}")
    _assert_refused(changed, f"the tables belong to {urlsplit(scene.database).username}")


async def test_all_unmet_requirements_of_a_database_are_reported_at_once(scene: Scene, latin_database: str) -> None:
    # Given a database without tables and in another encoding, when it is consumed into, then both are reported.
    finished = await replace(scene, database=latin_database).command("run")
    _assert_refused(finished, "ENCODING 'UTF8'", "agent-runs-consumer migrate")
    assert len([line for line in finished.output.splitlines() if line.startswith("error: ")]) == 2


async def test_a_misspelt_setting_is_refused_and_variables_of_kubernetes_are_not(scene: Scene) -> None:
    # Given a misspelt setting, when a command starts, then it is named with the nearest one.
    for finished in await _all(scene, ("run",), ("create-topic",), AGENT_RUNS_LANE="1"):
        _assert_refused(finished, "did you mean AGENT_RUNS_LANES?")
    # Given the variables of a Service, when the consumer starts, then it runs.
    await scene.run_until_end(AGENT_RUNS_PORT="tcp://10.0.0.1:8000", AGENT_RUNS_SERVICE_HOST="10.0.0.1")


async def test_a_login_or_a_database_that_does_not_exist_is_waited_for_and_then_refused(scene: Scene) -> None:
    # Given a database and a role that do not exist, when a consumer or a command starts,
    missing = {
        "3D000": _with(scene.database, database="nowhere"),
        "28000": _with(scene.database, user="nobody_here"),
    }
    for code, url in missing.items():
        settings = {"DATABASE_URL": url, "AGENT_RUNS_GIVE_UP_S": REFUSED_FOR}
        # then it tries again for a while, and ends with the remedy.
        for finished in await _all(scene, ("run",), ("migrate",), **settings):
            _assert_refused(finished, code, "in DATABASE_URL", f"refused for {REFUSED_FOR} s")


async def test_a_consumer_starts_when_its_login_is_created_meanwhile(scene: Scene) -> None:
    # Given a consumer whose login does not exist yet,
    await scene.publish(*events_of("run", "a"))
    user = f"test_{uuid4().hex}"
    consumer = scene.start(DATABASE_URL=_with(scene.database, user=user), AGENT_RUNS_LOG_FORMAT="json")
    await consumer.wait_for_action("wait")
    # when it is created, then the consumer starts.
    await execute(scene.database, f"CREATE ROLE {user} LOGIN IN ROLE {CONSUMER}")
    try:
        await scene.wait_for_events("run", "a")
        (line,) = consumer.lines("available")
        assert line["attempts"] == consumer.count("wait") + 1
        await consumer.terminate()
    finally:
        await execute(scene.database, f"DROP ROLE {user}")


async def test_a_running_consumer_waits_for_a_login_that_is_refused(scene: Scene) -> None:
    # Given a consumer at work,
    async with login(scene.database, CONSUMER) as url:
        user = urlsplit(url).username
        consumer = scene.start(DATABASE_URL=url, AGENT_RUNS_GIVE_UP_S=REFUSED_FOR)
        await scene.publish(*events_of("run", "a"))
        await scene.wait_for_events("run", "a")
        # when its login is refused for longer than at its start,
        await execute(scene.database, f"ALTER ROLE {user} NOLOGIN")
        await scene.terminate_backends()
        await scene.publish(*events_of("run", "b"))
        await consumer.wait_for_output("PostgreSQL refuses the login", times=4)
        # then it waits, and continues once it is accepted.
        await execute(scene.database, f"ALTER ROLE {user} LOGIN")
        await scene.wait_for_events("run", "a", "b")
        await consumer.terminate()


@pytest.fixture(scope="module")
def postgres_with_passwords() -> Iterator[PostgreSQL]:
    """A PostgreSQL that requires the password of every login but the superuser's."""
    with TemporaryDirectory(prefix="agent-runs-tests-") as directory:
        server = PostgreSQL(Path(directory) / "postgresql", durable=False)
        with server:
            yield server
            server.kill()


@pytest.fixture
async def password_scene(scene: Scene, postgres_with_passwords: PostgreSQL) -> Scene:
    """The scene, with a database on that server."""
    rules = [f"host all {urlsplit(postgres_with_passwords.url).username} {HOST}/32 trust"]
    rules += [f"host all all {HOST}/32 scram-sha-256"]
    (postgres_with_passwords.directory / "data" / "pg_hba.conf").write_text("\n".join([*rules, ""]))
    await execute(postgres_with_passwords.url, "SELECT pg_reload_conf()")
    template = await TemplateDatabase.create(postgres_with_passwords.url)
    return replace(scene, database=template.url_of(await template.clone()))


async def test_a_wrong_password_is_refused_after_a_while_and_never_shown(password_scene: Scene) -> None:
    async with login(password_scene.database, CONSUMER) as url:
        # Given a password with special characters, encoded, when the consumer starts, then it is accepted.
        user = urlsplit(url).username
        await execute(password_scene.database, f"ALTER ROLE {user} PASSWORD 'S3cret#/?@[%pw9'")
        right = _with(url, password="S3cret%23%2F%3F%40%5B%25pw9")
        await replace(password_scene, database=right).run_until_end()
        # Given another password, when a command starts, then it ends with the remedy.
        wrong = _with(url, password="An0ther")
        settings = {"AGENT_RUNS_GIVE_UP_S": REFUSED_FOR, "AGENT_RUNS_LOG_LEVEL": "debug"}
        for finished in await _all(password_scene, ("run",), ("offsets", "show"), DATABASE_URL=wrong, **settings):
            _assert_refused(finished, "SQLSTATE 28P01", "correct the password in DATABASE_URL")
            assert "An0ther" not in finished.output
        # Given the right password in libpq's variable only, then it is not read.
        elsewhere = {"PGPASSWORD": "S3cret#/?@[%pw9", **settings}
        _assert_refused(await password_scene.command("offsets", "show", DATABASE_URL=_with(url), **elsewhere), "28P01")
        # Given the right one, not encoded, then no part of it is shown.
        for special in "#/":
            finished = await password_scene.command("run", DATABASE_URL=_with(url, password=f"S3cret{special}pw9"))
            _assert_refused(finished, "error: DATABASE_URL: ", "percent-encode")
            assert "S3cret" not in finished.output
            assert "pw9" not in finished.output


async def test_files_of_the_home_directory_and_variables_of_libpq_have_no_effect(scene: Scene, tmp_path: Path) -> None:
    # Given files and variables that libpq would read, of which none can be used,
    home = tmp_path / "home"
    (home / ".postgresql").mkdir(parents=True)
    for name in ("postgresql.crt", "postgresql.key", "root.crt", "root.crl"):
        (home / ".postgresql" / name).write_text("not valid")
    (home / ".pgpass").mkdir()
    variables = {
        "HOME": str(home),
        "PGSSLMODE": "verify-full",
        "PGSSLNEGOTIATION": "direct",
        "PGTARGETSESSIONATTRS": "standby",
        "PGPASSFILE": "/nowhere",
        "PGPORT": "none",
        "PGGSSLIB": "none",
    }
    # when a consumer starts, then it connects.
    await scene.run_until_end(**variables)


@pytest.mark.parametrize("parameter", ["sslrootcert", "sslcert", "sslcrl", "passfile"])
@pytest.mark.parametrize("file", ["missing", ""])
async def test_a_file_that_a_parameter_names_and_that_cannot_be_read_is_named(
    scene: Scene, tmp_path: Path, parameter: str, file: str
) -> None:
    # Given the path of a missing file or of a directory, when a connection is opened, then it names parameter and path.
    root = "" if parameter == "sslrootcert" else "&sslrootcert=system"
    url = f"{scene.database}?sslmode=verify-full{root}&{parameter}={tmp_path / file}"
    with pytest.raises(UsageError, match=rf"^DATABASE_URL: {parameter}[=:] ?{tmp_path / file} cannot be "):
        await Store.connect(DatabaseConfig(url=url), scene.topic)


async def test_a_certificate_that_is_not_valid_is_named(scene: Scene, tmp_path: Path) -> None:
    # Given files without a certificate, when a consumer starts, then it names them.
    (tmp_path / "ca").write_text("no certificate")
    url = f"{scene.database}?sslmode=require&sslrootcert={tmp_path}/ca"
    _assert_refused(await scene.command("run", DATABASE_URL=url), f"sslrootcert={tmp_path}/ca", "cannot be loaded")
    settings = {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": f"{tmp_path}/ca"}
    _assert_refused(await scene.command("run", **settings), f"KAFKA_SSL_CAFILE: {tmp_path}/ca cannot be loaded")


async def test_risky_settings_of_the_topic_are_logged_with_the_remedy(make_scene: MakeScene) -> None:
    # Given a topic with timestamps of producers, and a limit below that of the settings, when a consumer starts,
    scene = await make_scene(configs={"message.timestamp.type": "CreateTime", "max.message.bytes": "2000"})
    consumer = scene.start("--until-end", AGENT_RUNS_MAX_EVENT_BYTES="2001", AGENT_RUNS_LOG_FORMAT="json")
    assert await consumer.wait_for_exit() == 0
    # then it names both settings.
    texts = [line["event"] for line in consumer.lines("check_topic")]
    assert ["message.timestamp.type=LogAppendTime" in text for text in texts] == [True, False]
    assert "max.message.bytes=2000 is smaller than AGENT_RUNS_MAX_EVENT_BYTES=2001" in texts[1]
    # Given a limit that is enough, then it is not named.
    consumer = scene.start("--until-end", AGENT_RUNS_MAX_EVENT_BYTES="2000", AGENT_RUNS_LOG_FORMAT="json")
    assert await consumer.wait_for_exit() == 0
    assert len(consumer.lines("check_topic")) == 1
