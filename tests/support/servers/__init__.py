"""The Kafka and the PostgreSQL of the tests, with a topic and a database for each test.

`open_servers` selects the servers, `containers` starts them in Docker.
`topics` and `databases` create what a test needs.
"""

from tests.support.servers.databases import TemplateDatabase
from tests.support.servers.fixture_types import MakeDatabase, MakeTopic, OwnServers
from tests.support.servers.open_servers import Servers, open_servers
from tests.support.servers.topics import LOG_APPEND_TIME, create_topic, delete_topics

__all__ = [
    "LOG_APPEND_TIME",
    "MakeDatabase",
    "MakeTopic",
    "OwnServers",
    "Servers",
    "TemplateDatabase",
    "create_topic",
    "delete_topics",
    "open_servers",
]
