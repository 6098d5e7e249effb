"""What a run costs: how often borg is started, and when a check is among it."""

import json
import os
from collections import Counter
from pathlib import Path

import jsonschema
import pytest

from support import ROOT, World, loopback_world
from support.reading import ends, entry, events, row, script

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "report.schema.json").read_text()))
# Notes who was started to do what, and fails where it is told to.
COUNTING = """\
for word do case $word in -*) ;; *) break ;; esac; done
echo "{party} $word" >>{log}
[ ! -e {log}.no-"$word" ] || {{ echo "no $word today" >&2; exit 2; }}
exec borg "$@"
"""


class Counted:
    """A world whose borgs are counted."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.log = world.lab.directory / "starts"
        self.borgs = {party: self._borg(party) for party in ("C", "B", "T")}
        self.config = world.lab.config()
        self.config["Borg"]["Server"]["BorgPath"] = self.borgs["B"]
        entry(self.config, "web")["BorgPath"] = self.borgs["T"]

    def _borg(self, party: str) -> str:
        folder = self.world.lab.directory / f"counting {party}"
        folder.mkdir()
        rest = os.environ["PATH"]
        return script(folder / "borg", f"PATH={rest}\n" + COUNTING.format(party=party, log=self.log))

    def forbid(self, command: str) -> Path:
        """Have borg refuse a command, until the file that is returned is gone."""
        marker = Path(f"{self.log}.no-{command}")
        marker.touch()
        return marker

    def run(self, *arguments: str):
        """Run borgpull; return its result and how often each borg client was started."""
        self.log.unlink(missing_ok=True)
        done = self.world.run("--json", *arguments, config=self.config, borg=self.borgs["C"])
        SCHEMA.validate(json.loads(done.stdout))
        starts = Counter(self.log.read_text().splitlines())
        served = starts.pop("B serve")
        refused = done.returncode != 0
        assert served == starts.total() - starts["B --version"] - refused, (
            "one `borg serve` on B for each client, and none besides"
        )
        return done, starts


@pytest.fixture(scope="module")
def counted():
    """A repository with its first archive: a small one."""
    with loopback_world(("web",), check_every="", prune_every="") as world:
        made = Counted(world)
        first, starts = made.run()
        assert first.returncode == 0, first.stderr
        # Its borg is asked for its version before the first archive, and never again; what was never checked is due.
        once = ("B --version", "C init", "T create", "C list", "C check")
        assert starts == Counter(once), "a first run lists what its session left, and nothing else"
        yield made


def test_a_run_with_nothing_changed_to_check_or_to_free_starts_borg_twice(counted, tmp_path):
    told = tmp_path / "events"
    done, starts = counted.run("--events", str(told))
    assert done.returncode == 0, done.stderr
    assert starts == Counter({"T create": 1, "C list": 1})
    skipped = {step["step"]: step["detail"] for step in row(done, "web")["steps"] if step["outcome"] == "skipped"}
    assert list(skipped) == ["check", "prune", "compact"]
    assert {detail[:11] for detail in skipped.values()} == {"due from 20"}
    assert f"web: check: skipped, {skipped['check']}" in done.stderr
    assert [e["step"] for e in events(told) if e["event"] == "step_skipped"] == ["check", "prune", "compact"]
    assert "check" not in [e["step"] for e in events(told) if e["event"].startswith("step_") and "outcome" in e]


def test_what_is_to_go_waits_for_the_next_prune_and_everybody_says_when(counted):
    web, ledger = counted.world.target("web"), counted.world.lab.root / ".borgpull" / "web" / "ledger.json"
    there = counted.world.lab.archives(web)
    counted.config["Borg"]["PruneSetting"] = "--keep-last 1"
    done, starts = counted.run()
    assert (done.returncode, starts) == (0, Counter({"T create": 1, "C list": 1})), done.stderr
    skipped = {step["step"]: step["detail"] for step in row(done, "web")["steps"] if step["outcome"] == "skipped"}
    assert skipped["prune"].endswith(f" UTC ({len(there)} to remove)")
    begins = skipped["prune"].split()[2]

    status = counted.world.run("status", "--json", config=counted.config)
    (found,) = json.loads(status.stdout)["targets"]
    assert (found["next_prune"][:10], found["to_prune"]) == (begins, len(there))
    assert f"archive{'s' * (len(there) > 1)})" in counted.world.run("status", config=counted.config).stdout
    listed = counted.world.run("list", "web", "--why", "--json", config=counted.config)
    rules = {each["name"]: (each["kept"], each["rule"]) for each in json.loads(listed.stdout)["archives"]}
    when = skipped["prune"].partition(" (")[0]
    for name in there:
        assert rules[name] == (False, f"no rule keeps it; goes with the next prune, {when}")

    text = json.loads(ledger.read_text())
    ledger.write_text(json.dumps(text | {"pruned": text["pruned"] - 8 * 86400}, separators=(",", ":")))
    done, starts = counted.run()
    assert (done.returncode, starts["C delete"]) == (0, 1), done.stderr
    (left,) = counted.world.lab.archives(web)
    assert left not in there
    assert json.loads(ledger.read_text())["pruned"] > text["pruned"]
    counted.config["Borg"]["PruneEvery"] = "never"
    assert counted.run("--prune")[1]["C delete"] == 1
    del counted.config["Borg"]["PruneEvery"]


def test_a_check_that_did_not_end_well_is_due_again_and_compact_is_started_when_there_is_something_to_free(counted):
    junk = counted.world.target("web").source / "junk"
    junk.write_bytes(os.urandom(3_000_000))
    broken = counted.forbid("check")
    done, starts = counted.run("--check")
    assert done.returncode == 2, done.stderr
    assert starts == Counter({"T create": 1, "C list": 1, "C check": 1}), "nothing is pruned when a check fails"
    broken.unlink()
    junk.unlink()
    counted.config["Borg"] |= {"PruneSetting": "--keep-last 1", "PruneEvery": "always"}
    done, starts = counted.run()
    assert (done.returncode, starts["C check"]) == (0, 1), done.stderr
    assert starts["C compact"] == 1, "an archive with three megabytes of its own went"
    assert "compact: done, freed" in done.stderr
    done, starts = counted.run("--no-check")
    assert (done.returncode, starts["C check"], starts["C compact"]) == (0, 0, 0)
    assert "check: skipped, switched off" in done.stderr


@pytest.mark.slow
def test_the_command_line_decides_over_the_config(counted):
    counted.config["Borg"]["CheckEvery"] = "always"
    done, starts = counted.run("--no-check")
    assert (done.returncode, starts["C check"]) == (0, 0)
    assert counted.run()[1]["C check"] == 1
    counted.config["Borg"]["CheckEvery"] = "never"
    assert counted.run()[1]["C check"] == 0
    done, starts = counted.run("--check")
    assert (done.returncode, starts["C check"]) == (0, 1)
    assert ends(row(done, "web"))["check"] == "done"
    del counted.config["Borg"]["CheckEvery"]


@pytest.mark.slow
def test_what_was_accepted_is_checked_in_the_next_run(counted):
    web = counted.world.target("web")
    assert counted.run()[1]["C check"] == 0
    counted.world.lab.borg(web, "delete", f"::{counted.world.lab.archives(web)[0]}")
    assert counted.world.run("accept", "web", "--yes").returncode == 0
    assert counted.run()[1]["C check"] == 1
