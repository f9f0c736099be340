"""A study on a real Dask cluster: the same files, whatever dies, and a sentence for whatever goes wrong."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clusters import CONNECT, PATIENCE, Cluster, Observer, cluster
from typer.testing import CliRunner

from sim.cli import app
from sim.experiment.cluster import check_address

TEXT = """
name: spread
replications: 4
horizon: 10m
workload: {arrivals: 20/s, keys: 50}
effects:
  db: {service: {mean: 50ms, cv: 1}, failure: 1%}
  index: {service: {mean: 60ms, cv: 1}}
defaults: {consumers: 3}
architectures:
  dual_brokers:
  stream:
faults:
  outage: {kind: reject, target: index.sink, at: 30s, duration: 10s}
  crashes: {kind: crash, target: consumers, mean_up: 30s, mean_down: 2s}
"""
FILES = ("summary.csv", "comparison.csv", "messages.parquet", "lag.parquet")
SHORT = ("--set", "horizon=20s", "--replications", "2")


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of two workers, for the tests that do it no harm."""
    with cluster(tmp_path_factory.mktemp("dask") / "cluster", workers=2) as found:
        yield found


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """The scenario as a file."""
    path = tmp_path / "spread.yaml"
    path.write_text(TEXT)
    return path


def command(scenario: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    """``sim run`` in a process of its own, which soon gives up waiting for whoever does not answer."""
    return subprocess.Popen(
        [sys.executable, "-m", "sim", "run", str(scenario), "--out", str(out), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": CONNECT},
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and what stood on the error stream."""
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


def assert_same_files(one: Path, other: Path) -> None:
    """Byte for byte."""
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_worker_killed_in_mid_run_changes_no_byte(scenario: Path, tmp_path: Path) -> None:
    """SIGKILL while it simulates: the study completes, and its files are those of one process and of two.

    It simulates by processes, because a run in blocks is over before the signal is there.
    """
    with cluster(tmp_path / "cluster", workers=2) as doomed:
        observer = Observer(doomed, kills=True)
        study = command(scenario, tmp_path / "out", "--cluster", doomed.address, "--engine", "processes")
        assert any(key.startswith("run_one") for key in observer.saw())
        assert ended(study) == (0, "")
        assert sorted(worker.poll() or 0 for worker in doomed.workers) == [-signal.SIGKILL, 0]
    for jobs in ("1", "2"):
        assert ended(command(scenario, tmp_path / jobs, "--jobs", jobs)) == (0, "")
        assert_same_files(tmp_path / "out", tmp_path / jobs)


def test_a_lost_scheduler_is_the_machines_failure(scenario: Path, tmp_path: Path) -> None:
    """One sentence and exit code 1, not a wait for ever."""
    with cluster(tmp_path / "cluster", workers=1) as doomed:
        observer = Observer(doomed, kills=False)
        study = command(scenario, tmp_path / "out", "--cluster", doomed.address)
        observer.saw()
        doomed.scheduler.kill()
        code, errors = ended(study)
    assert code == 1
    assert errors == f"sim: the Dask scheduler at {doomed.address} was lost in mid-study\n"
    assert not (tmp_path / "out").exists()


def test_an_interrupted_study_is_130(two_workers: Cluster, scenario: Path, tmp_path: Path) -> None:
    """Ctrl-C while the cluster works: the code of the shell, no files, and the cluster can be used again."""
    observer = Observer(two_workers, kills=False)
    slowly = ["--replications", "200", "--engine", "processes"]
    study = command(scenario, tmp_path / "out", "--cluster", two_workers.address, *slowly)
    observer.saw()
    study.send_signal(signal.SIGINT)
    code, told = ended(study)
    assert code == 130
    assert told.endswith("interrupted\n")
    assert not (tmp_path / "out").exists()
    again = command(scenario, tmp_path / "out", "--cluster", two_workers.address, *SHORT)
    assert ended(again) == (0, "")


def test_a_run_of_which_workers_die_is_given_up(scenario: Path, tmp_path: Path) -> None:
    """With no death allowed, the first is the last: one sentence, exit code 1, not a wait for ever."""
    setting = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with cluster(tmp_path / "cluster", workers=2, **setting) as doomed:
        observer = Observer(doomed, kills=True)
        study = command(scenario, tmp_path / "out", "--cluster", doomed.address)
        observer.saw()
        code, errors = ended(study)
    assert code == 1
    assert errors.startswith(f"sim: of the cluster at {doomed.address} 1 worker died of the same run")
    assert errors.count("\n") == 1


def test_a_cluster_can_run_many_scenarios(two_workers: Cluster, tmp_path: Path) -> None:
    """A folder of scenarios goes there too, and leaves here the files that it leaves without."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.yaml").write_text(TEXT.replace("spread", name).replace("10m", "40s"))
    (folder / "bad.yaml").write_text(TEXT.replace("defaults", "default"))
    place = "--cluster", two_workers.address
    code, _ = ended(command(folder, tmp_path / "there", *place))
    assert code == 2  # of the bad one
    assert ended(command(folder, tmp_path / "here", "--jobs", "2"))[0] == 2
    for name in ("one", "two"):
        assert_same_files(tmp_path / "there" / name, tmp_path / "here" / name)


def test_joblibs_dask_context_is_respected(two_workers: Cluster, tmp_path: Path) -> None:
    """In Python ``parallel_config(backend="dask")`` is enough: the workers run, the bytes are the same."""
    code = f"""
import joblib, sim
from distributed import Client
scenario = sim.loads({TEXT!r}, ["horizon=40s"])
with Client({two_workers.address!r}) as client, joblib.parallel_config(backend="dask"):
    sim.run(scenario).save({str(tmp_path / "joblib")!r})
    known = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
    assert any(name.startswith("batch_of_run_one") for name in known), known
with sim.on_cluster({two_workers.address!r}) as apply:
    sim.run(scenario, apply=apply).save({str(tmp_path / "apply")!r})
sim.run(scenario, jobs=1).save({str(tmp_path / "here")!r})
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    for place in ("joblib", "apply"):
        assert_same_files(tmp_path / place, tmp_path / "here")


@pytest.mark.parametrize(
    "address",
    [
        "scheduler",
        "scheduler:8786",
        "tcp://scheduler",
        "tcp://:8786",
        "tcp://scheduler:99999",
        "http://a:1",
        "",
    ],
)
def test_what_is_no_address_is_exit_code_2(scenario: Path, address: str) -> None:
    """Said with an example, before anything is tried."""
    done = CliRunner().invoke(app, ["run", str(scenario), "--cluster", address])
    assert done.exit_code == 2
    assert done.output == (
        "sim: a cluster has the address of its Dask scheduler, such as tcp://scheduler:8786, "
        f"not {address!r}\n"
    )


@pytest.mark.parametrize(
    "address", ["tcp://scheduler:8786", "tls://10.0.0.5:1", "tcp://[::1]:8786", "ws://a.b:80/"]
)
def test_what_may_be_an_address_is_tried(address: str) -> None:
    """Names, numbers of both kinds, and Dask's other protocols."""
    check_address(address)


def test_jobs_and_cluster_exclude_each_other(scenario: Path) -> None:
    """It cannot be both: exit code 2."""
    done = CliRunner().invoke(app, ["run", str(scenario), "--jobs", "2", "--cluster", "tcp://a:1"])
    assert done.exit_code == 2
    assert done.output == "sim: --jobs and --cluster exclude each other\n"


def test_nobody_there_is_the_machines_failure(scenario: Path, tmp_path: Path) -> None:
    """A port on which nobody listens: exit code 1 when Dask's own time to connect is over."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    code, errors = ended(command(scenario, tmp_path / "out", "--cluster", address))
    assert code == 1
    assert errors.startswith(f"sim: no Dask scheduler answers at {address}: Timed out")
    assert errors.count("\n") == 1


def test_a_server_of_another_kind_is_the_machines_failure(scenario: Path, tmp_path: Path) -> None:
    """Something listens and never says what a scheduler says: exit code 1, not a wait for ever."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        code, errors = ended(command(scenario, tmp_path / "out", "--cluster", address))
    assert code == 1
    assert errors == f"sim: no Dask scheduler answers at {address}: no answer of its kind within 2 s\n"


def test_a_cluster_without_workers_is_the_machines_failure(scenario: Path, tmp_path: Path) -> None:
    """Exit code 1 after the same time."""
    with cluster(tmp_path / "cluster", workers=0) as empty:
        code, errors = ended(command(scenario, tmp_path / "out", "--cluster", empty.address))
    assert code == 1
    assert errors == f"sim: the Dask cluster at {empty.address} has no worker after 2 s\n"


def test_a_worker_that_cannot_import_us_is_the_machines_failure(scenario: Path, tmp_path: Path) -> None:
    """Its own word, and what it needs; nothing is run."""
    other = tmp_path / "other" / "sim"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("# something else of this name\n")
    with cluster(tmp_path / "cluster", workers=0) as foreign:
        foreign.add_worker(PYTHONPATH=str(other.parent))
        code, errors = ended(command(scenario, tmp_path / "out", "--cluster", foreign.address))
    assert code == 1
    assert errors.startswith(f"sim: the Dask cluster at {foreign.address} cannot run messaging-sim")
    assert "No module named 'sim.experiment'" in errors
    assert errors.count("\n") == 1


def test_without_dask_the_extra_is_named(scenario: Path, tmp_path: Path) -> None:
    """Exit code 1 and what to install."""
    code = (
        "import sys\nsys.modules['distributed'] = None\n"
        f"sys.argv = ['sim', 'run', {str(scenario)!r}, '--cluster', 'tcp://127.0.0.1:8786']\n"
        "from sim.cli import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr == (
        'sim: a cluster needs Dask (distributed is missing): pip install "messaging-sim[cluster]"\n'
    )


def test_other_versions_are_refused(scenario: Path, tmp_path: Path) -> None:
    """A worker with another NumPy could give other numbers: exit code 1, naming both."""
    told = tmp_path / "other" / "numpy-0.1.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.1\n")
    path = os.pathsep.join([str(told.parent), os.environ.get("PYTHONPATH", "")])
    with cluster(tmp_path / "cluster", workers=0) as foreign:
        foreign.add_worker(PYTHONPATH=path)
        code, errors = ended(command(scenario, tmp_path / "out", "--cluster", foreign.address))
    assert code == 1
    assert f"of the cluster has numpy 0.1, this machine {np.__version__}" in errors
    assert errors.count("\n") == 1
