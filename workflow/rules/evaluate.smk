rule evaluate_model:
    input:
        shards=lambda wildcards: shard_files(wildcards.split),
        index=lambda wildcards: index(wildcards.split),
        weights=evaluated_weights,
    output:
        result(f"evaluation/{{dataset}}/{{split}}/{{method}}/{RUN}/{{role}}.json"),
    log:
        f"{LOGS}/evaluate_model/{{split}}_{{method}}_{RUN}_{{role}}.log",
    conda:
        "../envs/mct.yaml"
    threads: EXPERIMENT.cores_per_rank
    resources:
        **serial(
            lambda wildcards, attempt: PLANNER.predict(
                (wildcards.split,), attempt, len(evaluated_weights(wildcards))
            )
        ),
    params:
        execution=EXECUTION,
        settings=EXPERIMENT.evaluation_settings(),
    shell:
        f"{START} evaluate_model.py"
        " --settings {params.settings:q}"
        " --execution {params.execution:q} --split {wildcards.split} --index {input.index:q}"
        " --weights {input.weights:q} --output {output:q} 2> {log:q}"
        f" {code('evaluate_model.py')}"
