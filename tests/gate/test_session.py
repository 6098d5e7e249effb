"""What a session may ask for, and what B is told: the rest is refused, in words that name the method."""

import pytest
from calls import MANIFEST, NEW, OLD, OPEN, PATH, VERSION, call, messages, negotiate, opened, refused, told

from borgpull.gate.messages import MOST_DATA, Reader
from borgpull.gate.session import MOST_NONCES, Session

HONEST = {
    "asks how many objects there are": ("__len__", {}),
    "reads the key": ("load_key", {}),
    "reads an old object": ("get", {"id": OLD}),
    "lists objects": ("list", {"limit": 100, "marker": OLD}),
    "lists them all": ("scan", {"limit": None, "marker": None}),
    "stores an object": ("put", {"id": NEW, "data": b"x" * 5000}),
    "rewrites the list of archives": ("put", {"id": MANIFEST, "data": b"new"}),
    "deletes what it stored itself": ("delete", {"id": NEW}),
    "drops what it did": ("rollback", {}),
    "asks for the nonce": ("get_free_nonce", {}),
    "reserves the first nonces": ("commit_nonce_reservation", {"next_unreserved": 1 << 28, "start_nonce": None}),
    "reserves more nonces": ("commit_nonce_reservation", {"next_unreserved": 1 << 29, "start_nonce": 1 << 28}),
}


@pytest.mark.parametrize("what", HONEST)
def test_an_honest_call_comes_to_b_as_it_was(what):
    method, arguments = HONEST[what]
    named = {name.encode(): value for name, value in arguments.items()}
    assert told(opened(), call(method, **arguments)) == [{b"i": 7, b"m": method.encode(), b"a": named}]


def test_the_beginning_of_every_session():
    session = Session(PATH)
    assert told(session, negotiate()) == [[1, 1, b"negotiate", [{b"client_version": [1, 2, 4, -1]}]]]
    (asked,) = told(session, call("open", **OPEN))
    known = {name.encode(): value for name, value in OPEN.items() if name != "make_parent_dirs"}
    assert asked[b"a"] == known | {b"path": PATH.encode()}


def test_a_commit_never_compacts_whatever_it_says():
    asked = {"save_space": True, "compact": True, "threshold": 0.0, "cleanup_commits": True}
    (commit,) = told(opened(), call("commit", **asked))
    assert commit[b"a"] == {b"save_space": False, b"compact": False}


def test_what_serve_would_not_know_it_is_not_told():
    (get,) = told(opened(), call("get", id=OLD, dangerous=True))
    assert get[b"a"] == {b"id": OLD}


DISHONEST = {
    "overwrites": (call("put", id=OLD, data=b"x"), r"overwrite an older object (put)"),
    "deletes": (call("delete", id=OLD), r"delete an older object (delete)"),
    "deletes the list": (call("delete", id=MANIFEST), r"delete the list of archives (delete)"),
    "replaces the key": (call("save_key", keydata=b"mine"), "replace the repository key (save_key)"),
    "breaks the lock": (call("break_lock"), "break the lock of the repository (break_lock)"),
    "destroys": (call("destroy"), "remove the repository (destroy)"),
    "repairs": (call("check", repair=True), "(check)"),
    "injects": (call("inject_exception", kind="divide"), "(inject_exception)"),
    "opens again": (call("open", **OPEN), "open a repository a second time (open)"),
    "negotiates again": (negotiate(), "start over (negotiate)"),
    "calls what nobody knows": (call("close_and_\x1b[2Jwipe"), "it called close_and_�[2Jwipe, which no borg"),
    "calls what is inside of serve": (call("__class__"), "it called __class__, which no borg create does"),
    "stores what is no object": (call("put", id=NEW, data=17), "an invalid object (put)"),
    "stores under no id": (call("put", id=NEW + b"x", data=b""), "by an invalid id"),
    "deletes by no id": (call("delete", id=None), "by an invalid id"),
    "lists by no number": (call("list", limit=True, marker=None), "list of an invalid length"),
    "lowers the nonce": (call("commit_nonce_reservation", next_unreserved=0, start_nonce=5), "lower the nonce"),
    "lowers it below zero": (call("commit_nonce_reservation", next_unreserved=-1, start_nonce=None), "lower the nonce"),
    "a nonce that is none": (call("commit_nonce_reservation", next_unreserved=True, start_nonce=0), "not a number"),
    "uses up the nonces": (
        call("commit_nonce_reservation", next_unreserved=MOST_NONCES // 2 + 1, start_nonce=0)
        + call("commit_nonce_reservation", next_unreserved=MOST_NONCES + 2, start_nonce=MOST_NONCES // 2 + 1),
        "more nonces than it can use",
    ),
}


@pytest.mark.parametrize("what", DISHONEST)
def test_what_no_honest_backup_asks_for_is_refused_by_its_name(what):
    said, words = DISHONEST[what]
    assert words in refused(opened(), said)


OPENINGS = {
    "another repository": ({"path": b"/srv/backups/mail"}, "another path"),
    "a path out of it": ({"path": PATH.encode() + b"/../mail"}, "another path"),
    "a home folder": ({"path": b"/~/web"}, "another path"),
    "a path that is none": ({"path": None}, "another path"),
    "making one": ({"create": True}, "create a repository (open)"),
    "making it append-only": ({"append_only": True}, "change how a repository is kept (open)"),
    "no lock": ({"lock": False}, "work without a lock (open)"),
    "a lock that is none": ({"lock": 0}, "work without a lock (open)"),
    "waiting for ever": ({"lock_wait": -1}, "in a way that borg does not"),
    "a wait that is none": ({"lock_wait": b"x"}, "in a way that borg does not"),
    "an exclusive that is none": ({"exclusive": b"x"}, "in a way that borg does not"),
}


@pytest.mark.parametrize("what", OPENINGS)
def test_nothing_else_is_opened(what):
    changes, words = OPENINGS[what]
    session = Session(PATH)
    told(session, negotiate())
    assert words in refused(session, call("open", **OPEN | changes))


@pytest.mark.parametrize("said", [call("get", id=NEW), call("put", id=NEW, data=b""), call("open", **OPEN)])
def test_nothing_comes_before_its_turn(said):
    assert refused(Session(PATH), said)
    session = Session(PATH)
    told(session, negotiate())
    told(session, call("open", **OPEN))
    assert refused(session, said), "B has not opened it yet"


@pytest.mark.parametrize(
    "client_data", [2, {}, {b"client_version": b"1.2"}, {b"client_version": []}, {b"client_version": [1 << 40]}]
)
def test_a_client_that_says_no_version_is_refused(client_data):
    assert "(negotiate)" in refused(Session(PATH), negotiate(client_data))


def test_the_calls_of_borg_1_0_by_place_are_refused():
    assert "does not speak" in refused(opened(), negotiate().replace(b"\xa9negotiate", b"\xa6delete"))


def test_the_largest_object_of_borg_passes():
    data = bytes(MOST_DATA)
    (put,) = told(opened(), call("put", id=NEW, data=data))
    assert put[b"a"] == {b"id": NEW, b"data": data}


def test_messages_are_the_same_in_any_pieces():
    said = negotiate(VERSION) + call("put", id=NEW, data=b"x" * 300) + call("rollback")
    reader = Reader()
    assert [m for byte in said for m in reader.read(bytes([byte]))] == messages(said)
