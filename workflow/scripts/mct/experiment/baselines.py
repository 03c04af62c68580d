"""Methods that train one model, and what they need of a pair."""

from dataclasses import dataclass

from mct.experiment.method import Config, Epochs, Training, by_name
from mct.experiment.pair import REFERENCE_PAIR


@dataclass(frozen=True, kw_only=True)
class Baseline(Training):
    """A method that trains one model; with `whole_compute` it sees the samples of both of a pair."""

    whole_compute: bool = False

    def confusion_kind(self, config: Config) -> str | None:
        return config["baselines"].get(self.section, {}).get("confusion")

    def preparations(self, config: Config) -> list[str]:
        """Return the pretraining whose net estimates its confusion or verifies its labels."""
        predicts = self.confusion_kind(config) in ("estimated", "anchors")
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
    """A baseline that continues the model of another one at a rate of its own."""

    continues: Baseline

    @property
    def start(self) -> str:
        return self.continues.name

    def lineage(self, role: str) -> list[str]:
        return [*self.continues.lineage(role), self.name]

    def preparations(self, config: Config) -> list[str]:
        return [*self.continues.preparations(config), self.continues.name]

    def epochs(self, config: Config) -> tuple[Epochs, Epochs]:
        epochs = config["baselines"]["loss_correction"]["finetuning_epochs"]
        return {}, {self.training_set: epochs}

    def learning_rates(self, config: Config) -> tuple[float, float]:
        return (config["baselines"]["loss_correction"]["finetuning_learning_rate"],) * 2


FORWARD = Baseline(
    name="forward", title="Forward correction", training_set="noisy", loss="forward",
    section="loss_correction",
)  # fmt: skip
BASELINES = by_name(
    Baseline(name="noise_only", title="Noise only", training_set="noisy"),
    Baseline(
        name="noise_only_compute", title="Noise only, MCT's compute", training_set="noisy",
        whole_compute=True,
    ),
    Baseline(name="clean_only", title="Clean only", training_set="clean"),
    Baseline(name="clean_noisy", title="Clean + noisy", training_set="union"),
    FORWARD,
    Baseline(
        name="backward", title="Backward correction", training_set="noisy", loss="backward",
        section="loss_correction",
    ),
    FineTuning(
        name="forward_finetuned", title="Loss correction", training_set="clean", continues=FORWARD
    ),
    Baseline(name="glc", title="GLC", training_set="union", loss="forward", section="glc"),
    Baseline(name="cleannet", title="CleanNet", training_set="union", weighting="verified"),
    Baseline(name="oeem", title="OEEM", training_set="noisy", weighting="easiest"),
)  # fmt: skip
