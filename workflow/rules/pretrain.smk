"""Stage 1: Ma on the clean set and Mp on the noisy set, two MPI jobs at the same time."""


rule pretrain_auxiliary:
    input:
        shards=samples(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        start=[],
        evidence=[],
        initial=EXPERIMENT.initial_weights(),
    output:
        weights=f"{MODELS}/pretrain_auxiliary/{RUN}/auxiliary.safetensors",
        epochs=f"{MODELS}/pretrain_auxiliary/{RUN}/epochs.tsv",
        history=f"{MODELS}/pretrain_auxiliary/{RUN}/history.h5",
        record=f"{MODELS}/pretrain_auxiliary/{RUN}/record.json",
    log:
        f"{LOGS}/pretrain_auxiliary/{RUN}.log",
    threads: lambda wildcards: RANKS.cores_of_training("pretrain_auxiliary", wildcards.ranks)
    resources:
        **mpi_job(partial(PLANNER.train, "pretrain_auxiliary"), "ranks"),
    params:
        stage="pretrain_auxiliary",
        role="auxiliary",
        checkpoints=f"{CHECKPOINTS}/pretrain_auxiliary/{RUN}",
        settings=lambda wildcards: SETTINGS.training(
            "pretrain_auxiliary", wildcards.seed, wildcards.ranks
        ),
    shell:
        program(
            "train_model.py {params.stage} {params.role} {params.settings} {execution}"
            " {input.labels} {input.precision} {input.initial} {input.start}"
            " {input.evidence} {params.checkpoints} --output $(dirname {output.record:q})",
            mpi=True,
        )


use rule pretrain_auxiliary as pretrain_primary with:
    output:
        weights=f"{MODELS}/pretrain_primary/{RUN}/primary.safetensors",
        epochs=f"{MODELS}/pretrain_primary/{RUN}/epochs.tsv",
        history=f"{MODELS}/pretrain_primary/{RUN}/history.h5",
        record=f"{MODELS}/pretrain_primary/{RUN}/record.json",
    log:
        f"{LOGS}/pretrain_primary/{RUN}.log",
    threads: lambda wildcards: RANKS.cores_of_training("pretrain_primary", wildcards.ranks)
    resources:
        **mpi_job(partial(PLANNER.train, "pretrain_primary"), "ranks"),
    params:
        stage="pretrain_primary",
        role="primary",
        checkpoints=f"{CHECKPOINTS}/pretrain_primary/{RUN}",
        settings=lambda wildcards: SETTINGS.training(
            "pretrain_primary", wildcards.seed, wildcards.ranks
        ),
