"""Methods that train one model, what they need of a pair, and fine-tuning of any method's model."""

from dataclasses import dataclass, replace

from mct.experiment.method import Config, Epochs, Method, Training, by_name
from mct.experiment.pair import CALIBRATIONS, REFERENCE_PAIR


@dataclass(frozen=True, kw_only=True)
class Baseline(Training):
    """A method that trains one model; with `whole_compute` it sees the samples of both of a pair."""

    whole_compute: bool = False

    def confusion_kind(self, config: Config) -> str | None:
        return config["baselines"].get(self.section, {}).get("confusion")

    def preparations(self, config: Config) -> list[str]:
        """Return the pretraining whose net tells its confusion or verifies its labels."""
        kind = self.confusion_kind(config)
        if kind == "solved":
            return ["pretrain_auxiliary"]
        predicts = kind in ("estimated", "anchors")
        return ["pretrain_primary"] if predicts or self.weighting == "verified" else []

    def epochs(self, config: Config) -> tuple[Epochs, Epochs]:
        """Return as many epochs as Mp of the reference sees, or as both of its models process."""
        constant, decay = REFERENCE_PAIR.epochs(config)
        if self.whole_compute:
            return constant, decay
        primary = config["calibration"]["epochs"] * REFERENCE_PAIR.shares(config)[1]
        return {"noisy": constant["noisy"]}, {"noisy": float(primary)}


@dataclass(frozen=True, kw_only=True)
class FineTuning(Baseline):
    """A last phase on the clean set, at a rate of its own, of the primary model of another method."""

    training_set: str = "clean"
    continues: Method

    @property
    def start(self) -> str:
        return self.continues.name

    def lineage(self, role: str) -> list[str]:
        return [*self.continues.lineage(role), self.name]

    def preparations(self, config: Config) -> list[str]:
        return [*self.continues.preparations(config), self.continues.name]

    def phase(self, config: Config) -> tuple[float, float]:
        """Return its epochs, and the learning rate at their start."""
        section = config["finetuning"]
        return section["epochs"], section["learning_rate"]

    def epochs(self, config: Config) -> tuple[Epochs, Epochs]:
        return {}, {self.training_set: self.phase(config)[0]}

    def learning_rates(self, config: Config) -> tuple[float, float]:
        return (self.phase(config)[1],) * 2


@dataclass(frozen=True, kw_only=True)
class LossCorrection(FineTuning):
    """Forward correction and the fine-tuning that its published figure has, with keys of its own."""

    def phase(self, config: Config) -> tuple[float, float]:
        section = config["baselines"]["loss_correction"]
        return section["finetuning_epochs"], section["finetuning_learning_rate"]


FORWARD = Baseline(
    name="forward", title="Forward correction", training_set="noisy", loss="forward",
    section="loss_correction",
)  # fmt: skip
EQUAL_SAMPLES = by_name(
    Baseline(name="noise_only", title="Noise only", training_set="noisy"),
    Baseline(name="clean_only", title="Clean only", training_set="clean"),
    Baseline(name="clean_noisy", title="Clean + noisy", training_set="union"),
    FORWARD,
    Baseline(
        name="backward", title="Backward correction", training_set="noisy", loss="backward",
        section="loss_correction",
    ),
    Baseline(name="glc", title="GLC", training_set="union", loss="forward", section="glc"),
    Baseline(name="cleannet", title="CleanNet", training_set="union", weighting="verified"),
    Baseline(name="oeem", title="OEEM", training_set="noisy", weighting="easiest"),
)  # fmt: skip
"""Baselines that see as many samples as Mp of the reference."""
EQUAL_COMPUTE = by_name(
    *(
        replace(
            method, name=f"{name}_compute", title=f"{method.title}, MCT's compute",
            whole_compute=True,
        )
        for name, method in EQUAL_SAMPLES.items()
    )
)  # fmt: skip
"""The same ones with as many samples as all models of the reference process together."""
BASELINES = by_name(
    *EQUAL_SAMPLES.values(),
    *EQUAL_COMPUTE.values(),
    LossCorrection(name="forward_finetuned", title="Loss correction", continues=FORWARD),
)


def finetuned_name(method: str) -> str:
    """Return the name of the method that fine-tunes the model of another one."""
    return f"{method}_finetuned"


FINETUNED = by_name(
    *(
        FineTuning(name=finetuned_name(name), title=f"{method.title}, fine-tuned", continues=method)
        for name, method in {**BASELINES, **CALIBRATIONS}.items()
        if not isinstance(method, FineTuning) and finetuned_name(name) not in BASELINES
    )
)
"""Fine-tuning of every method that has none of its own."""
