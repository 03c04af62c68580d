"""Where the ranks of a training compute, all in one arithmetic."""

from dataclasses import replace

import torch

from mct.parallel.comm import Comm, local_rank
from mct.stage.compute import Compute, choose_compute
from mct.stage.settings import ExecutionSettings


def choose_for_ranks(precision: str, execution: ExecutionSettings, comm: Comm) -> Compute:
    """Return what `choose_compute` does for a rank of a training, in one arithmetic. Collective."""
    return agree(choose_compute(precision, execution, local_rank(comm)), comm)


def agree(compute: Compute, comm: Comm) -> Compute:
    """Return where this rank computes, in the arithmetic that all ranks have. Collective.

    Of nodes that differ `auto` gives some bfloat16, some float32; then all take float32, or the
    replicas of a model would not learn alike.
    """
    kinds = set(comm.allgather(str(compute.dtype)))
    return compute if len(kinds) == 1 else replace(compute, dtype=torch.float32)
