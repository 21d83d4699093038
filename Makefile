# Everything a fresh machine with Python 3.11 or newer needs: `make demo` or `make test`. Paths stay relative, so the folder may hold spaces.
PYTHON ?= python3
PY := .venv/bin/python
COMPILE := .venv/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes
SITE := marketplace/static/site
.DELETE_ON_ERROR:
.PHONY: help demo serve test faults check bench bench-full openapi pictures requirements frontend clean

help:
	@echo "make demo     a living marketplace with example projects (DEMO=--exit: only build it and look at it)"
	@echo "make serve    the site for production (SERVE=options)"
	@echo "make test     all tests (TEST=path or pytest options)"
	@echo "make faults   break it in every way, and see that its promises hold (FAULTS='--only F11', --short, --seed 7)"
	@echo "make check    lint, types, layers, migrations, OpenAPI"
	@echo "make bench    benchmarks (BENCH=name of one); make bench-full: at full size, for an hour or two"
	@echo "make openapi  write docs/openapi.yaml    make requirements  compile the pins (UPGRADE=--upgrade)"
	@echo "make pictures draw those of docs/labels.md"
	@echo "make frontend bundle scripts and styles  make clean         remove what make made; data stays"

demo: .venv/.installed $(SITE)/.bundled
	$(PY) manage.py demo $(DEMO)

serve: .venv/.installed $(SITE)/.bundled
	$(PY) manage.py serve $(SERVE)

test: .venv/.dev $(SITE)/.bundled
	$(PY) -m pytest -n auto --dist loadfile $(TEST)

faults: .venv/.dev
	$(PY) -m tests.faults $(FAULTS)

check: .venv/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py spectacular --file .venv/openapi.yaml
	diff -u docs/openapi.yaml .venv/openapi.yaml

bench bench-full: .venv/.dev
	set -e; for script in benchmarks/$(or $(BENCH),*).py; do echo "== $$script"; $(PY) "$$script" $(if $(findstring full,$@),--full); done

openapi: .venv/.installed
	$(PY) manage.py spectacular --file docs/openapi.yaml

pictures: .venv/.installed
	$(PY) manage.py pictures

requirements: .venv/.dev
	$(COMPILE) $(UPGRADE) requirements.in --output-file requirements.txt
	$(COMPILE) $(UPGRADE) requirements-dev.in --output-file requirements-dev.txt

frontend: $(SITE)/.bundled

clean:
	rm -rf .venv node_modules .cache $(SITE) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Manyhands needs Python 3.11 or newer as '$(PYTHON)'. Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "This Python has no venv module. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: requirements.txt | .venv/.created
	$(INSTALL) -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.installed
	$(INSTALL) -r requirements-dev.txt
	@touch $@

node_modules/.installed: package.json package-lock.json | .venv/.installed
	$(PY) frontend/build.py install
	@touch $@

$(SITE)/.bundled: node_modules/.installed $(shell find frontend -type f -not -name '.*')
	$(PY) frontend/build.py bundle
	@touch $@
