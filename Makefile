# The two commands of a visitor are `make demo` and `make test`; the rest is for those who work on perp.
.PHONY: help demo clean-demo test night bench build lint fuzz clean

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make demo        install what is needed, build, run simulated markets end to end: an hour replayed, minutes live
demo:
	@scripts/demo

## make clean-demo  remove everything that make demo made
clean-demo:
	@scripts/demo clean

## make test        install what is needed, build once, run all tests (PERP_CAPTURES_DIR: recorded messages)
test:
	@scripts/install-deps test
	@scripts/run-tests

## make bench       build and run the benchmarks beside their peers
bench:
	@scripts/install-deps ci
	@scripts/bench

## make lint        formatting, clang-tidy, layer and repository rules
lint:
	@scripts/install-deps ci
	@scripts/lint

## make fuzz        every fuzz target for 10 s (SECONDS=n)
fuzz:
	@scripts/install-deps ci
	@scripts/fuzz $(or $(SECONDS),10)

## make night       what takes longer than make test: long fuzzing, sanitizers over everything, more kill points
night:
	@scripts/install-deps ci
	@scripts/night

build:
	@cmake --preset release >/dev/null && cmake --build --preset release

clean:
	rm -rf build
