# make run: start the port mapper in the foreground. make test: run every test.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNNABLE := $(VENV)/.runnable
INSTALLED := $(VENV)/.installed
UNPRIVILEGED_PORT ?= 10111
FUZZ_SECONDS ?= 600
TESTS ?=
XDRC := $(BIN)/python -m oncrpc.cli.xdrc
INTERFACES := $(filter-out spec/rpc_prot.x,$(wildcard spec/*.x))
IMPORTS := $(foreach name,nfs2 nfs3,--import $(name)=oncrpc.programs.$(name))

.PHONY: run test plain coverage check fuzz generate completion bench bench-quick bench-abuse bench-nfs bench-snoop bench-profile docs reference chart captures clean deb

$(RUNNABLE): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(INSTALLED): $(RUNNABLE)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

run: $(RUNNABLE)
	@if [ "$$(id -u)" = 0 ]; then \
	  exec $(BIN)/portmap -f; \
	else \
	  echo "not root: port $(UNPRIVILEGED_PORT) instead of 111, and no local sockets"; \
	  exec $(BIN)/portmap -f --no-local --port $(UNPRIVILEGED_PORT); \
	fi

# Where every test runs, as root with all peers, it is also measured how much of the code they run.
test: $(INSTALLED) $(if $(ONCRPC_REQUIRE_PEERS),coverage,plain)

# On another Python: make plain PYTHON=python3.13 VENV=.venv-3.13 TESTS='-m "not interop"'
plain: $(INSTALLED)
	$(BIN)/python -m pytest $(TESTS)

# Daemons that the tests start leave root, and write what they covered as another user: hence a
# directory that all may write to.
coverage: $(INSTALLED)
	@data=$$(mktemp -d) && chmod 1777 $$data && export COVERAGE_FILE=$$data/coverage && \
	$(BIN)/coverage run -m pytest && \
	$(BIN)/coverage combine --quiet && \
	$(BIN)/coverage report --skip-covered --fail-under=95; \
	status=$$?; rm -rf "$$data"; exit $$status

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_tests.py
	$(BIN)/python docs/make_man.py --check
	$(BIN)/python docs/make_reference.py --check
	$(BIN)/python docs/make_declared.py --check
	$(BIN)/python bench/chart.py --check
	$(BIN)/python packaging/completion.py --check
	$(XDRC) --check -o src/oncrpc/rpc/prot.py spec/rpc_prot.x
	$(XDRC) --check $(IMPORTS) -o src/oncrpc/programs $(INTERFACES)

# Ten minutes for all targets together; a find is left in tests/corpus, where make test runs it.
fuzz: $(INSTALLED)
	$(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS)

# Everything that is committed and made from something else.
generate: $(INSTALLED) reference completion
	$(XDRC) -o src/oncrpc/rpc/prot.py spec/rpc_prot.x
	$(XDRC) $(IMPORTS) -o src/oncrpc/programs $(INTERFACES)
	$(BIN)/python docs/make_man.py
	$(BIN)/python docs/make_declared.py

completion: $(INSTALLED)
	$(BIN)/python packaging/completion.py

bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@mkdir -p build
	$(BIN)/python bench/xdr.py
	$(BIN)/python bench/portmap.py --json build/bench.json

# As root, on an idle machine: measure, keep the summary, and draw the chart of the README.
chart: bench
	$(BIN)/python bench/chart.py build/bench.json

bench-quick: $(INSTALLED)
	$(BIN)/python bench/portmap.py --quick

# As root: the servers and their clients get network namespaces of their own.
bench-abuse: $(INSTALLED)
	$(BIN)/python bench/abuse.py

# As root too. Needs nfs-ganesha; UNFS3=PATH compares with that program, and FIO=PATH has jobs of fio.
bench-nfs: $(INSTALLED)
	@mkdir -p build
	$(BIN)/python bench/nfs.py $(if $(UNFS3),--unfs3 $(UNFS3)) $(if $(FIO),--fio $(FIO)) --json build/bench-nfs.json

# Needs tshark and tcpdump; what is missing is left out.
bench-snoop: $(INSTALLED)
	@mkdir -p build
	$(BIN)/python bench/snoop.py --json build/bench-snoop.json
	if [ "$$(id -u)" = 0 ]; then $(BIN)/python bench/snoop_live.py; fi

# As root too. Flame graphs: bench/portmap_profile.py --svg DIRECTORY
bench-profile: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python bench/portmap_profile.py

# The pages that are made from the source (the Python API, the limits), and the manual pages.
docs: reference
	$(BIN)/python docs/make_man.py
	$(BIN)/python docs/make_declared.py

reference: $(INSTALLED)
	$(BIN)/python docs/make_reference.py

# As root too: record again the mounts that fail, for the tests of rpcsnoop explain.
captures: $(INSTALLED)
	cd tests && $(abspath $(BIN))/python -m support.mount_recordings

# On Debian 12 or 13, with: apt install debhelper dh-python dpkg-dev python3-venv
deb:
	packaging/debian/build dist

clean:
	rm -rf $(VENV) build dist docs/_build .hypothesis .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
