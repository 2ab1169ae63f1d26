# The commands for developers and CI; `make help` lists them. All targets but `help` first run `setup`.
.PHONY: help setup demo test test-slow check faults faults-slow soak simulate bench bench-peers matrix up down lock dist schema

PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
RUN := $(VENV)/bin/python

setup: $(VENV)/.ready  ## create the virtual environment

# pip checks the hashes of the lock file. The project itself is then installed without network and isolated build.
$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11; choose another one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(RUN) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "%-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# VIEW=1 shows its runs in the viewer, until Enter.
demo: setup  ## run agents, Kafka, the consumer and PostgreSQL on this machine
	@$(RUN) -m examples.demo $(if $(VIEW),--view)

# Four processes, also on two cores: the long tests wait for servers more than they compute. All tests of a file run in
# one process, which starts the servers of the file once, and in the order of tests/conftest.py.
test: setup  ## run the tests
	$(RUN) -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

test-slow: setup  ## run the tests that take minutes, those of `faults-slow` included
	AGENT_RUNS_TEST_PREVIOUS=$(PREVIOUS) $(RUN) -m pytest -m slow

check: setup  ## run the linter, the formatter and the type checker; check the generated JSON schema
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	@$(RUN) -m agent_runs.json_schema | diff -u schema/run_event.schema.json - || { echo "schema/run_event.schema.json does not match agent_runs/events.py; run: make schema"; exit 1; }

# MINUTES=10 is shorter. SEED=… repeats a run; SEED=… ROUND=… repeats one round of it.
faults: setup  ## inject random faults into all processes for an hour
	@$(RUN) -m tests.nemesis --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED)) $(if $(ROUND),--round $(ROUND))

soak: setup  ## run `faults` for twelve hours
	@$(MAKE) faults MINUTES=$(or $(MINUTES),720)

# PREVIOUS=<commit> also runs this version beside that one.
faults-slow: setup  ## run the fault tests that take minutes: three brokers, outages longer than any timeout
	AGENT_RUNS_TEST_PREVIOUS=$(PREVIOUS) $(RUN) -m pytest -m slow tests/faults

# MINUTES=60 is longer. SEED=… runs one schedule and prints its steps.
simulate: setup  ## run the simulation for five minutes
	@$(RUN) -m tests.simulation --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

# ONLY=latency or ONLY="latency takeover" runs these scenarios of the consumer alone.
bench: setup  ## run the benchmarks, about twenty minutes
	@$(RUN) -m tests.bench $(if $(JSON),--json $(JSON)) $(addprefix --only ,$(ONLY))
	@$(if $(ONLY),,$(RUN) -m tests.bench.emitter)
	@$(if $(ONLY),,$(RUN) -m tests.bench.reader)
	@$(if $(ONLY),,$(RUN) -m tests.bench.viewer)
	@$(if $(ONLY),,$(RUN) -m tests.bench.recording)

# 35 minutes; nothing else should run on the machine.
bench-peers: setup $(PEERS)/.ready  ## run the benchmarks at full length, also of other programs
	@$(RUN) -m tests.bench --full --peers $(if $(JSON),--json $(JSON))

$(PEERS)/.ready: requirements/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --require-hashes -r requirements/peers.txt
	@touch $@

# ONLY=postgresql runs the rows whose names begin with it. WRITE=docs/compatibility.md writes their results there.
matrix: setup $(VENV)/.matrix  ## run the emitter and the consumer in every environment that this machine has
	@$(RUN) -m tests.matrix $(addprefix --only ,$(ONLY)) $(if $(WRITE),--write $(WRITE))

$(VENV)/.matrix: requirements/matrix.txt $(VENV)/.ready
	$(RUN) -m pip install --quiet --require-hashes -r requirements/matrix.txt
	@touch $@

up: setup  ## start Kafka, PostgreSQL and the viewer in the background
	@$(RUN) -m deploy.local up $(if $(KAFKA_PORT),--kafka-port $(KAFKA_PORT)) $(if $(POSTGRES_PORT),--postgres-port $(POSTGRES_PORT)) \
		$(if $(VIEWER_PORT),--viewer-port $(VIEWER_PORT))

down: setup  ## stop them, and keep their data
	@$(RUN) -m deploy.local down

# UPGRADE=1 also takes the newest version of each package.
lock: setup  ## update the lock files after a change of the dependencies in pyproject.toml
	@for lock in "service --extra service --extra viewer" "dev --all-extras --group dev" "peers --group peers" \
		"matrix --group matrix"; do \
		set -- $$lock; file=$$1; shift; \
		$(RUN) -m uv pip compile --quiet $(if $(UPGRADE),--upgrade) pyproject.toml $$@ --universal --python-version 3.11 \
			--generate-hashes --no-emit-index-url --no-header -o requirements/$$file.txt || exit 1; \
	done

# With the hatchling that `setup` has installed: without network.
dist: setup  ## build the sdist and the wheel in dist/
	rm -rf dist
	$(RUN) -m hatchling build

schema: setup  ## update the JSON schema after a change of agent_runs/events.py
	$(RUN) -m agent_runs.json_schema > schema/run_event.schema.json
