"""The promise itself: T and B cannot reach each other, and are backed up all the same."""

import json
from pathlib import Path

from lab.trees import differences
from support import World
from support.reading import bytes_below, report, until


def reached(world: World, *, origins: tuple[str, ...]) -> set[tuple[str, str]]:
    hosts = (world.lab.server, *(target.host for target in world.targets))
    return {
        (origin, host.name)
        for origin in origins
        for host in hosts
        if host.name != origin and world.network.reaches(origin, host.name, host.port, seconds=0.3)
    }


def test_both_targets_are_backed_up_twice_while_none_of_them_reaches_the_backup_server(walled, tmp_path):
    events = tmp_path / "events"
    (walled.memory / "config.toml").write_text(walled.lab.config_text())
    run = walled.start("--json", "--events", str(events), "--config", str(walled.memory / "config.toml"))
    with run:
        until(lambda: events.exists() and '"create"' in events.read_text(), process=run)
        during = reached(walled, origins=("B", "web", "mail"))
        control = reached(walled, origins=("C",))
        stdout, stderr = run.communicate(timeout=120)
    assert during == set(), "a target reached B, or B a target, or a target another one"
    assert control == {("C", "B"), ("C", "web"), ("C", "mail")}
    assert run.returncode == 0, stderr
    assert [each["outcome"] for each in json.loads(stdout)["targets"]] == ["done", "done"]
    for target in walled.targets:
        folder = tmp_path / target.name
        folder.mkdir()
        (archive,) = walled.lab.archives(target)
        assert differences(target.source, walled.lab.extracted(target, archive, folder)) == []
    assert walled.leftovers() == []
    _run_again(walled, tmp_path)


def _run_again(world: World, folder: Path) -> None:
    """A second run adds an archive and almost no data."""
    before = {target.name: (world.lab.archives(target), bytes_below(target.repository)) for target in world.targets}
    result = world.run("--json")
    assert result.returncode == 0, result.stderr
    assert report(result)["totals"]["deduplicated_size"] < 20_000
    for target in world.targets:
        names, size = before[target.name]
        later = world.lab.archives(target)
        assert later[:1] == names
        assert len(later) == 2
        assert bytes_below(target.repository) - size < 20_000 < size
        back = folder / f"{target.name} again"
        back.mkdir()
        assert differences(target.source, world.lab.extracted(target, later[-1], back)) == []
    assert world.leftovers() == []
