"""What stays and what goes of a repository, and what `borgpull list --why` says of it."""

import pytest
from histories import DAY, NOW, stamp
from hypothesis import given
from hypothesis import strategies as st

from borgpull.config import retention as setting
from borgpull.retention import Archive, ArchiveState, Rules, decide, series_of

STREAMS = ("db",)
ALSO = ("home-",)
ONE_DAY = Rules(within="1d")


def archive(
    age: float, state: ArchiveState = ArchiveState.GOOD, *, series: str = "snapshot-", end: str = "", **more
) -> Archive:
    """An archive that was begun `age` days before now."""
    name = f"{series}{stamp(NOW - age * DAY)}{end}"
    return Archive(name=name, id=name, started=NOW - age * DAY, state=state, **more)


def aside(age: float, *paths: str, **more) -> Archive:
    return archive(age, ArchiveState.SET_ASIDE, paths=frozenset(paths), **more)


def checkpoint(age: float) -> Archive:
    return archive(age, ArchiveState.UNJUDGED, end=".checkpoint")


def rules(text: str) -> Rules:
    return Rules.from_options(setting.options(text))


def why(archives, kept_by=ONE_DAY, **more) -> list[tuple[bool, str]]:
    """Whether each archive stays, and why, in the order given."""
    decided = decide(archives, kept_by, now=NOW, streams=STREAMS, also=ALSO, **more)
    said = {decision.archive: (decision.kept, decision.rule) for decision in decided.decisions}
    return [said[archive] for archive in archives]


def test_each_archive_that_stays_says_its_rule():
    archives = [archive(age) for age in (0, 1, 2, 3, 40, 41, 42)]
    assert why(archives, rules("--keep-within 1d --keep-daily 2 --keep-yearly 5")) == [
        (True, "within 1d"),
        (True, "daily 1 of 2"),
        (True, "daily 2 of 2"),
        (False, "no rule keeps it"),
        (False, "no rule keeps it"),
        (False, "no rule keeps it"),
        (True, "yearly 1 of 5, the oldest"),
    ]


def test_a_negative_count_keeps_every_period():
    assert why([archive(0), archive(0.01), archive(9)], rules("--keep-daily -1")) == [
        (True, "daily 1"),
        (False, "no rule keeps it"),
        (True, "daily 2"),
    ]


def test_after_an_outage_the_newest_good_one_stays():
    assert why([archive(8), archive(7), aside(6)]) == [
        (False, "no rule keeps it"),
        (True, "newest good archive"),
        (True, "set aside; goes after 2026-10-15"),
    ]


def test_each_series_is_by_itself():
    archives = [archive(8), archive(7, series="@db-"), archive(6, series="home-"), archive(5, series="@gone-")]
    assert why(archives) == [(True, "newest good archive")] * 3 + [(True, "not borgpull's: left alone")]


def test_foreign_archives_are_counted():
    decided = decide([archive(8), archive(9, series="other-"), archive(10, end="-upgrade")], ONE_DAY, now=NOW)
    assert (decided.foreign, decided.to_go) == (2, ())


def test_an_unfinished_archive_stays_until_one_is_good():
    newer, older, good = checkpoint(1), checkpoint(2), archive(3)
    assert why([newer, older]) == [
        (True, "unfinished; none is good yet"),
        (False, "unfinished, and so is a newer one"),
    ]
    assert why([newer, good, checkpoint(4)]) == [
        (True, "unfinished; newer than the last good one"),
        (True, "newest good archive"),
        (False, "unfinished, and a newer one is finished"),
    ]
    assert why([newer, aside(0)])[0] == (True, "unfinished; none is good yet")
    assert why([newer, archive(0)])[0] == (False, "unfinished, and a newer one is finished")


def test_a_checkpoint_is_no_backup_whatever_its_state():
    assert why([archive(0, end=".checkpoint"), archive(7)])[1] == (True, "newest good archive")


def test_what_was_set_aside_goes_after_thirty_days():
    assert why([archive(0), aside(30, reason="no file\x1b[2J"), aside(30.01), archive(31, ArchiveState.UNJUDGED)]) == [
        (True, "within 1d"),
        (True, "set aside: no file�[2J; goes after 2026-09-21"),
        (False, "set aside for more than 30 days"),
        (False, "unjudged for more than 30 days"),
    ]


def test_five_that_were_set_aside_stay():
    said = why([aside(age) for age in range(7)])
    assert [kept for kept, _ in said] == [True] * 5 + [False] * 2
    assert said[6] == (False, "more than 5 set aside")


def test_the_only_one_that_holds_a_source_path_stays():
    old = [aside(40, "/etc", "/srv"), aside(41, "/srv")]
    assert why([archive(0, paths=frozenset({"/etc"})), *old]) == [
        (True, "within 1d"),
        (True, "set aside; no other one holds /srv"),
        (False, "set aside for more than 30 days"),
    ]
    assert why([archive(0, paths=frozenset({"/etc", "/srv"})), *old])[1][0] is False
    assert why([archive(0), aside(1, "/srv"), *old])[2] == (True, "set aside; no other one holds /etc")


def test_a_good_archive_that_goes_holds_nothing_any_more():
    going = archive(50, paths=frozenset({"/srv"}))
    assert why([archive(0, paths=frozenset()), going, aside(51, "/srv")])[1:] == [
        (False, "no rule keeps it"),
        (True, "set aside; no other one holds /srv"),
    ]


@pytest.mark.parametrize("options", [(), ("--keep-daily=0",), ("--keep-x=1",), ("--prefix=x",), ("--keep-daily=x",)])
def test_what_is_no_rule_is_refused(options):
    with pytest.raises(ValueError, match=r".+"):
        Rules.from_options(options)


STATES = st.sampled_from(ArchiveState)
PATHS = st.none() | st.frozensets(st.sampled_from(["/etc", "/srv", "/home"]))
SERIES = st.sampled_from(["snapshot-", "@db-", "@gone-", "home-", "other-"])
STARTS = st.integers(-60, 400).map(lambda age: NOW - age * DAY / 3) | st.floats(-1e15, 1e15)
RULES = st.builds(
    lambda within, counts: Rules(within=within, counts=tuple(counts.items())),
    st.sampled_from(["1d", "1m", "9y"]),
    st.dictionaries(st.sampled_from(["secondly", "daily", "weekly", "13weekly", "yearly"]), st.integers(-1, 5)),
)


@st.composite
def archives_of(draw, states=STATES):
    """Archives of any series, state and date; their names are theirs alone."""
    made = []
    for number in range(draw(st.integers(0, 12))):
        end = draw(st.sampled_from(["", "", ".checkpoint"]))
        name = f"{draw(SERIES)}{stamp(NOW + number + draw(st.integers(0, 9)) * 100)}{end}"
        made.append(Archive(name=name, id=name, started=draw(STARTS), state=draw(states), paths=draw(PATHS)))
    return list({archive.name: archive for archive in made}.values())


def decided(archives, by):
    return decide(archives, by, now=NOW, streams=STREAMS, also=ALSO)


def kept(answer):
    return [each.archive for each in answer.decisions if each.kept]


@given(archives_of(), RULES, st.randoms())
def test_one_decision_for_each_in_whatever_order_they_come(archives, by, order):
    answer = decided(archives, by)
    assert sorted([*kept(answer), *answer.to_go], key=repr) == sorted(archives, key=repr)
    starts = [archive.started for archive in answer.to_go]
    assert starts == sorted(starts)
    shuffled = order.sample(archives, len(archives))
    assert decided(shuffled, by) == answer


@given(archives_of(), RULES)
def test_what_never_goes(archives, by):
    answer = decided(archives, by)
    groups = {}
    for one in archives:
        series = series_of(one.name, streams=STREAMS, also=ALSO)
        groups.setdefault(series, []).append(one)
    gone = set(answer.to_go)
    assert gone.isdisjoint(groups.pop(None, []))
    assert all(decision.rule for decision in answer.decisions)
    for members in groups.values():
        finished = [one for one in members if one.state is ArchiveState.GOOD and "checkpoint" not in one.name]
        assert not finished or max(finished, key=lambda one: one.age_order) not in gone


@given(archives_of(), archives_of(st.sampled_from([ArchiveState.SET_ASIDE, ArchiveState.UNJUDGED])), RULES)
def test_archives_that_are_not_good_change_nothing_for_good_ones(archives, more, by):
    known = {one.name for one in archives}
    added = [one for one in more if one.name not in known]
    good = [one for one in archives if one.state is ArchiveState.GOOD and "checkpoint" not in one.name]

    def said(answer):
        return {each.archive: (each.kept, each.rule) for each in answer.decisions if each.archive in good}

    assert said(decided(archives, by)) == said(decided([*archives, *added], by))


@given(archives_of(), RULES)
def test_a_source_path_that_was_held_is_still_held(archives, by):
    answer = decided(archives, by)
    for series in ("snapshot-", "@db-", "home-"):

        def held(those, series=series):
            return {
                path
                for one in those
                if one.name.startswith(series) and one.state is not ArchiveState.GOOD and "checkpoint" not in one.name
                for path in one.paths or ()
            }

        good = {path for one in kept(answer) if one.name.startswith(series) for path in one.paths or ()}
        assert held(archives) <= held(kept(answer)) | good


@given(archives_of(), RULES)
def test_what_stayed_stays_when_it_is_decided_again(archives, by):
    once = decided(archives, by)
    assert set(decided(kept(once), by).to_go) <= {one for one in kept(once) if one.state is not ArchiveState.GOOD}
