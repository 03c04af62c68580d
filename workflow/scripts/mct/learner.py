"""One rank's replica of a model: forward, backward, averaged gradients, update."""

import torch
from torch import Tensor, nn

from mct.comm import Comm
from mct.compute import Compute
from mct.gradients import GradientSum
from mct.optimizer import MomentumSGD
from mct.settings import ImageSettings, OptimizerSettings


class Learner:
    """A model in training, with its optimiser, replicated on all ranks of `comm`."""

    def __init__(
        self,
        model: nn.Module,
        *,
        compute: Compute,
        comm: Comm,
        images: ImageSettings,
        optimizer: OptimizerSettings,
        bucket_bytes: int,
    ) -> None:
        self.model = compute.place(model).train()
        self.comm = comm
        self._compute, self._images = compute, images
        self._gradients = GradientSum(self.model.parameters(), comm, bucket_bytes)
        self.optimizer = MomentumSGD(self.model.parameters(), optimizer)
        self._classes = list(self.model.parameters())[-1].numel()

    def forward(self, images: Tensor, key: int) -> Tensor:
        """Return logits (b, K), float32 or float64, of uint8 pictures (b, 3, size, size).

        Dropout is drawn from `key` and the rank, so that a step can be repeated.
        """
        if not len(images):
            return torch.zeros(0, self._classes, device=self._compute.device)
        torch.manual_seed(key * self.comm.size + self.comm.rank)
        pictures = self._compute.normalise(images, self._images.mean, self._images.std)
        with self._compute.autocast():
            logits = self.model(pictures)
        return logits if logits.dtype == torch.float64 else logits.float()

    def to_device(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the model's device."""
        return tensor.to(self._compute.device, non_blocking=True)

    def update(self, loss: Tensor, learning_rate: float) -> None:
        """Make one step down the gradient of the sum of all ranks' losses. Collective."""
        self.differentiate(loss)
        self.optimizer.step(learning_rate)

    def differentiate(self, loss: Tensor) -> None:
        """Set every `.grad` to the gradient of the sum of all ranks' losses. Collective."""
        self._gradients.zero()
        if loss.requires_grad:
            loss.backward()
        self._gradients.finish()
