"""Snakemake that asks for its Slurm jobs every second; same arguments.

The Slurm plugin waits ten seconds longer before each look that finds nothing new, whatever the
profile says. Tests would wait for it longer than for their jobs.
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def sleep(executor: RemoteExecutor) -> None:
    await asyncio.sleep(1)


RemoteExecutor.sleep = sleep

if __name__ == "__main__":
    main(sys.argv[1:])
