"""The settings of the service. Each is read from the environment variable in its annotation, or from a file.

If `<VARIABLE>_FILE` is set, it is the path of the file that holds the value.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Struct
from msgspec.structs import asdict, fields

from agent_runs.emitter.settings import EMITTER_VARIABLES
from agent_runs.errors import SettingsError
from agent_runs.postgres import database_url
from agent_runs.settings import (
    DEFAULT_MAX_EVENT_BYTES,
    DEFAULT_SCHEMA,
    DEFAULT_TOPIC,
    MAX_EVENT_BYTES_LIMIT,
    SCHEMA_PATTERN,
    TOPIC_PATTERN,
    KafkaSettings,
    env,
    read_sections,
    variables,
)
from agent_runs.unknown_variables import VIEWER_VARIABLES, unknown_variables

CLIENT_ID: Final = "agent-runs-consumer"  # in brokers' logs and quotas
_MAX_GROUP: Final = 8191  # characters of at most four bytes; Kafka's protocol has at most 32,767 bytes
_MAX_INT32: Final = 2**31 - 1


class TopicConfig(Struct, frozen=True, kw_only=True):
    """The topic, the consumer group and the Kafka client."""

    topic: Annotated[str, env("AGENT_RUNS_TOPIC", pattern=TOPIC_PATTERN)] = DEFAULT_TOPIC
    group: Annotated[str, env("AGENT_RUNS_GROUP", max_length=_MAX_GROUP)] = "agent-runs"
    # Makes this process a static member of the group: after a restart within the session timeout, it has the same
    # partitions, without a rebalance.
    group_instance_id: Annotated[str | None, env("AGENT_RUNS_GROUP_INSTANCE_ID")] = None
    max_event_bytes: Annotated[int, env("AGENT_RUNS_MAX_EVENT_BYTES", ge=1024, le=MAX_EVENT_BYTES_LIMIT)] = (
        DEFAULT_MAX_EVENT_BYTES
    )
    # Kafka removes a member from the group if it gets no heartbeat for this time. Shorter: faster takeover. Longer:
    # fewer rebalances on a busy machine.
    session_timeout_s: Annotated[float, env("AGENT_RUNS_SESSION_TIMEOUT_S", gt=0, le=86_400)] = 6.0
    # Of one record batch after decompression, and of all batches of one fetch. 0: twice `max_event_bytes`, so that
    # the largest event fits with its neighbours, or twice its default if that is more: a record that is larger than a
    # lowered `max_event_bytes` must still be read, to become a dead letter.
    max_decompressed_bytes: Annotated[int, env("AGENT_RUNS_MAX_DECOMPRESSED_BYTES", ge=0)] = 0
    # Per partition in one fetch response.
    fetch_bytes: Annotated[int, env("AGENT_RUNS_FETCH_BYTES", ge=1024, le=_MAX_INT32)] = 1024 * 1024
    # Between two checks of the assigned partitions; also the age at which the Kafka client refreshes its metadata.
    watch_interval_s: Annotated[float, env("AGENT_RUNS_WATCH_INTERVAL_S", gt=0, le=86_400)] = 10.0
    # A transaction that a producer has left open for this time is reported: consumers read no record behind its start.
    open_transaction_s: Annotated[float, env("AGENT_RUNS_OPEN_TRANSACTION_S", gt=0, le=86_400)] = 10.0
    # If nothing is fetched for this time from a partition that has unread records and room, the Kafka client is
    # replaced. Health reports a partition with a lag that stores nothing for this time.
    stall_s: Annotated[float, env("AGENT_RUNS_STALL_S", gt=0, le=86_400)] = 60.0

    @property
    def decompression_limit(self) -> int:
        """The most bytes that a record batch may have after decompression."""
        return self.max_decompressed_bytes or 2 * max(self.max_event_bytes, DEFAULT_MAX_EVENT_BYTES)


class DatabaseConfig(Struct, frozen=True, kw_only=True):
    """The connection to PostgreSQL and its timeouts."""

    url: Annotated[str, env("DATABASE_URL", min_length=1)]
    # Of the tables. In every session, it replaces the search_path of the role and of the database.
    schema: Annotated[str, env("AGENT_RUNS_SCHEMA", pattern=SCHEMA_PATTERN)] = DEFAULT_SCHEMA
    timeout_s: Annotated[float, env("AGENT_RUNS_DATABASE_TIMEOUT_S", gt=0, le=86_400)] = 60.0  # for one transaction
    connect_timeout_s: Annotated[float, env("AGENT_RUNS_CONNECT_TIMEOUT_S", gt=0, le=86_400)] = 10.0
    lock_timeout_s: Annotated[float, env("AGENT_RUNS_LOCK_TIMEOUT_S", gt=0, le=86_400)] = 2.0
    # A consumer that is blocked terminates the backend of another consumer that has locked the partition's offsets, if
    # its transaction is older than this: usually its process was stopped during COPY. The query tests only the age, so
    # a slow transaction is terminated too.
    stalled_owner_s: Annotated[float, env("AGENT_RUNS_STALLED_OWNER_S", gt=0, le=86_400)] = 5.0

    def conflicts(self) -> list[str]:
        """Return why the URL cannot be used, as one sentence; empty if it can."""
        return [f"DATABASE_URL: {problem}" for problem in database_url.problems(self.url)]

    def __repr__(self) -> str:
        """Return the fields without the URL, which has a password."""
        shown = ", ".join(f"{name}={value!r}" for name, value in asdict(self).items() if name != "url")
        return f"DatabaseConfig({shown})"


class IngestConfig(Struct, frozen=True, kw_only=True):
    """Batches.

    They bound the memory: about two batches per lane, plus one fetch, plus up to one batch for each partition whose
    last attempt failed.
    """

    # Each lane has its own partitions and one connection. More lanes than the database has cores are not faster:
    # writing the WAL is the limit.
    lanes: Annotated[int, env("AGENT_RUNS_LANES", ge=1, le=64)] = 2
    batch_records: Annotated[int, env("AGENT_RUNS_BATCH_RECORDS", ge=1)] = 8000
    batch_bytes: Annotated[int, env("AGENT_RUNS_BATCH_BYTES", ge=1024)] = 16 * 1024 * 1024
    # A partition halts when more than this share of its last `breaker_records` records were rejected. At its start and
    # while it is halted, only open dead letters count. 1: never.
    breaker_share: Annotated[float, env("AGENT_RUNS_BREAKER_SHARE", gt=0, le=1)] = 0.5
    breaker_records: Annotated[int, env("AGENT_RUNS_BREAKER_RECORDS", ge=1, le=_MAX_INT32)] = 1000


class ServiceConfig(Struct, frozen=True, kw_only=True):
    """The process: timeouts, HTTP, logs."""

    # How long open transactions may take to end after SIGTERM; then their connections are cut.
    shutdown_timeout_s: Annotated[float, env("AGENT_RUNS_SHUTDOWN_TIMEOUT_S", gt=0, le=86_400)] = 15.0
    # How long a command retries while Kafka or PostgreSQL is unavailable. `run` without `--until-end` ignores it.
    give_up_s: Annotated[float, env("AGENT_RUNS_GIVE_UP_S", gt=0, le=86_400)] = 60.0
    http_host: Annotated[str, env("AGENT_RUNS_HTTP_HOST")] = "127.0.0.1"
    http_port: Annotated[int, env("AGENT_RUNS_HTTP_PORT", ge=0, le=65535)] = 0  # 0: no HTTP server
    log_format: Annotated[Literal["console", "json"], env("AGENT_RUNS_LOG_FORMAT")] = "console"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], env("AGENT_RUNS_LOG_LEVEL")] = "info"


class Config(Struct, frozen=True, kw_only=True):
    """All settings of the service."""

    kafka: KafkaSettings
    topic: TopicConfig
    database: DatabaseConfig
    ingest: IngestConfig
    service: ServiceConfig


def read_config(environ: Mapping[str, str], *sections: str) -> Config:
    """Read the settings from environment variables.

    Args:
        environ: the variables.
        sections: the names of the fields of `Config` to read; without any, all are read. The fields that are not read
            are None, and their variables are not checked.

    Raises:
        SettingsError: the message lists every problem in the variables of these sections, and every variable that
            begins with AGENT_RUNS_ and is not a setting.
    """
    types = {field.name: field.type for field in fields(Config)}
    wanted = {name: type_ for name, type_ in types.items() if not sections or name in sections}
    known = {name for section in types.values() for name in variables(section)} | EMITTER_VARIABLES
    problems = unknown_variables(environ, known | VIEWER_VARIABLES)
    try:
        loaded = read_sections(wanted, environ)
    except SettingsError as error:
        raise SettingsError(error.problems + problems) from None
    if problems:
        raise SettingsError(problems)
    return Config(**{**dict.fromkeys(types), **loaded})
