"""The line for sudoers: what T says of itself gets into it only where it can do no harm."""

import json
import shlex
import shutil
import subprocess

import pytest

from borgpull.transport.sudo import CHECKS, refusal, sudoers_line
from support.reading import script


@pytest.mark.parametrize(
    ("borg", "found", "path"),
    [
        ("borg", "/usr/local/bin/borg", "/usr/local/bin/borg"),
        ("borg", "/usr/bin/borg, /bin/sh", "/usr/bin/borg"),
        ("borg", "/bin/sh", "/usr/bin/borg"),
        ("borg", "/tmp/x\nALL ALL=(ALL) NOPASSWD: ALL # /borg", "/usr/bin/borg"),
        ("borg", "", "/usr/bin/borg"),
        ("borg-1.4", "/opt/borg-1.4", "/opt/borg-1.4"),
        ("/opt/borg/bin/borg", "/bin/sh", "/opt/borg/bin/borg"),
        ("/opt/our borg, the second", "/bin/sh", r"/opt/our\ borg\,\ the\ second"),
    ],
)
def test_it_names_borg_and_nothing_else(borg, found, path):
    assert sudoers_line("backup", borg, found) == f"backup ALL=(root) NOPASSWD: NOLOG_INPUT: {path}"


@pytest.mark.parametrize(
    ("login", "written"),
    [
        ("backup@corp.example", r"backup\@corp.example"),
        (r"CORP\backup", r"CORP\\backup"),
        (r"CORP\0 1", r"CORP\\0\ 1"),
        ("12345", "12345"),
        ("svc$", r"svc\$"),
        ("a=b,c:d#e+f!g", r"a\=b\,c\:d\#e\+f\!g"),
        ("büro", "büro"),
        ("BACKUP", '"BACKUP"'),
    ],
)
def test_the_user_is_written_as_sudoers_reads_it(login, written, tmp_path):
    line = sudoers_line(login, "borg", "/usr/bin/borg")
    assert line.startswith(f"{written} ALL=")
    no_terminal = refusal("T web", login, "borg", "/usr/bin/borg sudo: you must have a tty").hint.partition("Defaults:")
    rules = tmp_path / "sudoers"
    rules.write_text(f"{line}\n{''.join(no_terminal[1:])}\n")
    if not shutil.which("visudo"):
        pytest.skip("needs sudo")
    subprocess.run(["visudo", "-c", "-f", rules], check=True)
    read = json.loads(subprocess.run(["cvtsudoers", "-f", "json", rules], capture_output=True, check=True).stdout)
    assert read["User_Specs"][0]["User_List"] == [{"username": login}]
    assert read["Defaults"][0]["Binding"] == [{"username": login}]


def test_a_borg_that_cannot_unpack_itself_is_no_matter_of_sudo():
    said = "/opt/borg [PYI-7:ERROR] Failed to extract entry: libpython3.11.so.1.0."
    failure = refusal("T web", "backup", "/opt/borg", said)
    assert failure.cause.startswith("its standalone borg cannot unpack itself")
    assert "TMPDIR" in failure.hint


@pytest.mark.parametrize(
    ("said", "cause", "way_out"),
    [
        ("/usr/bin/borg sudo: a password is required", ": sudo: a password is required", "NOLOG_INPUT: /usr/bin/borg"),
        ("/usr/bin/borg it is not installed", ": it is not installed", "apt install sudo, and then put"),
        (
            "/usr/bin/borg sudo: sorry, you must have a tty to run sudo",
            "tty to run sudo",
            "Defaults:backup !requiretty",
        ),
        ("\x1b[2J /usr/bin/borg", "/usr/bin/borg", "NOLOG_INPUT: /usr/bin/borg"),
        ("", "it does not say why", "NOLOG_INPUT: /usr/bin/borg"),
    ],
)
def test_why_sudo_refuses_is_said_with_the_way_out(said, cause, way_out):
    failure = refusal("T web", "backup", "borg", said)
    assert failure.cause.endswith(cause)
    assert way_out in failure.hint
    assert "\x1b" not in failure.cause + failure.hint


@pytest.mark.parametrize("shell", [["dash"], ["bash", "--posix"], ["busybox", "sh"]])
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["sudo: a password is required", "@"], "sudo: a password is required"),
        (["@", "borg 1.2.4"], "borg 1.2.4"),
        (["@"], ""),
    ],
)
def test_that_sudo_cannot_resolve_the_host_is_not_what_it_says(shell, lines, said, tmp_path):
    words = [line.replace("@", "sudo: unable to resolve host web: Name or service not known") for line in lines]
    sudo = script(tmp_path / "sudo", f"printf '%s\\n' {shlex.join(words)} >&2; exit 3\n")
    text = f'{CHECKS}borg=true sudo="$1"\nask_sudo; echo "$? $said"'
    done = subprocess.run([*shell, "-c", text, "sh", sudo], capture_output=True, text=True, check=True)
    assert done.stdout == f"3 {said}\n"
