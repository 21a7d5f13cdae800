# Every command of this project. PYTHON=… chooses the interpreter, ARGS=… is handed on to the command.
# All paths are relative, so that the folder may have any name.

run = .venv/bin/python -m
ARGS =

.DEFAULT_GOAL := help
.PHONY: help .venv demo test check bench compose-check

help: ## Show this list
	@awk -F ':.*## ' '/^[.a-z-]+:.*## / { printf "make %-13s  %s\n", $$1, $$2 }' Makefile

.venv: ## Make the virtual environment, or renew it when requirements.lock changed
	@sh .ci/venv

demo: .venv ## Run everything on this machine, with sample articles and a subscriber, until Ctrl-C
	@exec $(run) workers demo $(ARGS)

test: .venv ## Run the whole suite, on servers of its own
	$(run) pytest -n auto --dist worksteal $(ARGS)

check: .venv ## Check style, types, and who imports whom
	$(run) ruff check .
	$(run) ruff format --check .
	$(run) mypy
	.venv/bin/python .venv/bin/lint-imports

bench: .venv ## Measure, and write benchmarks/latest.json
	$(run) benchmarks $(ARGS)

compose-check: .venv ## Try docker-compose.yml for real, on a machine with Docker
	@exec .venv/bin/python .ci/compose-check $(ARGS)
