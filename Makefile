.PHONY: setup demo test check bench soak lock

setup:
	@scripts/setup

demo: setup
	@.venv/bin/python -m demo $(if $(ONCE),--once)

check: setup
	@scripts/check

test: check
	@.venv/bin/python -m pytest -n 4 --dist worksteal $(ARGS)

bench: setup
	@.venv/bin/python -m benchmarks $(GOALS)

soak: setup
	@.venv/bin/python -m benchmarks.soak

lock:
	@scripts/lock
