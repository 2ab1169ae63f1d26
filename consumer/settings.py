"""The settings of the service. Each is read from the environment variable in its annotation."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Struct
from msgspec.structs import fields

from agent_runs.settings import DEFAULT_MAX_EVENT_BYTES, DEFAULT_TOPIC, KafkaSettings, env, read_sections

CLIENT_ID: Final = "agent-runs-consumer"  # in brokers' logs and quotas


class TopicConfig(Struct, frozen=True, kw_only=True):
    """The topic, the consumer group and the Kafka client."""

    topic: Annotated[str, env("AGENT_RUNS_TOPIC")] = DEFAULT_TOPIC
    group: Annotated[str, env("AGENT_RUNS_GROUP")] = "agent-runs"
    max_event_bytes: Annotated[int, env("AGENT_RUNS_MAX_EVENT_BYTES", ge=1024)] = DEFAULT_MAX_EVENT_BYTES
    # How long the group waits for the heartbeat of a member. With a shorter timeout a killed consumer's partitions move
    # sooner; with a longer one a busy machine causes no rebalance.
    session_timeout_s: Annotated[float, env("AGENT_RUNS_SESSION_TIMEOUT_S", gt=0, le=86_400)] = 30.0
    fetch_bytes: Annotated[int, env("AGENT_RUNS_FETCH_BYTES", ge=1024)] = 1024 * 1024  # of one partition
    watch_interval_s: Annotated[float, env("AGENT_RUNS_WATCH_INTERVAL_S", gt=0, le=86_400)] = 10.0
    stall_s: Annotated[float, env("AGENT_RUNS_STALL_S", gt=0, le=86_400)] = 60.0  # then the Kafka client is replaced


class DatabaseConfig(Struct, frozen=True, kw_only=True):
    """The connection to PostgreSQL and its timeouts."""

    url: Annotated[str, env("DATABASE_URL", min_length=1)]
    timeout_s: Annotated[float, env("AGENT_RUNS_DATABASE_TIMEOUT_S", gt=0, le=86_400)] = 60.0  # of one transaction
    connect_timeout_s: Annotated[float, env("AGENT_RUNS_CONNECT_TIMEOUT_S", gt=0, le=86_400)] = 10.0
    lock_timeout_s: Annotated[float, env("AGENT_RUNS_LOCK_TIMEOUT_S", gt=0, le=86_400)] = 2.0
    # A consumer's backend that locks a partition's offsets for longer counts as stalled, and is terminated: its process
    # was stopped during COPY.
    stalled_owner_s: Annotated[float, env("AGENT_RUNS_STALLED_OWNER_S", gt=0, le=86_400)] = 5.0


class IngestConfig(Struct, frozen=True, kw_only=True):
    """Batches. Memory is bounded by two batches per lane, plus what the Kafka client has fetched."""

    # Each lane has its own partitions and one connection. More lanes than the database has cores wait for its WAL.
    lanes: Annotated[int, env("AGENT_RUNS_LANES", ge=1, le=64)] = 2
    batch_records: Annotated[int, env("AGENT_RUNS_BATCH_RECORDS", ge=1)] = 8000
    batch_bytes: Annotated[int, env("AGENT_RUNS_BATCH_BYTES", ge=1024)] = 16 * 1024 * 1024
    # A partition halts when more than this share of its last `breaker_records` are open dead letters. 1: never.
    breaker_share: Annotated[float, env("AGENT_RUNS_BREAKER_SHARE", gt=0, le=1)] = 0.5
    breaker_records: Annotated[int, env("AGENT_RUNS_BREAKER_RECORDS", ge=1)] = 1000


class ServiceConfig(Struct, frozen=True, kw_only=True):
    """The process: timeouts, HTTP, logs."""

    shutdown_timeout_s: Annotated[float, env("AGENT_RUNS_SHUTDOWN_TIMEOUT_S", gt=0, le=86_400)] = 15.0
    # For commands that end by themselves, `run --until-end` among them. `run` waits without a limit.
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
        sections: the fields of `Config` to read; all, if none is named. The others are None, and their variables are
            not checked.

    Raises:
        SettingsError: lists every problem of these sections.
    """
    wanted = {field.name: field.type for field in fields(Config) if not sections or field.name in sections}
    others = {field.name: None for field in fields(Config) if field.name not in wanted}
    return Config(**{**others, **read_sections(wanted, environ)})
