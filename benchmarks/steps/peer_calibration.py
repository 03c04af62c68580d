"""Peer 1: a calibration step as plain DistributedDataParallel code, to compare ours with.

Two groups over gloo, one forward pass with a masked loss, float32, torch's DataLoader over an image
folder, torch.distributed's all_gather. Written as a good user of torch would; no part of the
library but its decoder, so that both decode alike.

python -m torch.distributed.run --nproc-per-node 2 -m benchmarks.steps.peer_calibration ...
"""

import math

import torch
import torch.distributed as dist
from scipy.stats import binom
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torchvision.models import get_model

from benchmarks.steps.peers import Clock, parse_options, picture_loader

NOISE_RATE, WEIGHT, TEMPERATURE = 0.4, 0.5, 2.0


def cut_sizes(batch: int) -> tuple[int, int]:
    """Return M and N (Eq. 1, Eq. 2)."""
    certain = [m for m in range(batch + 1) if binom.cdf(m, batch, 1 - NOISE_RATE) < 0.01]
    return max(certain, default=0), math.ceil(batch * (1 - NOISE_RATE))


def main() -> None:
    options = parse_options(__doc__)
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    pairs, role, index = world // 2, rank % 2, rank // 2
    groups = [dist.new_group([2 * i + r for i in range(pairs)]) for r in (0, 1)]
    couples = [dist.new_group([2 * i, 2 * i + 1]) for i in range(pairs)]
    loader = picture_loader(options, replicas=pairs, rank=index)
    torch.manual_seed(role)
    model = build(options.model, options.classes)
    model = DistributedDataParallel(model, process_group=groups[role])
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    sizes = cut_sizes(options.batch * pairs)
    clock = Clock()
    for images, labels in loader:
        logits = model(images)
        confidence = logits.detach().softmax(1).gather(1, labels[:, None])[:, 0].contiguous()
        gathered = [torch.empty_like(confidence) for _ in range(world)]
        dist.all_gather(gathered, confidence)
        pair_mean = (torch.cat(gathered[0::2]) + torch.cat(gathered[1::2])) / 2
        order = pair_mean.argsort(descending=True, stable=True)
        mask = torch.zeros(len(order))
        mask[order[: sizes[role]]] = 1
        mask = mask[index * len(labels) : (index + 1) * len(labels)]
        teacher = logits.detach().clone()
        dist.broadcast(teacher, src=2 * index, group=couples[index])
        loss = functional.cross_entropy(logits, labels, reduction="none")
        if role:
            soft = functional.kl_div(
                functional.log_softmax(logits / TEMPERATURE, 1),
                functional.softmax(teacher / TEMPERATURE, 1),
                reduction="none",
            ).sum(1)
            loss = (1 - WEIGHT) * loss + WEIGHT * TEMPERATURE**2 * soft
        # DistributedDataParallel takes the mean over the group, the loss is a sum over it.
        loss = (loss * mask).sum() / max(sizes[role], 1) * pairs
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        clock.note_step()
    clock.report(options)


def build(name: str, classes: int) -> torch.nn.Module:
    """Return a torchvision model, or its ResNet-18 with CIFAR's stem."""
    if name != "cifar_resnet18":
        return get_model(name, weights=None, num_classes=classes)
    model = get_model("resnet18", weights=None, num_classes=classes)
    model.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = torch.nn.Identity()
    return model


if __name__ == "__main__":
    main()
