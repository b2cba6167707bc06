"""Where can a test have this process die, as if its power were cut? At the points that call `reach`."""

from __future__ import annotations

import os
import signal

_hits_left: dict[str, int] = {}


def arm(wish: str) -> None:
    """Have this process die at a point: `name` at the first time it gets there, `name:3` at the third; empty never."""
    _hits_left.clear()
    if wish:
        name, _, nth = wish.partition(":")
        _hits_left[name] = int(nth or 1)


def reach(name: str) -> None:
    """Say that the process has come to a point; it dies here if this is what it was armed for."""
    if name in _hits_left:
        _hits_left[name] -= 1
        if _hits_left[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
