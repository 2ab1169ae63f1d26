"""Describes what the figures depend on: the machine, versions, settings and the workload."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import psutil

from consumer.settings import IngestConfig, TopicConfig
from deploy.local.jars import kafka_version
from tests.bench.database import fresh_database
from tests.bench.records import PlannedRecord
from tests.bench.servers import Servers
from tests.bench.workload import ACTIVE_RUNS


def machine() -> dict[str, Any]:
    """Return the date, the machine, and its load average over the last minute. Call before the measurements."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": platform.platform(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


async def versions(servers: Servers) -> dict[str, Any]:
    """Return the versions of Python, of three packages and of the servers, and three settings of PostgreSQL."""
    async with fresh_database(servers.template) as database:
        [server] = await database.fetch("server")
    packages = {name: version(name) for name in ("aiokafka", "asyncpg", "msgspec")}
    return {"python": platform.python_version(), **packages, "kafka": kafka_version(), "postgresql": dict(server)}


def workload(records: Sequence[PlannedRecord], partitions: int) -> dict[str, Any]:
    """Return the number and sizes of the events, and the numbers of runs and partitions."""
    sizes = [len(record.value or b"") for record in records]
    return {
        "events": len(records),
        "mean_bytes": round(mean(sizes)),
        "largest_bytes": max(sizes),
        "runs": len({record.key for record in records}),
        "active_runs": ACTIVE_RUNS,
        "partitions": partitions,
    }


def settings() -> dict[str, Any]:
    """Return the defaults of the consumer's settings that affect throughput. AGENT_RUNS_* variables are not applied."""
    ingest = IngestConfig()
    return {
        "batch_records": ingest.batch_records,
        "batch_bytes": ingest.batch_bytes,
        "fetch_bytes": TopicConfig().fetch_bytes,
    }
