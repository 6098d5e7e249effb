"""The man page has every command and option, and man's own tools find nothing wrong with it."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from borgpull.cli.app import BorgPull
from borgpull.cli.help import page_of


@pytest.fixture(scope="module")
def manual():
    argv = [sys.executable, "-m", "borgpull", "man"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def tool(name):
    if shutil.which(name) is None:
        assert not os.environ.get("CI"), f"there is no {name}: scripts/setup.sh work installs it"
        pytest.skip(f"there is no {name}")
    return name


@pytest.mark.parametrize(
    "argv", [["mandoc", "-Tlint", "-Wwarning"], ["groff", "-man", "-ww", "-Tutf8", "-z"]], ids=lambda argv: argv[0]
)
def test_nothing_is_wrong_with_it(argv, manual):
    tool(argv[0])
    done = subprocess.run(argv, input=manual, capture_output=True, text=True, check=False)
    # There is no date in it: it would be that of a release, and it is printed from the program itself.
    said = [line for line in (done.stdout + done.stderr).splitlines() if "missing date" not in line]
    assert said == []


@pytest.fixture(scope="module")
def shown(manual):
    """The page as somebody reads it, without line ends."""
    argv = [tool("mandoc"), "-Tutf8", "-Owidth=500"]
    done = subprocess.run(argv, input=manual, capture_output=True, text=True, check=True)
    return " ".join(re.sub(".\b", "", done.stdout).split())


def pages(page):
    yield page
    for each in page.commands:
        yield from pages(each)


def test_every_command_and_option_is_in_it(shown):
    whole = page_of(BorgPull)
    assert len(list(pages(whole))) > 10
    for page in pages(whole):
        assert page.usage in shown
        assert page.summary.replace("`", "").partition(". ")[0][1:] in shown
        for option in page.options:
            assert f"{option.shown} {option.text.replace('`', '')}" in shown, option


@pytest.mark.parametrize(
    "words",
    ["3 a repository was tampered with or could not be verified", "130 or 143 interrupted", "RootDir/.borgpull"],
)
def test_exit_codes_and_files_are_in_it(words, shown):
    assert words in shown
