"""One rank's replica of a model: forward, backward, averaged gradients, update."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from mct.data.clean_batches import Rows
from mct.data.order import Draws
from mct.data.settings import ImageSettings
from mct.learning.classifier import classifier_layer
from mct.learning.ghost_norms import arrange_norms
from mct.learning.models import are_finite, to_array
from mct.learning.norms import average_running_statistics, tracked_batches
from mct.learning.optimizer import MomentumSGD
from mct.learning.parts import begin_training, classifier_parameters, rate_factors
from mct.learning.passes import Passes
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

SENT = "messages.sent"
"""Number and bytes of a rank's messages, in its state."""
WIRES = {"float32": None, "bfloat16": torch.bfloat16}
"""Types of gradients between ranks by setting; None is their own."""


class Learner:
    """A model in training, with its optimiser, replicated on all ranks of `comm`.

    `exchanging` adds up the seconds of exchanging what a shared trunk hands on, in the pair. While it
    `is_alone`, updates use the gradient of this rank's samples, and replicas differ.
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
        self.is_alone = False
        self.model = compute.place(model)
        self._batches_before = tracked_batches(self.model)
        self._forwards = 0
        self._output: Tensor | None = None
        self.comm = comm
        self._compute, self._images = compute, images
        self._stores_statistics = optimizer.norm_statistics == "stored"
        self._replica, leaves = compute.replicate(self.model)
        self._accumulation = optimizer.accumulation
        self._team = arrange_norms(self._replica, comm, optimizer)
        self._is_coupled = self._team is not None
        wire = WIRES[optimizer.gradient_wire]
        transport = choose_transport(comm, execution.allreduce, compute.device, wire)
        self._allreduce = transport.name
        self._named = list(self.model.named_parameters())
        learning = [parameter for _, parameter in self._named if parameter.requires_grad]
        self.gradients = GradientSum(
            learning, transport, execution.bucket_bytes, leaves, ranks=comm.size, wire=wire
        )
        self._passes = Passes(
            self.model, self.gradients, self._run, self._selected_rows, runs_all=self._is_coupled
        )
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
        """Return parameters and velocities, equal on all ranks, and running statistics, each rank's.

        Messages so far are among what is each rank's.
        """
        shared: Arrays = {f"parameter.{name}": to_array(value) for name, value in self._named}
        for name, velocity in self._velocities():
            shared[f"velocity.{name}"] = to_array(velocity)
        local = {name: to_array(each) for name, each in self.model.named_buffers()}
        sent = np.array([self.gradients.messages, self.gradients.message_bytes])
        return State(shared, {**local, SENT: sent})

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Return to a state that `state` returned, in place."""
        for name, parameter in self._named:
            parameter.copy_(torch.from_numpy(state.shared[f"parameter.{name}"]))
        for name, velocity in self._velocities():
            velocity.copy_(torch.from_numpy(state.shared[f"velocity.{name}"]))
        for name, buffer in self.model.named_buffers():
            buffer.copy_(torch.from_numpy(state.local[name]))
        self.gradients.messages, self.gradients.message_bytes = state.local[SENT].tolist()
        self.optimizer.refresh_copies()

    def _velocities(self) -> Iterator[tuple[str, Tensor]]:
        names = [name for name, parameter in self._named if parameter in self._leaves]
        return zip(names, self.optimizer.velocities, strict=True)

    def forward(
        self,
        images: Tensor,
        strong: Draws | None = None,
        *,
        key: int,
        passes: Sequence[Rows] = (),
    ) -> Tensor:
        """Return logits (b, K), float32 or float64, of uint8 pictures (b, 3, size, size) or features.

        See `look` and `learn`. Collective where norms share their statistics.
        """
        return self.learn(self.look(images, strong), key=key, passes=passes)

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
        """Return what the trunk makes of pictures, with the memory of one pass."""
        count = -(-len(images) // self._accumulation)
        if count == len(images):
            return self._features_of(images, strong)
        pieces = [
            self._features_of(images[part], None if strong is None else strong[part])
            for part in cut(len(images), count)
        ]
        return tuple(torch.cat(parts) for parts in zip(*pieces, strict=True))

    def _features_of(self, images: Tensor, strong: Draws | None) -> Seen:
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

    def learn(self, seen: Seen, *, key: int, passes: Sequence[Rows] = ()) -> Tensor:
        """Return logits (b, K) of what `look` returned, from which the model can learn.

        `passes` are the samples of each pass where there are several. Dropout is drawn from the seed,
        `key` and the rank (of as many as there are passes), so that a step can be repeated.
        Collective where norms share their statistics.
        """
        if len(passes) > 1:
            return self._passes.learn(seen, passes, key=key)
        logits = self._run(seen, key)
        if self._keeps_apart and logits.requires_grad:
            self._forwards, self._output = self._forwards + 1, logits
        return logits

    def _run(self, seen: Seen, key: int, place: int = 0) -> Tensor:
        """Return the logits of pass number `place` of a step."""
        if not len(seen[0]) and not self._is_coupled:
            return self._no_logits()
        rank = self.comm.rank * self._accumulation + place
        entropy = np.random.SeedSequence([*self._seed, key, rank])
        self._compute.seed(int(entropy.generate_state(1, np.uint64)[0]))
        with self._compute.autocast():
            logits = self._net.logits(seen)
        return logits if logits.dtype == torch.float64 else logits.float()

    def summary(self) -> dict[str, str | float]:
        """Return how gradients, or parameters, were summed over ranks, for the record.

        That is the seconds waited since the start or the last resumption, and how many sums of how many
        bytes this rank took part in, in the whole training.
        """
        gradients = self.gradients
        return {
            "allreduce": self._allreduce,
            "averaging_seconds": gradients.waited_seconds,
            "averaging_messages": gradients.messages,
            "averaging_bytes": gradients.message_bytes,
        }

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
        parts = cut(len(seen[0]), -(-len(seen[0]) // self._accumulation))
        with self._compute.autocast():
            pieces = [
                self._net_of_averages.logits(tuple(each[part] for each in seen), weights)
                for part in parts
            ]
        self._train()
        logits = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
        return logits if logits.dtype == torch.float64 else logits.float()

    def _no_logits(self) -> Tensor:
        dtype = torch.promote_types(self._named[-1][1].dtype, torch.float32)
        return torch.zeros(0, self._classes, device=self._compute.device, dtype=dtype)

    def to_device(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the model's device."""
        return tensor.to(self._compute.device, non_blocking=True)

    def update_by_pass(
        self,
        pictures: Sequence[tuple[Tensor, Draws | None]],
        losses: Sequence[Callable[[Tensor], Tensor]],
        learning_rate: float,
        decay_factor: float = 1.0,
        *,
        key: int,
    ) -> list[tuple[Tensor, Tensor]]:
        """Make a step of several passes, and return the logits and the loss of each. Collective.

        `pictures` of each pass, with the numbers of strong views, are seen as by `look`; `losses` make
        its loss from its logits alone, so that no pass has to run twice.
        """
        self.gradients.begin(is_last=False, is_local=self.is_alone)
        seen = (self.look(*each) for each in pictures)
        found = self._passes.learn_each(seen, losses, key=key)
        self.gradients.finish()
        self.optimizer.step(learning_rate, decay_factor)
        return found

    def update(self, loss: Tensor, learning_rate: float, decay_factor: float = 1.0) -> None:
        """Make one step down the gradient of the sum of all ranks' losses. Collective.

        `decay_factor` multiplies the weight decay.
        """
        self.differentiate(loss)
        self.optimizer.step(learning_rate, decay_factor)

    def differentiate(self, loss: Tensor) -> None:
        """Set every `.grad` to the gradient of the sum of all ranks' losses. Collective.

        While this rank `is_alone`, to that of its own loss times the number of ranks: of the mean over
        its own part of the batch.
        """
        self.gradients.begin(is_last=not self._passes.are_deferred, is_local=self.is_alone)
        if loss.requires_grad and self._passes.are_deferred:
            self._passes.differentiate(loss)
        elif loss.requires_grad:
            output, forwards = self._output, self._forwards
            self.skip()
            with self._selected_rows(output if forwards == 1 else None):
                loss.backward()
        self.gradients.finish()

    def average_parameters(self) -> None:
        """Replace parameters by their mean over ranks; momentum stays each rank's own. Collective."""
        self.gradients.average_parameters()
        self.optimizer.refresh_copies()

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
        self._output, self._forwards = None, 0
        self._passes.forget()

    def _selected_rows(self, logits: Tensor | None) -> AbstractContextManager:
        """Return the context of backward from the logits of one pass; from several all rows count."""
        if logits is None or not self._keeps_apart:
            return nullcontext()
        return SelectedRows(logits)


def cut(count: int, size: int) -> list[slice]:
    """Return consecutive slices of at most `size` of `count` items."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
