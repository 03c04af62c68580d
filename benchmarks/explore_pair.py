r"""Try settings of MCT and GLC on one GPU, where a trial of eight seeds takes about ten seconds.

    python benchmarks/explore_pair.py benchmarks/exploration.yaml \
        --data /data/cifar10n --true /data/true_labels.txt

A small model of the workflow, not the workflow: the same nets, losses, batches and rates, but a cosine
decay, all of it on one device, with random numbers of its own and 7,500 noisy pictures held out beside
those of validation, so that half a point shows. What looks good here is then run as users run it.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from graph_trainer import (
    BATCH,
    DEVICE,
    Batches,
    Member,
    Pictures,
    Step,
    Trainer,
    at,
    constant_rates,
    cosine_rates,
    one_hot,
    small_net,
)
from torch import Tensor

from mct.base.errors import UserError
from mct.learning.losses import cross_entropy, forward_loss, posterior, target_loss
from mct.results.accuracy import paired_difference, spread
from mct.results.tables import Row, write_table
from mct.stage import entry

AUXILIARY, PRIMARY, GLC, PLAIN = 1, 2, 3, 4
"""Kinds of nets, for their starts and the order of their samples."""
PRETRAINING_EPOCHS, CLEAN_PASSES = 4, 10
"""Of the noisy set; and of the clean one for each of these."""
PARTS = 10
"""Of calibration, over each of which the targets' accuracy is counted."""
COMPARED_SHARE = 1.25
"""Samples that a baseline sees in the decay for each noisy one of a pair with 32 clean in a batch."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A method and its settings.

    `method` is mct, glc, noise_only or true_labels. `clean` are clean samples in a batch (of Ma,
    of Mp). `average` is the momentum of averages of both models' weights, whose predictions make up
    half of the teacher. Between the shares of calibration `true_between` every target is the true label.
    """

    method: str = "mct"
    epochs: float = 8
    rates: tuple[float, float] = (0.2, 0.2)
    decay_share: tuple[float, float] = (1.0, 1.0)
    clean: tuple[int, int] = (32, 32)
    augmentation: str = "crop_flip"
    strong_augmentation: float = 0.0
    own_views: bool = False
    average: float = 0.0
    true_between: tuple[float, float] = (2.0, 2.0)
    width: int = 1
    seeds: int = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="Clothing1M's layout")
    parser.add_argument("--true", type=Path, required=True, help="true labels")
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--held-out", type=int, default=7500)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    pictures = Pictures.read(options.data, options.true, options.size, options.held_out)
    rows: list[Row] = []
    for group, trials in entry.read_keys(options.trials).items():
        reference: list[float] = []
        for name, settings in trials.items():
            trial = read_trial(settings or {})
            found = RUNS[trial.method](pictures, trial)
            reference = reference or found["Mp"]
            rows.append({"group": group, "trial": name, **describe(found, reference)})
            print(*rows[-1].values(), sep="\t", flush=True)
    gpu = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "a processor"
    caption = f"""Cosine decay (the study's is linear). Measured on {gpu}, torch {torch.__version__}:
top-1 % on {len(pictures.held)} held-out pictures, mean and sample standard deviation; difference of Mp to
the first trial of the group, seed by seed, with its 95 % interval (Student's t); `targets`: % of the noisy
pictures whose target was right, in each tenth of calibration.
`python {" ".join(sys.argv)}`"""
    write_table(rows, options.output or options.trials.with_suffix(".tsv"), caption)


def read_trial(settings: Mapping[str, Any]) -> Trial:
    """Return a trial of a file's settings; UserError for an unknown setting or method."""
    unknown = sorted(set(settings) - {field.name for field in fields(Trial)})
    method = settings.get("method", "mct")
    if unknown or method not in RUNS:
        raise UserError(f"trials: unknown {', '.join(unknown) or f'method {method}'}")
    lists = {field.name for field in fields(Trial) if isinstance(field.default, tuple)}
    return Trial(**{k: tuple(v) if k in lists else v for k, v in settings.items()})


Result = dict[str, list[float]]


def describe(found: Result, reference: list[float]) -> Row:
    """Return the cells of a trial."""
    differences = [ours - theirs for ours, theirs in zip(found["Mp"], reference, strict=True)]
    interval = paired_difference(differences)
    row = {
        "difference": f"{mean(differences):+.2f}",
        "low": f"{interval[1]:+.2f}",
        "high": f"{interval[2]:+.2f}",
    }
    for model in ("Mp", "Ma", "pair"):
        values = found.get(model, [])
        row[model] = f"{mean(values):.2f}" if values else ""
        row[f"{model}_sd"] = spread(values)
    return {**row, "targets": " ".join(f"{share:.1f}" for share in found.get("targets", []))}


def run_pair(pictures: Pictures, trial: Trial) -> Result:
    """Calibrate a pair of each seed; both start where pretraining left them."""
    pairs = [Pair(pictures, trial, seed) for seed in range(trial.seeds)]
    Trainer([pair.step for pair in pairs], [t for pair in pairs for t in pair.tensors()]).run(
        pairs[0].steps
    )
    said = [
        [member.infer(pictures.plain(pictures.held)) for member in pair.members] for pair in pairs
    ]
    rights, counts = torch.stack([pair.targets for pair in pairs]).mean(dim=0).T.cpu()
    return {
        "Mp": [accuracy(pictures, primary) for _, primary in said],
        "Ma": [accuracy(pictures, auxiliary) for auxiliary, _ in said],
        "pair": [accuracy(pictures, auxiliary + primary) for auxiliary, primary in said],
        "targets": (100 * rights / counts).tolist(),
    }


class Pair:
    """Ma and Mp of a seed in calibration."""

    def __init__(self, pictures: Pictures, trial: Trial, seed: int) -> None:
        self._pictures, self._trial = pictures, trial
        self.steps = round(trial.epochs * len(pictures.noisy) / BATCH)
        self.members = [small_net(trial.width, 100 * seed + kind) for kind in (AUXILIARY, PRIMARY)]
        for member, start in zip(self.members, pretrained(pictures, start_of(trial)), strict=True):
            member.net.load_state_dict(start[seed])
        self._averages = [
            [p.detach().clone() for p in member.net.parameters()] if trial.average else []
            for member in self.members
        ]

        def batches(ids: Tensor, per: int, stream: int) -> Batches:
            return Batches(ids, steps=self.steps, per=per, seed=seed, stream=stream)

        self._noisy = batches(pictures.noisy, BATCH, 30)
        self._clean = [
            batches(pictures.clean, count, 31 + role) if count else None
            for role, count in enumerate(trial.clean)
        ]
        self._others = batches(pictures.noisy, BATCH, 33) if trial.own_views else self._noisy
        both = zip(trial.rates, trial.decay_share, strict=True)
        self._rates = [cosine_rates(self.steps, rate, share) for rate, share in both]
        self._progress = torch.arange(self.steps, device=DEVICE).float() / self.steps
        self.targets = torch.zeros(PARTS, 2, device=DEVICE)

    def tensors(self) -> list[Tensor]:
        """Return all that a step changes."""
        states = [tensor for member in self.members for tensor in member.tensors()]
        return [*states, *(t for average in self._averages for t in average), self.targets]

    def step(self, number: Tensor) -> None:
        """Make one step of both models."""
        ids, draws, _ = self._noisy.at(number)
        others = self._others.at(number)[1]
        parts = [self._part(role, ids, (draws, others)[role], number) for role in (0, 1)]
        logits = [m.logits(views) for m, (_, views) in zip(self.members, parts, strict=True)]
        targets = self._target(ids, draws, [part[: len(ids)] for part in logits], number)
        for member, output, (shown, _) in zip(self.members, logits, parts, strict=True):
            clean = cross_entropy(output[len(ids) :], self._pictures.true[shown[len(ids) :]])
            loss = torch.cat([target_loss(output[: len(ids)], targets), clean]).mean()
            member.differentiate(loss)
        for member, rates in zip(self.members, self._rates, strict=True):
            member.update(at(rates, number))
        for member, average in zip(self.members, self._averages, strict=True):
            if average:
                parameters = [p.detach() for p in member.net.parameters()]
                torch._foreach_lerp_(average, parameters, 1 - self._trial.average)

    def _part(self, role: int, ids: Tensor, draws: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
        """Return what a model learns from: pictures' numbers, clean ones last, and its views."""
        source = self._clean[role]
        if source is not None:
            clean_ids, clean_draws, _ = source.at(number)
            ids, draws = torch.cat([ids, clean_ids]), torch.cat([draws, clean_draws])
        trial = self._trial
        return ids, self._pictures.views(ids, draws, trial.augmentation, trial.strong_augmentation)

    @torch.no_grad()
    def _target(self, ids: Tensor, draws: Tensor, logits: list[Tensor], number: Tensor) -> Tensor:
        """Return the targets of the noisy pictures, (b, K), and count the right ones."""
        pictures = self._pictures
        inferred = posterior(
            self._teacher(ids, draws, logits).log(), pictures.observed[ids], pictures.confusion
        )
        progress = at(self._progress, number.clamp(max=self.steps - 1))
        known = pictures.known[ids]
        known = known | (
            (progress >= self._trial.true_between[0]) & (progress < self._trial.true_between[1])
        )
        right = (inferred.argmax(dim=1) == pictures.true[ids]) & ~known
        counts = torch.stack([right.float().sum(), (~known).float().sum()])
        self.targets.index_add_(0, (progress * PARTS).long().view(1), counts[None])
        return torch.where(known[:, None], one_hot(pictures.true[ids]), inferred)

    def _teacher(self, ids: Tensor, draws: Tensor, logits: list[Tensor]) -> Tensor:
        """Return the teacher's probabilities, (b, K): of the plain view where models see a strong one."""
        trial, pictures = self._trial, self._pictures
        plain = pictures.views(ids, draws, trial.augmentation)
        if trial.strong_augmentation:
            said = [member.infer(plain) for member in self.members]
        else:
            said = [torch.softmax(part, dim=1) for part in logits]
        teacher = torch.stack(said).mean(dim=0)
        if trial.average:
            averaged = [
                member.infer(plain, average)
                for member, average in zip(self.members, self._averages, strict=True)
            ]
            teacher = (teacher + torch.stack(averaged).mean(dim=0)) / 2
        return teacher.clamp_min(1e-12)


@dataclass(frozen=True)
class Start:
    """What decides where a pair starts."""

    augmentation: str
    strong_augmentation: float
    width: int
    seeds: int


def start_of(trial: Trial) -> Start:
    return Start(trial.augmentation, trial.strong_augmentation, trial.width, trial.seeds)


@cache
def pretrained(pictures: Pictures, start: Start) -> list[list[dict[str, Tensor]]]:
    """Return the states of Ma and Mp of each seed after pretraining at the constant rate."""
    trial = Trial(
        augmentation=start.augmentation, strong_augmentation=start.strong_augmentation,
        width=start.width, seeds=start.seeds,
    )  # fmt: skip
    clean = round(PRETRAINING_EPOCHS * CLEAN_PASSES * len(pictures.clean) / BATCH)
    noisy = round(PRETRAINING_EPOCHS * len(pictures.noisy) / BATCH)
    both = [
        train_alone(pictures, trial, kind, ids, constant_rates(steps), loss_of(labels))
        for kind, ids, steps, labels in (
            (AUXILIARY, pictures.clean, clean, pictures.true),
            (PRIMARY, pictures.noisy, noisy, pictures.observed),
        )
    ]
    return [[copy_state(member) for member in members] for members in both]


def copy_state(member: Member) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in member.net.state_dict().items()}


def run_glc(pictures: Pictures, trial: Trial) -> Result:
    """Train GLC with the counted confusion; clean samples join each batch."""

    def loss(logits: Tensor, ids: Tensor) -> Tensor:
        corrected = forward_loss(logits, pictures.observed[ids], pictures.confusion)
        return torch.where(
            pictures.known[ids], cross_entropy(logits, pictures.true[ids]), corrected
        )

    clean, ids = trial.clean[1], pictures.noisy
    rates = rates_alone(pictures, trial, BATCH + clean)
    return alone(pictures, train_alone(pictures, trial, GLC, ids, rates, loss, clean, blocks=2))


def run_plain(pictures: Pictures, trial: Trial) -> Result:
    """Train on the labels as they are, or on true ones."""
    loss = loss_of(pictures.true if trial.method == "true_labels" else pictures.observed)
    rates, ids = rates_alone(pictures, trial, BATCH), pictures.noisy
    return alone(pictures, train_alone(pictures, trial, PLAIN, ids, rates, loss, blocks=2))


Loss = Callable[[Tensor, Tensor], Tensor]
"""Of each picture, (b,), from logits (b, K) and pictures' numbers (b,)."""


def loss_of(labels: Tensor) -> Loss:
    """Return the cross-entropy with pictures' labels."""
    return lambda logits, ids: cross_entropy(logits, labels[ids])


RUNS = {"mct": run_pair, "glc": run_glc, "noise_only": run_plain, "true_labels": run_plain}


def alone(pictures: Pictures, members: list[Member]) -> Result:
    """Return the accuracy of nets trained alone."""
    held = pictures.plain(pictures.held)
    return {"Mp": [accuracy(pictures, member.infer(held)) for member in members]}


def accuracy(pictures: Pictures, predictions: Tensor) -> float:
    """Return the percentage of held-out pictures that are right."""
    right = predictions.argmax(dim=1) == pictures.true[pictures.held]
    return 100 * right.float().mean().item()


def rates_alone(pictures: Pictures, trial: Trial, per: int) -> Tensor:
    """Return a baseline's rates: constant like pretraining, then decaying."""
    constant = round(PRETRAINING_EPOCHS * len(pictures.noisy) / per)
    decaying = round(trial.epochs * len(pictures.noisy) * COMPARED_SHARE / per)
    return torch.cat([constant_rates(constant), cosine_rates(decaying, trial.rates[1])])


def train_alone(
    pictures: Pictures,
    trial: Trial,
    kind: int,
    ids: Tensor,
    rates: Tensor,
    loss: Loss,
    clean: int = 0,
    blocks: int = 1,
) -> list[Member]:
    """Train a net of each seed; `clean` samples join each batch of `ids`.

    The batch norm of `blocks` ranks takes its statistics from each one's samples.
    """
    members = [small_net(trial.width, 100 * seed + kind) for seed in range(trial.seeds)]
    steps: list[Step] = []
    for seed, member in enumerate(members):
        own = Batches(ids, steps=len(rates), per=BATCH, seed=seed, stream=10 + kind)
        beside = (
            Batches(pictures.clean, steps=len(rates), per=clean, seed=seed, stream=20 + kind)
            if clean
            else None
        )

        def step(
            number: Tensor,
            member: Member = member,
            own: Batches = own,
            beside: Batches | None = beside,
        ) -> None:
            shown, draws, _ = own.at(number)
            if beside is not None:
                clean_ids, clean_draws, _ = beside.at(number)
                shown, draws = torch.cat([shown, clean_ids]), torch.cat([draws, clean_draws])
            views = pictures.views(shown, draws, trial.augmentation, trial.strong_augmentation)
            logits = in_blocks(member, views, blocks)
            member.differentiate(loss(logits, shown).mean())
            member.update(at(rates, number.clamp(max=len(rates) - 1)))

        steps.append(step)
    Trainer(steps, [tensor for member in members for tensor in member.tensors()]).run(len(rates))
    return members


def in_blocks(member: Member, views: Tensor, blocks: int) -> Tensor:
    """Return logits of views of which each of `blocks` ranks has every `blocks`-th."""
    places = torch.arange(len(views), device=DEVICE)
    parts = [places[first::blocks] for first in range(blocks)]
    logits = [
        member.logits(views[part].contiguous(memory_format=torch.channels_last)) for part in parts
    ]
    return torch.cat(logits)[torch.argsort(torch.cat(parts))]


if __name__ == "__main__":
    entry.run(main)
