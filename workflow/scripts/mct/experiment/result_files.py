"""Names of an experiment's results: models, what they are made from, and what is made of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from mct.base.errors import UserError
from mct.base.roles import REFERENCE, ROLES, Role
from mct.experiment import ensembles, methods
from mct.experiment.baselines import BASELINES, FINETUNED
from mct.experiment.ensembles import Distillation
from mct.experiment.method import Config
from mct.experiment.pair import CALIBRATIONS, PRETRAININGS
from mct.experiment.schedules import shows_schedules


@dataclass(frozen=True)
class ResultFiles:
    """Files of results below `folder`, by the resolved configuration."""

    folder: str
    config: Config

    @property
    def dataset(self) -> str:
        """The name of the data set."""
        return self.config["dataset"]["name"]

    def runs(self) -> list[str]:
        """Return all repetitions: seeds x ranks."""
        return [
            f"seed{seed}_ranks{ranks}"
            for seed in self.config["seeds"]
            for ranks in self.config["ranks"]
        ]

    def model(self, method: str, run: str, name: str) -> str:
        """Return a file of a training."""
        return f"{self.folder}/models/{self.dataset}/{method}/{run}/{name}"

    def of_runs(self, method: str, name: str) -> list[str]:
        """Return a file of a training in each run."""
        return [self.model(method, run, name) for run in self.runs()]

    def records(self) -> list[str]:
        """Return the records of everything that is trained, in each run."""
        return [path for each in self.trainings() for path in self.of_runs(each, "record.json")]

    def epochs(self) -> list[str]:
        """Return the figures of epochs of everything that is trained, in each run."""
        return [path for each in self.trainings() for path in self.of_runs(each, "epochs.tsv")]

    def scales(self) -> bool:
        """Return whether there are several numbers of ranks, so that scaling can be drawn."""
        return len(self.config["ranks"]) > 1

    def tables(self) -> list[str]:
        """Return the names of the tables that every run makes."""
        noise = ["noise"] if self.calibrated() else []
        schedules = ["schedules"] if shows_schedules(self.config) else []
        return ["accuracy", "recall", *noise, "pictures", "classes", "scaling", *schedules]

    def figures(self) -> list[str]:
        """Return the names of the figures that every run makes."""
        pairs = [
            f"{kind}_{name}" for name in self.calibrated() for kind in ("training", "selection")
        ]
        return [
            "accuracy",
            "curves",
            "confusion",
            "pictures",
            *(["scaling"] if self.scales() else []),
            *(["schedules"] if shows_schedules(self.config) else []),
            *pairs,
        ]

    def evaluation(self, method: str, run: str, role: str) -> str:
        """Return the evaluation of a model, or of a pair."""
        split = self.config["split"]
        return f"{self.folder}/evaluation/{self.dataset}/{split}/{method}/{run}/{role}.json"

    def evaluations(self) -> list[str]:
        """Return the evaluations of everything that is evaluated."""
        shown = [name for name in PRETRAININGS if name in self.trainings()]
        trained = [
            methods.find(self.config, name) for name in [*shown, *methods.rows_of(self.config)]
        ]
        return [
            self.evaluation(method.name, run, role)
            for method in trained
            for role in method.evaluated_roles
            for run in self.runs()
        ]

    def deployed_evaluations(self, runs: Sequence[str] = ()) -> list[str]:
        """Return the evaluations of each method's deployed model, in some runs or in all."""
        return [
            self.evaluation(method, run, "primary")
            for method in methods.rows_of(self.config)
            for run in runs or self.runs()
        ]

    def measurements(self, kind: str) -> list[str]:
        """Return the measurements that a table of performance is made of."""
        folder = f"{self.folder}/performance/{'prefetch' if kind == 'prefetch' else 'scaling'}"
        return [f"{folder}/ranks{number}.json" for number in self.config["scaling"]["ranks"]]

    def evaluated_weights(self, method: str, run: str, role: str) -> list[str]:
        """Return the weights that an evaluation is of: a model's, both of a pair, an ensemble's."""
        members = methods.find(self.config, method).members(role)
        return [self.model(name, run, f"{each}.safetensors") for name, each in members]

    def count_evaluated(self, method: str) -> int:
        """Return how many models a job predicts with that evaluates a method."""
        found = methods.find(self.config, method)
        return len(found.members(found.evaluated_roles[-1]))

    def start(self, method: str, run: str) -> list[str]:
        """Return the weights that a baseline continues, none for a start of its own."""
        continued = methods.find_alone(self.config, method).start
        return self.evaluated_weights(continued, run, "primary") if continued else []

    def evidence(self, method: str, run: str) -> list[str]:
        """Return the file that a baseline's loss or weights need, if they need one."""
        baseline = methods.find_alone(self.config, method)
        if isinstance(baseline, Distillation):
            return [self.model(method, run, "targets.h5")]
        if baseline.weighting == "verified":
            own = f"_{method}" if self._verifies_anew(method) else ""
            return [self.model(f"cleannet{own}", run, "label_weights.h5")]
        needs_noise = baseline.confusion_kind(self.config) or baseline.weighting == "easiest"
        return [self.confusion(method, run)] if needs_noise else []

    def teachers(self, method: str, run: str) -> list[str]:
        """Return the weights whose mean prediction a method distils."""
        found = methods.find(self.config, method)
        assert isinstance(found, Distillation)
        role = found.teacher.evaluated_roles[-1]
        return self.evaluated_weights(found.teacher.name, run, role)

    def count_teachers(self, method: str) -> int:
        """Return how many models a method distils."""
        return len(self.teachers(method, self.runs()[0]))

    def confusion(self, method: str, run: str) -> str:
        """Return the file of a method's confusion matrix."""
        kind = methods.find(self.config, method).confusion_kind(self.config)
        return self.confusion_of(kind, run, method)

    def confusion_of(self, kind: str | None, run: str, variant: str = "") -> str:
        """Return the file of a confusion of a kind; counted and solved ones lie with noise rates.

        The nets of a variant may estimate another one than the shared nets.
        """
        if kind in (None, "counted"):
            return f"{self.folder}/noise/{self.dataset}.json"
        if kind == "solved":
            return f"{self.folder}/noise/{self.dataset}.models.json"
        return self.pretrained(variant, Role.PRIMARY, run, f"confusion_{kind}.json")

    def strength(self, method: str, run: str) -> list[str]:
        """Return the file that says how strongly a method's posterior corrects, if it is measured."""
        kind = methods.find(self.config, method).confusion_kind(self.config)
        config = methods.config_for(self.config, method)
        if kind is None or not config["pretraining"]["held_out_clean"]:
            return []
        pair = methods.own_suffix(self.config, method, *ROLES)
        return [self.model(f"pretrain_auxiliary{pair}", run, f"strength_{kind}.json")]

    def pretrained(self, method: str, role: str, run: str, name: str = "") -> str:
        """Return a file, or the weights, of the pretraining of a role that a row starts from."""
        training = f"pretrain_{role}{methods.own_suffix(self.config, method, role)}"
        return self.model(training, run, name or f"{role}.safetensors")

    def pretrained_epochs(self, method: str, role: str) -> list[str]:
        """Return the figures of the epochs of that pretraining in each run."""
        return [self.pretrained(method, role, run, "epochs.tsv") for run in self.runs()]

    def suffixes(self) -> list[str]:
        """Return what names of pretrainings may end with: nothing, or a variant's name."""
        return ["", *(f"_{name}" for name in self._variants)]

    def _verifies_anew(self, method: str) -> bool:
        """Return whether labels are weighed for a variant alone, since its net or its keys differ."""
        own = methods.config_for(self.config, method)
        parts = [(each["optimizer"], each["baselines"]["cleannet"]) for each in (own, self.config)]
        return parts[0] != parts[1] or bool(methods.own_suffix(self.config, method, Role.PRIMARY))

    def trainings(self) -> list[str]:
        """Return everything that is trained for the table, pretraining first."""
        return methods.needed_trainings(self.config)

    def calibrated(self) -> list[str]:
        """Return the methods that calibrate a pair."""
        return [name for name in methods.rows_of(self.config) if methods.is_pair(self.config, name)]

    def pairs(self) -> list[str]:
        """Return the names that a calibration of a pair may have."""
        own = [name for name in self._variants if methods.is_pair(self.config, name)]
        return [*CALIBRATIONS, *own]

    def singles(self) -> list[str]:
        """Return the names that the training of one model alone may have, pretraining apart."""
        own = [name for name in self._variants if not methods.is_pair(self.config, name)]
        return [*BASELINES, *FINETUNED, *ensembles.trainings(self.config), *own]

    def distillations(self) -> list[str]:
        """Return the names of what learns from the predictions of others."""
        names = ensembles.trainings(self.config)
        return [n for n in names if isinstance(methods.find(self.config, n), Distillation)]

    @property
    def _variants(self) -> list[str]:
        return list(self.config.get("variants", {}))

    @property
    def judging_method(self) -> str | None:
        """The method whose pairs judge labels: `mct`, else the first that calibrates a pair."""
        calibrated = self.calibrated()
        return REFERENCE if REFERENCE in calibrated else next(iter(calibrated), None)

    @property
    def exported_method(self) -> str:
        """The method whose model is handed over: `mct`, else the first of the table that has one."""
        every = methods.rows_of(self.config)
        rows = [name for name in every if methods.find(self.config, name).trains] or every
        return REFERENCE if REFERENCE in rows else rows[0]

    def exported_weights(self, method: str) -> str:
        """Return the weights that are handed over of a method: its deployed model of the first run.

        UserError for an ensemble, which has several.
        """
        if not methods.find(self.config, method).trains:
            raise UserError(
                f"method {method}: is the mean of several models; hand over its distillation "
                f"({method}_distilled), or one of its rows"
            )
        return self.model(method, self.runs()[0], f"{Role.PRIMARY}.safetensors")

    def exported_records(self, method: str) -> list[str]:
        """Return the records of the trainings that this model went through, in their order."""
        lineage = methods.find(self.config, method).lineage(Role.PRIMARY)
        return [self.model(name, self.runs()[0], "record.json") for name in lineage]

    def evaluations_of_seeds(self, method: str) -> list[str]:
        """Return the evaluations on the test split of a method's deployed models, at the first ranks."""
        folder = f"{self.folder}/evaluation/{self.dataset}/test/{method}"
        ranks = self.config["ranks"][0]
        runs = (f"seed{seed}_ranks{ranks}" for seed in self.config["seeds"])
        return [f"{folder}/{run}/{Role.PRIMARY}.json" for run in runs]

    def judges(self, name: str) -> list[str]:
        """Return a file of each pair that judges labels; none where no method calibrates one."""
        return self.of_runs(self.judging_method, name) if self.judging_method else []

    def judges_confusions(self) -> list[str]:
        """Return the file of the confusion that each judging pair is read with."""
        method = self.judging_method
        return [self.confusion(method, run) for run in self.runs()] if method else []
