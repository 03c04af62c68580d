"""Ensembles from one training budget, and what distils them into one model.

A chain of trainings replaces one long training: each is a cycle of the learning rate that starts at
the end of the one before. A *snapshot* ensemble averages the predictions of the ends of cycles (Huang
et al., ICLR 2017). A *collapsed* ensemble has shorter cycles, and continues the end of each at a
small rate before the average (Codreanu, Podareanu, Saletore, 2017). The trainings of an ensemble
together see as many samples as the method that `ensemble.of` names.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from mct.base.roles import Role
from mct.experiment.baselines import EQUAL_SAMPLES, Baseline, FineTuning
from mct.experiment.method import Config, Epochs, Method, by_name, spelled
from mct.experiment.pair import CALIBRATIONS

MOST_CYCLES = 8
SNAPSHOT, CYCLE, COLLAPSED = "snapshot", "cycle", "collapsed"
SOFT = "soft"
"""The loss of a model that learns what a teacher predicts."""


@dataclass(frozen=True, kw_only=True)
class Part(Baseline):
    """A training of an ensemble: a cycle, or a collapse of the end of one.

    `number` counts from 1 within its `kind`; `continues` is the training whose model it starts from.
    """

    kind: str
    number: int
    continues: "Part | None" = None

    @property
    def start(self) -> str:
        return self.continues.name if self.continues else ""

    def lineage(self, role: str) -> list[str]:
        return [*(self.continues.lineage(role) if self.continues else []), self.name]

    def preparations(self, config: Config) -> list[str]:
        before = [] if self.continues is None else self.continues.lineage(Role.PRIMARY)
        return [*super().preparations(config), *before]

    def epochs(self, config: Config) -> tuple[Epochs, Epochs]:
        """Return its part of the epochs of the method that the ensemble is made of."""
        whole = sum(sum(part.values()) for part in super().epochs(config))
        return {}, {"noisy": whole * self._share(config)}

    def _share(self, config: Config) -> float:
        section = config["ensemble"]
        for_collapses = section["collapse_share"]
        share = {SNAPSHOT: 1, CYCLE: 1 - for_collapses, COLLAPSED: for_collapses}[self.kind]
        return share / section["cycles"]

    def learning_rates(self, config: Config) -> tuple[float, float]:
        """Return the rate at which it starts, twice; later cycles start lower."""
        section = config["ensemble"]
        if self.kind == COLLAPSED:
            return (section["collapse_learning_rate"],) * 2
        rate = section["learning_rate"] or config["pretraining"]["learning_rate"]
        return (rate * section["rate_factor"] ** (self.number - 1),) * 2

    def settings(self, config: Config, seed: int) -> dict[str, Any]:
        section, is_first = config["ensemble"], self.continues is None
        key = "collapse_schedule" if self.kind == COLLAPSED else "schedule"
        number = self.number + (MOST_CYCLES if self.kind == COLLAPSED else 0)
        alone = config["pretraining"]["classifier_epochs"] if is_first else 0
        own = {"schedule": spelled(section[key]), "part": number, "classifier_epochs": alone}
        return {**super().settings(config, seed), **own}


@dataclass(frozen=True, kw_only=True)
class Ensemble(Method):
    """The mean prediction of the ends of cycles, as they are or collapsed; it trains nothing itself."""

    kind: str
    trains: bool = False
    parts: tuple[Part, ...] = ()

    def members(self, role: str) -> list[tuple[str, str]]:
        return [(part.name, Role.PRIMARY) for part in self.parts]

    def lineage(self, role: str) -> list[str]:
        return list(dict.fromkeys(name for part in self.parts for name in part.lineage(role)))

    def preparations(self, config: Config) -> list[str]:
        needed = (name for part in self.parts for name in [*part.preparations(config), part.name])
        return list(dict.fromkeys(needed))

    def epochs(self, config: Config) -> tuple[Epochs, Epochs]:
        """Return no epochs: its parts have them."""
        return {}, {}

    def settings(self, config: Config, seed: int) -> dict[str, Any]:
        """Return the names of its members."""
        return {"members": [name for name, _ in self.members(Role.PRIMARY)]}


@dataclass(frozen=True, kw_only=True)
class Distillation(FineTuning):
    """A last phase in which the model of `continues` learns what the `teacher` predicts.

    It passes the noisy set, whose labels it does not use, and predicts at the cost of one model.
    """

    training_set: str = "noisy"
    loss: str = SOFT
    teacher: Method

    def preparations(self, config: Config) -> list[str]:
        needed = [*self.teacher.preparations(config), *super().preparations(config)]
        own = [self.teacher.name] if self.teacher.trains else []
        return list(dict.fromkeys([*needed, *own]))

    def phase(self, config: Config) -> tuple[float, float]:
        section = config["ensemble"]
        return section["distillation_epochs"], section["distillation_learning_rate"]


def parts_of(kind: str, base: Baseline, count: int = MOST_CYCLES) -> Iterator[Part]:
    """Yield the trainings of a kind, each with those before it, in their order."""
    before: Part | None = None
    cycle = CYCLE if kind == COLLAPSED else kind
    for number in range(1, count + 1):
        part = before = Part(
            name=f"{cycle}_{number}", title=f"{base.title}, {cycle} {number}", kind=cycle,
            number=number, continues=before, training_set=base.training_set, loss=base.loss,
            weighting=base.weighting, section=base.section,
        )  # fmt: skip
        if kind == COLLAPSED:
            title = f"{part.title} collapsed"
            part = replace(part, name=f"{kind}_{number}", title=title, kind=kind, continues=part)
        yield part


def _build(base: Baseline, cycles: int) -> dict[str, Method]:
    """Return an ensemble's trainings and rows by name, for a method and a number of cycles."""
    kinds = {kind: by_name(*parts_of(kind, base, cycles)) for kind in (SNAPSHOT, CYCLE, COLLAPSED)}
    snapshots = Ensemble(
        name="snapshot_ensemble", title=f"{base.title}, snapshot ensemble", kind=SNAPSHOT,
        parts=tuple(kinds[SNAPSHOT].values()),
    )  # fmt: skip
    collapsed = Ensemble(
        name="collapsed_ensemble", title=f"{base.title}, collapsed ensemble", kind=COLLAPSED,
        parts=tuple(kinds[COLLAPSED].values()),
    )  # fmt: skip
    distilled = Distillation(
        name="collapsed_ensemble_distilled", title=f"{collapsed.title}, distilled",
        continues=collapsed.parts[-1], teacher=collapsed,
    )  # fmt: skip
    trainings = {name: part for parts in kinds.values() for name, part in parts.items()}
    return {**trainings, **by_name(snapshots, collapsed, distilled)}


DISTILLED_PAIRS = by_name(
    *(
        Distillation(
            name=f"{name}_distilled", title=f"{method.title}, distilled", continues=method,
            teacher=method,
        )
        for name, method in CALIBRATIONS.items()
    )
)  # fmt: skip
"""The mean prediction of a calibrated pair, learned by its Mp."""
ENSEMBLES: dict[str, Method] = {
    **_build(EQUAL_SAMPLES["noise_only"], MOST_CYCLES), **DISTILLED_PAIRS
}  # fmt: skip
"""Everything that is trained or evaluated for ensembles, by name; see `find`."""
ROWS = ("snapshot_ensemble", "collapsed_ensemble", "collapsed_ensemble_distilled", *DISTILLED_PAIRS)
"""Ensembles that `methods` may name."""


def build(config: Config) -> dict[str, Method]:
    """Return all trainings and rows of ensembles by name, as the section `ensemble` has them."""
    section = config["ensemble"]
    return {**_build(EQUAL_SAMPLES[section["of"]], section["cycles"]), **DISTILLED_PAIRS}


def find(config: Config, name: str) -> Method:
    """Return a training or a row of ensembles."""
    return DISTILLED_PAIRS[name] if name in DISTILLED_PAIRS else build(config)[name]


def trainings(config: Config) -> list[str]:
    """Return the names of all trainings of ensembles."""
    return [name for name, method in build(config).items() if method.trains]


def shown_before(config: Config, row: str) -> list[str]:
    """Return the rows that are shown before the row of an ensemble: its members."""
    found = find(config, row)
    return [name for name, _ in found.members(Role.PRIMARY)] if isinstance(found, Ensemble) else []
