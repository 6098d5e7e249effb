# Every target does its own set-up: `git clone` and `make demo` is all there is to it.
.PHONY: demo test check screenshots slow attacks fuzz matrix soak bench image lock dist sbom clean

demo:
	@tools/setup.sh run && .venv/bin/borgpull demo

test:
	@tools/setup.sh work && .venv/bin/pytest -n 2 --dist loadfile

check:
	@tools/setup.sh work && .venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy && .venv/bin/lint-imports

screenshots:
	@tools/setup.sh work && .venv/bin/python tools/screenshots.py

slow:
	@tools/setup.sh work && .venv/bin/pytest -n 2 --dist loadfile -m slow

attacks:
	@tools/setup.sh work && .venv/bin/python tests/custody/table.py

fuzz:
	@tools/setup.sh work && HYPOTHESIS_PROFILE=thorough .venv/bin/pytest -n 2 --dist loadfile tests/fuzz

matrix:
	@tools/setup.sh work && .venv/bin/python tests/faults/table.py

soak:
	@tools/setup.sh work && .venv/bin/python tests/soak/table.py

bench:
	@tools/setup.sh work && .venv/bin/python tests/bench/table.py

image:
	@tools/setup.sh image && .venv/bin/pytest -m image tests/image

lock:
	@test -x .venv/bin/uv || tools/setup.sh work; tools/lock.sh

dist:
	@tools/setup.sh work && tools/dist.sh

sbom:
	@tools/setup.sh work && tools/sbom.sh

clean:
	rm -rf .venv .venv-borg14 .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
