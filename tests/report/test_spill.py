"""Messages written slice by slice are read back like those written in one go."""

import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from records import study_record

from sim.experiment import archive
from sim.experiment.archive import messages_frame, stack
from sim.experiment.spill import join, spill

sys.path.append(str(Path(__file__).parents[1] / "analysis"))
from slices import cut

NAMES = ("queues", "stream", "calls")


def _spilled(folder, record, places):
    path = folder / f"{record.architecture}.{record.replication}.parquet"
    with spill(path, NAMES) as rows:
        for piece in cut(record, places):
            rows.add(piece)
    return path


@pytest.mark.parametrize("places", [[], [1], [7, 7, 40], list(range(0, 60, 3))])
def test_slices_are_read_back_as_one(study, tmp_path, places):
    """Runs spilled in slices and joined give the columns, types and rows of the file written in one go."""
    records = [study_record(name, number) for name in NAMES for number in range(2)]
    whole = stack(messages_frame(each) for each in records)
    archive.write(study, tmp_path / "study")
    archive._write_parquet(whole, archive.MESSAGE_COLUMNS, tmp_path / "whole.parquet")
    join([_spilled(tmp_path, each, places) for each in records], tmp_path / "joined.parquet")
    one, other = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("whole", "joined"))
    assert other.schema == one.schema == pq.read_schema(tmp_path / "study" / "messages.parquet")
    assert other.schema.metadata == one.schema.metadata
    pd.testing.assert_frame_equal(other.to_pandas(), one.to_pandas(), check_exact=True)


def test_each_slice_is_a_row_group(tmp_path):
    """Rows are written as they come, so that none of them is kept."""
    path = _spilled(tmp_path, study_record("queues", 0), [20, 50])
    file = pq.ParquetFile(path)
    rows = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert rows == [40, 60, 20]


def test_nothing_half_written(tmp_path):
    """A run that fails leaves no file, neither under its name nor aside."""

    def fail():
        with spill(tmp_path / "messages.parquet", NAMES) as rows:
            rows.add(cut(study_record("queues", 0), [30])[0])
            assert not (tmp_path / "messages.parquet").exists()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_run_without_messages(tmp_path):
    """A run of no messages is a file of no rows."""
    record = study_record("queues", 0)
    (empty,) = cut(_nothing_of(record), [])
    with spill(tmp_path / "messages.parquet", NAMES) as rows:
        rows.add(empty)
    assert len(pq.read_table(tmp_path / "messages.parquet")) == 0


def _nothing_of(record):
    return cut(record, [0])[0].record
