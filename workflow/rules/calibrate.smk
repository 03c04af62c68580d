rule calibrate_pair:
    input:
        shards=shard_files("noisy") + shard_files("clean"),
        noisy=index("noisy"),
        clean=index("clean"),
        noise=result("noise/{dataset}.json"),
        confusion=lambda wildcards: EXPERIMENT.calibration_confusion(
            wildcards.method, run_of(wildcards)
        ),
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
        method="|".join(CALIBRATED),
    conda:
        "../envs/mct.yaml"
    threads: lambda wildcards: EXPERIMENT.threads(wildcards.ranks)
    resources:
        **ranks(
            lambda wildcards, attempt: PLANNER.calibrate(
                wildcards.method, wildcards.ranks, attempt
            )
        ),
    params:
        execution=EXECUTION,
        checkpoints=f"{CHECKPOINTS}/{{method}}/{RUN}",
        settings=lambda wildcards: EXPERIMENT.calibration_settings(wildcards.method, wildcards.seed),
    shell:
        START_RANKS + " calibrate_pair.py --stage {wildcards.method} --ranks {resources.ranks}"
        " --settings {params.settings:q} --execution {params.execution:q} --noisy {input.noisy:q}"
        " --clean {input.clean:q} --noise {input.noise:q} --confusion {input.confusion:q}"
        " --auxiliary {input.auxiliary:q} --primary {input.primary:q}"
        " --checkpoints {params.checkpoints:q} --output $(dirname {output.record:q}) 2> {log:q}"
        f" {code('calibrate_pair.py')}"
