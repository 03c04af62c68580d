"""Stage 2: the pair is calibrated as one MPI job of two groups."""


rule weigh_teacher:
    input:
        shards=samples(),
        labels=LABELS,
        counted=COUNTED,
        precision=EXPERIMENT.measured_precision,
        noise=result("noise/{dataset}.json"),
        confusion=lambda wildcards: FILES.confusion_of(
            wildcards.kind, run_of(wildcards), variant_of(wildcards)
        ),
        weights=lambda wildcards: FILES.pretrained(
            variant_of(wildcards), "auxiliary", run_of(wildcards)
        ),
    output:
        f"{MODELS}/pretrain_auxiliary{{own}}/{RUN}/strength_{{kind}}.json",
    log:
        f"{LOGS}/weigh_teacher/{{kind}}{{own}}_{RUN}.log",
    wildcard_constraints:
        kind="[a-z]+",
    threads: cores_of(PLANNER.estimate_confusion, "kind")
    resources:
        **mpi_job(PLANNER.estimate_confusion, "kind"),
    params:
        stage="weigh_teacher",
        checkpoints=f"{CHECKPOINTS}/weigh_teacher/{{kind}}{{own}}_{RUN}",
        settings=lambda wildcards: SETTINGS.strength(wildcards.seed, variant_of(wildcards)),
    shell:
        program(
            "weigh_teacher.py {params.stage} {params.settings} {execution} {input.labels}"
            " {input.counted} {input.precision} {input.noise} {input.confusion} {input.weights} {params.checkpoints} {output}",
            mpi=True,
        )


rule calibrate_pair:
    input:
        shards=samples(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        noise=result("noise/{dataset}.json"),
        confusion=lambda wildcards: FILES.confusion(wildcards.method, run_of(wildcards)),
        strength=lambda wildcards: FILES.strength(wildcards.method, run_of(wildcards)),
        auxiliary=lambda wildcards: FILES.pretrained(
            wildcards.method, "auxiliary", run_of(wildcards)
        ),
        primary=lambda wildcards: FILES.pretrained(wildcards.method, "primary", run_of(wildcards)),
    output:
        auxiliary=f"{MODELS}/{{method}}/{RUN}/auxiliary.safetensors",
        primary=f"{MODELS}/{{method}}/{RUN}/primary.safetensors",
        epochs=f"{MODELS}/{{method}}/{RUN}/epochs.tsv",
        history=f"{MODELS}/{{method}}/{RUN}/history.h5",
        samples=f"{MODELS}/{{method}}/{RUN}/samples.h5",
        record=f"{MODELS}/{{method}}/{RUN}/record.json",
    log:
        f"{LOGS}/{{method}}/{RUN}.log",
    wildcard_constraints:
        method="|".join(FILES.pairs()),
    threads: lambda wildcards: RANKS.cores(wildcards.ranks)
    resources:
        **mpi_job(PLANNER.calibrate, "method", "ranks"),
    params:
        checkpoints=f"{CHECKPOINTS}/{{method}}/{RUN}",
        settings=lambda wildcards: SETTINGS.training(
            wildcards.method, wildcards.seed, wildcards.ranks
        ),
    shell:
        program(
            "calibrate_pair.py --stage {wildcards.method} {params.settings} {execution}"
            " {input.labels} {input.precision} {input.noise} {input.confusion} {input.auxiliary} {input.primary}"
            " {input.strength}"
            " {params.checkpoints} --output $(dirname {output.record:q})",
            mpi=True,
        )
