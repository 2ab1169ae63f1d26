"""The rows of the matrix."""

from typing import Final

from tests.matrix.interpreters import with_python
from tests.matrix.postgresql import with_postgresql
from tests.matrix.row import Row

ENVIRONMENTS: Final = "tests/integration/test_emitter_environments.py"
CHANGED_ASYNCIO: Final = f"{ENVIRONMENTS}::test_the_emitter_works_beside_changed_threads_and_loops"
POOLS: Final = f"{ENVIRONMENTS}::test_the_children_of_a_pool_lose_nothing"
EXECUTOR: Final = f"{ENVIRONMENTS}::test_the_processes_of_an_executor_lose_nothing"
CELERY: Final = f"{ENVIRONMENTS}::test_the_tasks_of_celery_lose_nothing"
GUNICORN: Final = f"{ENVIRONMENTS}::test_the_workers_of_gunicorn_lose_nothing"
KAFKA_LOGINS: Final = "tests/integration/test_kafka_logins.py"
CLOSED_BY_BROKER: Final = f"{KAFKA_LOGINS}::test_connections_that_the_broker_closes_are_opened_again_without_a_loss"
POSTGRESQL_LOGINS: Final = "tests/integration/test_postgresql_logins.py"
POOLERS: Final = "tests/integration/test_poolers.py"
POOLED_READER: Final = "tests/integration/test_reader_connections.py"

# What differs between versions of Python: asyncio, multiprocessing, the clients, and the installation of the wheel.
ON_PYTHON: Final = (
    "tests/acceptance/test_readme.py",
    "tests/unit/test_emitter.py",
    "tests/unit/test_emitter_misuse.py",
    "tests/unit/test_emitter_settings.py",
    "tests/unit/test_emitter_threads.py",
    "tests/unit/test_redaction.py",
    "tests/unit/test_tracing.py",
    "tests/unit/test_decorators.py",
    "tests/unit/test_copies_of_runs.py",
    "tests/integration/test_emitter_delivery.py",
    f"{ENVIRONMENTS}::test_the_emitter_works_beside_changed_threads_and_loops",
    f"{ENVIRONMENTS}::test_the_children_of_a_pool_lose_nothing",
    "tests/integration/test_reader.py",
    "tests/faults/test_sigterm.py",
)
# What depends on the server: migrations, rights, the SQL of the consumer and of the reader, compression.
ON_POSTGRESQL: Final = (
    "tests/integration/test_migrate.py",
    "tests/integration/test_schema.py",
    "tests/integration/test_roles.py",
    "tests/integration/test_consuming_again.py",
    "tests/integration/test_refused_records.py",
    "tests/integration/test_dead_letters.py",
    "tests/integration/test_verify.py",
    "tests/integration/test_reader.py",
    "tests/integration/test_sample_queries.py",
    "tests/faults/test_limits_of_sessions.py",
    "tests/faults/test_two_owners.py",
)


def _python(version: str) -> Row:
    tried = (
        "the wheel with its dependencies in a new environment: `migrate`, `create-topic`, the README's agent, `run`; "
        "the emitter's delivery, pools of processes, changed event loops; the reader; SIGTERM"
    )
    return Row(f"python-{version}", tried, ON_PYTHON, ("aiokafka", "asyncpg", "msgspec"), with_python(version))


def _postgresql(name: str, major: int, *, lz4: bool) -> Row:
    tried = (
        "migrations, rights of the roles, consuming twice, refused records, dead letters, `verify`, `rebuild`, the "
        "reader, sample queries, limits of a role"
    )
    return Row(name, tried, ON_POSTGRESQL, open=with_postgresql(major, lz4=lz4))


def _kafka_login(name: str, login: str, remark: str = "") -> Row:
    tried = "emitter and consumer, with the rights of [security.md](security.md) and no other"
    return Row(name, f"{tried}{remark}", (f"{KAFKA_LOGINS}::test_emitter_and_consumer_log_in[{login}]",))


def _kafka(name: str, tried: str, *tests: str) -> Row:
    return Row(name, tried, tests)


def _emitter(name: str, tried: str, test: str, *packages: str) -> Row:
    return Row(name, f"emitter: {tried}", (test,), packages)


SECTIONS: Final[dict[str, tuple[Row, ...]]] = {
    "Python": tuple(_python(version) for version in ("3.11", "3.12", "3.13", "3.14")),
    "Event loops and threads": (
        _emitter(
            "asyncio-debug", "asyncio's debug mode, `python -W error`", f"{CHANGED_ASYNCIO}[asyncio's debug mode]"
        ),
        Row(
            "asyncio-debug-consumer",
            "consumer: asyncio's debug mode, `python -X dev -W error`",
            ("tests/integration/test_debug_mode.py",),
        ),
        _emitter("nest-asyncio", "`nest_asyncio.apply()`", f"{CHANGED_ASYNCIO}[nest_asyncio]", "nest-asyncio"),
        _emitter("gevent", "`monkey.patch_all()`", f"{CHANGED_ASYNCIO}[gevent]", "gevent"),
        _emitter("eventlet", "`monkey_patch()`", f"{CHANGED_ASYNCIO}[eventlet]", "eventlet"),
        _emitter(
            "asyncio-replaced",
            "the application replaces asyncio's classes",
            f"{CHANGED_ASYNCIO}[asyncio's classes replaced]",
        ),
    ),
    "Processes": (
        *(
            _emitter(
                f"multiprocessing-{method}", "a pool whose children are recycled", f"{POOLS}[multiprocessing-{method}]"
            )
            for method in ("fork", "forkserver", "spawn")
        ),
        *(
            _emitter(
                f"billiard-{method}", "a pool whose children are recycled", f"{POOLS}[billiard-{method}]", "billiard"
            )
            for method in ("fork", "forkserver", "spawn")
        ),
        *(
            _emitter(
                f"multiprocess-{method}",
                "a pool whose children are recycled",
                f"{POOLS}[multiprocess-{method}]",
                "multiprocess",
            )
            for method in ("fork", "spawn")
        ),
        *(
            _emitter(f"executor-{method}", "`concurrent.futures.ProcessPoolExecutor`", f"{EXECUTOR}[{method}]")
            for method in ("fork", "forkserver", "spawn")
        ),
        _emitter("celery-prefork", "a worker of two processes, SIGTERM", f"{CELERY}[0]", "celery", "billiard"),
        _emitter("celery-prefork-recycled", "`worker_max_tasks_per_child=1`", f"{CELERY}[1]", "celery", "billiard"),
        _emitter("gunicorn-sync", "two workers that are recycled, SIGHUP, SIGTERM", f"{GUNICORN}[sync]", "gunicorn"),
        _emitter(
            "gunicorn-gthread", "two workers that are recycled, SIGHUP, SIGTERM", f"{GUNICORN}[gthread]", "gunicorn"
        ),
        _emitter(
            "uvicorn-reload",
            "`--reload` after a change of the application, SIGTERM",
            f"{ENVIRONMENTS}::test_a_server_of_uvicorn_that_is_reloaded_loses_nothing",
            "uvicorn",
        ),
        _emitter(
            "frozen-process",
            "SIGSTOP between two invocations, as AWS Lambda does",
            f"{ENVIRONMENTS}::test_a_flush_at_the_end_of_an_invocation_loses_nothing_if_the_process_is_frozen",
        ),
        Row(
            "wrong-clock",
            "emitter and consumer: a clock that is a day ahead or behind",
            ("tests/integration/test_wrong_clock.py",),
        ),
    ),
    "PostgreSQL": (
        Row(
            "postgresql-15",
            "consumer: refused at the start with the version that is needed",
            ("tests/integration/test_old_postgresql.py",),
        ),
        _postgresql("postgresql-16", 16, lz4=False),
        _postgresql("postgresql-17", 17, lz4=False),
        _postgresql("postgresql-18-lz4", 18, lz4=True),
        Row(
            "postgresql-scram",
            "consumer and reader: TLS with a private authority, `sslmode=verify-full`, SCRAM",
            (
                f"{POSTGRESQL_LOGINS}::test_consumer_and_reader_log_in_with_a_certificate_or_a_password[test_by_password]",
            ),
        ),
        Row(
            "postgresql-client-certificate",
            "consumer and reader: a client certificate with an encrypted key; wrong and expired certificates, wrong "
            "passwords",
            (
                f"{POSTGRESQL_LOGINS}::test_consumer_and_reader_log_in_with_a_certificate_or_a_password[test_by_certificate]",
                f"{POSTGRESQL_LOGINS}::test_a_login_that_the_server_refuses_is_told_with_the_remedy",
            ),
        ),
        Row(
            "postgresql-expired-certificate",
            "consumer: a certificate of the server that has expired is reported with the remedy",
            (
                "tests/integration/test_postgresql_tls.py::test_a_certificate_that_has_expired_is_refused_with_the_remedy",
            ),
        ),
        Row(
            "postgresql-role-settings",
            "consumer and reader: a login with other timeouts, isolation level, `search_path`, time zone, date style, "
            "encoding and formats",
            ("tests/integration/test_formats_of_a_login.py", "tests/faults/test_limits_of_sessions.py"),
        ),
        Row(
            "pgbouncer-session",
            "consumer: `migrate` and `run` behind `pool_mode=session`",
            (f"{POOLERS}::test_in_session_mode_the_service_migrates_and_consumes",),
        ),
        Row(
            "pgbouncer-transaction",
            "consumer: refused at the start with the remedy; reader: works",
            (
                f"{POOLERS}::test_a_pooler_without_sessions_is_refused_with_the_remedy",
                POOLED_READER,
            ),
        ),
    ),
    "Kafka": (
        _kafka_login("kafka-sasl-plain", "SASL PLAIN"),
        _kafka_login("kafka-scram-sha-256", "SCRAM-SHA-256"),
        _kafka_login("kafka-scram-sha-512", "SCRAM-SHA-512"),
        _kafka_login("kafka-tls", "TLS"),
        _kafka_login("kafka-client-certificate", "client certificate", " (the key is encrypted)"),
        _kafka_login("kafka-sasl-tls", "SASL over TLS"),
        _kafka(
            "kafka-wrong-certificates",
            "emitter and commands: certificates of the broker and of the client that have expired, or are of another "
            "authority, and wrong logins: reported with the remedy",
            "tests/integration/test_first_contact.py",
        ),
        _kafka(
            "kafka-acls",
            "a group, a topic or a session timeout that the broker refuses: reported, and tried again",
            "tests/faults/test_group_refusals.py",
        ),
        _kafka(
            "kafka-idle-connections",
            "emitter and consumer: the broker closes idle connections (`connections.max.idle.ms`)",
            f"{CLOSED_BY_BROKER}[idle]",
        ),
        _kafka(
            "kafka-reauthentication",
            "emitter and consumer: a login lasts two seconds (`connections.max.reauth.ms`)",
            f"{CLOSED_BY_BROKER}[login-expires]",
        ),
        _kafka(
            "kafka-quotas",
            "consumer under `consumer_byte_rate`, emitter under `producer_byte_rate`",
            "tests/faults/test_broker_quotas.py",
            f"{KAFKA_LOGINS}::test_an_emitter_under_a_quota_delivers_everything",
        ),
    ),
}
