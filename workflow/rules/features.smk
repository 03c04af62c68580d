"""What the frozen part of a net makes of all pictures, computed once: trainings then compute the rest."""


rule extract_features:
    input:
        shard=result("shards/{dataset}/{shard}.h5"),
        precision=EXPERIMENT.measured_precision,
        initial=EXPERIMENT.initial_weights(),
    output:
        result("features/{dataset}/{shard}.h5"),
    log:
        f"{LOGS}/extract_features/{{shard}}.log",
    threads: cores_of(PLANNER.extract)
    resources:
        **mpi_job(PLANNER.extract),
    params:
        stage="extract_features",
        checkpoints=f"{CHECKPOINTS}/extract_features/{{shard}}",
        settings=SETTINGS.evaluation(),
        classes=EXPERIMENT.classes,
    shell:
        program(
            "extract_features.py {params.stage} {params.settings} {execution} {params.classes}"
            " {input.shard} {input.precision} {input.initial} {params.checkpoints} {output}",
            mpi=True,
        )
