"""The command line, as a user types it: what it prints, what it leaves, what it returns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sim.cli import app

GOOD = """
name: Small Shop
description: Does it run?
replications: 2
horizon: 60s
workload: {arrivals: 10/s}
effects: {db: 20ms, index: 30ms}
architectures:
  single_broker: {consumers: 2}
  stream:
faults:
  outage: {kind: reject, target: index.sink, at: 20s, duration: 5s}
"""
FILES = {"summary.csv", "comparison.csv", "messages.parquet", "lag.parquet", "manifest.json"}
PICTURES = {"lag.png", "outcomes.png", "latency.png", "throughput.png"}


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A valid scenario in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


def test_run_prints_a_table_and_leaves_files_and_pictures(good: Path, tmp_path: Path) -> None:
    """Architectures are columns, the folder is results/<slug>, nothing half-written stays behind."""
    done = CliRunner().invoke(app, ["run", str(good)])
    assert done.exit_code == 0, done.output
    for word in ("single_broker", "stream", "complete", "duplicate effects", "workers in total"):
        assert word in done.output
    folder = tmp_path / "results" / "small_shop"
    assert {path.name for path in folder.iterdir()} == FILES | PICTURES
    assert [path.name for path in folder.parent.iterdir()] == ["small_shop"]
    for picture in PICTURES:
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")


def test_run_warns_of_unequal_pools(good: Path) -> None:
    """Two workers against two pools of one is a fair total; three against two is not."""
    done = CliRunner().invoke(app, ["run", str(good), "--set", "architectures.single_broker.consumers=3"])
    assert done.exit_code == 0
    assert "unequal" in done.output.lower()


def test_options_reach_the_study(good: Path, tmp_path: Path) -> None:
    """--out, --replications, --seed, --jobs, --set and --metrics do what they say."""
    out = tmp_path / "elsewhere"
    words = ["run", str(good), "--out", str(out), "--replications", "1", "--seed", "7", "--jobs", "1"]
    done = CliRunner().invoke(
        app, [*words, "--set", "horizon=30s", "--metrics", "complete,index.latency_p99"]
    )
    assert done.exit_code == 0, done.output
    manifest = (out / "manifest.json").read_text()
    assert '"seed": 7' in manifest
    assert '"replications": 1' in manifest
    assert '"horizon": 30.0' in manifest
    assert "rejected" not in done.output


def test_the_same_folder_can_be_written_again(good: Path) -> None:
    """A second run replaces the first."""
    runner = CliRunner()
    assert runner.invoke(app, ["run", str(good)]).exit_code == 0
    assert runner.invoke(app, ["run", str(good), "--seed", "1"]).exit_code == 0


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_bad_scenario_is_exit_code_2(good: Path, command: str) -> None:
    """The message names file, line and column; there is no traceback."""
    good.write_text(GOOD.replace("consumers: 2", "consumer: 2"))
    done = CliRunner().invoke(app, [command, str(good)])
    assert done.exit_code == 2
    assert f"{good}:9:19: unknown key 'consumer'" in done.output
    assert "did you mean 'consumers'?" in done.output
    assert "Traceback" not in done.output


def test_an_unknown_metric_is_exit_code_2(good: Path) -> None:
    """A misspelt metric is the user's to put right, before anything runs."""
    done = CliRunner().invoke(app, ["run", str(good), "--metrics", "complet"])
    assert done.exit_code == 2
    assert "complete" in done.output
    assert "Traceback" not in done.output


def test_a_missing_file_is_exit_code_2(tmp_path: Path) -> None:
    """So is a file that is not there."""
    done = CliRunner().invoke(app, ["run", str(tmp_path / "nowhere.yaml")])
    assert done.exit_code == 2
    assert "nowhere.yaml:1:1: cannot read the file" in done.output


def test_a_folder_that_cannot_be_written_is_exit_code_1(good: Path, tmp_path: Path) -> None:
    """The environment failed, not the scenario."""
    (tmp_path / "taken").write_text("a file")
    done = CliRunner().invoke(app, ["run", str(good), "--out", str(tmp_path / "taken")])
    assert done.exit_code == 1
    assert "Traceback" not in done.output


def test_somebody_elses_folder_is_not_overwritten(good: Path, tmp_path: Path) -> None:
    """A folder with other things in it is refused, and they are still there."""
    other = tmp_path / "photos"
    other.mkdir()
    (other / "cat.jpg").write_text("meow")
    done = CliRunner().invoke(app, ["run", str(good), "--out", str(other)])
    assert done.exit_code == 1
    assert (other / "cat.jpg").read_text() == "meow"


def test_check_says_what_would_run(good: Path) -> None:
    """A valid file is exit code 0 and a few lines."""
    done = CliRunner().invoke(app, ["check", str(good)])
    assert done.exit_code == 0
    assert "single_broker, stream" in done.output


def test_python_dash_m_is_the_same_command(good: Path) -> None:
    """``python -m sim`` works where the script is not on the path, whatever the hash seed."""
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    done = subprocess.run(
        [sys.executable, "-m", "sim", "check", str(good)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    bad = subprocess.run(
        [sys.executable, "-m", "sim", "check", "nowhere.yaml"], capture_output=True, text=True, check=False
    )
    assert bad.returncode == 2
    assert "Traceback" not in bad.stderr


HEAVY = ("pandas", "matplotlib", "scipy", "pyarrow", "joblib", "dask", "distributed")
ROOT = Path(__file__).parents[1]
SCENARIOS = [ROOT / "scenarios" / "four_approaches.yaml", ROOT / "scenarios" / "duel.yaml"]


def heavy_modules(*lines: list[str]) -> tuple[list[str], int]:
    """What the real command line imports in a fresh process, and its last exit code.

    Args:
        lines: the words of one command or, one after the other, of several.
    """
    code = f"""
import contextlib, io, sys
from sim.cli import main
for words in {list(lines)!r}:
    sys.argv = ["sim", *words]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            main()
    except SystemExit as end:
        code = end.code or 0
print(code, *(name for name in {HEAVY!r} if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ended, *found = done.stdout.split()
    return found, int(ended)


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["check", "{good}"], ["schema"]])
def test_light_commands_load_nothing_heavy(good: Path, words: list[str]) -> None:
    """Help, check and schema import neither pandas nor Matplotlib, SciPy, PyArrow, joblib or Dask."""
    assert heavy_modules([word.format(good=good) for word in words]) == ([], 0)


def test_no_scenario_makes_the_check_heavy() -> None:
    """Whatever closed form a scenario calls for, ``sim check`` computes it without them."""
    files = [*SCENARIOS, *sorted(ROOT.glob("scenarios/*/*.yaml"))]
    assert len(files) > 20
    assert heavy_modules(*(["check", str(file)] for file in files)) == ([], 0)


def test_a_bad_scenario_is_told_lightly(good: Path) -> None:
    """So is what is wrong with a file."""
    good.write_text(GOOD.replace("consumers: 2", "consumer: 2"))
    assert heavy_modules(["check", str(good)]) == ([], 2)


def test_a_small_run_loads_neither_joblib_nor_dask(good: Path) -> None:
    """What a run in one process does not need is not imported."""
    found, code = heavy_modules(["run", str(good)])
    assert code == 0
    assert not {"joblib", "dask", "distributed"} & set(found)


def test_draw_writes_drawings_beside_the_study(good: Path, tmp_path: Path) -> None:
    """Drawings go into a folder of their own, so that a study before or after them is not in the way."""
    runner = CliRunner()
    assert runner.invoke(app, ["run", str(good), "--replications", "1"]).exit_code == 0
    done = runner.invoke(app, ["draw", str(good)])
    assert done.exit_code == 0, done.output
    folder = tmp_path / "results" / "small_shop_diagrams"
    stems = ("diagram", "diagram_single_broker", "diagram_stream")
    assert {path.name for path in folder.iterdir()} == {
        f"{stem}.{ending}" for stem in stems for ending in ("svg", "png", "mmd")
    }
    assert (folder / "diagram.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "diagram.svg").read_text().startswith("<?xml")
    assert {path.name for path in (tmp_path / "results" / "small_shop").iterdir()} == FILES | PICTURES
    assert runner.invoke(app, ["run", str(good), "--replications", "1"]).exit_code == 0


def test_draw_takes_options(good: Path, tmp_path: Path) -> None:
    """--architecture, --format, --out and --set do what they say."""
    words = [
        "draw",
        str(good),
        "--architecture",
        "stream",
        "--format",
        "mermaid",
        "--out",
        str(tmp_path / "x"),
    ]
    done = CliRunner().invoke(app, [*words, "--set", "architectures.stream.stream.partitions=48"])
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "x").iterdir()} == {"diagram.mmd", "diagram_stream.mmd"}
    assert "48 partitions" in (tmp_path / "x" / "diagram.mmd").read_text()


def test_draw_prints_mermaid(good: Path, tmp_path: Path) -> None:
    """--out - prints the text and nothing else, and leaves no files."""
    done = CliRunner().invoke(app, ["draw", str(good), "--format", "mermaid", "--out", "-"])
    assert done.exit_code == 0
    assert done.output.splitlines()[1] == "flowchart LR"
    assert 'subgraph a1["stream"]' in done.output
    assert "rejects at 20 s for 5 s" in done.output
    assert {path.name for path in tmp_path.iterdir()} == {"good.yaml"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--architecture", "strem"], "did you mean 'stream'"),
        (["--format", "gif"], "--format takes svg, png, mermaid, not 'gif'"),
        (["--out", "-"], "--out - prints text: it goes with --format mermaid"),
    ],
)
def test_draw_refuses_what_makes_no_sense(good: Path, words: list[str], told: str) -> None:
    """Wrong options end with a sentence and exit code 2."""
    done = CliRunner().invoke(app, ["draw", str(good), *words])
    assert done.exit_code == 2
    assert told in done.output
