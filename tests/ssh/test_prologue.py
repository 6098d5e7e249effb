"""The first lines of each script on another host, tried in dash, bash and busybox with all that a session may bring."""

import os
import re
import select
import shutil
import signal
import subprocess

import pytest

from borgpull.borg.command_lines import DROP_SETTINGS, environment
from borgpull.ssh.prologue import PROLOGUE
from borgpull.ssh.session import exports, script_text
from borgpull.ssh.watchdog import WATCHDOG

# A bash takes its options from these. monitor would give each background process a group of its own.
OPTIONS = "allexport:errexit:keyword:monitor:noclobber:noglob:nounset:pipefail:verbose:xtrace"
FOREIGN = {
    "SHELLOPTS": OPTIONS,
    "BASHOPTS": "failglob:nocasematch",
    "TMOUT": "1",
    "CDPATH": "/usr",
    "GREP_OPTIONS": "-v",
    "TAR_OPTIONS": "--verbose",
    "QUOTING_STYLE": "c",
    "POSIXLY_CORRECT": "1",
    "ENV": "/etc/passwd",
    "BASH_ENV": "/etc/passwd",
    "IFS": "/",
}
OWN = f"{PROLOGUE}own\n"
FLAGS = ("", "-e", "-f", "-u", "-C", "-a", "-efuCa")


@pytest.fixture(params=["dash", "bash", "busybox"])
def shell(request, tmp_path):
    """Each shell as `sh`: a bash is another one by that name."""
    where = shutil.which(request.param)
    if request.param == "busybox":
        return [where, "sh"]
    (tmp_path / "sh").symlink_to(where)
    return [str(tmp_path / "sh")]


def printed(shell, script, *, flags="", **extra):
    argv = [*shell, *([flags] if flags else []), "-c", script, "sh", "one two"]
    env = {"PATH": os.environ["PATH"]} | FOREIGN | extra
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("flags", FLAGS)
def test_shell_options_and_the_environment_are_ours(shell, flags, tmp_path):
    (tmp_path / "file").write_text("old")
    script = f"""{OWN}
false
echo "unset is empty:$never_set"
cd '{tmp_path}'
echo new >file
echo {tmp_path}/fil? *.none
inner=$((6 * 7))
printf 'a b\\n' | {{ IFS= read -r line; echo "$line"; }}
sleep 1.5 | {{ read -r line; echo "read to its end: $?"; }}
case A in a) echo matched ;; esac
false | true && echo piped
set -- "$@"
env
"""
    said = printed(shell, script, flags=flags).splitlines()
    assert said[:5] == ["unset is empty:", f"{tmp_path}/file *.none", "a b", "read to its end: 1", "piped"]
    names = {line.partition("=")[0] for line in said[5:]}
    assert names & FOREIGN.keys() == set()
    assert "inner=42" not in said
    assert (tmp_path / "file").read_text() == "new\n"


def test_a_secret_is_neither_traced_nor_exported(shell):
    script = f"{PROLOGUE}IFS= read -r secret <<'.'\nswordfish\n.\nprintf %s \"$secret\" | wc -c; env"
    assert "swordfish" not in printed(shell, script)


def test_an_operators_own_command_keeps_what_the_host_gives_it(shell):
    said = printed(shell, f"{PROLOGUE}echo $CDPATH $GREP_OPTIONS $TAR_OPTIONS; echo ${{TMOUT-none}}")
    assert said == "/usr -v --verbose\nnone\n"


def test_settings_of_borg_that_are_not_ours_go_and_those_of_its_places_stay(shell):
    ours = {name: value for name, value in environment("ssh://there/./here").items() if name.startswith("BORG_")}
    kept = {"BORG_CACHE_DIR": "/c", "BORG_BASE_DIR": "/b", "BORG_FILES_CACHE_TTL": "30", "BORG_HOST_ID": "one"}
    gone = {"BORG_LOGGING_CONF": "/x", "BORG_PASSPHRASE": "secret", "BORG_RSH": "a b\nBORG_KEY=c", "BORG_NEWER": "1"}
    theirs = kept | gone | dict.fromkeys(ours, "of the host")
    said = printed(shell, f"{OWN}{DROP_SETTINGS}{exports(ours)}env", **theirs)
    assert dict(re.findall(r"^(BORG_\w+)=(.*)$", said, re.MULTILINE)) == ours | kept


def test_every_script_begins_with_it(shell):
    text = script_text('own\nprintf "<%s>" "$@"', "one two", "it's", 'a "b"', "$HOME\n`id`", "\\", "*", "")
    assert PROLOGUE.encode().replace(b"\n", b"\\n") in text
    # A file of the login shell may have read the first line.
    assert text.startswith(b"\n")
    done = subprocess.run(shell, input=text + b"echo not for a shell\n", env=FOREIGN, capture_output=True, check=False)
    assert done.stdout.decode() == '<one two><it\'s><a "b"><$HOME\n`id`><\\><*><>'
    # What a bash that is told to be verbose reads, it prints before it runs it.
    assert done.stderr.replace(b"\n", b"") in (b"", text.replace(b"\n", b""))


@pytest.mark.parametrize("aside", ["", "exec 3<&0 </dev/null; exec 0<&3\n"])
def test_its_standard_input_is_what_follows(shell, aside):
    # To move it aside within an `eval` ends a bash that still reads its commands from there (5.2).
    script = script_text(f'{aside}echo begun; IFS= read -r line; printf "<%s>" "$line"; cat')
    with subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdin.write(script)
        child.stdin.flush()
        assert child.stdout.readline() == b"begun\n"
        assert child.communicate(b"one line\nand the rest", timeout=20) == (b"<one line>and the rest", None)
    assert child.returncode == 0


def test_what_watches_a_session_holds_none_of_its_output_open(shell):
    watchdog = WATCHDOG.replace("sleep 5", "sleep 1000")
    waits = "beats | { until_silent; } >/dev/null 2>&1 &\necho begun\nkill $!"
    script = script_text(f"{watchdog}\nexec 3<&0 </dev/null\n{waits}")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(shell, **pipes, start_new_session=True) as child:
        try:
            child.stdin.write(script)
            child.stdin.flush()
            assert child.wait(20) == 0
            # sshd keeps a session until nobody can write to these any more.
            assert select.select([child.stderr], [], [], 20)[0] != []
            assert (child.stdout.read(), child.stderr.read()) == (b"begun\n", b"")
        finally:
            os.killpg(child.pid, signal.SIGKILL)


def test_a_script_that_is_cut_off_does_nothing(shell, tmp_path):
    text = script_text('>"$1"', str(tmp_path / "done"))
    for length in (len(text) - 2, len(text) - 4, len(text) // 2, 40):
        done = subprocess.run(shell, input=text[:length], capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (2, b"")
        assert not (tmp_path / "done").exists()
    subprocess.run(shell, input=text, check=True)
    assert (tmp_path / "done").exists()
