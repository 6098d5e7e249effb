"""A real sshd refuses an account: the cause is what ssh says of it, not a key that would be wrong."""

import asyncio
import os
from pathlib import Path

import pytest

from borgpull import ssh
from borgpull.errors import Failure
from lab import Spot
from lab.sshd import host_running

ALONE = 'mount --bind "$1" /etc/shadow && shift && exec "$@"'
# Root's line in /etc/shadow there (as it is, without one), a line of sshd_config, and what an operator reads.
REFUSED = {
    "expired": ("root:*:19000:0:99999:7::1:", "", "has expired, or its password"),
    "password expired": ("root:*:0:0:99999:7:::", "", "has expired, or its password"),
    "locked": ("root:!:19000:0:99999:7:::", "UsePAM no", "refused the key"),
    "no keys": ("", "PubkeyAuthentication no", "takes no keys for this user"),
    "more than a key": ("", "AuthenticationMethods publickey,password", "or wants more than a key"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_why_an_account_is_refused_is_said(how, tmp_path, memory):
    line, setting, words = REFUSED[how]
    if os.getuid() != 0:
        pytest.skip("needs root")
    prefix = ()
    if line:
        (tmp_path / "shadow").write_text("\n".join([line, *Path("/etc/shadow").read_text().splitlines()[1:], ""]))
        prefix = ("unshare", "--mount", "sh", "-c", ALONE, "sh", str(tmp_path / "shadow"))

    async def connect():
        spot = Spot(name="web", prefix=prefix, sshd_lines=(setting,))
        with host_running(memory / "web", spot) as host:
            made = ssh.open_master(host.connection(), party="T web", directory=memory, on_output=lambda line: None)
            async with made as master:
                await ssh.execute(master, "true", seconds=20)

    with pytest.raises(Failure) as failed:
        asyncio.run(connect())
    assert words in failed.value.cause
    assert how != "locked" or "locked account" in failed.value.hint
