rule train_baseline:
    input:
        shards=lambda wildcards: [
            file
            for name in EXPERIMENT.training_sets(wildcards.method)
            for file in shard_files(name)
        ],
        noisy=index("noisy"),
        clean=index("clean"),
    output:
        weights=f"{MODELS}/{{method}}/{RUN}/primary.safetensors",
        epochs=f"{MODELS}/{{method}}/{RUN}/epochs.tsv",
        history=f"{MODELS}/{{method}}/{RUN}/history.h5",
        record=f"{MODELS}/{{method}}/{RUN}/record.json",
    log:
        f"{LOGS}/{{method}}/{RUN}.log",
    wildcard_constraints:
        method="|".join(BASELINES),
    conda:
        "../envs/mct.yaml"
    threads: lambda wildcards: EXPERIMENT.threads(wildcards.ranks)
    resources:
        **ranks(
            lambda wildcards, attempt: PLANNER.train(wildcards.method, wildcards.ranks, attempt)
        ),
    params:
        stage=lambda wildcards: wildcards.method,
        role="primary",
        execution=EXECUTION,
        checkpoints=f"{CHECKPOINTS}/{{method}}/{RUN}",
        settings=lambda wildcards: EXPERIMENT.training_settings(wildcards.method, wildcards.seed),
    shell:
        f"{TRAIN} {code('train_model.py')}"
