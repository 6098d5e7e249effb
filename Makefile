# Every target does its own set-up: `git clone` and `make demo` is all there is to it.
# The dearest files first, as tests/conftest.py has them; three at a time on two cores, for much of it is waiting.
PYTEST = .venv/bin/pytest -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: demo test check docs screenshots test-slow attacks accidents fuzz matrix soak bench image lock dist sbom clean

demo:
	@scripts/setup.sh run && .venv/bin/python scripts/demo.py

test:
	@scripts/setup.sh work && $(PYTEST)

check:
	@scripts/setup.sh work && .venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy && .venv/bin/lint-imports && .venv/bin/python scripts/reference.py --check && .venv/bin/python scripts/schemas.py --check && .venv/bin/python scripts/size.py

docs:
	@scripts/setup.sh work && .venv/bin/python scripts/reference.py && .venv/bin/python scripts/schemas.py

screenshots:
	@scripts/setup.sh work && .venv/bin/python scripts/screenshots.py

test-slow:
	@scripts/setup.sh work && $(PYTEST) -m slow $(if $(SLICE),--slice=$(SLICE))

attacks:
	@scripts/setup.sh work && .venv/bin/python tests/tampering/table.py

accidents:
	@scripts/setup.sh work && .venv/bin/python tests/accidents/table.py

fuzz:
	@scripts/setup.sh work && HYPOTHESIS_PROFILE=thorough $(PYTEST) tests/fuzz tests/config/test_any_config.py

matrix:
	@scripts/setup.sh work && .venv/bin/python tests/faults/table.py

soak:
	@scripts/setup.sh work && .venv/bin/python tests/soak/table.py

bench:
	@scripts/setup.sh work && .venv/bin/python tests/bench/table.py

image:
	@scripts/setup.sh image && .venv/bin/pytest -m image tests/image

lock:
	@test -x .venv/bin/uv || scripts/setup.sh work; scripts/lock.sh

dist:
	@scripts/setup.sh work && scripts/dist.sh

sbom:
	@scripts/setup.sh work && scripts/sbom.sh

clean:
	rm -rf .venv .venv-borg14 .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
