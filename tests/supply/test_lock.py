"""What is installed: each package by version and hash, all that pyproject.toml asks for, and the name of no index."""

import re
import tomllib
from dataclasses import dataclass

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support import ROOT

LOCKS = ("build", "run", "work")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Pin:
    version: str
    hashes: tuple[str, ...]


def text(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, Pin]:
    found = {}
    for block in re.split(r"\n(?=\S)", text(lock)):
        if head := re.match(r"([a-z0-9.-]+)==([^ ;]+)", block):
            found[canonicalize_name(head[1])] = Pin(
                head[2], tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", block))
            )
    return found


def wanted(lock: str) -> list[str]:
    project = PROJECT["project"]
    return {
        "build": PROJECT["build-system"]["requires"],
        "run": project["dependencies"],
        "work": [*project["dependencies"], *project["optional-dependencies"]["work"]],
    }[lock]


@pytest.mark.parametrize("lock", LOCKS)
def test_each_package_has_its_hashes(lock):
    assert len(pins(lock)) >= len(wanted(lock))
    assert [name for name, pin in pins(lock).items() if not pin.hashes] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_it_is_not_older_than_pyproject(lock):
    locked = pins(lock)
    for requirement in map(Requirement, wanted(lock)):
        pin = locked.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement} is not in requirements/{lock}.txt: run `make lock`"
        assert pin.version in requirement.specifier, f"requirements/{lock}.txt: run `make lock` for {requirement}"


@pytest.mark.parametrize("lock", LOCKS)
def test_it_names_no_index_and_no_place(lock):
    assert not re.search(r"://|--index|--extra|--find|file:|^-[fi] ", text(lock), re.MULTILINE)


def test_the_versions_that_are_tested_are_those_that_run():
    tested, running = pins("work"), pins("run")
    assert {name: tested.get(name) for name in running} == running
