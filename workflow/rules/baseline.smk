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
    params:
        settings=lambda wildcards: EXPERIMENT.training_settings(
            wildcards.method, wildcards.seed
        ),
        code=EXPERIMENT.code("train_model.py"),
    threads: lambda wildcards: EXPERIMENT.threads(wildcards.ranks)
    resources:
        tasks=lambda wildcards: int(wildcards.ranks),
        cpus_per_task=EXPERIMENT.threads_per_rank,
    conda:
        "../envs/mct.yaml"
    shell:
        "{LAUNCH} --ranks {resources.tasks} --threads {resources.cpus_per_task}"
        " {SCRIPTS}/train_model.py --stage {wildcards.method} --role primary"
        " --ranks {resources.tasks} --settings {params.settings:q} --execution {EXECUTION:q}"
        " --noisy {input.noisy:q} --clean {input.clean:q}"
        " --output $(dirname {output.record:q}) 2> {log:q}"
