# Every command a person or CI needs. `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
PREFIX ?= $(HOME)/.local
export CARGO_TARGET_DIR := $(TARGET)

# Our crates pass through clippy and rustdoc while they are compiled (see .ci/rustc-lint).
LINT := RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/.ci/rustc-lint CLIPPY_ARGS=-Dwarnings__CLIPPY_HACKERY__
CARGO := .ci/cargo

.PHONY: help demo run test faults bench bench-sources bench-uploads bench-dedupe build fmt lint doc coverage release install uninstall clean needs browser terminal

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: needs ## Take the clinics of this repository from their exports to a verified PostgreSQL
	$(CARGO) run --quiet -- demo --all

run: needs ## Run trasvase: make run ARGS="status"
	@$(CARGO) run --quiet -- $(ARGS)

test: needs browser terminal ## Format check, lint, docs, tests: what CI runs
	cargo fmt --check
	$(LINT) $(CARGO) build --tests --examples --bins
	$(LINT) $(CARGO) test --no-fail-fast 2>&1 | tee $(TARGET)/test.log
	@.ci/count <$(TARGET)/test.log

faults: needs ## Kill the program at 100 moments of a run and PostgreSQL at 50 (FAULTS_KILLS, FAULTS_SHUTDOWNS, FAULTS_SEED)
	$(LINT) FAULTS_KILLS=$(or $(FAULTS_KILLS),100) FAULTS_SHUTDOWNS=$(or $(FAULTS_SHUTDOWNS),50) $(CARGO) test --test it faults::killed -- --nocapture

bench: needs ## Measure beside psql, pgloader, dlt and Splink (BENCH_BIG=1: ten times as many rows too)
	$(CARGO) build --release --bin trasvase --example generate_clinic
	tests/bench/bench.py $(TARGET)/release/trasvase $(TARGET)/release/examples/generate_clinic --venv $(TARGET)/bench-venv $(if $(BENCH_BIG),--big) $(BENCH_ARGS)
	$(MAKE) --no-print-directory bench-sources bench-uploads bench-dedupe

bench-sources: needs ## Measure SQLite, PostgreSQL and MongoDB as sources beside pgloader, COPY, dlt, Sling and DuckDB alone
	$(CARGO) build --release --bin trasvase
	tests/bench/sources.py $(TARGET)/release/trasvase --venv $(TARGET)/bench-sources-venv $(BENCH_SOURCES_ARGS)

bench-uploads: needs ## Measure uploads of one big file and of many small ones beside boto3
	$(CARGO) build --release --bin trasvase
	tests/bench/uploads.py $(TARGET)/release/trasvase --venv $(TARGET)/bench-uploads-venv $(BENCH_UPLOADS_ARGS)

bench-dedupe: needs ## Measure the linkage of duplicates beside Splink alone
	$(CARGO) build --release --bin trasvase
	tests/bench/dedupe.py $(TARGET)/release/trasvase --venv $(TARGET)/splink-venv $(if $(BENCH_BIG),--big) $(BENCH_DEDUPE_ARGS)

build: needs ## Compile for development
	$(CARGO) build --tests --examples --bins

fmt: ## Format the code
	cargo fmt

lint: needs ## Clippy and rustdoc with warnings denied, in one build
	cargo fmt --check
	$(LINT) $(CARGO) build --tests --examples --bins

doc: needs ## Write the API documentation
	@[ -f $(TARGET)/doc/trasvase/index.html ] || touch src/lib.rs
	$(LINT) $(CARGO) build --lib
	@echo "$(TARGET)/doc/trasvase/index.html"

coverage: needs ## Line coverage of src/ (needs: rustup component add llvm-tools)
	.ci/coverage

release: needs ## Compile for speed
	$(CARGO) build --release
	@echo "$(TARGET)/release/trasvase"

install: release ## Install into PREFIX (~/.local): bin/trasvase and, if prebuilt, DuckDB's library
	install -d $(PREFIX)/bin $(PREFIX)/lib/trasvase
	install -m 755 $(TARGET)/release/trasvase $(PREFIX)/bin/trasvase
	folder=$$(.ci/duckdb); [ -z "$$folder" ] || install -m 755 $$folder/libduckdb.so $(PREFIX)/lib/trasvase/
	$(PREFIX)/bin/trasvase --version

uninstall: ## Undo install
	rm -rf $(PREFIX)/bin/trasvase $(PREFIX)/lib/trasvase

clean: ## Remove compiled code (staging files and the fetched DuckDB stay)
	rm -rf $(TARGET)/debug $(TARGET)/release $(TARGET)/doc $(TARGET)/coverage

needs:
	@.ci/needs

browser:
	@.ci/needs browser

terminal:
	@.ci/needs terminal
