"""A backup server, or another host of a lab, that goes away in the middle of a run, and comes back."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lab import Host, processes
from lab.sshd import sshd_running


@dataclass
class Away:
    """What has an sshd that can be taken down with all its sessions, as a reboot does, and started again."""

    host: Host
    _pid: int
    _stack: contextlib.ExitStack

    def go(self) -> None:
        """Take it down: nobody listens on its port, and whoever was connected is cut off."""
        processes.end([self._pid, *processes.descendants(self._pid)])

    def come_back(self) -> None:
        spot = replace(self.host.spot, port=self.host.port)
        self._pid, _ = self._stack.enter_context(sshd_running(self.host.directory, spot))
        # A session outlives the listener that took its connection.
        self._stack.callback(lambda pid=self._pid: processes.end(processes.descendants(pid)))


@contextlib.contextmanager
def away(host: Host) -> Iterator[Away]:
    """Yields the host of a lab, which is up. At the end of the context it is gone."""
    with contextlib.ExitStack() as stack:
        yield Away(host, host.pid, stack)
