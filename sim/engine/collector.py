"""Python's garbage collector, and when it had better wait.

A run in blocks makes tens of thousands of small objects, but no cycles of them: all there would be to collect
is let go by itself. Now and then they set off a full collection nevertheless, which looks at every object
there is, those of all imported libraries too, and takes longer than many a run.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def paused() -> Generator[None]:
    """Nothing is collected meanwhile; what has been made until then is looked at afterwards."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
