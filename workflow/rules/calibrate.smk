"""Stage 2: the pair is calibrated as one MPI job of two groups."""


rule calibrate_pair:
    input:
        shards=samples(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        noise=result("noise/{dataset}.json"),
        confusion=lambda wildcards: FILES.confusion(wildcards.method, run_of(wildcards)),
        auxiliary=f"{MODELS}/pretrain_auxiliary/{RUN}/auxiliary.safetensors",
        primary=f"{MODELS}/pretrain_primary/{RUN}/primary.safetensors",
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
        method="|".join(CALIBRATIONS),
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
            " {params.checkpoints} --output $(dirname {output.record:q})",
            mpi=True,
        )
