"""Fixtures named as situations. A world is new for its test or, if it is shared, for the module.

And how the suite is played: the dearest files first, in memory where there is room, the slow tests whole or by slices.
"""

import fnmatch
import os
import shutil
import signal
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# A shell starts what it puts into the background with these ignored, and every process of a test would inherit that.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
# Hundreds of runs need not compile the same modules each, nor each borg test its own cryptography.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ["BORG_SELFTEST"] = "disabled"
# jsonschema would make forty parsers for the syntax of an IRI when it is imported, and no schema of ours asks for one.
sys.modules.setdefault("rfc3987_syntax", None)
# No deadlines: a machine may be busy. `make fuzz` takes the thorough one.
# A busy machine is slow to think of examples, too.
settings.register_profile("usual", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=3_000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))

from support import World, loopback_world, needs_network_namespaces, walled_world  # noqa: E402

MEMORY, DISK = Path("/dev/shm"), Path("/var/tmp")
ROOM = 4_000_000_000
# Where the most time goes, the dearest first: what is begun last must not be what takes longest.
DEAREST = (
    "commands/test_other_daemons.py",
    "commands/test_suspended.py",
    "commands/test_held.py",
    "commands/test_what_counts.py",
    "commands/test_damage.py",
    "commands/test_hardened.py",
    "faults/test_first_runs.py",
    "ledger/test_lasting_session.py",
    "faults/test_half_runs.py",
    "faults/test_half_answers.py",
    "tampering/test_recovery.py",
    "tampering/test_attacked.py",
    "commands/test_interrupted.py",
    "commands/test_restore.py",
    "commands/test_limits.py",
    "commands/test_hooks.py",
    "commands/test_server_away.py",
    "commands/test_socket_activation.py",
    "commands/test_warnings.py",
    "commands/test_ancestor.py",
    "commands/test_secrets.py",
    "commands/test_server_troubles.py",
    "commands/test_borg.py",
    "commands/test_dumps.py",
    "commands/test_sudo.py",
    "commands/test_borg_starts.py",
    "tampering/test_settings_wrong.py",
    "guard/test_honest_sessions.py",
    "commands/test_list.py",
    "commands/test_retries.py",
    "commands/test_transport_ends.py",
    "commands/test_troubles.py",
    "commands/test_elsewhere.py",
    "commands/test_status.py",
    "commands/test_versions.py",
    "commands/test_stdio_transport.py",
    "commands/test_walled.py",
    "test_demo.py",
    "guard/test_attacks.py",
    "commands/test_secrets_page.py",
    "commands/test_readme.py",
    "commands/test_options.py",
    "commands/test_notify.py",
    "commands/test_terminal.py",
    "commands/test_metrics_file.py",
    "config/test_what_borg_understands.py",
    "systemd/test_units.py",
    "test_lab.py",
)
# What is played in the slow part alone, as its worth is a second look: each has a sibling in the quick part that shows
# the same thing on a shorter way, or shows it to one shell or version of borg.
SECOND_LOOKS = (
    # three shells: dash stays
    "ledger/test_lasting_session.py::*[[]bash*",
    "ledger/test_lasting_session.py::*[[]busybox*",
    "borg/test_locks.py::*[[]bash*",
    "borg/test_locks.py::*[[]busybox*",
    # daemons: one with another name and a /proc that hides stay
    "commands/test_other_daemons.py::*[[]namespaced*",
    "commands/test_other_daemons.py::*[[]entered*",
    "commands/test_standalone_borg.py::*[[]create*",
    # faults of scripts: [look] and [close] stay, and whole commands with a ledger that is gone
    "faults/test_half_answers.py::test_a_program_that_fails_is*[[]open[]]",
    "faults/test_half_answers.py::test_a_program_that_fails_is*[[]restore[]]",
    "faults/test_half_runs.py::test_a_fault_in_a_look_of_a_run_closes_nothing",
    "faults/test_half_runs.py::test_a_look_at_a_closed*",
    # what counts: five bad nights, the archives of others, and `keep` stay
    "commands/test_what_counts.py::test_a_prune_that_is_killed*",
    "commands/test_what_counts.py::test_nothing_is_pruned_while*",
    "commands/test_what_counts.py::test_what_borg_did_not_delete*",
    "commands/test_what_counts.py::test_an_archive_whose_run_died*",
    # odd archives: an empty folder, one that shrank, a mass change and swapped hosts stay
    "commands/test_held.py::*-linked]",
    "commands/test_held.py::test_a_cache_on_the_controller*config]",
    "commands/test_held.py::test_what_is_released_as_good*",
    # interrupts: the one that meets tampering stays
    "commands/test_interrupted.py::test_a_run_stopped_while_a_target_is_read*",
    "commands/test_interrupted.py::test_a_connection_that_dies*",
    "commands/test_interrupted.py::test_what_was_sent_before*",
    "commands/test_interrupted.py::test_a_run_stopped_in_any_other_step*",
    "commands/test_interrupted.py::test_a_second_signal*",
    "commands/test_interrupted.py::test_a_controller_that_is_killed*",
    # limits: Timeout and MaxSessions stay
    "commands/test_limits.py::test_a_quota*",
    "commands/test_limits.py::test_a_slow_target*",
    "commands/test_limits.py::test_two_runs_at_once*",
    # tests/borg/test_failure.py reads what borg says of a backup server in trouble
    "commands/test_server_troubles.py::*",
    "tampering/test_recovery.py::test_the_key_is_kept*",
    "tampering/test_recovery.py::test_a_damaged_ledger*",
    "tampering/test_settings_wrong.py::*",
    "guard/test_honest_sessions.py::test_killed*",
    "guard/test_honest_sessions.py::test_cut_off*",
    "retention/test_as_borg_on_disk.py::*",
    "transport/test_borg_cache.py::test_a_controller_with_another_name*",
    "commands/test_ancestor.py::test_repositories_that_were_swapped*",
    "commands/test_borg.py::test_what_a_session_without_full_access*",
    "commands/test_borg_starts.py::test_a_check_that_did_not_end_well*",
    "commands/test_config_add.py::test_what_it_makes*",
    "commands/test_config_place.py::test_a_run_finds_its_secret*",
    "commands/test_drill.py::test_a_backup_is_read_back*",
    "commands/test_dumps.py::test_each_series*",
    "commands/test_hooks.py::test_a_command_that_hangs*",
    "commands/test_hooks.py::test_a_run_that_is_stopped*",
    "commands/test_list.py::test_the_files_of_the_latest*",
    "commands/test_metrics_file.py::test_a_real_run*",
    "commands/test_restore.py::test_a_target_that_deletes*",
    "commands/test_restore.py::test_what_a_target_lost*",
    "commands/test_retries.py::test_a_link_to_the_backup_server*",
    "commands/test_transport_ends.py::test_a_backup_server_that_cannot*",
    "commands/test_secrets_page.py::*",
    "commands/test_socket_activation.py::test_a_backup_without_a_shell*",
    # tests/ui/test_screen.py shows the same screen, from events
    "commands/test_terminal.py::test_a_run_from_its_first_line*",
    "commands/test_versions.py::*",
    "commands/test_walled.py::test_both_targets*",
    # any host: a renamed daemon, tcsh, socat over a forward, and the whole story on hardened hosts stay
    "commands/test_other_daemons.py::*[[]hidden*",
    "commands/test_standalone_borg.py::*",
    "commands/test_login_shells.py::*[[]fish-both[]]",
    "commands/test_doctor_transport.py::*[[]stdio*",
    "tampering/test_shell_text.py::*login shell-stdio[]]",
    "tampering/test_shell_text.py::*socat-stdio[]]",
)
# No test of these shares anything with another one of its file: any worker may take any of them.
APART = (
    "ledger/test_lasting_session.py",
    "commands/test_ancestor.py",
    "commands/test_secrets.py",
    "commands/test_terminal.py",
    "guard/test_honest_sessions.py",
    "test_demo.py",
)


def _in_memory() -> bool:
    """Tell whether labs can lie in memory: there is room, programs may run, and files keep their attributes there."""
    probe = MEMORY / f"bpprobe-{os.getpid()}"
    try:
        if shutil.disk_usage(MEMORY).free < ROOM or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
            return False
        probe.touch()
        os.setxattr(probe, "user.borgpull", b"")
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


# Borg has a disk write each of its small files, and a run waits longer for that than for all else.
if _in_memory():
    tempfile.tempdir = str(MEMORY)


def pytest_itemcollected(item: pytest.Item) -> None:
    if any(fnmatch.fnmatchcase(item.nodeid, f"tests/{pattern}") for pattern in SECOND_LOOKS):
        item.add_marker(pytest.mark.slow)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slice", metavar="N/OF", help="play one of OF parts of the tests: N modulo OF, e.g. the day")


def _slice(config: pytest.Config) -> tuple[int, int] | None:
    text = config.getoption("--slice")
    if not text:
        return None
    number, _, of = text.partition("/")
    return int(number) % int(of), int(of)


def pytest_report_header(config: pytest.Config) -> list[str]:
    chosen = _slice(config)
    lines = [f"labs in {tempfile.gettempdir()}"]
    return [*lines, f"slice {chosen[0]} of {chosen[1]}, counted from 0"] if chosen else lines


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = _slice(config)
    if chosen:
        number, of = chosen
        # Some tests play a part of what they have in each slice.
        parts = [
            number if item.get_closest_marker("in_each_slice") else part
            for item, part in zip(items, _parts(items, of), strict=True)
        ]
        config.hook.pytest_deselected(items=[item for item, part in zip(items, parts, strict=True) if part != number])
        items[:] = [item for item, part in zip(items, parts, strict=True) if part == number]
    items.sort(key=_place)


def _parts(items: list[pytest.Item], of: int) -> list[int]:
    """Return to which part each test belongs: those of a file, which take about as long, to one after the other."""
    seen: Counter[str] = Counter()
    parts = []
    for file in (_file(item.nodeid) for item in items):
        parts.append((zlib.crc32(file.encode()) + seen[file]) % of)
        seen[file] += 1
    return parts


@pytest.fixture
def share(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    """Returns what is to be played of a list, for a test that is in each slice: all comes after `rounds` of slices."""
    text = request.config.getoption("--slice")
    if not text:
        return lambda every, *, rounds: every
    number, _, of = text.partition("/")
    return lambda every, *, rounds: every[int(number) % (int(of) * rounds) :: int(of) * rounds]


def _place(item: pytest.Item) -> int:
    file = _file(item.nodeid)
    return DEAREST.index(file) if file in DEAREST else len(DEAREST)


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix("tests/")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Give a worker a file at a time, as `--dist loadfile` does, and of some a test at a time."""
    from xdist.scheduler import LoadFileScheduling

    class Apart(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if _file(nodeid) in APART else super()._split_scope(nodeid)

    return Apart(config, log)


@pytest.fixture
def disk() -> Iterator[Path]:
    """An empty folder for what must not lie in memory."""
    with tempfile.TemporaryDirectory(prefix="bptest-", dir=DISK) as name:
        yield Path(name)


@pytest.fixture
def memory() -> Iterator[Path]:
    """An empty folder in memory, as a run has one for its keys and sockets."""
    with tempfile.TemporaryDirectory(prefix="bptest-", dir=MEMORY) as name:
        yield Path(name)


@pytest.fixture
def world() -> Iterator[World]:
    """B and two targets with files, on loopback."""
    with loopback_world() as made:
        yield made


@pytest.fixture(scope="module")
def shared_world() -> Iterator[World]:
    """B and two targets with files, on loopback, for all tests of a module."""
    with loopback_world() as made:
        yield made


@pytest.fixture
def walled() -> Iterator[World]:
    """C, B and two targets with files, each in a network namespace of its own."""
    needs_network_namespaces()
    with walled_world() as made:
        yield made
