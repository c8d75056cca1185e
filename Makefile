# What people and CI call. `make help` lists the targets.

CARGO ?= cargo
PORT ?= 6379
HTTP_PORT ?= 8379
MEMCACHED_PORT ?= 11211
FUZZ_SECONDS ?= 60

.PHONY: help run build wheel test check bench hits scale steps fuzz compat crash model histories leases handshakes jobs setup docs examples stampede browser \
	dist dist-test site chart

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

build: ## Build the optimised binary
	$(CARGO) build --release

wheel: build ## Build dist/*.whl: the Python package with the server in it
	python3 python/backend.py --program target/release/redstart --into dist

dist: ## Build every package into dist/: tarball, deb, image, wheel, npm (docs/packages.md)
	CARGO="$(CARGO)" packaging/dist

dist-test: ## Install what `make dist` made, each in a place of its own, and run it
	CARGO="$(CARGO)" tests/packages/run

site: ## Build the documents as a site into target/site, by mdBook
	CARGO="$(CARGO)" tests/site

examples: build ## Run the programs of docs/caching.md; each asserts what it tells
	REDSTART_BIN=$(CURDIR)/target/release/redstart tests/clients/run examples

stampede: build ## What a stampede costs: writes the table and the picture of docs/caching.md anew
	REDSTART_BIN=$(CURDIR)/target/release/redstart tests/clients/run stampede

run: build ## Serve on 127.0.0.1:6379, the dashboard on 8379, memcached's clients on 11211 if that is free
	@port=$(MEMCACHED_PORT); \
	if bash -c "exec 3<>/dev/tcp/127.0.0.1/$$port" 2>/dev/null; then \
		echo "Port $$port is taken, so memcached's clients are not served (make run MEMCACHED_PORT=11212)"; port=0; \
	fi; \
	exec ./target/release/redstart --port $(PORT) --memcached-port $$port --bind 127.0.0.1 \
		--http-port $(HTTP_PORT) --dir snapshots

setup: ## Install what the tests need (Redis and Valkey as oracles, a Python environment)
	tests/setup

test: setup ## Run every test, and sum up: what ran, what failed, what was skipped
	CARGO="$(CARGO)" tests/all

check: ## Format, lints, licences, tidiness
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; \
	then $(CARGO) deny --offline check bans licenses sources; \
	else echo "cargo-deny is not installed: licences not checked (cargo install cargo-deny)"; fi
	tests/tidy && tests/tidy-fails
	tests/links

docs: ## Write docs/commands.md, docs/parameters.md and a table of docs/compatibility.md anew
	REDSTART_WRITE_DOCS=1 $(CARGO) test --bin redstart commands_md
	REDSTART_WRITE_DOCS=1 $(CARGO) test -p redstart-config parameters_without_effect

bench: build setup ## Measure against Valkey 9.1 and Redis 7.0 (50 quiet minutes), and write docs/benchmarks.md
	$(CARGO) run --release -p redstart-bench -- --rounds 2 --seconds 1 --write docs/benchmarks.md \
		--redis target/oracles/bin/valkey-server-9 \
		--other 'redis-server=redis-server --port {port} --save "" --appendonly no'
	python3 crates/bench/chart.py

chart: ## Draw docs/benchmarks.svg from docs/benchmarks.md
	python3 crates/bench/chart.py

hits: build ## Measure how many requests of a cache are hits, and write docs/hits.md
	$(CARGO) run --release -p redstart-bench -- --only hits --write docs/hits.md

scale: build ## Measure 1, 2, 4 ... workers on as many cores, and write docs/scale.md
	$(CARGO) run --release -p redstart-bench -- --only scale --write docs/scale.md

steps: ## The longest command while values of ten million elements are made, halved and deleted
	$(CARGO) run --release -p redstart-bench --example steps

fuzz: ## Run every fuzz target for FUZZ_SECONDS each
	@for target in request number glob rdb; do \
		mkdir -p target/fuzz-corpus/$$target; \
		$(CARGO) fuzz run --sanitizer none $$target target/fuzz-corpus/$$target \
			fuzz/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 || exit 1; \
	done

model: ## Try a million interleavings of each check of the locks and of clients that wait
	$(CARGO) test -p redstart-model --no-run
	@for round in 1 2 3 4 5 6 7 8 9 10; do \
		REDSTART_SCHEDULES=100000 $(CARGO) test -q -p redstart-model || exit 1; \
	done

histories: ## Check 2,000 histories for linearizability, and a million acquisitions of locks
	REDSTART_HISTORIES=2000 $(CARGO) test --test linearizability
	REDSTART_ACQUISITIONS=1000000 $(CARGO) test --test lock_safety

leases: ## A million histories each of leases and of locks with fences, 500 kills, a stampede
	REDSTART_LEASE_HISTORIES=1000000 $(CARGO) test -p redstart-engine --test lease_histories
	REDSTART_LOCK_HISTORIES=1000000 $(CARGO) test -p redstart-engine --test lock_histories
	REDSTART_FENCE_KILLS=500 $(CARGO) test --test fences
	REDSTART_STAMPEDE_CLIENTS=1000 REDSTART_STAMPEDE_SECONDS=30 \
		$(CARGO) test --test stampede -- --nocapture

handshakes: ## 5,000 handshakes over TLS that do not go on: what they take, and who is served
	ulimit -n 20000 && REDSTART_HALF_OPEN=5000 \
		$(CARGO) test --test tls handshakes_that_do_not_go_on -- --nocapture

jobs: ## A million jobs through a stream's group of consumers, one in twenty of whom is killed
	REDSTART_JOBS=1000000 $(CARGO) test --test consumer_groups

crash: ## Kill servers a thousand times, cut power, fail each system call: what is still known?
	REDSTART_CRASH_ROUNDS=1000 $(CARGO) test --test crash -- --test-threads 2
	REDSTART_CRASH_ENCRYPTED=1 REDSTART_CRASH_ROUNDS=300 \
		$(CARGO) test --test crash -- --test-threads 2

browser: ## Use the dashboard in headless Chromium, and check it with axe-core
	$(CARGO) build
	REDSTART_BIN=$(CURDIR)/target/debug/redstart tests/browser/run

compat: build ## Ten million random commands against each oracle, then the client tests
	$(CARGO) run --profile quick -p redstart-differential -- --commands 10000000 \
		--redstart target/release/redstart
	REDSTART_BIN=$(CURDIR)/target/release/redstart tests/clients/run
