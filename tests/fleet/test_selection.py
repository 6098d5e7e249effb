"""Which targets a command is about: names, globs, what is left out, and never an empty run by mistake."""

from types import SimpleNamespace

import pytest

from borgpull.errors import UsageError
from borgpull.fleet import Selection, Shard, shard_of

NAMES = ("web1", "web2", "db1", "web[1]", "Größe 1")
CONFIG = SimpleNamespace(targets=tuple(SimpleNamespace(name=name) for name in NAMES))


def chosen(**choice) -> list[str]:
    return [target.name for target in Selection(**choice).targets(CONFIG)]


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({}, [*NAMES]),
        ({"only": ("db1",)}, ["db1"]),
        ({"only": ("web*",)}, ["web1", "web2", "web[1]"]),
        ({"only": ("db1", "web?")}, ["web1", "web2", "db1"]),
        ({"only": ("web[1]",)}, ["web[1]"]),
        ({"only": ("web[12]",)}, ["web1", "web2"]),
        ({"only": ("Gro\u0308ße 1",)}, ["Größe 1"]),
        ({"only": (" db1 ",)}, ["db1"]),
        ({"skip": ("web*", "Gr*")}, ["db1"]),
        ({"only": ("web*",), "skip": ("*2",)}, ["web1", "web[1]"]),
    ],
)
def test_words_choose_targets_in_the_order_of_the_config(choice, names):
    assert chosen(**choice) == names


@pytest.mark.parametrize("choice", [{"only": ("web*", "dbl")}, {"skip": ("DB1",)}, {"only": ("",)}])
def test_a_word_that_fits_nothing_is_an_error_that_names_what_there_is(choice):
    with pytest.raises(UsageError) as error:
        chosen(**choice)
    assert "there is no target" in error.value.cause
    assert "web1, web2, db1" in error.value.hint


def test_to_leave_everything_out_is_an_error():
    with pytest.raises(UsageError, match="leaves no target"):
        chosen(only=("web*",), skip=("*",))


def test_the_shards_of_a_choice_have_each_target_of_it_once():
    shards = [chosen(only=("web*",), shard=Shard(index, 3)) for index in range(3)]
    assert sorted(name for names in shards for name in names) == ["web1", "web2", "web[1]"]


def test_a_shard_without_any_of_the_chosen_targets_is_empty_and_no_error():
    other = next(index for index in range(2) if index != shard_of("db1", 2))
    assert chosen(only=("db1",), shard=Shard(other, 2)) == []


def test_the_hint_of_a_large_config_does_not_name_them_all():
    many = SimpleNamespace(targets=tuple(SimpleNamespace(name=f"t{number}") for number in range(5_000)))
    with pytest.raises(UsageError) as error:
        Selection(only=("x",)).targets(many)
    assert error.value.hint.endswith("t19 and 4980 more")
