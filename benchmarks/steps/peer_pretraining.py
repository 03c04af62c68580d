"""Peer 2: pretraining as torchvision's reference recipe does it, to compare ours with.

The loop of references/classification/train.py: DistributedDataParallel over gloo, DataLoader over
an image folder, SGD, running loss and accuracies in every iteration.

python -m torch.distributed.run --nproc-per-node 2 -m benchmarks.steps.peer_pretraining ...
"""

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from benchmarks.steps.peer_calibration import build
from benchmarks.steps.peers import Clock, parse_options, picture_loader


def main() -> None:
    options = parse_options(__doc__)
    dist.init_process_group("gloo")
    loader = picture_loader(options, replicas=dist.get_world_size(), rank=dist.get_rank())
    torch.manual_seed(0)
    model = DistributedDataParallel(build(options.model, options.classes))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    model.train()
    totals = [0.0, 0.0, 0.0]
    clock = Clock()
    for images, labels in loader:
        output = model(images)
        loss = criterion(output, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        top5 = output.topk(5, 1).indices == labels[:, None]
        figures = (loss, top5[:, 0].float().mean(), top5.any(1).float().mean())
        totals = [a + b.item() for a, b in zip(totals, figures, strict=True)]
        clock.note_step()
    clock.report(options)


if __name__ == "__main__":
    main()
