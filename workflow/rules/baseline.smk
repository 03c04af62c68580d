"""Baselines, fine-tuning, ensembles, and what they need besides sets: confusions, weights, targets."""


rule estimate_confusion:
    input:
        shards=samples(),
        labels=COUNTED,
        precision=EXPERIMENT.measured_precision,
        weights=f"{MODELS}/pretrain_primary{{own}}/{RUN}/primary.safetensors",
    output:
        f"{MODELS}/pretrain_primary{{own}}/{RUN}/confusion_{{kind}}.json",
    log:
        f"{LOGS}/estimate_confusion/{{kind}}{{own}}_{RUN}.log",
    wildcard_constraints:
        kind="|".join(CONFUSION_SETS),
    threads: cores_of(PLANNER.estimate_confusion, "kind")
    resources:
        **mpi_job(PLANNER.estimate_confusion, "kind"),
    params:
        stage="estimate_confusion",
        checkpoints=f"{CHECKPOINTS}/estimate_confusion/{{kind}}{{own}}_{RUN}",
        settings=SETTINGS.evaluation(),
    shell:
        program(
            "estimate_confusion.py {params.stage} {wildcards.kind} {params.settings} {execution}"
            " {input.labels} {input.precision} {input.weights} {params.checkpoints} {output}",
            mpi=True,
        )


rule score_labels:
    input:
        shards=samples(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        weights=lambda wildcards: FILES.pretrained(
            variant_of(wildcards), "primary", run_of(wildcards)
        ),
    output:
        f"{MODELS}/cleannet{{own}}/{RUN}/label_weights.h5",
    log:
        f"{LOGS}/score_labels/{RUN}{{own}}.log",
    threads: cores_of(PLANNER.score)
    resources:
        **mpi_job(PLANNER.score),
    params:
        stage="score_labels",
        checkpoints=f"{CHECKPOINTS}/score_labels/{RUN}{{own}}",
        settings=lambda wildcards: SETTINGS.cleannet(wildcards.seed, variant_of(wildcards)),
    shell:
        program(
            "score_labels.py {params.stage} {params.settings} {execution} {input.labels}"
            " {input.precision} {input.weights} {params.checkpoints} {output}",
            mpi=True,
        )


rule predict_targets:
    input:
        shards=samples(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        weights=lambda wildcards: FILES.teachers(wildcards.method, run_of(wildcards)),
    output:
        f"{MODELS}/{{method}}/{RUN}/targets.h5",
    log:
        f"{LOGS}/predict_targets/{{method}}_{RUN}.log",
    wildcard_constraints:
        method="|".join(FILES.distillations()),
    threads: cores_of(PLANNER.distil, "method")
    resources:
        **mpi_job(PLANNER.distil, "method"),
    params:
        stage="predict_targets",
        checkpoints=f"{CHECKPOINTS}/predict_targets/{{method}}_{RUN}",
        settings=SETTINGS.evaluation(),
    shell:
        program(
            "predict_targets.py {params.stage} {params.settings} {execution} {input.labels}"
            " {input.precision} {input.weights} {params.checkpoints} {output}",
            mpi=True,
        )


use rule pretrain_auxiliary as train_baseline with:
    input:
        shards=samples(),
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
        method="|".join(FILES.singles()),
    threads: lambda wildcards: RANKS.cores_of_training(wildcards.method, wildcards.ranks)
    resources:
        **mpi_job(PLANNER.train, "method", "ranks"),
    params:
        stage=lambda wildcards: wildcards.method,
        role="primary",
        checkpoints=f"{CHECKPOINTS}/{{method}}/{RUN}",
        settings=lambda wildcards: SETTINGS.training(
            wildcards.method, wildcards.seed, wildcards.ranks
        ),
