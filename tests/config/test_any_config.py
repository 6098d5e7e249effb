"""Whatever is fed to `read`: settings or a ConfigError, and what passes means the same to ssh and to us."""

import contextlib
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sample import GOOD, filled, read_pure

from borgpull.config import address, retention, rules
from borgpull.config.address import repository_path
from borgpull.config.model_fields import problem_with
from borgpull.errors import ConfigError
from support.examples import examples

UNHURRIED = {"deadline": None, "database": None}
LINES = filled(GOOD, {"HOST_KEY": "ssh-ed25519 AAAA", "HOST_KEY_RSA": "ssh-rsa AAAA"}).splitlines()
SECRETS = ("hunter2", "swordfish", "{B_KEY", "{T_KEY")
toml_scraps = st.text(alphabet="ab[].=\"'{},\n\r\\u#\ud800 0", max_size=60)


def told(text):
    with contextlib.suppress(ConfigError):
        read_pure(text)
        return []
    with pytest.raises(ConfigError) as caught:
        read_pure(text)
    return [problem.cause for problem in caught.value.problems]


@settings(max_examples=examples(400), **UNHURRIED)
@given(st.text() | toml_scraps)
@example("a = " + "[" * 5000)
@example("a = {" * 5000)
@example("a." * 5000 + "b = 1")
@example("a = 1" + "0" * 5000)
@example("\x00")
def test_any_text_is_read_or_refused(text):
    assert told(text)


@settings(max_examples=examples(200), **UNHURRIED)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    ),
    st.sampled_from([line for line in LINES if " = " in line and '"""' not in line]),
)
def test_any_value_in_the_place_of_another(value, line):
    shown = {None: "{}", True: "true", False: "false"}.get(value) if not isinstance(value, list) else None
    text = "\n".join(LINES).replace(line, f"{line.split(' = ')[0]} = {shown or ascii(value)}")
    assert not [problem for problem in told(text) if "Traceback" in problem]


@settings(max_examples=examples(400), **UNHURRIED)
@given(st.data())
def test_a_slip_of_the_hand_shows_no_secret(data):
    number = data.draw(st.integers(0, len(LINES) - 1))
    line = LINES[number]
    at = data.draw(st.integers(0, len(line)))
    typed = data.draw(st.text(max_size=3) | st.sampled_from(['"', "'", "\n", "=", "[", "]", "\\"]))
    lost = data.draw(st.integers(0, 3))
    slipped = [*LINES[:number], line[:at] + typed + line[at + lost :], *LINES[number + 1 :]]
    for problem in told("\n".join(slipped)):
        assert problem.isprintable()
        assert not [secret for secret in SECRETS if secret in problem]


HOSTS = st.text(alphabet="aZ09.-_:[]@/%!; \n", max_size=12) | st.builds(
    "{}:{}".format, st.from_regex(r"[A-Za-z0-9._-]{1,10}", fullmatch=True), st.integers(-1, 70000)
)


@settings(max_examples=examples(150), **UNHURRIED)
@given(HOSTS | st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map("[{}]:2222".format))
@example("::1")
@example("[::ffff:1.2.3.4]")
def test_a_host_that_passes_is_that_host_to_ssh(text):
    if problem_with(address.host, text):
        return
    host = address.host(text)
    argv = ["ssh", "-G", "-F", "none", "-p", str(host.port), "--", host.name]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"hostname {host.name.lower()}" in lines
    assert f"port {host.port}" in lines
    assert not [line for line in lines if line.startswith(("proxycommand ", "proxyjump "))]


@settings(max_examples=examples(60), **UNHURRIED)
@given(st.text(alphabet="aZü0.-_@/%!; $:\\#=,\n", min_size=1, max_size=8))
@example(r"CORP\backup")
@example("backup@corp.example")
@example("12345")
@example("svc$")
@example("john doe")
def test_a_user_that_passes_is_that_user_to_ssh(text):
    if problem_with(address.user, text):
        return
    argv = ["ssh", "-G", "-F", "none", "-l", text, "--", "h"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {f"user {text}", "hostname h"} <= set(shown)


@settings(max_examples=examples(300), **UNHURRIED)
@given(st.text(alphabet="ab./~:{}\n", max_size=12))
def test_a_folder_that_passes_lies_below_the_root(sub_dir):
    if problem_with(rules.sub_dir, sub_dir):
        return
    path = repository_path("/srv/root", sub_dir)
    assert path.startswith("/srv/root/")
    assert path == repository_path("//srv//root/", f"/{sub_dir}/")
    assert not path.startswith("/srv/root/.borgpull/")


@settings(max_examples=examples(200), **UNHURRIED)
@given(st.text())
def test_normalising_twice_is_normalising_once(text):
    key = rules.key_for_ssh(text)
    entries = rules.entries_for_ssh(text, port=22)
    assert rules.key_for_ssh(key) == key
    assert rules.entries_for_ssh(entries, port=22) == entries
    assert "\r" not in key + entries


@settings(max_examples=examples(200), **UNHURRIED)
@given(st.text() | st.lists(st.sampled_from([*retention._KNOWN, "7", "-1", "2d", "-n", "=", "'"])).map(" ".join))
def test_retention_that_passes_holds_nothing_else(setting):
    if problem_with(retention.options, setting):
        return
    options = retention.options(setting)
    assert options
    assert all(option.startswith("--keep-") and " " not in option for option in options)
