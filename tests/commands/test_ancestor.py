"""Repositories of borg-backup-remotely are taken over without a question, and a swapped one is refused."""

import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator

from lab import Target
from lab.trees import differences
from support import World
from support.reading import bytes_below, entry, only, report, said_of, until

CREATE = "create --lock-wait 600 --files-cache=ctime,size --noctime --noflags --noflags --stats ::snapshot-{utcnow}"


@contextlib.contextmanager
def served(world: World, *, options: str = "") -> Iterator[str]:
    """A socket that leads to a `borg serve` of the ancestor, for a borg on T."""
    socket = world.memory / "ancestor.sock"
    serve = f"borg serve --append-only --restrict-to-path {world.lab.root}"
    with subprocess.Popen(["socat", f"UNIX-LISTEN:{socket},fork", f"EXEC:{serve}"]) as relay:
        try:
            until(socket.exists, process=relay)
            yield str(socket)
        finally:
            relay.terminate()
            relay.wait(10)
            socket.unlink(missing_ok=True)


def ancestor(world: World, target: Target, *arguments: str) -> None:
    """Run borg as the ancestor does on T, with the home that borgpull's session on T has, too."""
    with served(world) as socket:
        env = os.environ | {
            "BORG_BASE_DIR": str(target.host.directory),
            "BORG_REPO": f"ssh://borg-server/{world.lab.root}/{target.subdir}",
            "BORG_RSH": f"sh -c 'exec socat STDIO UNIX-CONNECT:{socket}'",
            "BORG_PASSPHRASE": target.passphrase,
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
        }
        done = subprocess.run(["borg", *arguments], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def back_up_as_the_ancestor(world: World, target: Target) -> None:
    ancestor(world, target, "init", "--encryption=repokey-blake2")
    ancestor(world, target, *shlex.split(CREATE), str(target.source))


def test_a_repository_of_the_ancestor_is_taken_over_without_a_question(world, tmp_path):
    target = world.target("web")
    back_up_as_the_ancestor(world, target)
    (old,) = world.lab.archives(target)
    size = bytes_below(target.repository)
    result = world.run("--json", "-v", config=only(world.lab.config(), "web"))
    assert result.returncode == 0, result.stderr
    names = world.lab.archives(target)
    assert [name for name in names if name != old] == [report(result)["targets"][0]["archive"]["name"]]
    assert old in names
    assert bytes_below(target.repository) - size < 20_000, (
        "the files cache and the chunks of the ancestor were not used"
    )
    for name in names:
        folder = tmp_path / name
        folder.mkdir()
        assert differences(target.source, world.lab.extracted(target, name, folder)) == []
    assert "relocated" not in result.stderr.lower()
    assert "[yN]" not in result.stderr


def swapped(world: World) -> None:
    one, other = (target.repository for target in world.targets)
    spare = one.with_name("spare")
    one.rename(spare)
    other.rename(one)
    spare.rename(other)


def stored(world: World) -> set[tuple[str, int]]:
    """Return what both repositories hold: every segment, by its path and size."""
    places = [place for name in ("web", "mail") for place in (world.lab.root / name / "data").rglob("*")]
    return {(str(place), place.stat().st_size) for place in places if place.is_file()}


def test_repositories_that_were_swapped_are_refused(world):
    # With one passphrase for both nothing but their identity tells them apart.
    config = world.lab.config()
    entry(config, "mail")["BorgTarget"]["Passphrase"] = entry(config, "web")["BorgTarget"]["Passphrase"]
    assert world.run(config=config).returncode == 0
    swapped(world)
    before = stored(world)
    refused(world, config)
    shutil.rmtree(world.cache)
    world.cache.mkdir()
    refused(world, config)
    assert stored(world) == before


def refused(world: World, config: dict) -> None:
    result = world.run("--json", config=config)
    assert result.returncode in (2, 3), result.stderr
    for seen in report(result)["targets"]:
        assert seen["archive"] is None
        assert said_of(seen) != ""
        assert seen["errors"][0]["hint"] != ""
    assert world.leftovers() == []
