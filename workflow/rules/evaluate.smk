"""Accuracy of each model, of both of a pair together, and of ensembles."""


rule evaluate_model:
    input:
        shards=samples(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        weights=lambda wildcards: FILES.evaluated_weights(
            wildcards.method, run_of(wildcards), wildcards.role
        ),
    output:
        result(f"evaluation/{{dataset}}/{{split}}/{{method}}/{RUN}/{{role}}.json"),
    log:
        f"{LOGS}/evaluate_model/{{split}}_{{method}}_{RUN}_{{role}}.log",
    threads: cores_of(PLANNER.evaluate, "split", "method", "role")
    resources:
        **mpi_job(PLANNER.evaluate, "split", "method", "role"),
    params:
        stage="evaluate_model",
        checkpoints=f"{CHECKPOINTS}/evaluate_model/{{split}}_{{method}}_{RUN}_{{role}}",
        settings=SETTINGS.evaluation(),
    shell:
        program(
            "evaluate_model.py {params.stage} {params.settings} {execution} {wildcards.split}"
            " {input.labels} {input.precision} {input.weights} {params.checkpoints} {output}",
            mpi=True,
        )
