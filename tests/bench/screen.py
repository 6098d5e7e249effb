"""What the live table costs: the CPU of drawing it, as a share of one core."""

import io
import time

from rich.console import Console

from borgpull.ui import display as display_room
from borgpull.ui.run_table import frame
from ui.scenes import START, big_run, board_of

_DRAWS = 50
_WIDTH, _HEIGHT = 200, 70


def share_of_a_core(*, running: int) -> float:
    """Return which share of a core the table takes while `running` targets are at work."""
    board = board_of(big_run(targets=running + 10, running=running, through=5, broken=5))
    console = Console(file=io.StringIO(), force_terminal=True, color_system="256", width=_WIDTH, height=_HEIGHT)
    table = display_room.RichLive(console=console, auto_refresh=False, transient=True, redirect_stderr=False)
    table.start()
    try:
        # The processor time of this thread: other work on the machine does not count.
        began = time.thread_time()
        for number in range(_DRAWS):
            table.update(frame(board, now=START + 9 + number, width=_WIDTH - 1, height=_HEIGHT - 1), refresh=True)
        cost = (time.thread_time() - began) / _DRAWS
    finally:
        table.stop()
    return cost * display_room.RATE
