"""The ledger on C: written whole, for this user alone, one run at a time; what is wrong with its folder is said."""

import asyncio
import os
from dataclasses import replace

import pytest

from borgpull.errors import AtWork, Failure
from borgpull.ledger import LocalStore, Phase, local
from fuzz.recorded import evidence, ledger


@pytest.fixture
def store(tmp_path):
    """A store that nobody has used yet."""
    return LocalStore(tmp_path / "state" / "web" / "one", tmp_path / "state" / ".borgpull" / "ids")


def test_what_was_written_is_found_again(store):
    known = replace(ledger(), phase=Phase.OPEN, evidence=replace(evidence(), counted=False, live={}, transaction=0))
    assert asyncio.run(store.read_evidence()).ledger is None
    asyncio.run(store.write(known, snapshot="make"))
    assert asyncio.run(store.read_evidence()).ledger == known
    seen = asyncio.run(store.read_status())
    assert (seen.ledger, seen.transaction, seen.holder) == (known, 0, "")
    assert [path.name for path in store.folder.iterdir()] == ["ledger.json"], "nothing half written is left"
    assert {path.stat().st_mode & 0o777 for path in (store.folder, store.folder.parent)} == {0o700}
    asyncio.run(store.give_up())
    assert asyncio.run(store.read_evidence()).ledger is None
    assert (store.folder / "ledger.retired.json").exists(), "it holds the key"


def test_where_a_repository_lies_or_once_lay_is_known_by_its_id(store):
    known = ledger()
    assert asyncio.run(store.known_place(known.evidence.repository_id)) == ""
    asyncio.run(store.write(known))
    other = replace(store, folder=store.folder.with_name("two"))
    assert asyncio.run(other.known_place(known.evidence.repository_id)) == str(store.folder)
    assert asyncio.run(other.known_place("0" * 64)) == ""
    asyncio.run(store.give_up())
    assert asyncio.run(other.known_place(known.evidence.repository_id)) == str(store.folder)
    asyncio.run(other.write(known))
    assert asyncio.run(store.known_place(known.evidence.repository_id)) == str(other.folder)
    assert {path.stat().st_mode & 0o777 for path in (store.ids, store.ids.parent)} == {0o700}
    assert [(path.name, path.stat().st_mode & 0o777) for path in store.ids.iterdir()] == [
        (known.evidence.repository_id, 0o600)
    ]


def test_the_ids_are_first_those_of_all_ledgers_that_lie_there(store):
    known = ledger()
    store.folder.mkdir(parents=True)
    (store.folder / "ledger.retired.json").write_bytes(known.dump())
    (store.folder.parent / "ledger.json").write_text("damaged")
    other = replace(store, folder=store.folder.with_name("two"))
    assert asyncio.run(other.known_place(known.evidence.repository_id)) == str(store.folder)
    assert [path.name for path in store.ids.parent.iterdir()] == ["ids"]


def test_ids_that_cannot_be_read_are_said_and_not_taken_for_none(store):
    store.ids.parent.mkdir(parents=True)
    store.ids.write_text("a file")
    with pytest.raises(Failure, match=r"could not read the ids of repositories: Not a directory"):
        asyncio.run(store.known_place("0" * 64))


def test_one_run_at_a_time_and_the_holder_is_named(store, monkeypatch):
    monkeypatch.setattr(local, "LOCK_SECONDS", 0)

    async def twice():
        async with store.locked():
            assert (await store.read_status()).holder.startswith(f"pid {os.getpid()}, since ")
            async with store.locked():
                raise AssertionError("two at a time")

    with pytest.raises(
        AtWork, match=f"another run of borgpull is at work on this repository already: pid {os.getpid()}"
    ):
        asyncio.run(twice())

    async def again():
        async with store.locked():
            return (await store.read_status()).holder

    assert asyncio.run(again())
    assert asyncio.run(store.read_status()).holder == ""


def test_a_damaged_ledger_is_no_ledger_and_no_first_run(store):
    store.folder.mkdir(parents=True)
    (store.folder / "ledger.json").write_text('{"version": 1')
    found = asyncio.run(store.read_evidence())
    assert (found.ledger, found.unreadable) == (None, "it is damaged (JSONDecodeError)")


def test_a_folder_that_is_none_is_named_with_what_to_do(store):
    store.folder.parent.parent.write_text("a file")
    for work in (store.write(ledger()), store.read_evidence(), store.locked().__aenter__()):
        with pytest.raises(Failure, match=r"could not .* the ledger: Not a directory") as caught:
            asyncio.run(work)
        assert (caught.value.party, "StateDir" in caught.value.hint) == ("controller", True)
