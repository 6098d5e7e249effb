"""`borgpull config add`: a new target in the text of a config, by options, on a terminal, and in a pipeline."""

import re
import stat
import subprocess
import sys

import pexpect
import pytest

from support import loopback_world
from support.reading import nobody_listens, only

COMMENT = "# what the operator wrote, and wants to find again\n"


@pytest.fixture(scope="module")
def world():
    with loopback_world() as made:
        yield made


@pytest.fixture
def before(world):
    """A config of one target, with a comment in it."""
    return COMMENT + world.lab.config_text(only(world.lab.config(), "web"))


@pytest.fixture
def mail(world):
    return world.target("mail")


@pytest.fixture
def fingerprint(mail, tmp_path):
    """The fingerprint of the host key, as it is told on the host."""
    (tmp_path / "key.pub").write_text(mail.host.host_key.public + "\n")
    done = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def options(mail, **changed):
    """Return the options that leave nothing to be asked; one that is None is left out."""
    said = {
        "--host": mail.host.endpoint,
        "--user": mail.host.user,
        "--source": str(mail.source),
        "--sub-dir": "more/mail",
        "--fingerprint": "",
    }
    said |= {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    return [word for option, value in said.items() if value is not None for word in (option, value)]


def add(world, *arguments, config):
    """Add the target `mail` where nobody sits: in a session without a terminal."""
    argv = [sys.executable, "-m", "borgpull", "config", "add", "mail", *arguments]
    return subprocess.run(
        argv,
        input=config,
        env=world.environment(),
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
        timeout=60,
    )


def test_what_it_makes_can_be_backed_up_with_the_least_rights(world, before, mail, fingerprint):
    done = add(world, *options(mail, fingerprint=fingerprint), "--new-key", "--exclude", "*.tmp", config=before)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(before)
    (line,) = [line for line in done.stderr.splitlines() if " ssh-ed25519 " in line]
    (mail.host.directory / "authorized_keys").write_text(line + "\n")
    run = world.run("run", "--only", "mail", config=done.stdout)
    assert run.returncode == 0, run.stderr
    assert (world.lab.root / "more" / "mail" / "config").exists()
    assert world.run("config", "check", config=done.stdout).returncode == 0


def test_no_secret_is_shown_and_no_key_is_left(world, before, mail, fingerprint):
    done = add(world, *options(mail, fingerprint=fingerprint), "--new-key", config=before)
    block = done.stdout.removeprefix(before)
    private = block.partition("-----BEGIN")[2].splitlines()[1:4]
    passphrase = block.partition('Passphrase = "')[2].partition('"')[0]
    assert len(passphrase) >= 40
    assert len(private) == 3
    assert not [secret for secret in (passphrase, *private) if secret in done.stderr]
    assert world.leftovers() == []
    again = add(world, *options(mail, fingerprint=fingerprint), "--new-key", config=before).stdout
    assert passphrase not in again


def test_the_first_target_with_a_key_from_a_file(world, before, mail, fingerprint, tmp_path):
    (tmp_path / "key").write_text(mail.host.key.private)
    first = before[: before.index("[[Servers]]")]
    done = add(world, *options(mail, fingerprint=fingerprint, key=str(tmp_path / "key")), config=first)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(first)
    assert mail.host.key.private in done.stdout
    assert mail.host.key.public in done.stderr


@pytest.fixture
def terminal(world, before, tmp_path):
    """A shell line on a terminal, with the config in a pipe, and a file for what comes out."""
    (tmp_path / "config.toml").write_text(before)
    command = f"{sys.executable} -m borgpull config add mail"
    line = f"cat config.toml | {command} | cat > new.toml"
    with pexpect.spawn(
        "sh", ["-c", line], env=world.environment() | {"NO_COLOR": "1"}, cwd=str(tmp_path), encoding="utf-8", timeout=60
    ) as child:
        child.delaybeforesend = None
        yield child, tmp_path / "new.toml"


def test_what_no_option_says_is_asked_on_the_terminal(terminal, world, before, mail, fingerprint):
    child, new = terminal
    for question, reply in (
        ("Host .*: ", "-oProxyCommand=x"),
        ("That begins with a dash.*Host .*: ", mail.host.endpoint),
        (rf"User .* \[{mail.host.user}\]: ", ""),
        ("Path to back up: ", str(mail.source)),
        ("Another path .*: ", "/etc/hostname"),
        ("Another path .*: ", ""),
        (r"Repository below RootDir \[mail\]: ", "web/inner"),
        (r"That is inside .*Repository below RootDir \[mail\]: ", ""),
        ("private key .*: ", ""),
        (f"{re.escape(fingerprint)}.*same. .y/N. ", "y"),
    ):
        child.expect(question)
        child.sendline(reply)
    child.expect(pexpect.EOF)
    text = new.read_text()
    assert text.startswith(before)
    assert f'SourcePaths = ["{mail.source}", "/etc/hostname"]' in text
    assert "restrict,port-forwarding ssh-ed25519 " in child.before
    assert "PRIVATE KEY" not in child.before
    assert world.run("config", "check", config=text).returncode == 0


def test_a_host_key_that_is_not_confirmed_adds_nothing(world, before, mail, tmp_path):
    (tmp_path / "config.toml").write_text(before)
    argv = ["-m", "borgpull", "config", "add", "mail", "--new-key", "-i", "-c", "config.toml"]
    argv += options(mail, fingerprint=None)
    with pexpect.spawn(
        sys.executable,
        argv,
        env=world.environment() | {"NO_COLOR": "1"},
        cwd=str(tmp_path),
        encoding="utf-8",
        timeout=60,
    ) as child:
        child.expect("Is it the same. .y/N. ")
        child.sendline("")
        child.expect(pexpect.EOF)
        assert "error: target mail: its host key was not confirmed" in child.before
        child.wait()
    assert child.exitstatus == 2
    assert (tmp_path / "config.toml").read_text() == before


def test_in_place_the_file_keeps_its_mode_and_is_whole(world, before, mail, fingerprint, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(before)
    file.chmod(0o640)
    arguments = [*options(mail, fingerprint=fingerprint), "--new-key", "--in-place", "--config", str(file)]
    done = add(world, *arguments, config="")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert file.read_text().startswith(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert {each.name for each in tmp_path.iterdir()} == {"config.toml", "key.pub"}
    again = add(world, *arguments, config="")
    assert again.returncode == 4
    assert "NEW-NAME is the name of Servers[1] too" in again.stderr


def test_keys_are_not_printed_on_a_terminal(world, before, mail, tmp_path):
    (tmp_path / "config.toml").write_text(before)
    argv = ["-m", "borgpull", "config", "add", "mail", "-c", "config.toml"]
    with pexpect.spawn(
        sys.executable, argv, env=world.environment() | {"NO_COLOR": "1"}, cwd=str(tmp_path), encoding="utf-8"
    ) as child:
        child.expect("error: .* would be shown on this terminal")
        child.expect(pexpect.EOF)
        child.wait()
    assert child.exitstatus == 4


OTHER = "SHA256:" + "A" * 43
REFUSED = {
    "another fingerprint": ({"fingerprint": OTHER}, 2, "error: target mail: its host key is another one"),
    "no terminal": ({"fingerprint": None}, 4, "hint: give --fingerprint"),
    "no terminal, no host": ({"host": None}, 4, "hint: give --host"),
    "a host that is an option": ({"host": "-oProxyCommand=x"}, 4, "--host begins with a dash"),
    "another one's repository": ({"sub_dir": "web"}, 4, "--sub-dir is the repository of"),
    "no key there": ({"key": "/nonexistent"}, 4, "cannot be read"),
    "no key in it": ({"key": "/etc/hostname"}, 4, "is not a private key"),
}

SELDOM = ("no terminal, no host", "a host that is an option", "no key there", "no key in it")


@pytest.mark.parametrize(
    "name",
    [
        *("another fingerprint", "no terminal", "another one's repository"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in SELDOM),
    ],
)
def test_what_goes_wrong_prints_nothing_on_stdout(name, world, before, mail, fingerprint):
    changed, code, words = REFUSED[name]
    key = [] if "key" in changed else ["--new-key"]
    done = add(world, *options(mail, **({"fingerprint": fingerprint} | changed)), *key, config=before)
    assert words in done.stderr
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr


def test_a_host_that_does_not_answer_adds_nothing(world, before, mail, fingerprint):
    done = add(world, *options(mail, host=nobody_listens(), fingerprint=fingerprint), "--new-key", config=before)
    assert "error: target mail: no sshd answered" in done.stderr
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text.replace('RootDir = "/', 'RootDir = "'), "Borg.RootDir: is not an absolute path"),
        (lambda text: text.replace('RootDir = "', "RootDir = "), "this is not TOML"),
        (lambda text: "", "stdin was empty"),
    ],
)
def test_a_config_that_is_wrong_already_is_told_before_anything_is_asked(spoil, words, world, before):
    done = add(world, config=spoil(before))
    assert words in done.stderr
    assert (done.returncode, done.stdout) == (4, "")
