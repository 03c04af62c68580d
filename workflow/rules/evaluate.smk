"""Accuracy of each model, and of both of a pair together."""


rule evaluate_model:
    input:
        shards=shards(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        weights=lambda wildcards: FILES.evaluated_weights(
            wildcards.method, run_of(wildcards), wildcards.role
        ),
    output:
        result(f"evaluation/{{dataset}}/{{split}}/{{method}}/{RUN}/{{role}}.json"),
    log:
        f"{LOGS}/evaluate_model/{{split}}_{{method}}_{RUN}_{{role}}.log",
    threads: RANKS.cores_per_rank
    resources:
        **serial_job(PLANNER.evaluate, "split", "role"),
    params:
        settings=SETTINGS.evaluation(),
    shell:
        program(
            "evaluate_model.py {params.settings} {execution} {wildcards.split}"
            " {input.labels} {input.precision} {input.weights} {output}"
        )
