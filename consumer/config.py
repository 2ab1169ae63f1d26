"""The service's settings, on top of the library's."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Struct
from msgspec.structs import fields

from agent_runs.settings import DEFAULT_MAX_EVENT_BYTES, DEFAULT_TOPIC, KafkaSettings, env, read_sections

CLIENT_ID: Final = "agent-runs-consumer"  # how brokers' logs and quotas call us


class TopicConfig(Struct, frozen=True, kw_only=True):
    """Which records are ours, and what they may be."""

    topic: Annotated[str, env("AGENT_RUNS_TOPIC")] = DEFAULT_TOPIC
    group: Annotated[str, env("AGENT_RUNS_GROUP")] = "agent-runs"
    max_event_bytes: Annotated[int, env("AGENT_RUNS_MAX_EVENT_BYTES", ge=1024)] = DEFAULT_MAX_EVENT_BYTES
    # How long the group waits for a silent member. Shorter: a killed consumer's partitions move sooner. Longer: a
    # busy machine doesn't shake the group.
    session_timeout_s: Annotated[float, env("AGENT_RUNS_SESSION_TIMEOUT_S", gt=0, le=86_400)] = 30.0
    fetch_bytes: Annotated[int, env("AGENT_RUNS_FETCH_BYTES", ge=1024)] = 1024 * 1024  # of one partition, at once
    watch_interval_s: Annotated[float, env("AGENT_RUNS_WATCH_INTERVAL_S", gt=0, le=86_400)] = 10.0
    stall_s: Annotated[float, env("AGENT_RUNS_STALL_S", gt=0, le=86_400)] = 60.0  # then the client is made anew


class DatabaseConfig(Struct, frozen=True, kw_only=True):
    """How to reach PostgreSQL, and how long to wait for its answers."""

    url: Annotated[str, env("DATABASE_URL", min_length=1)]
    timeout_s: Annotated[float, env("AGENT_RUNS_DATABASE_TIMEOUT_S", gt=0, le=86_400)] = 60.0  # of one transaction
    connect_timeout_s: Annotated[float, env("AGENT_RUNS_CONNECT_TIMEOUT_S", gt=0, le=86_400)] = 10.0
    lock_timeout_s: Annotated[float, env("AGENT_RUNS_LOCK_TIMEOUT_S", gt=0, le=86_400)] = 2.0
    # A backend of ours that holds a partition's offsets longer than this is taken for one whose process was stopped.
    stalled_owner_s: Annotated[float, env("AGENT_RUNS_STALLED_OWNER_S", gt=0, le=86_400)] = 5.0


class IngestConfig(Struct, frozen=True, kw_only=True):
    """How much is written at once. Memory is bounded by lanes times twice a batch, plus what the client has fetched."""

    # A lane owns its partitions and one connection. More lanes than the database has cores only queue on its WAL.
    lanes: Annotated[int, env("AGENT_RUNS_LANES", ge=1, le=64)] = 2
    batch_records: Annotated[int, env("AGENT_RUNS_BATCH_RECORDS", ge=1)] = 8000
    batch_bytes: Annotated[int, env("AGENT_RUNS_BATCH_BYTES", ge=1024)] = 16 * 1024 * 1024
    # A partition halts when more than this share of its last records were refused, and are not dealt with. 1: never.
    breaker_share: Annotated[float, env("AGENT_RUNS_BREAKER_SHARE", gt=0, le=1)] = 0.5
    breaker_records: Annotated[int, env("AGENT_RUNS_BREAKER_RECORDS", ge=1)] = 1000


class ServiceConfig(Struct, frozen=True, kw_only=True):
    """How the process behaves."""

    shutdown_timeout_s: Annotated[float, env("AGENT_RUNS_SHUTDOWN_TIMEOUT_S", gt=0, le=86_400)] = 15.0
    # For commands that end by themselves; `run` waits for Kafka and PostgreSQL as long as it takes.
    give_up_s: Annotated[float, env("AGENT_RUNS_GIVE_UP_S", gt=0, le=86_400)] = 60.0
    http_host: Annotated[str, env("AGENT_RUNS_HTTP_HOST")] = "127.0.0.1"
    http_port: Annotated[int, env("AGENT_RUNS_HTTP_PORT", ge=0, le=65535)] = 0  # health and metrics; 0: not served
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
    """The settings; a command that names its sections needs the others neither set nor right.

    Raises:
        SettingsError: with every problem of all the sections asked for.
    """
    asked = {field.name: field.type for field in fields(Config) if not sections or field.name in sections}
    others = {field.name: None for field in fields(Config) if field.name not in asked}
    return Config(**{**others, **read_sections(asked, environ)})
