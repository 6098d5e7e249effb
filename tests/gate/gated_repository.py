"""A real repository whose target comes through the gate: T's borg, socat, the gate, and `borg serve --append-only`."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from borgpull.gate import GateReport, through_gate
from borgpull.guard import Verdict
from guard.real_repository import ATTACKS, SECONDS, Repository
from support import borg_of, python_of


@dataclass
class GatedRepository(Repository):
    """`report` is what the gate has to tell of the last session."""

    report: GateReport | None = None

    def _environment(self, who: str, *, append_only: bool) -> dict[str, str]:
        environment = super()._environment(who, append_only=append_only)
        if who == "T":
            environment["BORG_RSH"] = f"sh -c 'exec socat STDIO UNIX-CONNECT:{self.home.parent}/gate'"
        return environment

    def run(self, command: list[str], who: str, *, append_only: bool) -> tuple[int, bytes, bytes]:
        if who != "T":
            return super().run(command, who, append_only=append_only)
        with self.gate():
            return super().run(command, who, append_only=append_only)

    @property
    def target_borg(self) -> list[str]:
        return [borg_of(self.target)]

    def attacked(self, attack: str) -> Verdict:
        """Let T's borg attack, whatever it dies of; return the verdict on what it left."""
        name, started = self.next_name(), time.time()
        create = ["create", "--json", "--log-json", "--", f"::{name}", str(self.sources)]
        self.run([python_of(self.target), str(ATTACKS / "attack.py"), attack, *create], "T", append_only=True)
        self.wait_for_serve()
        return self.verdict(name, started)

    @contextlib.contextmanager
    def gate(self) -> Iterator[None]:
        """Let one client of the socket `gate` through; wait for the end of its session."""
        self.report = GateReport()
        place = self.home.parent / "gate"
        place.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(place))
            listener.listen(1)
            keeper = threading.Thread(target=lambda: asyncio.run(self._keep(listener)))
            keeper.start()
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                keeper.join(SECONDS)
                assert not keeper.is_alive(), "the gate does not end"

    async def _keep(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        async with through_gate(connection, str(self.path), self.report) as end:
            serve = [borg_of(self.server), "serve", "--append-only", "--restrict-to-repository", str(self.path)]
            with (self.home / "serve.log").open("ab") as log:
                child = await asyncio.create_subprocess_exec(*serve, stdin=end, stdout=end, stderr=log)
            (self.home / "serve.pid").write_text(str(child.pid))
            end.close()
            async with asyncio.timeout(SECONDS):
                await child.wait()
