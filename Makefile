# What people and CI type. `make setup` once; everything else does it by itself.
.PHONY: setup demo test check faults faults-slow soak simulate bench bench-peers up down lock schema

PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
RUN := $(VENV)/bin/python

setup: $(VENV)/.ready

# The lock's hashes are checked; the project itself needs no network then, and no isolated build.
$(VENV)/.ready: requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(RUN) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: setup
	@$(RUN) -m examples.demo

# Three at a time: most of them wait for servers more than they work.
test: setup
	$(RUN) -m pytest --numprocesses 3 --dist worksteal

check: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	@$(RUN) -m agent_runs.json_schema | diff -u schema/run_event.schema.json - || { echo "The contract changed: make schema"; exit 1; }

# Everything is hurt, for an hour: MINUTES=10 for less, SEED=… to repeat one, SEED=… ROUND=… for one round of it.
faults: setup
	@$(RUN) -m tests.nemesis --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED)) $(if $(ROUND),--round $(ROUND))

# The same over night.
soak: setup
	@$(MAKE) faults MINUTES=$(or $(MINUTES),720)

# The faults that take minutes: three brokers, outages longer than any timeout. PREVIOUS=<commit>: beside that version.
faults-slow: setup
	AGENT_RUNS_TEST_PREVIOUS=$(PREVIOUS) $(RUN) -m pytest -m slow tests/faults

# Five minutes of it: MINUTES=60 for more; SEED=… plays one schedule and tells its story.
simulate: setup
	@$(RUN) -m tests.simulation --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

bench: setup
	@$(RUN) -m tests.bench $(if $(JSON),--json $(JSON))
	@$(RUN) -m tests.bench.emitter

# The same at full length, beside other programs: 35 minutes, on a machine with nothing else to do.
bench-peers: setup $(PEERS)/.ready
	@$(RUN) -m tests.bench --full --peers $(if $(JSON),--json $(JSON))

$(PEERS)/.ready: requirements/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --require-hashes -r requirements/peers.txt
	@touch $@

up: setup
	@$(RUN) -m deploy.local up $(if $(KAFKA_PORT),--kafka-port $(KAFKA_PORT)) $(if $(POSTGRES_PORT),--postgres-port $(POSTGRES_PORT))

down: setup
	@$(RUN) -m deploy.local down

# After a change of dependencies in pyproject.toml.
lock: setup
	@for group in service dev peers; do \
		$(RUN) -m uv pip compile --quiet pyproject.toml --group $$group --universal --python-version 3.11 \
			--generate-hashes --no-emit-index-url --no-header -o requirements/$$group.txt || exit 1; \
	done

# After a change of the contract in agent_runs/events.py.
schema: setup
	$(RUN) -m agent_runs.json_schema > schema/run_event.schema.json
