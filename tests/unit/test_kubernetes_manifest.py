"""The manifest for Kubernetes sets settings that exist, and keeps the variables of Services out of the pod."""

import re

from agent_runs.settings import KafkaSettings, variables
from consumer.settings import DatabaseConfig, ServiceConfig
from tests.support.paths import CHECKOUT

MANIFEST = (CHECKOUT / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")


def test_the_variables_of_the_manifest_are_settings() -> None:
    settings = {*variables(KafkaSettings), *variables(DatabaseConfig), *variables(ServiceConfig)}
    named = set(re.findall(r"name: ([A-Z_]{4,}),", MANIFEST))

    assert {"DATABASE_URL_FILE", "KAFKA_BOOTSTRAP_SERVERS"} <= named
    assert {name.removesuffix("_FILE") for name in named} - settings == set()


def test_pods_get_no_variables_of_services() -> None:
    assert "\n      enableServiceLinks: false\n" in MANIFEST
