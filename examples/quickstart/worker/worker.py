"""A worker with a bug: every few jobs one is too much for it, it crashes, and is started again."""
from __future__ import annotations

import os
import random
import time


def work(job: int) -> None:
    """Do one *job*; one in eight is bad."""
    if random.randrange(8) == 0:
        raise RuntimeError(f"job {job} was too much")
    print(f"job {job} done", flush=True)


print(f"worker started, run {os.environ.get('PROCESSMAN_RUN', '1')}", flush=True)
job = 0
while True:
    job += 1
    time.sleep(1)
    work(job)
