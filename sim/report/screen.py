"""Where the commands print."""

from __future__ import annotations

from rich.console import Console

_WIDTH = 120
"""Of a file or a pipe, which have none: what a design document takes."""


def console() -> Console:
    """The terminal, or what stands in its place."""
    screen = Console()
    return screen if screen.is_terminal else Console(width=_WIDTH)
