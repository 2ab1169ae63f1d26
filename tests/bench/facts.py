"""What the figures depend on: machine, versions, settings, the mix of events."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import psutil

from consumer.config import IngestConfig, TopicConfig
from deploy.local.jars import kafka_version
from tests.bench.placement import Placed
from tests.bench.stage import Stage
from tests.bench.tables import fresh_tables
from tests.bench.workload import ACTIVE_RUNS


def machine() -> dict[str, Any]:
    """Where this runs."""
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


async def versions(stage: Stage) -> dict[str, Any]:
    """What this runs on."""
    async with fresh_tables(stage.template) as tables:
        [server] = await tables.fetch("server")
    packages = {name: version(name) for name in ("aiokafka", "asyncpg", "msgspec")}
    return {"python": platform.python_version(), **packages, "kafka": kafka_version(), "postgresql": dict(server)}


def workload(placed: Sequence[Placed], partitions: int) -> dict[str, Any]:
    """What is stored."""
    sizes = [len(record.value or b"") for record in placed]
    return {
        "events": len(placed),
        "mean_bytes": round(mean(sizes)),
        "largest_bytes": max(sizes),
        "runs": len({record.key for record in placed}),
        "active_runs": ACTIVE_RUNS,
        "partitions": partitions,
    }


def settings() -> dict[str, Any]:
    """The consumer's defaults, as far as they bear on speed."""
    ingest = IngestConfig()
    return {
        "batch_records": ingest.batch_records,
        "batch_bytes": ingest.batch_bytes,
        "fetch_bytes": TopicConfig().fetch_bytes,
    }
