"""The resources of every rule: ranks, cores, nodes, memory and time that a job asks for.

Functions of the sizes of the data, the settings and the number of the attempt, within what the
site's queues give.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mct.cluster import carrying, demands, disk
from mct.cluster.demands import Cost, Demand, limit_memory
from mct.cluster.site import CORE_GROUPS, Queue, Site
from mct.experiment.experiment import Experiment
from mct.experiment.method import CONFUSION_SETS, with_batch
from mct.experiment.methods import config_for, find_pair, is_pair

SHORTEST_MINUTES = {"serial": 5, "ranks": 10}
"""So that the signal a minute before the limit leaves time to work."""
Plan = tuple[Queue, Demand]
"""What a job asks for in a queue."""


class Planner:
    """Plans the jobs of an experiment on a site."""

    def __init__(self, experiment: Experiment, site: Site) -> None:
        self._experiment, self._site, self._ranks_site = experiment, site, site.for_ranks()
        self._config = experiment.config
        self._net_cost = demands.cost_of(experiment)
        self._cost = demands.learned_cost(experiment, self._net_cost)
        execution = self._config["execution"]
        self._on_gpu = self._ranks_site.has_gpus and execution["device"] != "cpu"
        self._processor_rate = execution["gigaflops_per_thread"] * execution["threads_per_rank"]
        self._rank_rate = execution["gigaflops_per_gpu"] if self._on_gpu else self._processor_rate

    def train(self, method: str, ranks: str, attempt: int) -> Demand:
        """Return what the training of a method in a run of `ranks` ranks asks for."""
        own = self._experiment.ranks.of_training(method, ranks)
        seconds = self._training_seconds(self._experiment.ranks.samples(method, ranks), own)
        return self._ranks(own, 1, seconds, self._model_megabytes(own, method), attempt)

    def calibrate(self, method: str, ranks: str, attempt: int) -> Demand:
        """Return what the calibration of a pair by a method on `ranks` ranks asks for."""
        config, pairs = config_for(self._config, method), int(ranks) // 2
        epochs, noisy = config["calibration"]["epochs"], self._experiment.sizes["noisy"]
        cost = find_pair(self._config, method).cost(self._experiment.ranks.config_of(ranks))
        samples = epochs * noisy * cost * demands.repetition(config["optimizer"])
        seconds = self._training_seconds(samples, pairs)
        record = 3 * 10 * epochs * noisy / 1e6  # of confidences and selections, and its copies
        memory = self._model_megabytes(pairs, method) + record
        return self._ranks(int(ranks), 2, seconds, memory, attempt)

    def refusal(self, rule: str, resources: Mapping[str, Any], run_ranks: str = "") -> str | None:
        """Return why no queue takes a job of a rule, and what to raise if that is its time.

        Of a job on ranks also how many ranks a run may have, where `run_ranks` are too many or too few.
        """
        asked = self._with_threads(resources)
        refusal = self._site.refusal(asked)
        if refusal and resources.get("ranks") and run_ranks:
            advice = carrying.advise(int(run_ranks), partial(self._carries, rule))
            return "; ".join(filter(None, [refusal, advice]))
        if refusal is None or self._site.refusal(asked, but_for="runtime"):
            return refusal
        return f"{refusal}; raise {demands.REMEDIES.get(rule, 'max_runtime of a queue')}"

    def _carries(self, rule: str, ranks: int) -> bool:
        """Return whether queues take a run on so many ranks: all its trainings, or a measurement."""
        return not any(
            self._site.refusal(self._with_threads(each.resources))
            for each in self._on_ranks(rule, str(ranks))
        )

    def _on_ranks(self, rule: str, ranks: str) -> Iterator[Demand]:
        """Yield what the measurement of a rule on so many ranks asks for, or what all trainings do."""
        measurements = {"measure_scaling": self.rehearse, "measure_prefetch": self.rehearse_reading}
        if rule in measurements:
            yield measurements[rule](ranks, 1)
            return
        for name in self._experiment.files.trainings():
            plan = self.calibrate if is_pair(self._config, name) else self.train
            yield plan(name, ranks, 1)

    def predict(self, set_names: Collection[str], attempt: int, models: int = 1) -> Demand:
        """Return what the predictions of models for whole sets ask for."""
        samples = models * sum(self._experiment.sizes[name] for name in set_names)
        logits = demands.logits_megabytes(samples, self._experiment.classes, models)
        return self._predict(samples, attempt, models, logits)

    def evaluate(self, split: str, method: str, attempt: int) -> Demand:
        """Return what evaluating a model, a pair or an ensemble on a split asks for."""
        return self.predict((split,), attempt, self._experiment.files.count_evaluated(method))

    def distil(self, method: str, attempt: int) -> Demand:
        """Return what the predictions ask for that a method distils."""
        return self.predict(("noisy",), attempt, self._experiment.files.count_teachers(method))

    def estimate_confusion(self, kind: str, attempt: int) -> Demand:
        """Return what estimating a confusion of a kind asks for, or weighing it with Ma."""
        return self.predict((CONFUSION_SETS.get(kind, "clean"),), attempt)

    def score(self, attempt: int) -> Demand:
        """Return what weighing noisy labels asks for: the features of two sets, and a class of them."""
        pictures = sum(self._experiment.sizes[name] for name in ("noisy", "clean"))
        features = demands.features_megabytes(self._cost, pictures, self._experiment.classes)
        return self._predict(pictures, attempt, held_mb=features)

    def judge(self, attempt: int) -> Demand:
        """Return what judging a shard's noisy pictures with every pair of a method asks for."""
        models = 2 * len(self._experiment.files.runs())
        samples = models * self._experiment.sizes["noisy"] / self._config["shards"]["count"]
        return self._predict_alone(self._cost, samples, models, attempt)

    def export(self, attempt: int) -> Demand:
        """Return what handing a model over asks for: the whole net on two sets, and copies of it."""
        samples = sum(self._experiment.sizes[name] for name in ("validation", "test"))
        held = demands.logits_megabytes(samples, self._experiment.classes, 2) + demands.EXPORT_MB
        return self._predict_alone(self._net_cost, samples, demands.EXPORT_COPIES, attempt, held)

    def extract(self, attempt: int) -> Demand:
        """Return what the features of the largest shard's pictures ask for."""
        pictures = demands.pictures_per_shard(self._experiment)
        pictures *= self._config["images"]["feature_views"]
        held = demands.extraction_megabytes(self._experiment, self._net_cost)
        return self._predict(pictures, attempt, held_mb=held, cost=self._net_cost)

    def estimate_noise(self, attempt: int) -> Demand:
        """Return what estimating the noise rate with a model asks for."""
        sizes, most = self._experiment.sizes, self._config["dataset"]["noise_samples"]
        return self._predict(min(sizes["noisy"], most) + sizes["validation"], attempt)

    def _predict(
        self,
        samples: float,
        attempt: int,
        models: int = 1,
        held_mb: float = 0,
        cost: Cost | None = None,
    ) -> Demand:
        """Return what predictions ask for, on as many ranks as end soon, at most the experiment's."""
        size, cost = self._config["images"]["size"], cost or self._cost
        seconds = self._prediction_seconds(cost, samples, self._rank_rate)
        pieces = math.ceil(samples / demands.READ_AT_A_TIME)
        most = min(max(self._config["ranks"]), pieces)
        ranks = max(1, min(most, math.ceil(seconds / (60 * SHORTEST_MINUTES["ranks"]))))
        memory = demands.inference_megabytes(cost, models, size) + held_mb
        return self._ranks(ranks, 1, seconds / ranks, memory, attempt)

    def _predict_alone(
        self, cost: Cost, samples: float, models: int, attempt: int, held_mb: float = 0
    ) -> Demand:
        """Return what the predictions of a process without ranks ask for."""
        seconds = self._prediction_seconds(cost, samples, self._processor_rate)
        memory = demands.inference_megabytes(cost, models, self._config["images"]["size"])
        used = self._experiment.ranks.cores_per_rank
        return self._serial(seconds, memory + held_mb, attempt, used)

    def _prediction_seconds(self, cost: Cost, samples: float, rate: float) -> float:
        seconds = demands.compute_seconds(cost, samples, rate, training=False)
        return seconds + self._reading_seconds(samples if cost is self._net_cost else 0)

    def rehearse(self, ranks: str, attempt: int) -> Demand:
        """Return what measuring on `ranks` ranks asks for: steps of the two models, and averages.

        A rank's batch is of weak scaling, then its share of the batch of strong scaling.
        """
        section, size = self._config["scaling"], self._config["scaling"]["size"]
        cost = demands.model_cost(section["model"], size)
        batches = (section["samples_per_rank"], -(-section["fixed_batch"] // (int(ranks) // 2)))
        averaged = [demands.model_cost(name, size) for name in section["averaged_models"]]
        seconds = demands.compute_seconds(cost, sum(batches), self._rank_rate, training=True)
        seconds *= demands.REHEARSAL_SLACK
        seconds += sum(map(demands.average_seconds, averaged))
        memory = max(
            demands.model_megabytes(learned, batch, size, 2, on_gpu=self._on_gpu)
            for learned, batch in ((cost, max(batches)), *((model, 0) for model in averaged))
        )
        return self._ranks(int(ranks), 2, (section["repeats"] + 1) * seconds, memory, attempt)

    def rehearse_reading(self, ranks: str, attempt: int) -> Demand:
        """Return what measuring prefetch on `ranks` ranks asks for: steps of the experiment's model."""
        count, most = int(ranks), self._experiment.sizes["noisy"]
        prefetched = self._config["execution"]["prefetch_batches"]
        batches = demands.timed_batches(prefetched, self._config["scaling"]["repeats"])
        samples = batches * min(self._batch(count), most)
        seconds = self._training_seconds(samples, count) + self._reading_seconds(samples / count)
        return self._ranks(count, 2, seconds, self._model_megabytes(count), attempt)

    def measure_precision(self, attempt: int) -> Demand:
        """Return what a few steps on the ranks of a pair ask for, in two arithmetics."""
        samples = 2 * demands.PRECISION_STEPS * self._experiment.samples_per_rank
        seconds = demands.REHEARSAL_SLACK * self._training_seconds(samples, 1)
        memory = 2 * self._model_megabytes(self._config["ranks"][0] // 2)
        return self._ranks(2, 2, seconds, memory, attempt)

    def catalogue(self, attempt: int) -> Demand:
        """Return what the catalogue asks for: the lists, and pictures where noise depends on them."""
        if self._config["dataset"]["synthetic_noise"]["kind"] == "instance_dependent":
            return self._pictures(self._experiment.sizes["noisy"], attempt)
        return self.lists(attempt)

    def lists(self, attempt: int) -> Demand:
        """Return what going through the lists asks for."""
        rows = sum(self._experiment.sizes.values())
        return self._serial(rows * demands.ROW_SECONDS, rows * demands.ROW_BYTES / 1e6, attempt)

    def inspect(self, attempt: int) -> Demand:
        """Return what inspecting a part of the pictures asks for: all parts are one job array."""
        parts = self._config["inspection"]["parts"]
        return self._pictures(sum(self._experiment.sizes.values()) / parts, attempt)

    def shard(self, attempt: int) -> Demand:
        """Return what writing the largest shard asks for: all are one job array."""
        return self._pictures(demands.pictures_per_shard(self._experiment), attempt)

    def _pictures(self, pictures: float, attempt: int) -> Demand:
        """Return what a job asks for that decodes pictures."""
        threads = self._config["execution"]["picture_threads"]
        rows = sum(self._experiment.sizes.values()) * demands.STREAMED_SECONDS
        seconds = rows + pictures * demands.PICTURE_SECONDS / threads
        most = min(self._config["inspection"]["most_pixels"], demands.USUAL_PIXELS)
        memory = pictures * demands.ROW_BYTES + threads * demands.PIXEL_BYTES * most
        return self._serial(seconds, memory / 1e6, attempt, threads)

    def stored_megabytes(self, rule: str) -> float:
        """Return the disk that a job of a rule fills."""
        return disk.megabytes(rule, self._experiment, self._cost)

    def index(self, attempt: int) -> Demand:
        """Return what checking the largest shard asks for: all are one job array."""
        pictures = demands.pictures_per_shard(self._experiment)
        return self._serial(pictures * demands.INDEX_SECONDS, pictures * 300 / 1e6, attempt)

    def report(self, attempt: int) -> Demand:
        """Return what a table or a figure asks for."""
        return self._serial(0, 0, attempt)

    def _training_seconds(self, samples: float, ranks: int) -> float:
        rate = self._rank_rate * ranks
        return demands.compute_seconds(self._cost, samples, rate, training=True)

    def _reading_seconds(self, samples: float) -> float:
        """Return the time in which a rank reads and decodes samples; small ones are stored decoded."""
        stored = self._config["images"]["size"] <= demands.LARGEST_STORED
        execution = self._config["execution"]
        threads = execution["loader_threads"] or execution["threads_per_rank"]
        return 0 if stored else samples * demands.PICTURE_SECONDS / threads

    def _batch(self, replicas: int, method: str = "") -> int:
        """Return the global batch of a model that has `replicas` ranks."""
        config = config_for(self._config, method)
        return with_batch(config, replicas)["optimizer"]["batch_size"]

    def _model_megabytes(self, replicas: int, method: str = "") -> float:
        batch = -(-self._batch(replicas, method) // replicas)
        optimizer = config_for(self._config, method)["optimizer"]
        prefetched = self._config["execution"]["prefetch_batches"]
        return demands.model_megabytes(
            self._cost, batch, self._config["images"]["size"], prefetched,
            passes=optimizer["accumulation"], on_gpu=self._on_gpu,
        )  # fmt: skip

    def _ranks(
        self, ranks: int, task_ranks: int, seconds: float, parts_mb: float, attempt: int
    ) -> Demand:
        """Return the demand with the most memory, up to the attempt's, that a queue takes.

        A queue may cut the time: a training that needs longer resumes in the next attempt.
        """
        runtime = max(SHORTEST_MINUTES["ranks"], demands.minutes(seconds, attempt))
        work = (ranks, task_ranks, runtime, parts_mb)
        plans = [
            [self._plan_ranks(queue, *work, grown) for queue in self._ranks_site.queues]
            for grown in range(attempt, 0, -1)
        ]
        fitting = (each for each in plans if self._taken(each))
        queue, plan = self._choose(next(fitting, plans[-1]))
        named = self._ranks_site.is_mixed and not self._excess(queue, plan)
        partition = queue.name if named else ""
        return replace(
            plan, attempt=attempt, slurm_partition=partition, work_seconds=math.ceil(seconds)
        )

    def _taken(self, plans: Sequence[Plan]) -> list[Plan]:
        """Return the plans that their queues take."""
        return [(queue, plan) for queue, plan in plans if not self._excess(queue, plan)]

    def _choose(self, plans: Sequence[Plan]) -> Plan:
        """Return the plan with the longest time that its queue takes, of equals the first.

        Where there is none, one that lacks time only, or else the first.
        """
        taken = self._taken(plans)
        if taken:
            return max(taken, key=lambda pair: pair[1].runtime)
        late = (pair for pair in plans if not self._excess(*pair, but_for="runtime"))
        return next(late, plans[0])

    def _excess(self, queue: Queue, plan: Demand, *, but_for: str = "") -> str | None:
        return queue.excess(self._with_threads(plan.resources), but_for=but_for)

    def _with_threads(self, resources: Mapping[str, Any]) -> dict[str, Any]:
        """Return resources with the threads of a job's ranks, which a dry run does not know."""
        return {**resources, "threads": self._experiment.ranks.cores(resources.get("ranks", 0))}

    def _plan_ranks(
        self, queue: Queue, ranks: int, task_ranks: int, runtime: int, parts_mb: float, grown: int
    ) -> Plan:
        most_cores = min(max(CORE_GROUPS), queue.cores_per_node / task_ranks)
        memory = limit_memory(parts_mb, grown, queue.memory_per_core * most_cores)
        cores = queue.rank_cores(self._experiment.ranks.cores_per_rank, memory)
        tasks, cpus = ranks // task_ranks, cores * task_ranks
        gpu = ranks if self._ranks_site.has_gpus else 0
        return queue, Demand(
            ranks=ranks,
            rank_threads=self._config["execution"]["threads_per_rank"],
            rank_cpus=cores,
            tasks=tasks,
            cpus_per_task=cpus,
            nodes=queue.nodes(tasks, cpus, gpu),
            gpu=gpu,
            mem_mb_per_cpu=-(-memory // cores),
            runtime=int(min(runtime, queue.limit("max_runtime"))),
        )

    def _serial(self, seconds: float, parts_mb: float, attempt: int, used: int = 1) -> Demand:
        """Return the demand of a job that cannot resume: a queue cuts what attempts add to its time."""
        work = (seconds, parts_mb, attempt, used)
        return self._choose([self._plan_serial(queue, *work) for queue in self._site.queues])[1]

    def _plan_serial(
        self, queue: Queue, seconds: float, parts_mb: float, attempt: int, used: int
    ) -> Plan:
        most_cores = min(max(CORE_GROUPS), queue.cores_per_node)
        memory = limit_memory(parts_mb, attempt, queue.memory_of(most_cores))
        cores = queue.rank_cores(used, memory)
        shortest = SHORTEST_MINUTES["serial"]
        first, grown = (max(shortest, demands.minutes(seconds, n)) for n in (1, attempt))
        return queue, Demand(
            attempt=attempt,
            rank_threads=used,
            rank_cpus=cores,
            cpus_per_task=cores,
            mem_mb_per_cpu=-(-memory // cores),
            runtime=int(max(first, min(grown, queue.limit("max_runtime")))),
            work_seconds=math.ceil(seconds),
        )
