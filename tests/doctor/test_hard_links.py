"""Whether hard links can be made is told without making one, and said to be unknown where that is not enough."""

import pytest

from borgpull.doctor import Checks
from borgpull.doctor.checks import Facts
from borgpull.doctor.server import check_hard_links
from borgpull.results import Mark
from borgpull.ssh import Answer, Part


@pytest.mark.parametrize(
    ("facts", "mark"),
    [
        ("kind ext2/ext3\ndevice 5\ndevice 5\ndevice 5", Mark.OK),
        ("kind msdos\ndevice 5\ndevice 5", Mark.WARNING),
        ("kind exfat\ndevice 5\ndevice 5", Mark.WARNING),
        ("kind fuseblk\ndevice 5\ndevice 5", Mark.NOTE),
        ("device 5\ndevice 5", Mark.NOTE),
        ("kind xfs\ndevice 5\ndevice 5\ndevice 6", Mark.WARNING),
    ],
)
def test_by_the_kind_of_file_system_and_its_device(facts, mark):
    checks = Checks("B", ("hard links",))
    check_hard_links(checks, Facts(Answer({"facts": Part(data=facts.encode())})))
    assert checks.findings[0].mark is mark
    assert bool(checks.findings[0].hint) == (mark is Mark.WARNING)
