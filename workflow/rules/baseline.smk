"""Baselines, and what they need besides their sets: a confusion of labels, weights of labels."""


rule estimate_confusion:
    input:
        shards=shards(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        weights=f"{MODELS}/pretrain_primary/{RUN}/primary.safetensors",
    output:
        f"{MODELS}/pretrain_primary/{RUN}/confusion_{{kind}}.json",
    log:
        f"{LOGS}/estimate_confusion/{{kind}}_{RUN}.log",
    wildcard_constraints:
        kind="|".join(CONFUSION_SETS),
    threads: RANKS.cores_per_rank
    resources:
        **serial_job(PLANNER.estimate_confusion, "kind"),
    params:
        settings=SETTINGS.evaluation(),
    shell:
        program(
            "estimate_confusion.py {wildcards.kind} {params.settings} {execution}"
            " {input.labels} {input.precision} {input.weights} {output}"
        )


rule score_labels:
    input:
        shards=shards(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        weights=f"{MODELS}/pretrain_primary/{RUN}/primary.safetensors",
    output:
        f"{MODELS}/cleannet/{RUN}/label_weights.h5",
    log:
        f"{LOGS}/score_labels/{RUN}.log",
    threads: RANKS.cores_per_rank
    resources:
        **serial_job(PLANNER.score),
    params:
        settings=lambda wildcards: SETTINGS.cleannet(wildcards.seed),
    shell:
        program(
            "score_labels.py {params.settings} {execution} {input.labels} {input.precision}"
            " {input.weights} {output}"
        )


use rule pretrain_auxiliary as train_baseline with:
    input:
        shards=shards(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        start=lambda wildcards: FILES.start(wildcards.method, run_of(wildcards)),
        evidence=lambda wildcards: FILES.evidence(wildcards.method, run_of(wildcards)),
        initial=EXPERIMENT.initial_weights(),
    output:
        weights=f"{MODELS}/{{method}}/{RUN}/primary.safetensors",
        epochs=f"{MODELS}/{{method}}/{RUN}/epochs.tsv",
        history=f"{MODELS}/{{method}}/{RUN}/history.h5",
        record=f"{MODELS}/{{method}}/{RUN}/record.json",
    log:
        f"{LOGS}/{{method}}/{RUN}.log",
    wildcard_constraints:
        method="|".join(BASELINES),
    threads: lambda wildcards: RANKS.cores_of_training(wildcards.method, wildcards.ranks)
    resources:
        **mpi_job(PLANNER.train, "method", "ranks"),
    params:
        stage=lambda wildcards: wildcards.method,
        role="primary",
        checkpoints=f"{CHECKPOINTS}/{{method}}/{RUN}",
        settings=lambda wildcards: SETTINGS.training(wildcards.method, wildcards.seed),
