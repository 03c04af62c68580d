"""Stage 1: Ma on the clean set and Mp on the noisy set, two MPI jobs at the same time."""


rule pretrain_auxiliary:
    input:
        shards=shard_files("clean"),
        noisy=index("noisy"),
        clean=index("clean"),
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
    conda:
        "../envs/mct.yaml"
    threads: lambda wildcards: EXPERIMENT.training_threads("pretrain_auxiliary", wildcards.ranks)
    resources:
        **ranks(
            lambda wildcards, attempt: PLANNER.train(
                "pretrain_auxiliary", wildcards.ranks, attempt
            )
        ),
    params:
        stage="pretrain_auxiliary",
        role="auxiliary",
        execution=EXECUTION,
        checkpoints=f"{CHECKPOINTS}/pretrain_auxiliary/{RUN}",
        ranks=lambda wildcards: EXPERIMENT.training_ranks("pretrain_auxiliary", wildcards.ranks),
        settings=lambda wildcards: EXPERIMENT.training_settings(
            "pretrain_auxiliary", wildcards.seed
        ),
    shell:
        f"{TRAIN} {code('train_model.py')}"


rule pretrain_primary:
    input:
        shards=shard_files("noisy"),
        noisy=index("noisy"),
        clean=index("clean"),
        start=[],
        evidence=[],
        initial=EXPERIMENT.initial_weights(),
    output:
        weights=f"{MODELS}/pretrain_primary/{RUN}/primary.safetensors",
        epochs=f"{MODELS}/pretrain_primary/{RUN}/epochs.tsv",
        history=f"{MODELS}/pretrain_primary/{RUN}/history.h5",
        record=f"{MODELS}/pretrain_primary/{RUN}/record.json",
    log:
        f"{LOGS}/pretrain_primary/{RUN}.log",
    conda:
        "../envs/mct.yaml"
    threads: lambda wildcards: EXPERIMENT.training_threads("pretrain_primary", wildcards.ranks)
    resources:
        **ranks(
            lambda wildcards, attempt: PLANNER.train("pretrain_primary", wildcards.ranks, attempt)
        ),
    params:
        stage="pretrain_primary",
        role="primary",
        execution=EXECUTION,
        checkpoints=f"{CHECKPOINTS}/pretrain_primary/{RUN}",
        ranks=lambda wildcards: EXPERIMENT.training_ranks("pretrain_primary", wildcards.ranks),
        settings=lambda wildcards: EXPERIMENT.training_settings("pretrain_primary", wildcards.seed),
    shell:
        f"{TRAIN} {code('train_model.py')}"
