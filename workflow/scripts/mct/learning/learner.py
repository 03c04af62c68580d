"""One rank's replica of a model: forward, backward, averaged gradients, update."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mct.data.order import Draws
from mct.data.settings import ImageSettings
from mct.learning.classifier import classifier_layer
from mct.learning.ghost_norms import arrange_norms
from mct.learning.models import are_finite
from mct.learning.norms import average_running_statistics, tracked_batches
from mct.learning.optimizer import MomentumSGD
from mct.learning.parts import begin_training, classifier_parameters, rate_factors
from mct.learning.rows import SelectedRows, keeps_samples_apart
from mct.learning.settings import OptimizerSettings
from mct.learning.strong_views import strong_views
from mct.learning.trunk import Seen, split
from mct.parallel.comm import Comm
from mct.parallel.features import FeatureExchange
from mct.parallel.gradients import GradientSum
from mct.parallel.transport import choose_transport
from mct.stage.compute import Compute
from mct.stage.settings import ExecutionSettings
from mct.stage.state import Arrays, State
from mct.stage.step_times import Stopwatch

WIRES = {"float32": None, "bfloat16": torch.bfloat16}
"""Types of gradients between ranks by setting; None is their own."""


class Learner:
    """A model in training, with its optimiser, replicated on all ranks of `comm`.

    `exchanging` adds up the seconds of exchanging what a shared trunk hands on, in the pair.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        compute: Compute,
        comm: Comm,
        images: ImageSettings,
        optimizer: OptimizerSettings,
        execution: ExecutionSettings,
        seed: Sequence[int] = (),
    ) -> None:
        """`seed` (stage, model) draws dropout. Collective."""
        self._seed = tuple(seed)
        self.model = compute.place(model)
        self._batches_before = tracked_batches(self.model)
        self._passes = 0
        self._output: Tensor | None = None
        self.comm = comm
        self._compute, self._images = compute, images
        self._stores_statistics = optimizer.norm_statistics == "stored"
        self._replica, leaves = compute.replicate(self.model)
        self._team = arrange_norms(self._replica, comm, optimizer)
        self._is_coupled = self._team is not None
        transport = choose_transport(
            comm, execution.allreduce, compute.device, WIRES[optimizer.gradient_wire]
        )
        self._allreduce = transport.name
        self._named = list(self.model.named_parameters())
        learning = [parameter for _, parameter in self._named if parameter.requires_grad]
        self.gradients = GradientSum(learning, transport, execution.bucket_bytes, leaves)
        factors = rate_factors(self.model, optimizer)
        self.optimizer = MomentumSGD(learning, optimizer, leaves, factors, comm)
        self._leaves = {parameter: leaves[parameter] for parameter in learning}
        self._classes = classifier_layer(self.model).weight.shape[0]
        self._exchange: FeatureExchange | None = None
        self.exchanging = Stopwatch()
        self._begin()

    def _begin(self) -> None:
        """Put the net into training mode, and divide it into what learns and what does not."""
        self._net, self._net_of_averages = split(self._replica, self.model, self._train)
        self._keeps_apart = keeps_samples_apart(self._replica)

    def _train(self) -> None:
        for net in {self.model, self._replica}:
            begin_training(net, stores_statistics=self._stores_statistics)

    def learn_classifier_alone(self, alone: bool) -> None:
        """Let no other part learn from here on, or let all parts learn that should."""
        classifier = classifier_parameters(self.model)
        for parameter, leaf in self._leaves.items():
            parameter.requires_grad_(not alone or parameter in classifier)
            leaf.requires_grad_(parameter.requires_grad)
        self._begin()

    def share_trunk(self, pair_comm: Comm) -> None:
        """Compute the trunk of shared pictures once in a pair, if both models have the same.

        Collective in the pair. On a GPU each computes its own, which takes less than the exchange.
        """
        computes = self._compute.device.type == "cpu" and not self._images.feature_views
        own = self._net.digest() if computes and self._has_rows() else ""
        one, other = pair_comm.allgather(own)
        self._exchange = FeatureExchange(pair_comm) if one and one == other else None

    def _has_rows(self) -> bool:
        """Return whether what the trunk hands on has a row for each picture."""
        size, count = self._images.size, 3
        seen = self._features(torch.zeros(count, 3, size, size, dtype=torch.uint8), None)
        return all(len(part) == count for part in seen)

    def state(self) -> State:
        """Return parameters and velocities, equal on all ranks, and running statistics, each rank's."""
        shared: Arrays = {f"parameter.{name}": to_array(value) for name, value in self._named}
        for name, velocity in self._velocities():
            shared[f"velocity.{name}"] = to_array(velocity)
        return State(shared, {name: to_array(each) for name, each in self.model.named_buffers()})

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Return to a state that `state` returned, in place."""
        for name, parameter in self._named:
            parameter.copy_(torch.from_numpy(state.shared[f"parameter.{name}"]))
        for name, velocity in self._velocities():
            velocity.copy_(torch.from_numpy(state.shared[f"velocity.{name}"]))
        for name, buffer in self.model.named_buffers():
            buffer.copy_(torch.from_numpy(state.local[name]))
        self.optimizer.refresh_copies()

    def _velocities(self) -> Iterator[tuple[str, Tensor]]:
        names = [name for name, parameter in self._named if parameter in self._leaves]
        return zip(names, self.optimizer.velocities, strict=True)

    def forward(self, images: Tensor, strong: Draws | None = None, *, key: int) -> Tensor:
        """Return logits (b, K), float32 or float64, of uint8 pictures (b, 3, size, size) or features.

        See `look` and `learn`. Collective where norms share their statistics.
        """
        return self.learn(self.look(images, strong), key=key)

    def look(self, images: Tensor, strong: Draws | None = None, *, shared: int = 0) -> Seen:
        """Return what the part that learns needs of uint8 pictures (b, 3, size, size).

        Stored features, float32 (b, d), are that already.

        `strong` are the random numbers of strong views, (b, STRONG_DRAWS), that the model sees
        instead. The first `shared` pictures are those of the other model of the pair too. Collective
        in the pair if it shares its trunk and pictures.
        """
        if self._exchange is None or shared < 2 or strong is not None:
            return self._features(images, strong)
        mine = self._exchange.part(shared)
        own = self._features(torch.cat([images[mine], images[shared:]]), None)
        with self.exchanging:
            return self._exchange.complete(own, shared)

    def _features(self, images: Tensor, strong: Draws | None) -> Seen:
        if images.is_floating_point():
            return (self._compute.receive(images),)
        pictures = self._compute.normalise(images, self._images.mean, self._images.std)
        if strong is not None:
            draws = self.to_device(torch.from_numpy(strong))
            pictures = strong_views(pictures, draws, self._images.strong_augmentation)
        if not len(images) and not self._is_coupled:
            return (pictures,)
        with self._compute.autocast():
            return self._net.features(pictures)

    def learn(self, seen: Seen, *, key: int) -> Tensor:
        """Return logits (b, K) of what `look` returned, from which the model can learn.

        Dropout is drawn from the seed, `key` and the rank, so that a step can be repeated.
        Collective where norms share their statistics.
        """
        if not len(seen[0]) and not self._is_coupled:
            return self._no_logits()
        entropy = np.random.SeedSequence([*self._seed, key, self.comm.rank])
        torch.manual_seed(int(entropy.generate_state(1, np.uint64)[0]))
        with self._compute.autocast():
            logits = self._net.logits(seen)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        if self._keeps_apart and logits.requires_grad:
            self._passes, self._output = self._passes + 1, logits
        return logits

    def summary(self) -> dict[str, str | float]:
        """Return how gradients were summed and the seconds waited for that, for the record."""
        return {"allreduce": self._allreduce, "averaging_seconds": self.gradients.waited_seconds}

    def is_finite(self) -> bool:
        """Return whether all of this rank's parameters and running statistics are finite."""
        return are_finite(self.model.state_dict())

    @torch.no_grad()
    def infer(self, seen: Seen, weights: Mapping[str, Tensor]) -> Tensor:
        """Return logits (b, K) in evaluation mode of what `look` returned, with other `weights`.

        These are by name; the model's own stand where they have none.
        """
        if not len(seen[0]):
            return self._no_logits()
        self.model.eval()
        with self._compute.autocast():
            logits = self._net_of_averages.logits(seen, weights)
        self._train()
        return logits if logits.dtype == torch.float64 else logits.float()

    def _no_logits(self) -> Tensor:
        dtype = torch.promote_types(self._named[-1][1].dtype, torch.float32)
        return torch.zeros(0, self._classes, device=self._compute.device, dtype=dtype)

    def to_device(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the model's device."""
        return tensor.to(self._compute.device, non_blocking=True)

    def update(self, loss: Tensor, learning_rate: float, decay_factor: float = 1.0) -> None:
        """Make one step down the gradient of the sum of all ranks' losses. Collective.

        `decay_factor` multiplies the weight decay.
        """
        self.differentiate(loss)
        self.optimizer.step(learning_rate, decay_factor)

    def differentiate(self, loss: Tensor) -> None:
        """Set every `.grad` to the gradient of the sum of all ranks' losses. Collective."""
        self.gradients.begin()
        if loss.requires_grad:
            with self._selected_rows():
                loss.backward()
        self.gradients.finish()

    def average_statistics(self) -> None:
        """Replace norms' running statistics by their mean over ranks that saw samples. Collective."""
        has_seen = tracked_batches(self.model) > self._batches_before
        average_running_statistics(self.comm, self.model, has_seen=has_seen)

    def free(self) -> None:
        """Free the communicator of ranks whose norms share statistics. Collective, after the last step."""
        if self._team is not None and self._team is not self.comm:
            self._team.Free()

    def skip(self) -> None:
        """Forget the forward passes of a step that is not made: their graph, and that they were."""
        self._output, self._passes = None, 0

    def _selected_rows(self) -> AbstractContextManager:
        """Return the context of a backward pass; all rows count if it is through several batches."""
        output, passes = self._output, self._passes
        self.skip()
        return SelectedRows(output) if output is not None and passes == 1 else nullcontext()


def to_array(tensor: Tensor) -> NDArray:
    """Return a copy of a tensor as a contiguous array on the host."""
    return np.array(tensor.detach().cpu().numpy(), order="C")
