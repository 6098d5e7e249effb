"""A night of borgpull beside what else an operator would run for it: the same files, the same rules, in turn.

Each way has a repository of its own for each target. All parties and all links are on this machine; a link may have a
round trip. The scripts prove nothing, and check nothing either.
"""

import os
import shlex
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.ways import SECONDS, through
from borgpull.borg import command_lines as borg_command
from borgpull.config import Options
from lab import Host, Target
from support import World
from support.place import DISTRIBUTION_BORG

KEEP = "--keep-last=5 --keep-daily=7"
# What an operator puts into cron on each target: it pushes over ssh, and starts borg three times.
PUSH = """\
export BORG_REPO=ssh://{at_server}{repository} BORG_RSH={ssh_server} BORG_BASE_DIR={base}
{init}
borg {create}
borg prune {keep}
borg compact
"""
# "Pull backup" in Borg's documentation, with socat: the backup server serves a socket, and connects to the target.
SOCAT = """\
export BORG_REPO={repository} BORG_BASE_DIR={base}
{init}
serve="borg serve --append-only --restrict-to-repository {repository}"
socat UNIX-LISTEN:{folder}/here,fork EXEC:"$serve" &
trap "kill $!; rm -f {folder}/here {folder}/there" EXIT
{ssh_target} -o StreamLocalBindUnlink=yes -R {folder}/there:{folder}/here {at_target} \\
  "BORG_RSH=\\"sh -c 'exec socat STDIO UNIX-CONNECT:{folder}/there'\\" BORG_PASSCOMMAND='cat {secret}' \\
  BORG_REPO=ssh://server{repository} BORG_BASE_DIR={base}-there {quoted_create}"
borg prune {keep}
borg compact
"""
# borg-backup-remotely (Go): two connections, and five starts of borg, all but one of them on the controller.
ANCESTOR = """\
master() {{
  "$@" -M -N -f -S {folder}/$name $at >/dev/null 2>&1
}}
name=server at={at_server_option}; master {ssh_server_words}
name=target at={at_target_option}; master {ssh_target}
trap 'for name in server target; do ssh -F none -S {folder}/$name -O exit x; done 2>/dev/null' EXIT
export BORG_REPO=ssh://server{repository} BORG_RSH="ssh -F none -S {folder}/server" BORG_BASE_DIR={base}
borg init -e repokey-blake2 2>/dev/null || [ $? = 2 ]
serve="ssh -F none -S {folder}/server x borg serve --append-only --restrict-to-path {repository}"
rm -f {folder}/there {folder}/here
socat UNIX-LISTEN:{folder}/here EXEC:"$serve" &
ssh -F none -S {folder}/target -O forward -R {folder}/there:{folder}/here x
ssh -F none -S {folder}/target x "BORG_RSH=\\"sh -c 'socat - UNIX-CLIENT:{folder}/there'\\" \\
  BORG_PASSCOMMAND='cat {secret}' BORG_REPO=ssh://server{repository} BORG_BASE_DIR={base}-there {quoted_create}"
borg check
borg prune {keep}
borg compact
"""
WAYS = {"push by hand": PUSH, "pull by socat": SOCAT, "ancestor": ANCESTOR}


@dataclass
class Night:
    """The ways to back up all targets of a world, `jobs` at a time; `ports` are those of relays, by a host's name."""

    world: World
    jobs: int = 1
    ports: dict[str, int] = field(default_factory=dict)
    made: int = 0
    logins: dict[str, tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        lab = self.world.lab
        self.logins = {host.name: self._ssh(host) for host in (lab.server, *(target.host for target in lab.targets))}

    def borgpull(self, *arguments: str) -> None:
        """Run borgpull for all targets."""
        config = self.world.lab.config()
        config["Borg"] |= {"PruneSetting": KEEP.replace("=", " "), "PruneEvery": "7d", "Jobs": self.jobs}
        for name, port in self.ports.items():
            if name == self.world.lab.server.name:
                through(self.world, config, port=port)
            else:
                entry = next(each for each in config["Servers"] if each["Name"] == name)
                known = self.world.lab.host(name).known_host
                entry["Connection"]["Host"] = f"127.0.0.1:{port}"
                entry["Connection"]["KnownHost"] = known.replace(str(self.world.lab.host(name).port), str(port))
        with self.world.start("--json", *arguments, borg=DISTRIBUTION_BORG) as process:
            _, said = process.communicate(self.world.lab.config_text(config), timeout=SECONDS)
        # 1: the first repository below a RootDir is worth a warning.
        assert process.returncode in (0, 1), said

    def script(self, way: str) -> None:
        """Run one of WAYS for all targets."""
        self.made += 1
        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(lambda target: self._run(way, target), self.world.targets))

    def forget(self) -> None:
        """Remove all repositories and all that the borgs have cached of them: the next night is the first one."""
        lab = self.world.lab
        for place in (*lab.root.glob("t*"), *lab.root.glob(".borgpull/t*"), *lab.directory.glob("*/*-base*")):
            shutil.rmtree(place)
        for place in (self.world.cache, *(target.host.directory for target in lab.targets)):
            for name in (".cache", ".config"):
                shutil.rmtree(place / name, ignore_errors=True)
        for place in lab.root.glob(".borgpull/.borgpull/*/*"):
            place.unlink()

    def _run(self, way: str, target: Target) -> None:
        kind = way.partition(" ")[0]
        folder = target.host.directory / kind
        folder.mkdir(exist_ok=True)
        (folder / "secret").write_text(target.passphrase)
        repository = target.repository.with_name(f"{target.name}-{kind}")
        sources = [str(target.source)]
        create = borg_command.create(f"a{self.made}", sources=sources, excludes=[], options=Options())
        server, at_server = self.logins[self.world.lab.server.name]
        there, at_target = self.logins[target.name]
        script = WAYS[way].format(
            at_server=at_server,
            at_server_option=at_server,
            ssh_server=shlex.quote(server),
            ssh_server_words=server,
            at_target=at_target,
            at_target_option=at_target,
            ssh_target=there,
            folder=folder,
            secret=folder / "secret",
            base=target.host.directory / f"{kind}-base",
            repository=repository,
            init=f"[ -d {repository} ] || borg init -e repokey-blake2",
            create=shlex.join(create),
            quoted_create=shlex.join(["borg", *create]).replace('"', '\\"'),
            keep=KEEP,
        )
        environment = dict(os.environ) | {"BORG_PASSCOMMAND": f"cat {folder / 'secret'}"}
        done = subprocess.run(
            ["sh", "-ec", script],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{way}: {done.stderr}"

    def _ssh(self, host: Host) -> tuple[str, str]:
        *options, address = self.world.ssh(replace(host, port=self.ports.get(host.name, host.port)))
        return shlex.join(options), address


def busy_seconds() -> float:
    """Return the CPU seconds that this machine has spent so far, on whatever."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    idle = int(words[4]) + int(words[5])
    return (sum(map(int, words[1:9])) - idle) / os.sysconf("SC_CLK_TCK")


def measured(work) -> tuple[float, float]:
    """Return how long `work` takes by the wall, and how much CPU of the whole machine meanwhile."""
    began, busy = time.perf_counter(), busy_seconds()
    work()
    return time.perf_counter() - began, busy_seconds() - busy
