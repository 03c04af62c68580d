"""Keys of how a stage runs."""

from typing import Annotated, Literal

from mct.base.keys import Count, Natural, NotNegative, Settings, unit


class ExecutionSettings(Settings, frozen=True, kw_only=True):
    """How a stage runs; nothing here changes what it computes beyond rounding."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` is a GPU where the node has one, shared by its ranks in turn, else the processor;
    `cuda` ends a training where there is none.
    """
    threads_per_rank: Annotated[Count, unit("threads")] = 1
    """Threads of each MPI rank."""
    prefetch_batches: Annotated[Natural, unit("batches")] = 2
    """Batches a background thread prepares ahead; 0 loads in step."""
    loader_threads: Annotated[Natural, unit("threads")] = 0
    """Threads of each rank that decode pictures; 0 is `threads_per_rank`. Where they are more, the
    rank asks for as many cores.
    """
    share_batches: bool = True
    """Whether the two ranks of a pair that share a node decode half a batch each."""
    checkpoint_minutes: Annotated[NotNegative, unit("minutes")] = 10
    """Time between checkpoints; 0 writes none by time."""
    checkpoint_steps: Annotated[Natural, unit("steps")] = 0
    """Steps between checkpoints; 0 writes none by steps."""
    bucket_bytes: Annotated[Count, unit("bytes")] = 4_194_304
    """Gradients that travel in one message."""
    allreduce: Literal["auto", "mpi", "ring", "reduce_scatter_allgather", "nccl", "gloo"] = "auto"
    """What sums gradients: MPI's own algorithm (`mpi`), `ring` or `reduce_scatter_allgather` over
    MPI, torch's `nccl` or `gloo`; `auto` is nccl where each rank of a model has a GPU of its own,
    else mpi (reduce_scatter_allgather for bfloat16).
    """
    stall_minutes: Annotated[NotNegative, unit("minutes")] = 20
    """A rank that finishes no step for so long ends its job, which can then go on from its
    checkpoint; 0 waits for ever.
    """

    @property
    def decoding_threads(self) -> int:
        """The threads of each rank that decode pictures."""
        return self.loader_threads or self.threads_per_rank
