"""Stage 1: Ma on the clean set and Mp on the noisy set, two MPI jobs at the same time.

Variants that change what pretraining depends on have their own, with their name at the end (`own`).
"""


rule pretrain_auxiliary:
    input:
        shards=samples(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        start=[],
        evidence=[],
        initial=EXPERIMENT.initial_weights(),
    output:
        weights=f"{MODELS}/pretrain_auxiliary{{own}}/{RUN}/auxiliary.safetensors",
        epochs=f"{MODELS}/pretrain_auxiliary{{own}}/{RUN}/epochs.tsv",
        history=f"{MODELS}/pretrain_auxiliary{{own}}/{RUN}/history.h5",
        record=f"{MODELS}/pretrain_auxiliary{{own}}/{RUN}/record.json",
    log:
        f"{LOGS}/pretrain_auxiliary{{own}}/{RUN}.log",
    threads: cores_of_own("pretrain_auxiliary")
    resources:
        **mpi_job(partial(train_own, "pretrain_auxiliary"), "own", "ranks"),
    params:
        stage=lambda wildcards: f"pretrain_auxiliary{wildcards.own}",
        role="auxiliary",
        checkpoints=f"{CHECKPOINTS}/pretrain_auxiliary{{own}}/{RUN}",
        settings=lambda wildcards: SETTINGS.training(
            f"pretrain_auxiliary{wildcards.own}", wildcards.seed, wildcards.ranks
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
        weights=f"{MODELS}/pretrain_primary{{own}}/{RUN}/primary.safetensors",
        epochs=f"{MODELS}/pretrain_primary{{own}}/{RUN}/epochs.tsv",
        history=f"{MODELS}/pretrain_primary{{own}}/{RUN}/history.h5",
        record=f"{MODELS}/pretrain_primary{{own}}/{RUN}/record.json",
    log:
        f"{LOGS}/pretrain_primary{{own}}/{RUN}.log",
    threads: cores_of_own("pretrain_primary")
    resources:
        **mpi_job(partial(train_own, "pretrain_primary"), "own", "ranks"),
    params:
        stage=lambda wildcards: f"pretrain_primary{wildcards.own}",
        role="primary",
        checkpoints=f"{CHECKPOINTS}/pretrain_primary{{own}}/{RUN}",
        settings=lambda wildcards: SETTINGS.training(
            f"pretrain_primary{wildcards.own}", wildcards.seed, wildcards.ranks
        ),
