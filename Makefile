# The commands people and CI run. What they consist of is in .ci/.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# A log wants results; a terminal wants progress.
QUIET := $(if $(CI),--quiet)
.PHONY: help setup demo up test bench fuzz fmt fmt-check clippy doc lint deny ci

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what the targets below need, or say what to install
	@.ci/setup all

demo: ## build, cut Terminal C off in the rush hour, watch the network heal
	@.ci/setup build
	@cargo run $(QUIET) --release --locked -p simulator -- run terminal-c-island --out target/demo

up: ## a hub and two gates with databases of their own, to try by hand; Ctrl-C ends them
	@.ci/setup up
	@cargo build $(QUIET) --locked --workspace --bins
	@$${CARGO_TARGET_DIR:-target}/debug/up

test: ## all tests, the documentation's examples, and equal seeds giving equal runs
	@.ci/setup test
	@.ci/test

bench: ## measure into target/bench/results.json; one figure: make bench ONLY=name
	@.ci/setup build
	@cargo build $(QUIET) --release --locked --workspace --bins
	@$${CARGO_TARGET_DIR:-target}/release/bench $(if $(ONLY),--only $(ONLY)) --out target/bench/results.json

fuzz: ## hostile bytes for what reads frames, changesets and row changes, a minute each
	@.ci/setup fuzz
	@.ci/fuzz

fmt: ## format the code
	@cargo fmt --all

lint: fmt-check clippy doc ## formatting, clippy and documentation, warnings denied

fmt-check:
	@cargo fmt --all --check

clippy:
	@cargo clippy $(QUIET) --workspace --all-targets --locked -- -D warnings

doc:
	@RUSTDOCFLAGS="-D warnings" cargo doc $(QUIET) --workspace --no-deps --locked

deny: ## licences, bans, sources and, when their database can be had, advisories
	@.ci/deny

ci: ## what CI runs: all of the above checks
	@bash .ci/run
