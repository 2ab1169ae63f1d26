"""`RequestClient` reports a local file that cannot be read as a wrong setting, not as an outage of Kafka."""

from pathlib import Path

import pytest

from agent_runs.settings import KafkaSettings
from consumer.errors import UsageError
from consumer.kafka.batch_reader import read_unreadable
from consumer.kafka.group_members import GroupMembers
from consumer.kafka.log_watch import LogWatch
from consumer.settings import TopicConfig


async def test_a_certificate_that_cannot_be_read_is_a_usage_error_of_every_reader(tmp_path: Path) -> None:
    kafka = KafkaSettings(bootstrap_servers="127.0.0.1:1", security_protocol="SSL", ssl_cafile=str(tmp_path / "none"))
    readings = (
        LogWatch(kafka, "topic").ends(),
        GroupMembers(kafka, TopicConfig()).read(),
        read_unreadable(kafka, "topic", 0, 0, "a problem"),
    )
    for reading in readings:
        with pytest.raises(UsageError, match=r"KAFKA_SSL_CAFILE: .*none cannot be loaded"):
            await reading
