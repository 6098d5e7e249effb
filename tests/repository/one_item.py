"""One file of an archive, to be changed as a test needs it."""

from borgpull.results import Item

ITEM = Item(
    kind="-",
    mode="-rw-r--r--",
    user="root",
    group="root",
    uid=0,
    gid=0,
    size=1,
    modified="2026-01-01T00:00:00.000000",
    path="etc/passwd",
    link="",
    healthy=True,
)
