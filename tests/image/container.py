"""Runs the image with runc, as Docker does: borgpull as process 1, read-only, without any capability."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from image.built import Image, said

_TMPFS = ["nosuid", "nodev", "noexec", "mode=1777", "size=16m"]


@dataclass(frozen=True)
class Container:
    """One run of `image`: `--rm --read-only --cap-drop ALL --tmpfs /run --tmpfs /tmp -v CACHE:/var/cache/borgpull`.

    `cache` is the folder of its volume, `secret` what lies at /run/secrets/borgpull, if anything does.
    """

    image: Image
    folder: Path
    secret: str = ""
    name: str = field(default_factory=lambda: f"borgpull-{uuid.uuid4().hex[:12]}")

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def start(self, *arguments: str, stdin: int = subprocess.PIPE) -> subprocess.Popen:
        """Start it; the caller writes the config, sends signals, and waits for it."""
        self._lay_bundle(arguments)
        argv = [sys.executable, Path(__file__).with_name("shim.py"), self.folder / "state", self.folder, self.name]
        return subprocess.Popen(
            [*map(str, argv)], text=True, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def processes(self) -> list[int]:
        """Return the pids of its processes as this machine counts them."""
        return json.loads(said("runc", "--root", self.folder / "state", "ps", "--format", "json", self.name))

    def _lay_bundle(self, arguments: Iterable[str]) -> None:
        (self.folder / "config.json").unlink(missing_ok=True)
        said("runc", "spec", "--bundle", self.folder)
        bundle = json.loads((self.folder / "config.json").read_text())
        user, group = self.image.settings["User"].split(":")
        if not self.cache.exists():  # as an engine fills a new volume: with what the image has there
            said("cp", "-a", self.image.files / "var/cache/borgpull", self.cache)
        bundle["process"] |= {
            "terminal": False,
            "args": [*self.image.settings["Entrypoint"], *arguments],
            "env": self.image.settings["Env"],
            "user": {"uid": int(user), "gid": int(group)},
            "capabilities": {},
            "noNewPrivileges": True,
        }
        bundle["root"] = {"path": str(self.image.files), "readonly": True}
        bundle["mounts"] += [_in_memory("/run"), _in_memory("/tmp")]
        bundle["mounts"] += [_bound("/var/cache/borgpull", self.cache, "rw"), *self._secrets()]
        # The targets of the lab listen on the loopback of this machine.
        shared = {"network", "cgroup"}
        bundle["linux"]["namespaces"] = [one for one in bundle["linux"]["namespaces"] if one["type"] not in shared]
        (self.folder / "config.json").write_text(json.dumps(bundle))

    def _secrets(self) -> list[dict[str, Any]]:
        if not self.secret:
            return []
        (self.folder / "secret").write_text(self.secret)
        return [_bound("/run/secrets/borgpull", self.folder / "secret", "ro")]


def _in_memory(place: str) -> dict[str, Any]:
    return {"destination": place, "type": "tmpfs", "source": "tmpfs", "options": _TMPFS}


def _bound(place: str, source: Path, mode: str) -> dict[str, Any]:
    return {"destination": place, "type": "bind", "source": str(source), "options": ["bind", mode, "nosuid", "nodev"]}
