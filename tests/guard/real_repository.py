"""A real repository on this machine: no sshd, but the same append-only `borg serve` as behind the transport."""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from borgpull.guard import (
    Evidence,
    Expected,
    File,
    Records,
    State,
    Verdict,
    judge,
    judge_unlisted,
    read_evidence,
    read_new,
    read_records,
)
from borgpull.transport import manifest_time
from support import borg_of, python_of

ATTACKS = Path(__file__).parents[1] / "attacks"
PASSPHRASE = "correct horse"
URL = "ssh://B"
SECONDS = 60.0
SKEW = 2.0


class ListFailedError(Exception):
    """C's `borg list` failed."""


@dataclass
class Repository:
    """A repository below `home`; `target` and `server` are the versions of T's and B's borg, "1.2" or "1.4".

    `known` is the last state that was verified: what a ledger would hold. `new` is the evidence of it as it was made.
    """

    home: Path
    target: str = "1.2"
    server: str = "1.2"
    made: int = 0
    known: Evidence | None = None
    new: Evidence | None = None
    rest: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def path(self) -> Path:
        return self.home / "repo"

    @property
    def sources(self) -> Path:
        return self.home / "sources"

    def make(self) -> "Repository":
        """Create the repository as C does, and files for T to back up."""
        self.sources.mkdir(parents=True)
        self.change(3)
        self.as_c("init", "--encryption=repokey-blake2")
        modified = manifest_time(self.home / "base-C", self.records().repository_id)
        self.new = read_new(files=self.files(), modified=modified, segments=self.segments())
        self.known = self.look()
        return self

    def change(self, files: int) -> None:
        """Let T have new files that share nothing with the old ones."""
        for _ in range(files):
            (self.sources / f"file{self.rest.randrange(10**9)}").write_bytes(self.rest.randbytes(40_000))

    @property
    def _kept(self) -> Path:
        return self.home.with_name(self.home.name + "-kept")

    def keep(self) -> None:
        """Keep the present state of B and T for `put_back`."""
        self._kept_known = self.made, self.known
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self.home, self._kept, symlinks=True)

    def put_back(self) -> None:
        """Put B and T back into the state that was kept."""
        self.made, self.known = self._kept_known
        shutil.rmtree(self.home)
        shutil.copytree(self._kept, self.home, symlinks=True)

    def _environment(self, who: str, *, append_only: bool) -> dict[str, str]:
        only = "--append-only " if append_only else ""
        rsh = self.home / f"rsh-{who}"
        serve = f"{borg_of(self.server)} serve {only}--restrict-to-repository {self.path}"
        rsh.write_text(f"#!/bin/sh\necho $$ >{self.home}/serve.pid\nexec {serve}\n")
        rsh.chmod(0o755)
        return {
            "PATH": os.environ["PATH"],
            "BORG_RSH": str(rsh),
            "BORG_REPO": f"{URL}{self.path}",
            "BORG_BASE_DIR": str(self.home / f"base-{who}"),
            "BORG_SELFTEST": "disabled",
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }

    def _start(self, command: list[str], who: str, *, append_only: bool, stdin: int) -> subprocess.Popen:
        reader, writer = os.pipe()
        os.write(writer, PASSPHRASE.encode())
        os.close(writer)
        environment = self._environment(who, append_only=append_only) | {"BORG_PASSPHRASE_FD": str(reader)}
        try:
            return subprocess.Popen(
                command, env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[reader]
            )
        finally:
            os.close(reader)

    def run(self, command: list[str], who: str, *, append_only: bool) -> tuple[int, bytes, bytes]:
        child = self._start(command, who, append_only=append_only, stdin=subprocess.DEVNULL)
        out, err = child.communicate(timeout=SECONDS)
        return child.returncode, out, err

    def as_c(self, *argv: str) -> bytes:
        """Run borg as C: with full rights, and with no memory of earlier runs."""
        shutil.rmtree(self.home / "base-C", ignore_errors=True)
        status, out, err = self.run([borg_of(self.server), *argv], "C", append_only=False)
        if status:
            raise ListFailedError(err.decode(errors="replace")[-300:])
        return out

    def forget_at_target(self) -> None:
        """Remove what T's borg remembers, as an operator has to after a rollback."""
        shutil.rmtree(self.home / "base-T", ignore_errors=True)

    def files(self) -> dict[str, File]:
        found = [place for place in self.path.iterdir() if re.fullmatch(r"config|nonce|hints\.[0-9]+", place.name)]
        return {place.name: File(plain=not place.is_symlink(), data=place.read_bytes()) for place in found}

    def segments(self) -> set[int]:
        return {int(file.name) for file in self.path.glob("data/*/*") if file.name.isdigit()}

    def records(self) -> Records:
        return read_records(self.files(), segments=self.segments())

    def look(self) -> Evidence:
        """Take evidence as C does: the list first."""
        archives = self.as_c("list", "--json", "--consider-checkpoints")
        return read_evidence(files=self.files(), archives=archives, segments=self.segments())

    def next_name(self) -> str:
        self.made += 1
        return f"snapshot-{self.made:03}"

    def session(self, *, attack: str = "", options: tuple[str, ...] = ()) -> tuple[int, Verdict]:
        """Let T have a session, honest or not; return T's exit code and the verdict on what it left."""
        name, started = self.next_name(), time.time()
        create = ["create", "--json", "--log-json", "--progress", *options, "--", f"::{name}", str(self.sources)]
        borg = [python_of(self.target), str(ATTACKS / "attack.py"), attack] if attack else [borg_of(self.target)]
        status, _out, err = self.run([*borg, *create], "T", append_only=True)
        assert b"tests/attacks/" not in err, err.decode(errors="replace")[-3000:]
        self.wait_for_serve()
        return status, self.verdict(name, started)

    def verdict(self, name: str, started: float) -> Verdict:
        expected = Expected(archive_name=name, started=started, ended=time.time(), skew=SKEW)
        try:
            after = self.look()
        except ListFailedError as error:
            return judge_unlisted(self.known, self.records(), why=str(error), maintenance=False)
        verdict = judge(self.known, after, expected)
        if verdict.state is State.CLEAN:
            self.known = after
        return verdict

    def cut_off(self, *, end: str, checkpoint: bool) -> Verdict:
        """Let T back up a stream, and end the "client" or the "serve" with SIGKILL in the middle of it, or "nobody".

        With `checkpoint` only after borg has committed one.
        """
        name, started = self.next_name(), time.time()
        chunks = ["--chunker-params=fixed,262144", "--checkpoint-interval=1"]
        command = [borg_of(self.target), "create", *chunks, f"::{name}", "-"]
        child = self._start(command, "T", append_only=True, stdin=subprocess.PIPE)

        def far_enough() -> bool:
            committed = self.records_or_none()
            if checkpoint:
                return committed is not None and committed.transaction > self.known.transaction
            return any(segment > self.known.transaction for segment in self.segments())

        self._feed(child, until=far_enough)
        victims = {"client": child.pid, "serve": int((self.home / "serve.pid").read_text())}
        if end in victims:
            os.kill(victims[end], signal.SIGKILL)
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        child.stdin = None
        child.communicate(timeout=SECONDS)
        self.wait_for_serve()
        return self.verdict(name, started)

    def records_or_none(self) -> Records | None:
        """Return the records, unless Borg is just replacing them."""
        try:
            return self.records()
        except FileNotFoundError:
            return None

    def _feed(self, child: subprocess.Popen, *, until) -> None:
        deadline = time.monotonic() + SECONDS
        while not until():
            assert time.monotonic() < deadline, "borg create did not come far enough"
            child.stdin.write(self.rest.randbytes(1 << 19))
            child.stdin.flush()

    def wait_for_serve(self) -> None:
        """Wait until the `borg serve` of the last session has exited."""
        pid = Path("/proc") / (self.home / "serve.pid").read_text().strip()
        deadline = time.monotonic() + SECONDS
        while pid.exists() and b"serve" in (pid / "cmdline").read_bytes():
            assert time.monotonic() < deadline, "borg serve does not end"
            time.sleep(0.01)

    def contents(self) -> dict[str, str]:
        """Extract every archive and return a digest of each, by name."""
        names = self.as_c("list", "--short").decode().split()
        return {name: self._digest(name) for name in names}

    def _digest(self, name: str) -> str:
        command = "borg export-tar --tar-filter=cat ::$0 - | sha256sum".replace("borg", borg_of(self.server), 1)
        status, out, err = self.run(["sh", "-c", command, name], "C", append_only=False)
        assert status == 0, err
        return out.decode().split()[0]
