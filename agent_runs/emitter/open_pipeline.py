"""Opens the pipeline of an emitter: reads the settings, and logs what is wrong with them."""

from collections.abc import Mapping
from functools import partial
from logging import ERROR, INFO

from agent_runs.emitter.delivery import Delivery
from agent_runs.emitter.disabled_pipeline import DisabledPipeline
from agent_runs.emitter.pipeline import Pipeline
from agent_runs.emitter.rate_limited_log import log_safely
from agent_runs.emitter.redaction import Mask
from agent_runs.emitter.settings import EmitterSettings, read_config
from agent_runs.errors import SettingsError


def open_pipeline(
    mask: Mask | None, environ: Mapping[str, str], options: Mapping[str, object], /
) -> Pipeline | DisabledPipeline:
    """Return a pipeline to Kafka; one that drops every event if the settings are not valid. Raises nothing."""
    try:
        config = read_config(environ, options)
    except SettingsError as error:
        text = (
            "The emitter's settings are not valid, and every event is dropped: %s. "
            "Correct them, or set AGENT_RUNS_ENABLED=0 to switch the emitter off"
        )
        log_safely(ERROR, text, "; ".join(error.problems))
        return Pipeline(EmitterSettings(), mask, None)
    if config is None:
        log_safely(INFO, "Agent Runs is switched off: no event is sent")
        return DisabledPipeline()
    if config.ignored:
        text = "Some of the emitter's settings are ignored; events are sent all the same: %s"
        log_safely(ERROR, text, "; ".join(config.ignored))
    text = "Events of runs, with prompts and responses, are sent to Kafka at %s, topic %s"
    log_safely(INFO, text, config.kafka.bootstrap_servers, config.emitter.topic)
    return Pipeline(config.emitter, mask, partial(Delivery, config=config))
