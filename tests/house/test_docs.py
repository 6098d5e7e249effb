"""README and docs: short enough, complete, every link leads somewhere, every command line and config is one."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import ROOT
from support.reading import script

README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS, *(ROOT / name for name in ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
MOST_BYTES = 9_000
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """Return the relative links of a page, those of its pictures too."""
    found = LINK.findall(CODE.sub("", page.read_text(encoding="utf-8")))
    return [link for link in found if "://" not in link]


def anchors(page: Path) -> set[str]:
    """Return the fragments that GitHub makes of the headings of a page."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_is_short():
    assert len(README.read_bytes()) <= MOST_BYTES


def test_the_first_screen_of_the_readme_has_the_commands_to_try():
    screen = "\n".join(README.read_text(encoding="utf-8").splitlines()[:25])
    assert "$ make demo" in screen
    assert "$ make test" in screen


def test_the_index_links_every_page():
    index = ROOT / "docs" / "README.md"
    linked = [(index.parent / link.partition("#")[0]).resolve() for link in links(index)]
    assert [page.name for page in DOCS if page != index and page not in linked] == []
    assert len(linked) == len(set(linked))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_its_heading(page):
    dead = []
    for link in links(page):
        path, _, fragment = link.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (fragment and fragment not in anchors(file)):
            dead.append(link)
    assert dead == []


def test_every_path_in_the_text_exists():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != "CHANGELOG.md")
    named = set(re.findall(r"`((?:tests|scripts|requirements)/[\w./-]*)`", text))
    assert {path for path in named if not (ROOT / path).exists()} == set()
    assert named


def test_every_file_that_the_architecture_names_exists():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    missing = []
    for row in re.findall(r"^\|.*\|$", page, re.MULTILINE):
        # A file named beside its room lies in it.
        room = next(iter(re.findall(r"^\| \d \| `(\w+/)`", row)), "")
        named = re.findall(r"`(\w+/|(?:\w+/)?\w+\.py)`", row)
        missing += [name for name in named if not any((ROOT / "borgpull" / top / name).exists() for top in ("", room))]
    assert missing == []


def test_the_architecture_names_every_room():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [path.name for path in (ROOT / "borgpull").iterdir() if (path / "__init__.py").exists()]
    assert [room for room in rooms if f"`{room}/`" not in page] == []


def command_lines() -> list[str]:
    """Return the lines that a reader would type and that call borgpull with a config in config.toml, or with none."""
    blocks = [block for page in PAGES for block in CODE.findall(page.read_text(encoding="utf-8"))]
    typed = [line for block in blocks for line in re.findall(r"^\$ (borgpull\b.*)$", block, re.MULTILINE)]
    # `config add` would look for its host, and a file below /var cannot be written everywhere.
    return sorted({line for line in typed if " config add " not in line and "/var/lib" not in line})


def test_every_command_line_is_understood(tmp_path):
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin" / "borgpull", f'exec {sys.executable} -m borgpull "$@"\n')
    env = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}

    def said(number_and_line: tuple[int, str]) -> str:
        number, line = number_and_line
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "config.toml").write_text("# empty\n")
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        return f"{done.returncode} {done.stderr}"

    lines = command_lines()
    with ThreadPoolExecutor(2) as pool:
        answers = dict(zip(lines, pool.map(said, enumerate(lines)), strict=True))
    # A command that needs a config fails because the config is empty, and not earlier.
    wrong = [line for line, answer in answers.items() if not answer.startswith(("0 ", "4 error: config: "))]
    assert wrong == []
    assert len(lines) > 40
