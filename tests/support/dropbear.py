"""A host whose ssh server is dropbear, not OpenSSH. Needs root, for an /etc/passwd of its own, and dropbear-bin.

Dropbear finds authorized_keys in the home of the account, takes commands of at most 9,000 bytes and forwards no unix
sockets (2022.83).
"""

import os

import pytest

from lab import Spot
from lab.sshd import find_program

# Takes the place of sshd: its arguments are sshd's own, of which the last one is the path of the configuration. What
# says that sshd listens says so of dropbear, after it has bound its port.
_IN_PLACE_OF_SSHD = r"""
for settings do :; done
own=${settings%/*}
value() { sed -n "s/^$1 //p" "$settings" | head -n 1; }
{ echo "root:x:0:0:root:$own:/bin/sh"; sed 1d /etc/passwd; } >"$own/passwd"
mount --bind "$own/passwd" /etc/passwd || exit 1
mkdir -p -m 700 "$own/.ssh"
cp "$own/authorized_keys" "$own/.ssh/"
dropbearconvert openssh dropbear "$own/host_key" "$own/dropbear_key" || exit 1
{
  while kill -0 $$ && ! grep -q 'Not backgrounding' "$own/sshd.log"; do sleep 0.02; done
  echo 'Server listening on its port'
} &
exec env -i PATH="$PATH" $(value SetEnv) dropbear -F -E -e -s -P "$own/dropbear.pid" -r "$own/dropbear_key" \
  -p "$(value ListenAddress):$(value Port)"
"""


def needs_dropbear() -> None:
    """Skip the test where dropbear cannot be had; where CI is set, that is a failure."""
    if os.getuid() == 0 and find_program("dropbear"):
        return
    if os.environ.get("CI"):
        pytest.fail("CI must run as root, and have dropbear: `make test` installs it")
    pytest.skip("needs root, and dropbear")


def dropbear_spot(name: str) -> Spot:
    """Return a host of this name that dropbear serves."""
    return Spot(name=name, prefix=("unshare", "--mount", "sh", "-c", _IN_PLACE_OF_SSHD, "sh"))
