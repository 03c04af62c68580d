"""Accuracy of each model, of both of a pair together, and of ensembles."""


ruleorder: evaluate_pair > evaluate_model


rule evaluate_model:
    input:
        shards=samples(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        weights=lambda wildcards: FILES.evaluated_weights(
            wildcards.method, run_of(wildcards), wildcards.role
        ),
    output:
        evaluation=result(f"evaluation/{{dataset}}/{{split}}/{{method}}/{RUN}/{{role}}.json"),
    log:
        f"{LOGS}/evaluate_model/{{split}}_{{method}}_{RUN}_{{role}}.log",
    threads: cores_of(PLANNER.evaluate, "split", "method")
    resources:
        **mpi_job(PLANNER.evaluate, "split", "method"),
    params:
        stage="evaluate_model",
        checkpoints=f"{CHECKPOINTS}/evaluate_model/{{split}}_{{method}}_{RUN}_{{role}}",
        settings=SETTINGS.evaluation(),
        each=[],
    shell:
        program(
            "evaluate_model.py {params.stage} {params.settings} {execution} {wildcards.split}"
            " {input.labels} {input.precision} {input.weights} {params.checkpoints} {params.each}"
            " --output {output.evaluation}",
            mpi=True,
        )


use rule evaluate_model as evaluate_pair with:
    input:
        shards=samples(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        weights=lambda wildcards: FILES.evaluated_weights(
            wildcards.method, run_of(wildcards), "pair"
        ),
    output:
        evaluation=result(f"evaluation/{{dataset}}/{{split}}/{{method}}/{RUN}/pair.json"),
        each=[
            result(f"evaluation/{{dataset}}/{{split}}/{{method}}/{RUN}/{role}.json")
            for role in ROLES
        ],
    log:
        f"{LOGS}/evaluate_pair/{{split}}_{{method}}_{RUN}.log",
    wildcard_constraints:
        method="|".join(FILES.pairs()),
    params:
        stage="evaluate_pair",
        checkpoints=f"{CHECKPOINTS}/evaluate_pair/{{split}}_{{method}}_{RUN}",
        settings=SETTINGS.evaluation(),
        each=lambda wildcards, output: output.each,
