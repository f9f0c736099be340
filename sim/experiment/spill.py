"""``messages.parquet`` while a run goes on: the rows of each slice become row groups, and no message is kept.

A run spills into a file of its own; the files of several runs are joined row group by row group. What is
read back equals what :mod:`sim.experiment.archive` writes in one go. A file takes its name when it is
complete, and vanishes when something fails.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.experiment.archive import messages_frame, parquet_table
from sim.vocabulary import MESSAGE_COLUMNS

if TYPE_CHECKING:
    from sim.engine.slices import Slice


class Spill:
    """Writes the rows of slices, see :func:`spill`."""

    def __init__(self, path: Path, architectures: Sequence[str]) -> None:
        self._path = path
        self._architectures = architectures
        self._writer: Any = None

    def add(self, piece: Slice) -> None:
        """Append the rows of the next slice."""
        frame = messages_frame(piece.record, first=piece.first, architectures=self._architectures)
        self.append(parquet_table(frame, MESSAGE_COLUMNS))

    def append(self, table: Any) -> None:
        """Append rows, an Arrow table."""
        import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and not needed to tabulate

        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        if len(table):
            self._writer.write_table(table)

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def spill(path: Path, architectures: Sequence[str]) -> Generator[Spill]:
    """Open a file for the messages of runs; it appears when the block is left without an error.

    Args:
        path: of the file.
        architectures: the names of all that the study has, in its order.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.new")
    rows = Spill(aside, architectures)
    try:
        try:
            yield rows
        finally:
            rows.close()
        if aside.exists():
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def join(parts: Sequence[Path], path: Path) -> None:
    """Put the files of several runs below each other, one row group at a time."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and not needed to tabulate

    with spill(path, ()) as rows:
        for part in parts:
            with pq.ParquetFile(part) as file:
                for group in range(file.num_row_groups):
                    rows.append(
                        file.read_row_group(group).replace_schema_metadata(file.schema_arrow.metadata)
                    )
