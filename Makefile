# Every target sets itself up; nothing has to run before it.
.DEFAULT_GOAL := help
.PHONY: help demo check test test-long bench build

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Tier the log of a real Kafka broker and read it back
	@scripts/setup.sh servers
	@npm run --silent demo

check: ## Types, lint, format, dead code, fast tests: under a minute
	@scripts/setup.sh
	@npm run --silent check

test: ## check, then the tests with real Kafka, HDFS and S3
	@scripts/setup.sh servers
	@npm run --silent test

test-long: ## Hours of faults and simulation
	@scripts/setup.sh servers
	@npm run --silent test-long

bench: ## Measure and print the figures of docs
	@scripts/setup.sh servers
	@npm run --silent bench

build: ## dist/: what runs in production
	@scripts/setup.sh
	@npm run --silent build
