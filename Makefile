# All that these need is make and Python 3.11 or newer. `make help` lists them.
PYTHON := .venv/bin/python
MACHINE_PYTHON = $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
# What production would be, as far as `check --deploy` asks; nothing is taken from .env.
PRODUCTION = env EXPRSN_ENV=production DEBUG=false DEV_BYPASS=false IPC_BYPASS_AUTH=false ALLOWED_HOSTS=exprsn.example \
	REDIS_URL=redis://127.0.0.1:6379/0 DATABASE_URL=sqlite://:memory: SECRET_KEY=$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(64))') \
	IPC_BROKER_KEY=$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(64))')

# Hundreds of processes import what is here: each would compile it again if none might write down what it has compiled.
unexport PYTHONDONTWRITEBYTECODE

# More than there are cores, since most tests wait for the processes that they start.
TEST_PROCESSES ?= 4

.DEFAULT_GOAL := help
.PHONY: help run demo test coverage soak fuzz check check-types check-all-but-types audit bench setup setup-dev

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup  ## start everything: Valkey, the bridge, Timeline and four sample services; Ctrl-C stops it
	@exec $(PYTHON) manage.py up

demo: setup  ## start everything, send one post through it step by step, and stop
	@exec $(PYTHON) manage.py up --demo

test: setup-dev  ## run the tests; PYTEST_ARGS="-k name" chooses some, TEST_PROCESSES=0 runs them in one process
	$(PYTHON) -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

coverage: setup-dev  ## run the tests and say what of the code they reach, in every process; takes half as long again
	$(PYTHON) -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --cov --cov-report=term $(PYTEST_ARGS)

soak: setup-dev  ## kill, freeze and cut everything under durable load, for some minutes; FAULTS_SEED=n repeats a run
	FAULTS_EVENTS=$${FAULTS_EVENTS:-20000} FAULTS_ROUNDS=$${FAULTS_ROUNDS:-3} FAULTS_DURABLE_FREEZE_S=$${FAULTS_DURABLE_FREEZE_S:-5} \
		$(PYTHON) -m pytest tests/faults/test_durable.py -s $(PYTEST_ARGS)

fuzz: setup-dev  ## try many frames on the codec and on live bridges; FUZZ_FRAMES=n says how many, FUZZ_SEED=n repeats a run
	FUZZ_FRAMES=$${FUZZ_FRAMES:-100000} $(PYTHON) -m pytest tests/fuzz -n 0 -s $(PYTEST_ARGS)

check: check-all-but-types check-types  ## format, lint, imports, types, deployment checks, migrations, the OpenAPI schemas; -j2 for two at once

check-types: setup-dev
	$(PYTHON) -m mypy

check-all-but-types: setup-dev
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	.venv/bin/lint-imports
	@echo "manage.py check --deploy, as in production"
	@$(PRODUCTION) $(PYTHON) manage.py check --deploy --fail-level WARNING
	$(PYTHON) manage.py makemigrations --check --dry-run
	@echo "manage.py spectacular --validate --fail-on-warn, of the bridge and of Timeline"
	@for service in bridge timeline; do \
		EXPRSN_SERVICE=$$service $(PYTHON) manage.py spectacular --validate --fail-on-warn --file /dev/null || exit 1; done

audit: setup-dev  ## ask the advisory service for known vulnerabilities of what is installed; needs the network
	@$(PYTHON) -m pip_audit --local --strict --progress-spinner off || { echo "make audit: not passed. Either vulnerabilities are listed above, or" \
		"the advisory service could not be asked about every package, and then nothing is known about them" >&2; exit 1; }

bench: setup-dev  ## measure the bridge against plain Channels, Socket.IO and Moleculer (need node), and NATS JetStream (needs nats-server)
	$(PYTHON) -m bench

setup setup-dev:
	@test -n "$(MACHINE_PYTHON)" || { echo "make needs Python 3.11 or newer, and here is $$(python3 --version 2>&1 || echo none): install it (on Debian: apt install python3 python3-venv) and run make again" >&2; exit 1; }
	@$(MACHINE_PYTHON) -I exprsn/bootstrap.py $(if $(filter setup-dev,$@),--dev)
