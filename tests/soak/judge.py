"""What a fleet may take: of time in turns, of memory and of descriptors; and the table of it."""

from collections.abc import Sequence

from soak.fleet import Course

MEGABYTE = 1_000_000
MOST_OWN = 120 * MEGABYTE
MOST_SSH_OF_A_TARGET = 12 * MEGABYTE
# What a waiting target may cost: its config, its row, and a task that has not begun.
MOST_OF_A_WAITING_ONE = 50_000
# The count of one moment, of processes that come and go.
FEW_DESCRIPTORS = 16


def problems_of(course: Course) -> list[str]:
    """Return what is wrong with one run, a line each."""
    not_done = [f"{name}: {outcome}" for name, outcome in course.rows if outcome != "done"]
    of_a_target = course.busiest.ssh.share / max(1, course.busiest.jobs)
    wrong = {
        f"exit {course.code}: {course.stderr[-600:]}": course.code != 0,
        f"not done: {not_done}": bool(not_done),
        f"second attempts: {course.retried}": bool(course.retried),
        "the report is not in the order of the config": [name for name, _ in course.rows] != list(course.targets),
        "the targets did not have their turns in the order of the config": course.begun != course.targets,
        f"C's own process took {course.own / MEGABYTE:.0f} MB": course.own > MOST_OWN,
        f"the ssh processes of a target took {of_a_target / MEGABYTE:.1f} MB": of_a_target > MOST_SSH_OF_A_TARGET,
        f"{course.jobs} did not run side by side": max(usage.jobs for usage in course.usages) != course.jobs,
    }
    return [f"{len(course.targets)} targets: {said}" for said, is_wrong in wrong.items() if is_wrong]


def problems_of_growth(few: Course, many: Course) -> list[str]:
    """Return what grows with the number of the targets that wait."""
    waiting = len(many.targets) - len(few.targets)
    grown = many.own - few.own
    wrong = {
        f"{waiting} more targets cost C {grown / MEGABYTE:.1f} MB": grown > waiting * MOST_OF_A_WAITING_ONE,
        f"{waiting} more targets: {few.descriptors} descriptors became {many.descriptors}": (
            many.descriptors > few.descriptors + FEW_DESCRIPTORS
        ),
    }
    return [said for said, is_wrong in wrong.items() if is_wrong]


def in_words(courses: Sequence[Course]) -> str:
    """Return the table."""
    head = ("targets", "Jobs", "done", "took", "C itself", "descriptors", "ssh of a running target", "borg on C")
    return "\n".join([_row(head), "|---" * len(head) + "|", *(_row(_cells(course)) for course in courses)])


def _cells(course: Course) -> tuple[str, ...]:
    busiest = course.busiest
    borgs = max(course.usages, key=lambda usage: usage.borg.share)
    third = course.usages[len(course.usages) // 3]
    return (
        str(len(course.targets)),
        str(course.jobs),
        str(sum(outcome == "done" for _, outcome in course.rows)),
        f"{course.seconds:.0f} s",
        f"{course.own / MEGABYTE:.1f} MB ({third.own.resident / MEGABYTE:.1f} MB after a third)",
        str(course.descriptors),
        f"{busiest.ssh.share / MEGABYTE / max(1, busiest.jobs):.1f} MB ({busiest.ssh_count} processes in all)",
        f"{borgs.borg.share / MEGABYTE:.0f} MB ({borgs.borg_count} processes)",
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
