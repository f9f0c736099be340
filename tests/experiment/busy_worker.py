"""Wait until a Dask worker is in the middle of ``run_one``: ``busy_worker.py ADDRESS [PID,PID]``.

``watching`` is printed before the first look; the stacks of the workers tell that one is. With the process
ids of workers it is killed there and then; the scheduler tells afterwards which tasks died with it and are to
be made again, and their keys are printed.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from distributed import Client
from distributed.scheduler import Scheduler


def suspects(dask_scheduler: Scheduler) -> list[str]:
    """Tasks whose worker died under them."""
    return [str(task.key) for task in dask_scheduler.tasks.values() if task.suspicious]


def main() -> None:
    """Find one, perhaps kill it, say what died."""
    address = sys.argv[1]
    victims = {int(pid) for pid in sys.argv[2].split(",")} if sys.argv[2:] else set()
    with Client(address) as client:
        place: dict[str, int] = client.run(os.getpid)
        print("watching", flush=True)  # noqa: T201
        while True:
            stacks = client.call_stack()
            busy = [where for where, stack in stacks.items() if "run_one" in str(stack)]
            if busy:
                break
            time.sleep(0.02)
        if not victims:
            return
        assert place[busy[0]] in victims, "not a worker of this test"
        os.kill(place[busy[0]], signal.SIGKILL)
        while busy[0] in client.scheduler_info(n_workers=-1)["workers"]:
            time.sleep(0.02)
        print(*client.run_on_scheduler(suspects))  # noqa: T201


if __name__ == "__main__":
    main()
