"""Python's garbage collector during a run: it looks at what the run has made, and at nothing else.

A run makes tens of thousands of small objects, which now and then sets off a full collection. That one looks
at every object there is, those of all imported libraries too, which takes longer than many a run.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def only_new_objects() -> Generator[None]:
    """What exists already is left out of collections meanwhile, unless somebody has left out other things."""
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
