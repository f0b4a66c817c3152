# Everything that the project is built, shown and checked with. `make help` lists it.

SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help

DIST    := dist/current
TARGET  := $(or $(CARGO_TARGET_DIR),target)
PLUGINS := bars clickhouse console filter hikyuu-server kline ledger merge nng-pub nng-sub null parquet qmt qq quality redis-stream replay
# in the sandbox: plugins that are shipped in both carriers, examples, and guests of the tests
WASM        := filter quality http-quotes files-json
WASM_TESTS  := faulty malicious liar
WASM_TARGET := wasm32-wasip2
VENV    := target/venv
# the environment that the Python package is tested in, and what it is installed from
PACKAGE_VENV   := $(TARGET)/python/venv
PACKAGE_WHEELS := $(TARGET)/python/wheels
# that has Hikyuu
PYTHON  ?= python3
# of the random cases of property tests; another number tries others
export PROPTEST_RNG_SEED ?= 1
# logs stay readable
export CARGO_TERM_PROGRESS_WHEN ?= never

.PHONY: help demo test test-python test-hikyuu python soak drift dist check lint docs wasm wasm-tests bench schemas schemas-check venv \
    packages packages-wasm packages-test packages-bench install-hikyuu clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | column -t -s$$'\t'

demo: dist ## replay a recorded morning of 20 Shanghai stocks to NNG, Parquet and the console
	@rm -rf $(DIST)/data/demo
	$(DIST)/bin/dataserver run --config $(DIST)/config/demo.toml
	@echo "the lake is in $(DIST)/data/demo/lake; in Python: pandas.read_parquet('$(DIST)/data/demo/lake')"

test: packages-test venv wasm wasm-tests ## build everything and pass all tests
	@rm -f $(TEST_SKIPPED)
	$(build-package)
	$(build-for-tests)
	@# most tests wait for other processes, so one more than there are cores pays
	TEST_SKIPS=$(TEST_SKIPS) TEST_SKIPPED=$(TEST_SKIPPED) RUST_TEST_THREADS=$(or $(RUST_TEST_THREADS),3) \
	    DATASERVER_PYTHONPATH=$(PLUGIN_IMPORTS) cargo test --workspace
	$(test-package)
	@$(show-skipped)

test-python: packages-test venv ## test the Python package alone: its wheel, in an environment of its own
	@rm -f $(TEST_SKIPPED)
	$(build-package)
	$(build-for-tests)
	$(test-package)
	@$(show-skipped)

python: packages venv ## build the wheel of the Python package into target/wheels
	rm -f $(TARGET)/wheels/dataserver-*.whl
	$(maturin) --release --out $(TARGET)/wheels

test-hikyuu: packages ## test with the real Hikyuu 2.8.3, in a Debian 13 folder of its own (root, once 3 GB)
	@# the whole workspace, as `make test` builds it: a selection would build libraries with other features
	@rm -f $(TEST_SKIPPED)
	$(build-for-tests)
	TEST_SKIPS=$(TEST_SKIPS),hikyuu TEST_SKIPPED=$(TEST_SKIPPED) \
	    cargo test --workspace --test hikyuu -- --nocapture --test-threads 2
	@$(show-skipped)

# The libraries of plugins and the program are built together with the tests: by itself, each of the two would
# build its dependencies with other features, and wasmtime twice.
build-for-tests := cargo build --workspace --lib --bins --tests
maturin = $(VENV)/bin/python -m maturin build --quiet --manifest-path plugin-api/python/Cargo.toml --compatibility linux
# where it is installed, and with that what plugins in Python import
PACKAGE = $$(echo $(abspath $(PACKAGE_VENV))/lib/python3*/site-packages)
PLUGIN_IMPORTS = $(PACKAGE):$$($(PURELIB))
PURELIB = $(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
define build-package
rm -rf $(PACKAGE_VENV) $(PACKAGE_WHEELS)
$(maturin) $(1) --out $(PACKAGE_WHEELS)
python3 -m venv --without-pip $(PACKAGE_VENV)
$(VENV)/bin/python -m pip --python $(PACKAGE_VENV)/bin/python install --quiet --disable-pip-version-check --no-index \
    --no-deps $(PACKAGE_WHEELS)/*.whl
@# what the package is compared with lies in $(VENV), and is seen but not copied
$(PURELIB) >$(PACKAGE)/venv.pth
endef
define test-package
TEST_SKIPS=$(TEST_SKIPS) TEST_SKIPPED=$(TEST_SKIPPED) DATASERVER_BUILD=$(abspath $(TARGET))/debug \
    $(PACKAGE_VENV)/bin/python -m pytest -c plugin-api/python/pyproject.toml --rootdir plugin-api/python \
    plugin-api/python/tests
endef
build-to-measure := cargo build --release --workspace --lib --bins --test suite --bench report

# What this machine does not have, and tests may therefore leave out. Each test that does is shown at the end.
TEST_SKIPS   ?= $(if $(wildcard ../shared/fixtures),,fixtures),$(if $(filter 0,$(shell id -u)),,root),$(if $(filter x86_64,$(shell uname -m)),,x86_64),$(if $(wildcard /usr/share/java/zookeeper.jar),,zookeeper)
TEST_SKIPPED := $(abspath $(TARGET))/skipped.txt
show-skipped = if [ -s $(TEST_SKIPPED) ]; then \
    echo; echo "NOT TESTED, or only in part, for want of what stands first:"; sort -u $(TEST_SKIPPED); \
    else echo; echo "nothing was left out"; fi

check: lint docs schemas-check test ## what CI runs

dist: packages wasm python ## build a tree that can be copied to any machine of this kind
	cargo build --release $(PLUGINS:%=-p dataserver-plugin-%) -p dataserver -p dataserver-plugin-hikyuu-dropin
	@# the wheel for pip, and what is in it for plugins in Python
	rm -rf $(DIST)/python && mkdir -p $(DIST)/python && cp $(TARGET)/wheels/dataserver-*.whl $(DIST)/python/
	python3 -m zipfile -e $(DIST)/python/dataserver-*.whl $(DIST)/python
	@# plugins that somebody else put there stay
	rm -rf $(DIST)/bin $(DIST)/bridge $(DIST)/config $(DIST)/hikyuu $(DIST)/sdk $(DIST)/systemd
	mkdir -p $(DIST)/bin $(DIST)/bridge $(DIST)/hikyuu $(DIST)/plugins $(DIST)/sdk $(DIST)/systemd
	cp $(TARGET)/release/dataserver $(DIST)/bin/
	for id in $(PLUGINS); do \
	    name=$${id//-/_}; cp $(TARGET)/release/libdataserver_$$name.so $(DIST)/plugins/lib$$name.so; \
	done
	for id in $(WASM); do \
	    cp $(TARGET)/$(WASM_TARGET)/release/dataserver_$${id//-/_}.wasm $(DIST)/plugins/$$id.wasm; \
	done
	cp $(TARGET)/release/libdataserver_hikyuu_dropin.so $(DIST)/hikyuu/libdataserver.so
	cp plugins/hikyuu-dropin/install.sh $(DIST)/hikyuu/
	cp plugins/qmt/bridge/qmt_bridge.py $(DIST)/bridge/
	cp -r plugin-api schemas Cargo.lock LICENSE $(DIST)/sdk/ && cd $(DIST)/sdk/plugin-api && rm -r sp kit days bus lake streams python
	mkdir $(DIST)/sdk/config && cp config/trading_days.txt $(DIST)/sdk/config/
	mkdir -p $(DIST)/sdk/tests/fixtures && cp -r tests/fixtures/Cargo.toml tests/fixtures/src $(DIST)/sdk/tests/fixtures/
	sed 's/^members = .*/members = ["schemas", "plugin-api"]/' Cargo.toml >$(DIST)/sdk/Cargo.toml
	cp -r config $(DIST)/config
	mv $(DIST)/config/systemd/* $(DIST)/systemd/ && rmdir $(DIST)/config/systemd

install-hikyuu: packages ## put the data server into ~/.hikyuu/plugin, where Hikyuu looks; PYTHON=python3
	cargo build --release -p dataserver-plugin-hikyuu-dropin
	PYTHON=$(PYTHON) plugins/hikyuu-dropin/install.sh $(TARGET)/release/libdataserver_hikyuu_dropin.so

wasm: packages-wasm ## build the plugins for the sandbox
	cargo build --release --target $(WASM_TARGET) $(WASM:%=-p dataserver-plugin-%)

wasm-tests: packages-wasm
	cargo build --release --target $(WASM_TARGET) $(WASM_TESTS:%=-p dataserver-plugin-%)
	plugins/c-passthrough/build.sh

lint: packages-test ## format and lint without changing anything
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --test hikyuu -- -D warnings

docs: packages-test ## the API documentation; a broken link is an error
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps

soak: packages-test venv ## 200 runs with random faults, written to docs/RELIABILITY.md; goes on where it was; SOAK_RUNS, SOAK_FIRST_SEED, SOAK_JOBS
	$(build-for-tests)
	cargo test --workspace --test suite -- --ignored --nocapture delivery::soak

drift: packages-test venv ## 45 minutes at the market's rate, written to docs/RELIABILITY.md; MINUTES=45
	$(build-to-measure)
	MINUTES=$(or $(MINUTES),45) cargo test --release --workspace --test suite -- \
	    --ignored --nocapture drift::

bench: packages-test packages-bench venv wasm wasm-tests ## measure, and write docs/BENCHMARKS.md
	$(build-to-measure)
	$(call build-package,--release)
	cargo bench --workspace --bench report

schemas: venv ## generate the Rust code of schemas/*.fbs
	$(VENV)/bin/flatc --rust -o schemas/src/generated schemas/*.fbs

schemas-check: venv ## fail when the committed code differs from the schemas
	@generated=$$(mktemp -d) && trap "rm -rf $$generated" EXIT \
	    && $(VENV)/bin/flatc --rust -o $$generated schemas/*.fbs \
	    && diff -r $$generated schemas/src/generated \
	    || { echo "run make schemas and commit the result"; exit 1; }

venv: $(VENV)/.complete ## Python packages that tests and code generation use

$(VENV)/.complete: tests/python/requirements.txt | packages-test
	@echo "installing Python packages of $< into $(VENV)"
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

packages: ## what a build needs besides Rust
	@command -v cargo >/dev/null || { echo "install Rust 1.95 or newer with rustup first"; exit 1; }
	@$(call install,cc,gcc libc6-dev)
	@$(call install,c++,g++)

packages-wasm: packages ## what components need: Rust's target for them
	@rustc --print target-libdir --target $(WASM_TARGET) 2>/dev/null | xargs -r test -d || { \
	    echo "installing Rust's target $(WASM_TARGET) with rustup"; rustup target add $(WASM_TARGET); }

packages-test: packages ## what the tests need besides
	@$(call install,cmake,cmake)
	@$(call install,openssl,openssl)
	@$(call install,clang,clang lld wasi-libc)
	@$(call install,chromium,chromium)
	@$(call install,chromedriver,chromium-driver)
	@$(call install,curl,curl)
	@$(call install-file,/usr/share/fonts/truetype/wqy/wqy-microhei.ttc,fonts-wqy-microhei)
	@$(call install,python3,python3 python3-venv)
	@$(call install-server,redis-server,redis-server redis-tools)
	@$(call install-server,clickhouse-server,clickhouse-server clickhouse-client)

packages-bench: packages-test ## what the benchmarks compare with, besides
	@$(call install-file,/usr/include/nlohmann/json.hpp,g++ libnng-dev nlohmann-json3-dev)

# install(command, packages): installs Debian packages unless the command is there
install = command -v $(1) >/dev/null || { \
    echo "installing $(2) with apt-get"; \
    $$([ $$(id -u) = 0 ] || echo sudo) sh -c 'apt-get update -qq && apt-get install -y -qq $(2)'; }

# install-file(file, packages): as install, unless the file is there
install-file = test -e $(1) || { \
    echo "installing $(2) with apt-get"; \
    $$([ $$(id -u) = 0 ] || echo sudo) sh -c 'apt-get update -qq && apt-get install -y -qq $(2)'; }

# install-server(command, packages): the tests start servers of their own; the installer must not
# start another one, which policy-rc.d forbids for as long as it runs
POLICY := /usr/sbin/policy-rc.d
install-server = command -v $(1) >/dev/null || test -x /usr/sbin/$(1) || { \
    echo "installing $(2) with apt-get"; \
    $$([ $$(id -u) = 0 ] || echo sudo) sh -c 'set -e; export DEBIAN_FRONTEND=noninteractive; \
        [ -e $(POLICY) ] || { trap "rm -f $(POLICY)" EXIT; \
            printf "\#!/bin/sh\nexit 101\n" >$(POLICY); chmod +x $(POLICY); }; \
        apt-get update -qq && apt-get install -y -qq $(2)'; }

clean: ## remove everything built
	cargo clean
	rm -rf dist
