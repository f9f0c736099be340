"""Files of a study: round trip, replacement, equal bytes."""

import dataclasses
import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from records import copies, record, study_record
from records import study as build_study

from sim.experiment import archive
from sim.vocabulary import COMPARISON_COLUMNS, LAG_COLUMNS, MESSAGE_COLUMNS, SUMMARY_COLUMNS

FILES = ["comparison.csv", "lag.parquet", "manifest.json", "messages.parquet", "summary.csv"]


def _digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_round_trip(study, tmp_path):
    """What is read is what was written, to the last bit."""
    archive.write(study, tmp_path / "storm")
    again = archive.read(tmp_path / "storm")
    assert sorted(path.name for path in (tmp_path / "storm").iterdir()) == FILES
    for name in ("summary", "comparison", "messages", "lag"):
        pd.testing.assert_frame_equal(
            getattr(again, name),
            getattr(study, name),
            check_exact=True,
            check_dtype=False,
            check_categorical=False,
        )
    assert again.manifest == study.manifest
    assert (again.name, again.description, again.samples) == (study.name, study.description, None)


def test_columns(study, tmp_path):
    """Each file has the columns of the vocabulary and text is dictionary-encoded."""
    archive.write(study, tmp_path / "storm")
    again = archive.read(tmp_path / "storm")
    assert tuple(again.summary.columns) == SUMMARY_COLUMNS
    assert tuple(again.comparison.columns) == COMPARISON_COLUMNS
    for name, columns in (("messages", MESSAGE_COLUMNS), ("lag", LAG_COLUMNS)):
        schema = pq.read_schema(tmp_path / "storm" / f"{name}.parquet")
        assert tuple(schema.names) == columns
        assert str(schema.field("architecture").type).startswith("dictionary")
        assert schema.metadata == {b"messaging-sim.schema_version": b"1"}


def test_equal_studies_give_equal_bytes(tmp_path):
    """Two studies that are computed alike are the same files."""
    for name in ("one", "two"):
        archive.write(build_study(), tmp_path / name)
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")


def test_csv_format(study, tmp_path):
    """Floats are written so that they read back exactly, lines end with a line feed, NaN is empty."""
    archive.write(study, tmp_path / "storm")
    text = (tmp_path / "storm" / "summary.csv").read_bytes()
    assert b"\r" not in text
    assert b"nan" not in text.lower().replace(b"tenant", b"")
    row = next(line for line in text.decode().splitlines() if line.startswith("queues,latency_mean,db,"))
    value = study.summary.query("architecture == 'queues' and metric == 'latency_mean' and scope == 'db'")
    assert row.split(",")[4] == repr(float(value["mean"].iloc[0]))


def test_an_earlier_study_is_replaced(study, tmp_path):
    """Writing into the folder of a study leaves nothing of the earlier one, and no hidden folders."""
    archive.write(study, tmp_path / "storm", extra=lambda folder: (folder / "old.txt").write_text("x"))
    assert (tmp_path / "storm" / "old.txt").exists()
    archive.write(study, tmp_path / "storm")
    assert sorted(path.name for path in (tmp_path / "storm").iterdir()) == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["storm"]


def test_a_foreign_folder_is_left_alone(study, tmp_path):
    """A folder that holds anything but a study is never replaced."""
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="not the folder of a study"):
        archive.write(study, tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_an_empty_folder_is_used(study, tmp_path):
    """A folder that holds nothing may be written into."""
    (tmp_path / "storm").mkdir()
    archive.write(study, tmp_path / "storm")
    assert archive.read(tmp_path / "storm").name == "storm"


def test_a_failure_leaves_the_earlier_study(study, tmp_path):
    """When writing fails nothing is changed and nothing half-written stays behind."""
    archive.write(study, tmp_path / "storm")
    before = _digests(tmp_path / "storm")

    def fail(folder):
        assert (folder / "summary.csv").exists()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        archive.write(study, tmp_path / "storm", extra=fail)
    assert _digests(tmp_path / "storm") == before
    assert [path.name for path in tmp_path.iterdir()] == ["storm"]


def test_a_manifest_is_plain_json(study, tmp_path):
    """Infinity is no JSON; a manifest that holds it is refused."""
    bad = dataclasses.replace(study, manifest={**study.manifest, "horizon": float("inf")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        archive.write(bad, tmp_path / "storm")
    assert list(tmp_path.iterdir()) == []


def test_another_version_is_refused(study, tmp_path):
    """Files of another schema version are not misread."""
    archive.write(study, tmp_path / "storm")
    path = tmp_path / "storm" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 99}))
    with pytest.raises(ValueError, match="schema version 99"):
        archive.read(tmp_path / "storm")


def test_messages_by_hand():
    """One row per message and effect, effects in the scenario's order."""
    run = record(
        [0.0, 1.0],
        effects=("index", "db"),
        applied={"index": [[0.5], []], "db": [[0.7, 0.9], [1.5]]},
        key=[7, 8],
    )
    table = archive.messages_frame(run)
    assert tuple(table.columns) == MESSAGE_COLUMNS
    assert table["message"].tolist() == [0, 0, 1, 1]
    assert table["key"].tolist() == [7, 7, 8, 8]
    assert table["effect"].tolist() == ["index", "db"] * 2
    assert table["outcome"].tolist() == ["applied", "applied", "dropped", "applied"]
    assert table["reply"].tolist() == ["none"] * 4
    assert table["applications"].tolist() == [1, 2, 0, 1]
    np.testing.assert_array_equal(table["first_applied"], [0.5, 0.7, np.nan, 1.5])


def test_stacked_frames_keep_categories():
    """Frames of several architectures below each other keep text as categories."""
    parts = [archive.messages_frame(study_record(name, 0)) for name in ("queues", "stream")]
    table = archive.stack(parts)
    assert len(table) == len(parts[0]) + len(parts[1])
    assert list(table["architecture"].cat.categories) == ["queues", "stream"]


def test_stack_of_nothing_keeps_columns():
    """Frames without rows still name their columns."""
    run = record([0.0])
    assert copies([0.0], [0.0], [0.0]).name == "queue"
    from sim.analysis.lag import lag_series

    assert tuple(archive.stack([lag_series(run, 1.0)]).columns) == LAG_COLUMNS
