"""A star of network namespaces: C in the middle, the others on a cable each, and C forwards nothing.

Every host has a default route through C, so that C's refusal to forward is all that stands between B and T.
"""

import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from lab import processes

CONTROLLER = "C"
_count = itertools.count()
_CONNECT = """\
import socket, sys
host, port, seconds = sys.argv[1:]
socket.create_connection((host, int(port)), float(seconds)).close()
"""


@dataclass(frozen=True)
class Network:
    """Namespaces by the name of their host, and the addresses of all hosts but C."""

    namespaces: dict[str, str]
    addresses: dict[str, str]

    def prefix(self, name: str) -> tuple[str, ...]:
        """Return what to put before a command line, to run it on the host `name`."""
        return ("ip", "netns", "exec", self.namespaces[name])

    def pids(self, name: str) -> list[int]:
        """Return the pids of all processes on the host `name`."""
        listed = _ip("netns", "pids", self.namespaces[name])
        return [int(pid) for pid in listed.split()]

    def reaches(self, origin: str, target: str, port: int, *, seconds: float = 1.0) -> bool:
        """Tell whether a TCP connection from `origin` to a port of `target` is accepted within `seconds`."""
        argv = [*self.prefix(origin), sys.executable, "-c", _CONNECT, self.addresses[target], str(port)]
        return subprocess.run([*argv, str(seconds)], capture_output=True, check=False).returncode == 0

    @contextlib.contextmanager
    def cut(self, *names: str) -> Iterator[None]:
        """Pull the cables between C and these hosts, all without a name, for as long as the context lasts."""
        for name in names or self.addresses:
            self._lay(name, "down")
        try:
            yield
        finally:
            for name in names or self.addresses:
                self._lay(name, "up")

    def _lay(self, name: str, state: str) -> None:
        _ip("-n", self.namespaces[CONTROLLER], "link", "set", f"to-{name}"[:15], state)

    def forward(self, name: str, *, allowed: bool) -> None:
        """Let the host `name` pass packets on between its cables, or not."""
        script = f"echo {int(allowed)} >/proc/sys/net/ipv4/ip_forward"
        subprocess.run([*self.prefix(name), "sh", "-c", script], check=True)


def needs_network_namespaces() -> None:
    """Skip the test when this user cannot make network namespaces; where CI is set, that is a failure."""
    if os.getuid() == 0:
        return
    if os.environ.get("CI"):
        pytest.fail("CI must run as root: without network namespaces the walls between B and T are not tested")
    pytest.skip("needs root, to make network namespaces")


@contextlib.contextmanager
def network_of(names: Sequence[str]) -> Iterator[Network]:
    """Make namespaces for C and for the hosts `names`; they and all that runs in them are gone at the end."""
    mark = f"bp{os.getpid()}-{next(_count)}"
    network = Network(
        namespaces={name: f"{mark}-{name}" for name in (CONTROLLER, *names)},
        addresses={name: f"10.77.{number}.2" for number, name in enumerate(names)},
    )
    with contextlib.ExitStack() as made:
        for name, namespace in network.namespaces.items():
            _ip("netns", "add", namespace)
            made.callback(_remove, network, name)
            _ip("-n", namespace, "link", "set", "lo", "up")
        for name, address in network.addresses.items():
            _lay_cable(network, name, address)
        network.forward(CONTROLLER, allowed=False)
        yield network


def _lay_cable(network: Network, name: str, address: str) -> None:
    controller, host = network.namespaces[CONTROLLER], network.namespaces[name]
    gateway = address.removesuffix(".2") + ".1"
    cable = f"to-{name}"[:15]
    peer = ("type", "veth", "peer", "name", "up0", "netns", host)
    _ip("link", "add", cable, "netns", controller, *peer)
    for namespace, device, own in ((controller, cable, gateway), (host, "up0", address)):
        _ip("-n", namespace, "address", "add", f"{own}/24", "dev", device)
        _ip("-n", namespace, "link", "set", device, "up")
    _ip("-n", host, "route", "add", "default", "via", gateway)


def _remove(network: Network, name: str) -> None:
    processes.end(network.pids(name))
    _ip("netns", "delete", network.namespaces[name])


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
    return done.stdout
