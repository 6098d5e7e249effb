"""The ledger on C: written whole, for this user alone, one run at a time; what is wrong with its folder is said."""

import asyncio
import os
from dataclasses import replace

import pytest

from borgpull.errors import Failure
from borgpull.ledger import LocalVault, Phase, local
from fuzz.recorded import evidence, ledger


@pytest.fixture
def vault(tmp_path):
    """A vault that nobody has used yet."""
    return LocalVault(tmp_path / "state" / "web" / "one", tmp_path / "state" / ".borgpull" / "ids")


def test_what_was_written_is_found_again(vault):
    known = replace(ledger(), phase=Phase.OPEN, evidence=replace(evidence(), counted=False, live={}, transaction=0))
    assert asyncio.run(vault.read_evidence()).ledger is None
    asyncio.run(vault.write(known, snapshot="make"))
    assert asyncio.run(vault.read_evidence()).ledger == known
    seen = asyncio.run(vault.read_status())
    assert (seen.ledger, seen.transaction, seen.holder) == (known, 0, "")
    assert [path.name for path in vault.folder.iterdir()] == ["ledger.json"], "nothing half written is left"
    assert {path.stat().st_mode & 0o777 for path in (vault.folder, vault.folder.parent)} == {0o700}
    asyncio.run(vault.give_up())
    assert asyncio.run(vault.read_evidence()).ledger is None
    assert (vault.folder / "ledger.retired.json").exists(), "it holds the key"


def test_where_a_repository_lies_or_once_lay_is_known_by_its_id(vault):
    known = ledger()
    assert asyncio.run(vault.known_place(known.evidence.repository_id)) == ""
    asyncio.run(vault.write(known))
    other = replace(vault, folder=vault.folder.with_name("two"))
    assert asyncio.run(other.known_place(known.evidence.repository_id)) == str(vault.folder)
    assert asyncio.run(other.known_place("0" * 64)) == ""
    asyncio.run(vault.give_up())
    assert asyncio.run(other.known_place(known.evidence.repository_id)) == str(vault.folder)
    asyncio.run(other.write(known))
    assert asyncio.run(vault.known_place(known.evidence.repository_id)) == str(other.folder)
    assert {path.stat().st_mode & 0o777 for path in (vault.ids, vault.ids.parent)} == {0o700}
    assert [(path.name, path.stat().st_mode & 0o777) for path in vault.ids.iterdir()] == [
        (known.evidence.repository_id, 0o600)
    ]


def test_the_ids_are_first_those_of_all_ledgers_that_lie_there(vault):
    known = ledger()
    vault.folder.mkdir(parents=True)
    (vault.folder / "ledger.retired.json").write_bytes(known.dump())
    (vault.folder.parent / "ledger.json").write_text("damaged")
    other = replace(vault, folder=vault.folder.with_name("two"))
    assert asyncio.run(other.known_place(known.evidence.repository_id)) == str(vault.folder)
    assert [path.name for path in vault.ids.parent.iterdir()] == ["ids"]


def test_ids_that_cannot_be_read_are_said_and_not_taken_for_none(vault):
    vault.ids.parent.mkdir(parents=True)
    vault.ids.write_text("a file")
    with pytest.raises(Failure, match=r"could not read the ids of repositories: Not a directory"):
        asyncio.run(vault.known_place("0" * 64))


def test_one_run_at_a_time_and_the_holder_is_named(vault, monkeypatch):
    monkeypatch.setattr(local, "LOCK_PATIENCE", 0)

    async def twice():
        async with vault.locked():
            assert (await vault.read_status()).holder.startswith(f"pid {os.getpid()}, since ")
            async with vault.locked():
                raise AssertionError("two at a time")

    with pytest.raises(Failure, match=f"another run of borgpull is at work on this repository: pid {os.getpid()}"):
        asyncio.run(twice())

    async def again():
        async with vault.locked():
            return (await vault.read_status()).holder

    assert asyncio.run(again())
    assert asyncio.run(vault.read_status()).holder == ""


def test_a_damaged_ledger_is_no_ledger_and_no_first_run(vault):
    vault.folder.mkdir(parents=True)
    (vault.folder / "ledger.json").write_text('{"version": 1')
    found = asyncio.run(vault.read_evidence())
    assert (found.ledger, found.unreadable) == (None, "it is damaged (JSONDecodeError)")


def test_a_folder_that_is_none_is_named_with_what_to_do(vault):
    vault.folder.parent.parent.write_text("a file")
    for work in (vault.write(ledger()), vault.read_evidence(), vault.locked().__aenter__()):
        with pytest.raises(Failure, match=r"could not .* the ledger: Not a directory") as caught:
            asyncio.run(work)
        assert (caught.value.party, "StateDir" in caught.value.hint) == ("controller", True)
