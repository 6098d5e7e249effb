"""Source paths and excludes reach T's borg as they stand in the config, through a real sshd and its login shell."""

import asyncio
import os
import pwd
import tempfile
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from borgpull.borg.command_lines import Repository
from borgpull.config import Connection, Options, Target
from borgpull.errors import Failure
from borgpull.ssh import open_master
from borgpull.transport import CreateArchive, ask_preflight
from borgpull.transport.target_borg import open_session
from lab import Lab, Spot, lab_running
from support.examples import examples

# It stands in for borg and writes down what it was given, NUL after each argument.
RECORDER = '#!/bin/sh\nprintf "%s\\0" "$@" >"${0%/*}/given"\ncat <&"$BORG_PASSPHRASE_FD" >"${0%/*}/passphrase"\n'
AWKWARD = list(" '\"$`\\\n\t*?[]{}()!#&;|<>~-%é日🐢\x01\x7f=:,@")
TEXT = st.text(
    st.sampled_from(AWKWARD) | st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30
)
NAME = TEXT.filter(lambda name: name not in ("", ".", "..") and "/" not in name and len(name.encode()) < 200)
MARK = "6d61726b" * 4
REPOSITORY = Repository("/r", "ssh://borg-server//r")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with lab_running(Spot(name="T"), []) as made:
        (made.server.directory / "borg").write_text(RECORDER)
        (made.server.directory / "borg").chmod(0o755)
        yield made


@asynccontextmanager
async def master_of(lab: Lab):
    connection = lab.server.connection()
    with tempfile.TemporaryDirectory(prefix="bptest-", dir="/dev/shm") as memory:
        async with open_master(connection, party="T", directory=Path(memory), on_output=lambda line: None) as master:
            yield master


def command_for(lab: Lab, sources: list[str], excludes: list[str]) -> CreateArchive:
    target = Target.model_construct(
        **dict(Options()) | {"borg_path": str(lab.server.directory / "borg")},
        source_paths=tuple(sources),
        excludes=tuple(excludes),
        connection=Connection.model_construct(username="root"),
    )
    return CreateArchive(SimpleNamespace(target=target, repository=REPOSITORY), "now")


async def given_to_borg(lab: Lab, master, sources: list[str], excludes: list[str], passphrase: str) -> list[str]:
    async with open_session(master, command_for(lab, sources, excludes), MARK) as session:
        child = session.child
        await child.write(passphrase.encode() + b"\n")
        assert await child.wait(20) == 0
    assert (lab.server.directory / "passphrase").read_bytes() == passphrase.encode()
    return os.fsdecode((lab.server.directory / "given").read_bytes()).split("\0")[:-1]


def test_everything_arrives_as_it_is(lab, tmp_path_factory):
    with asyncio.Runner() as runner:
        stack = master_of(lab)
        master = runner.run(stack.__aenter__())

        @given(
            st.lists(NAME, min_size=1, max_size=4, unique=True),
            st.lists(TEXT, max_size=4),
            TEXT.filter(lambda text: "\n" not in text and text != ""),
        )
        @settings(max_examples=examples(30), deadline=None)
        def arrives(names, excludes, passphrase):
            folder = tmp_path_factory.mktemp("sources")
            sources = [f"{folder}/{name}" for name in names]
            for path in sources:
                Path(path).touch()
            found = runner.run(given_to_borg(lab, master, sources, excludes, passphrase))
            assert found[-len(sources) :] == sources
            assert found[-len(sources) - 2 : -len(sources)] == ["--", "::now"]
            assert [word for word in found if word.startswith("--exclude=")] == [f"--exclude={x}" for x in excludes]

        try:
            arrives()
        finally:
            runner.run(stack.__aexit__(None, None, None))
    assert list(lab.server.temporary.iterdir()) == []


def test_paths_that_are_missing_are_named_before_anything_is_done(lab, tmp_path):
    missing = [str(tmp_path / "not\nthere"), str(tmp_path / "$(touch oops)")]
    (tmp_path / "there").touch()
    (tmp_path / "dangling").symlink_to("nowhere")

    async def look() -> None:
        sources = [str(tmp_path / "there"), missing[0], str(tmp_path / "dangling"), missing[1]]
        async with master_of(lab) as master:
            (await ask_preflight(master, command_for(lab, sources, []))).require_sources()

    with pytest.raises(Failure) as failed:
        asyncio.run(look())
    assert "not there/" not in failed.value.cause
    assert missing[0].replace("\n", " ") in failed.value.cause
    assert missing[1] in failed.value.cause
    assert "dangling" not in failed.value.cause


def test_long_lists_arrive_and_those_that_no_program_can_be_given_are_refused_with_words(lab, tmp_path):
    async def look(excludes: list[str]) -> list[str]:
        async with master_of(lab) as master:
            (await ask_preflight(master, command_for(lab, [str(tmp_path)], excludes))).require_sources()
            return await given_to_borg(lab, master, [str(tmp_path)], excludes, "secret")

    excludes = ["x" * 1000 + str(number) for number in range(500)]
    assert [word for word in asyncio.run(look(excludes)) if "xxx" in word] == [f"--exclude={each}" for each in excludes]
    with pytest.raises(Failure, match=r"need 8\.\d+ MB, and its system allows \d"):
        asyncio.run(look(excludes * 16))


# The TMPDIR of a session, and the folder that the session then works below; "" is /tmp.
TEMPORARY = {
    "{home}/tmp/": "{home}/tmp",
    "{home}/tmp//": "{home}/tmp",
    "{home}/.hidden/..also hidden": "",
    "{home}/.hidden/0/.private/-/..2": "{home}/.hidden/0/.private/-/..2",
    "{home}/d/e/e/p/l/y/b/e/l/o/w": "{home}/d/e/e/p/l/y/b/e/l/o/w",
    "{home}/tmp/../.hidden": "{home}/.hidden",
    "{home}/tmp/.": "{home}/tmp",
    "{home}/link": "{home}/tmp",
    "{relative}/tmp": "{home}/tmp",
    "./{relative}/tmp/": "{home}/tmp",
    "{home}/there is none": "",
    "{home}/two words": "",
    "{home}/it's": "",
    "{home}/" + "long" * 20: "",
    "/": "",
    "": "",
}


@pytest.mark.parametrize("temporary", TEMPORARY)
def test_any_temporary_folder_is_taken_or_tmp(temporary):
    with tempfile.TemporaryDirectory(prefix="bptmp-", dir="/var/tmp") as name:
        home = Path(name)
        for each in (*TEMPORARY, *TEMPORARY.values()):
            if each.startswith("{home}") and "none" not in each and "link" not in each:
                Path(each.format(home=home)).mkdir(parents=True, exist_ok=True)
        (home / "link").symlink_to(home / "tmp")
        # A session begins in the home of the account.
        value = temporary.format(home=home, relative=os.path.relpath(home, pwd.getpwuid(os.getuid()).pw_dir))
        line = f'SetEnv HOME={home} "TMPDIR={value}" CDPATH=/:/var'
        with lab_running(Spot(name="T", sshd_lines=(line,)), []) as lab:
            command = command_for(lab, ["/x"], [])

            async def folder() -> str:
                async with master_of(lab) as master, open_session(master, command, MARK) as session:
                    assert Path(session.folder).is_dir()
                    return session.folder

            assert str(Path(asyncio.run(folder())).parent) == (TEMPORARY[temporary].format(home=home) or "/tmp")
