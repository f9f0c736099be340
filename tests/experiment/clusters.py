"""A real Dask cluster on this machine: a scheduler and workers as processes that a test can kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 180.0
"""Seconds that a busy machine may take for a process to start, or for a short study to end."""

CONNECT = "2s"
"""Dask's time to connect; so long it asks a dead worker for what it held, too (30 s unless told)."""


class Cluster:
    """A scheduler on 127.0.0.1 and workers of one thread each, without nannies: what is killed stays dead.

    Args:
        folder: for logs and scratch files.
        environment: of the scheduler, such as Dask's settings.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        file = folder / "scheduler.json"
        words = ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)]
        self.scheduler = self._start("dask_scheduler", "scheduler", words, **environment)
        _wait(file.exists, self._log("scheduler"))
        self.address: str = json.loads(file.read_text())["address"]

    def add_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker and wait until the scheduler knows it."""
        name = f"worker{len(self.workers)}"
        scratch = ["--local-directory", str(self._folder / "scratch")]
        words = [
            self.address,
            "--host",
            "127.0.0.1",
            "--nthreads",
            "1",
            "--no-nanny",
            "--name",
            name,
            *scratch,
        ]
        worker = self._start("dask_worker", name, words, **environment)
        self.workers.append(worker)
        _wait(lambda: "Registered to" in self._log(name).read_text(), self._log(name))
        return worker

    def start(self, words: list[str]) -> subprocess.Popen[bytes]:
        """Start a process whose output is read, and which ends with the cluster at the latest."""
        process = subprocess.Popen(words, stdout=subprocess.PIPE)
        self._processes.append(process)
        return process

    def stop(self) -> None:
        """Kill whatever still runs, and wait for it."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait(PATIENCE)
            if process.stdout is not None:
                process.stdout.close()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _start(self, module: str, name: str, words: list[str], **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{module}", "--no-dashboard", *words]
        everything = {**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": CONNECT, **environment}
        with self._log(name).open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=everything, cwd=self._folder)
        self._processes.append(process)
        return process


@contextmanager
def cluster(folder: Path, workers: int, **environment: str) -> Generator[Cluster]:
    """A cluster for the time of the block."""
    folder.mkdir()
    found = Cluster(folder, **environment)
    try:
        for _ in range(workers):
            found.add_worker()
        yield found
    finally:
        found.stop()


class Observer:
    """Looks, from a process of its own, for a worker that is in the middle of a run, and may kill it.

    No loop or thread stays behind in the process of the tests. It watches once it is made, so that a study
    that starts afterwards cannot be over before.

    Args:
        cluster: to be watched.
        kills: whether the first busy worker is killed.
    """

    def __init__(self, cluster: Cluster, *, kills: bool) -> None:
        script = Path(__file__).with_name("busy_worker.py")
        words = [sys.executable, str(script), cluster.address]
        words += [",".join(str(worker.pid) for worker in cluster.workers)] if kills else []
        self._process = cluster.start(words)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"watching\n"

    def saw(self) -> list[str]:
        """Wait until a worker was busy; the keys of the tasks that died with it."""
        found, _ = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0
        return found.decode().split()


def _wait(is_true: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
