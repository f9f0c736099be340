"""The runs of a study on an existing Dask cluster.

A run depends on its arguments alone, so the cluster may make it anywhere, and again elsewhere when a worker
dies: the files of the study are the same bytes as from one process. Scheduler and workers need the same
versions of this package and of those that decide numbers, which is checked. Left out: starting a cluster.

Joblib's own Dask backend is a place too (``joblib.parallel_config(backend="dask")``), but joblib 1.6 waits
for ever for a run that cannot be made, for want of memory say: what fails on the scheduler's side never
reaches its generator. So the futures are handled here.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingImports=false, reportPrivateImportUsage=false

from __future__ import annotations

import asyncio
import logging
import platform
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from sim.experiment.parallel import Apply

_PACKAGES = ("messaging-sim", "simpy", "numpy", "pandas")
_SCHEMES = ("tcp", "tls", "ws", "wss")


class ClusterError(ConnectionError):
    """The cluster cannot be used, or has failed in mid-study; the message is one sentence."""


def check_address(address: str) -> None:
    """Refuse what cannot be the address of a Dask scheduler.

    Raises:
        ValueError: with an example of one.
    """
    try:
        parts = urlsplit(address)
        names_a_place = parts.scheme in _SCHEMES and bool(parts.hostname) and bool(parts.port)
        is_address = names_a_place and parts.path in ("", "/") and not parts.query
    except ValueError:  # a port that is no number, or too large
        is_address = False
    if not is_address:
        raise ValueError(
            f"a cluster has the address of its Dask scheduler, such as tcp://scheduler:8786, not {address!r}"
        )


@contextmanager
def on_cluster(address: str) -> Generator[Apply]:
    """Connect to a Dask cluster for the time of the block.

    How long to try is Dask's own setting, ``distributed.comm.timeouts.connect`` (30 s), also taken from the
    environment: ``DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT=5s``.

    Args:
        address: of the scheduler, ``tcp://scheduler:8786``.

    Yields:
        What makes runs there: the ``apply`` of :func:`sim.run`.

    Raises:
        ValueError: this is no address.
        ClusterError: Dask is not installed; nobody answers; there is no worker; versions differ; the
            scheduler was lost, or one worker after another died of the same run.
    """
    check_address(address)
    with _connect(address) as client:
        yield _applier(client, address)


@contextmanager
def _connect(address: str) -> Generator[Any]:
    """A client of a cluster that can make our runs."""
    try:
        from dask import config  # noqa: PLC0415 - an extra
        from dask.utils import parse_timedelta  # noqa: PLC0415
        from distributed import Client  # noqa: PLC0415
        from distributed.versions import VersionMismatchWarning  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ClusterError(
            f'a cluster needs Dask ({error.name} is missing): pip install "messaging-sim[cluster]"'
        ) from None
    patience = parse_timedelta(config.get("distributed.comm.timeouts.connect"))
    with _silence("distributed", "distributed.client", "tornado.application", "asyncio"):
        try:
            with ThreadPoolExecutor(1) as pool:  # a notebook has a loop in its own thread already
                pool.submit(asyncio.run, _greet(address, patience)).result()
            with warnings.catch_warnings():  # versions that matter are refused, others need no word
                warnings.simplefilter("ignore", VersionMismatchWarning)
                client = Client(address)
        except (TimeoutError, OSError) as error:
            why = _one_line(error) or f"no answer of its kind within {patience:g} s"
            raise ClusterError(f"no Dask scheduler answers at {address}: {why}") from None
        with client:
            _check_workers(client, address, patience)
            yield client


async def _greet(address: str, patience: float) -> None:
    """Dask's handshake, which the client itself would await for ever of a server of another kind."""
    from distributed.comm import connect  # noqa: PLC0415 - an extra
    from distributed.security import Security  # noqa: PLC0415

    async def greet() -> None:
        arguments: dict[str, Any] = Security().get_connection_args("client")
        comm = await connect(address, timeout=patience, **arguments)
        await comm.close()

    await asyncio.wait_for(greet(), patience + 1)  # the sooner of the two knows more of the reason


@contextmanager
def _silence(*loggers: str) -> Generator[None]:
    """What Dask logs of a failure is said by the error."""
    levels = {name: logging.getLogger(name).level for name in loggers}
    try:
        for name in loggers:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _check_workers(client: Any, address: str, patience: float) -> None:
    """Wait for a worker, and refuse those whose results would not be ours."""
    try:
        client.wait_for_workers(1, timeout=patience)
    except TimeoutError:
        raise ClusterError(f"the Dask cluster at {address} has no worker after {patience:g} s") from None
    ours = versions()
    try:
        theirs = {"the scheduler": client.run_on_scheduler(versions), **client.run(versions)}
    except Exception as error:  # noqa: BLE001 - whatever fails there
        raise ClusterError(
            f"the Dask cluster at {address} cannot run messaging-sim, which its scheduler and its workers "
            f"must have installed: {_one_line(error)}"
        ) from None
    for place, found in theirs.items():
        for name, number in found.items():
            if number != ours[name]:
                raise ClusterError(
                    f"{place} of the cluster has {name} {number}, this machine {ours[name]}: the results "
                    "could differ from those of a run here"
                )


def versions() -> dict[str, str]:
    """Of everything that decides a run's numbers."""
    major, minor, _ = platform.python_version_tuple()
    return {"python": f"{major}.{minor}", **{name: version(name) for name in _PACKAGES}}


def _applier(client: Any, address: str) -> Apply:
    lost = f"the Dask scheduler at {address} was lost in mid-study"

    def apply(function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        from distributed import KilledWorker, as_completed  # noqa: PLC0415 - an extra

        if client.status != "running":
            raise ClusterError(lost)
        tasks = list(arguments)
        # Not pure: a run is made for this study, not found among the results of another client
        futures = client.map(function, *zip(*tasks, strict=True), pure=False) if tasks else []
        ended = as_completed(futures, with_results=True)
        try:
            for future, result in ended:
                futures.remove(future)
                if future.cancelled():
                    raise ClusterError(lost)
                future.release()  # a cluster keeps what somebody holds
                yield result
        except KilledWorker as error:
            count = error.allowed_failures + 1
            died = f"{count} worker{'' if count == 1 else 's'} died of the same run: too little memory?"
            raise ClusterError(f"of the cluster at {address} {died}") from None
        finally:  # also when interrupted: what has not begun shall not begin
            if futures and client.status == "running":
                client.cancel(futures, force=True)

    return apply


def _one_line(error: BaseException) -> str:
    """What an error says, without line breaks."""
    return " ".join(str(error).split())
