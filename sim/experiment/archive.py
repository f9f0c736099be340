"""The files of a study: written aside and renamed into place, readable without the model.

A folder holds ``summary.csv``, ``comparison.csv``, ``messages.parquet``, ``lag.parquet`` and
``manifest.json`` (``vocabulary.md``), and ``status.parquet`` where callers ask for the status of their jobs;
a study that keeps no messages has no ``messages.parquet``.
Equal studies give equal bytes, but for the wall time in the manifest.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sim.vocabulary import (
    COMPARISON_COLUMNS,
    LAG_COLUMNS,
    MESSAGE_COLUMNS,
    SCHEMA_VERSION,
    STATUS_COLUMNS,
    SUMMARY_COLUMNS,
    Outcome,
    Reply,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from sim.engine.record import Record

_TEXT = ("architecture", "effect", "reply", "outcome", "component")
_CSV_TEXT = ("baseline", "architecture", "metric", "scope", "unit")
_VERSION_KEY = b"messaging-sim.schema_version"


@dataclass(frozen=True)
class StudyData:
    """What is kept of a study.

    Attributes:
        name: of the scenario.
        description: of the scenario, one sentence.
        summary: ``SUMMARY_COLUMNS``.
        comparison: ``COMPARISON_COLUMNS``, to the baseline of the manifest.
        messages: ``MESSAGE_COLUMNS``; empty where none are kept.
        lag: ``LAG_COLUMNS``.
        samples: architecture, replication, metric, scope, value; None where the study was read from files.
        manifest: everything else, as in ``manifest.json``.
        status: ``STATUS_COLUMNS``; None where no caller asks for a status.
        spilled: the file that has the messages, where they were not kept in memory.
    """

    name: str
    description: str
    summary: pd.DataFrame
    comparison: pd.DataFrame
    messages: pd.DataFrame
    lag: pd.DataFrame
    samples: pd.DataFrame | None
    manifest: dict[str, Any]
    status: pd.DataFrame | None = None
    spilled: Path | None = None

    def with_messages(self) -> StudyData:
        """The same with its messages in memory, also where a file has them."""
        if self.spilled is None:
            return self
        return replace(self, messages=_read_parquet(self.spilled), spilled=None)


def messages_frame(
    record: Record, *, first: int = 0, architectures: Sequence[str] | None = None
) -> pd.DataFrame:
    """One row per message and effect, effects in the scenario's order within each message.

    Args:
        record: a run or a slice of it.
        first: number of its first message.
        architectures: the names that the column can have; its own where they are left out.

    Returns:
        ``MESSAGE_COLUMNS``; times in seconds, NaN where something never happened.
    """
    count, effects = len(record.published), len(record.pairs)

    def spread(column: np.ndarray) -> np.ndarray:
        return np.repeat(column, effects)

    def weave(name: str) -> np.ndarray:
        return np.stack([getattr(pair, name) for pair in record.pairs], axis=1).ravel()

    names = [record.architecture] if architectures is None else list(architectures)
    place = names.index(record.architecture)
    columns: dict[str, Any] = {
        "architecture": _labels(np.full(count * effects, place, dtype=np.int8), names),
        "replication": np.full(count * effects, record.replication, dtype=np.int64),
        "message": spread(np.arange(first, first + count)),
        "key": spread(record.key).astype(np.int64),
        "effect": _labels(np.tile(np.arange(effects, dtype=np.int8), count), record.effects),
        "published": spread(record.published),
        "reply": _labels(spread(record.reply).astype(np.int8), [code.label for code in Reply]),
        "reply_time": spread(record.reply_time),
        "first_delivered": weave("first_delivered"),
        "first_applied": weave("first_applied"),
        "deliveries": weave("deliveries").astype(np.int64),
        "applications": weave("applications").astype(np.int64),
        "outcome": _labels(weave("outcome").astype(np.int8), [code.label for code in Outcome]),
    }
    return pd.DataFrame(columns, columns=list(MESSAGE_COLUMNS))


WHY_NO_MESSAGES = "messages were not kept (--no-messages): run the study without it to have them"


def no_messages() -> pd.DataFrame:
    """The messages of a study that keeps none; ``attrs`` says why there are none."""
    frame = pd.DataFrame(columns=list(MESSAGE_COLUMNS))
    frame.attrs["why"] = WHY_NO_MESSAGES
    return frame


def spilled_messages() -> pd.DataFrame:
    """In place of messages that went to a file; ``attrs`` says so."""
    frame = pd.DataFrame(columns=list(MESSAGE_COLUMNS))
    frame.attrs["why"] = "messages were written to a file as they came, to save memory"
    return frame


def keeps_messages(manifest: Mapping[str, Any]) -> bool:
    """Whether a study with this manifest has messages."""
    return manifest.get("messages_kept") != "none"


def need_messages(manifest: Mapping[str, Any]) -> None:
    """Refuse what needs messages to a study that has none.

    Raises:
        ValueError: with what to do.
    """
    if not keeps_messages(manifest):
        raise ValueError(WHY_NO_MESSAGES)


def stack(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put message or lag frames of several runs below each other; text columns stay categories."""
    frames = list(frames)
    parts = [frame for frame in frames if len(frame)] or frames[:1]
    if not parts:
        return pd.DataFrame()
    text = [name for name in _TEXT if name in parts[0]]
    columns: dict[str, Any] = {}
    for name in parts[0].columns:
        if name in text:
            columns[name] = pd.api.types.union_categoricals([_category(part, name) for part in parts])
        else:
            columns[name] = np.concatenate([part[name].to_numpy() for part in parts])
    return pd.DataFrame(columns)


def write(data: StudyData, folder: Path, extra: Callable[[Path], None] | None = None) -> None:
    """Write all files; an earlier study in the folder is replaced.

    Nothing half-written is ever to be seen: all goes into a hidden folder beside it, which is then renamed,
    or removed when something fails.

    Args:
        data: the study.
        folder: where its files shall be.
        extra: called with the hidden folder before the rename, to add further files.

    Raises:
        FileExistsError: the folder holds something that is not a study.
    """
    folder = folder.resolve()
    if folder.exists() and not _is_replaceable(folder):
        raise FileExistsError(f"{folder} exists and is not the folder of a study; name another one")
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    before = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        _write_files(data, aside)
        if extra is not None:
            extra(aside)
        _swap(aside, folder, before)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def read(folder: Path) -> StudyData:
    """Read what :func:`write` wrote.

    Raises:
        FileNotFoundError: the folder holds no study.
        ValueError: the files are of another version of the schema.
    """
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"{folder} has files of schema version {version}, this program reads {SCHEMA_VERSION}"
        )
    return StudyData(
        name=manifest["name"],
        description=manifest["description"],
        summary=_read_csv(folder / "summary.csv", SUMMARY_COLUMNS),
        comparison=_read_csv(folder / "comparison.csv", COMPARISON_COLUMNS),
        messages=_read_parquet(folder / "messages.parquet") if keeps_messages(manifest) else no_messages(),
        lag=_read_parquet(folder / "lag.parquet"),
        samples=None,
        manifest=manifest,
        status=_read_parquet(status) if (status := folder / "status.parquet").exists() else None,
    )


def _write_files(data: StudyData, folder: Path) -> None:
    _write_csv(data.summary, SUMMARY_COLUMNS, folder / "summary.csv")
    _write_csv(data.comparison, COMPARISON_COLUMNS, folder / "comparison.csv")
    if data.spilled is not None:
        _put(data.spilled, folder / "messages.parquet")
    elif keeps_messages(data.manifest):
        _write_parquet(data.messages, MESSAGE_COLUMNS, folder / "messages.parquet")
    _write_parquet(data.lag, LAG_COLUMNS, folder / "lag.parquet")
    if data.status is not None:
        _write_parquet(data.status, STATUS_COLUMNS, folder / "status.parquet")
    manifest = {"schema_version": SCHEMA_VERSION, "name": data.name, "description": data.description}
    text = json.dumps({**manifest, **data.manifest}, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def _put(file: Path, path: Path) -> None:
    """Have a file there too, without a copy where the system can."""
    try:
        os.link(file, path)
    except OSError:
        shutil.copyfile(file, path)


def _is_replaceable(folder: Path) -> bool:
    if not folder.is_dir() or (folder / "sweep.csv").is_file():
        return False
    return (folder / "manifest.json").is_file() or not any(folder.iterdir())


def _swap(aside: Path, folder: Path, before: Path) -> None:
    if not folder.exists():
        aside.rename(folder)
        return
    shutil.rmtree(before, ignore_errors=True)
    folder.rename(before)
    try:
        aside.rename(folder)
    except OSError:
        before.rename(folder)
        raise


def _write_csv(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    frame.to_csv(path, columns=list(columns), index=False, lineterminator="\n", encoding="utf-8")


def _read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    text = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    table: dict[str, Any] = {}
    for name in columns:
        if name in _CSV_TEXT:
            table[name] = text[name]
        elif name == "replications":
            table[name] = [int(cell) for cell in text[name]]
        else:
            table[name] = [float(cell) if cell else np.nan for cell in text[name]]  # exact, unlike read_csv
    return pd.DataFrame(table)


def parquet_table(frame: pd.DataFrame, columns: Sequence[str]) -> Any:
    """A frame as an Arrow table, as it stands in files: text in categories, with the schema's version."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and not needed to tabulate

    frame = frame.reindex(columns=list(columns))
    text = {name: _category(frame, name) for name in columns if name in _TEXT}
    table = pa.Table.from_pandas(frame.assign(**text), preserve_index=False)
    return table.replace_schema_metadata({_VERSION_KEY: str(SCHEMA_VERSION).encode()})


def _write_parquet(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and not needed to tabulate

    pq.write_table(parquet_table(frame, columns), path, compression="zstd")


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and not needed to tabulate

    return pq.read_table(path).to_pandas()


def _category(frame: pd.DataFrame, name: str) -> pd.Series:
    column = pd.Series(frame[name])
    return column if column.dtype == "category" else column.astype(str).astype("category")


def _labels(codes: np.ndarray, names: Sequence[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(names)))
