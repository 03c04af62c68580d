"""Baselines, and what they need beside their sets: a confusion of labels, weights of labels."""


rule estimate_confusion:
    input:
        shards=lambda wildcards: shard_files(CONFUSION_SETS[wildcards.kind]),
        index=lambda wildcards: index(CONFUSION_SETS[wildcards.kind]),
        weights=f"{MODELS}/pretrain_primary/{RUN}/primary.safetensors",
    output:
        f"{MODELS}/pretrain_primary/{RUN}/confusion_{{kind}}.json",
    log:
        f"{LOGS}/estimate_confusion/{{kind}}_{RUN}.log",
    wildcard_constraints:
        kind="|".join(CONFUSION_SETS),
    conda:
        "../envs/mct.yaml"
    threads: EXPERIMENT.cores_per_rank
    resources:
        **serial(
            lambda wildcards, attempt: PLANNER.predict((CONFUSION_SETS[wildcards.kind],), attempt)
        ),
    params:
        execution=EXECUTION,
        settings=EXPERIMENT.evaluation_settings(),
    shell:
        f"{START} estimate_confusion.py"
        " --kind {wildcards.kind} --settings {params.settings:q}"
        " --execution {params.execution:q} --index {input.index:q}"
        " --weights {input.weights:q} --output {output:q} 2> {log:q}"
        f" {code('estimate_confusion.py')}"


rule score_labels:
    input:
        shards=shard_files("noisy") + shard_files("clean"),
        noisy=index("noisy"),
        clean=index("clean"),
        weights=f"{MODELS}/pretrain_primary/{RUN}/primary.safetensors",
    output:
        f"{MODELS}/cleannet/{RUN}/label_weights.h5",
    log:
        f"{LOGS}/score_labels/{RUN}.log",
    conda:
        "../envs/mct.yaml"
    threads: EXPERIMENT.cores_per_rank
    resources:
        **serial(lambda wildcards, attempt: PLANNER.score(attempt)),
    params:
        execution=EXECUTION,
        settings=lambda wildcards: EXPERIMENT.cleannet_settings(wildcards.seed),
    shell:
        f"{START} score_labels.py"
        " --settings {params.settings:q} --execution {params.execution:q}"
        " --noisy {input.noisy:q} --clean {input.clean:q} --weights {input.weights:q}"
        " --output {output:q} 2> {log:q}"
        f" {code('score_labels.py')}"


rule train_baseline:
    input:
        shards=lambda wildcards: [
            file
            for name in EXPERIMENT.training_sets(wildcards.method)
            for file in shard_files(name)
        ],
        noisy=index("noisy"),
        clean=index("clean"),
        start=lambda wildcards: EXPERIMENT.start(wildcards.method, run_of(wildcards)),
        evidence=lambda wildcards: EXPERIMENT.evidence(wildcards.method, run_of(wildcards)),
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
    conda:
        "../envs/mct.yaml"
    threads: lambda wildcards: EXPERIMENT.training_threads(wildcards.method, wildcards.ranks)
    resources:
        **ranks(
            lambda wildcards, attempt: PLANNER.train(wildcards.method, wildcards.ranks, attempt)
        ),
    params:
        stage=lambda wildcards: wildcards.method,
        role="primary",
        execution=EXECUTION,
        checkpoints=f"{CHECKPOINTS}/{{method}}/{RUN}",
        ranks=lambda wildcards: EXPERIMENT.training_ranks(wildcards.method, wildcards.ranks),
        settings=lambda wildcards: EXPERIMENT.training_settings(wildcards.method, wildcards.seed),
    shell:
        f"{TRAIN} {code('train_model.py')}"
