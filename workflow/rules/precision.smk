"""The arithmetic of nets for which it is not known which one is faster: measured once, used everywhere."""


rule measure_precision:
    output:
        EXPERIMENT.precision_file,
    log:
        result("logs/measure_precision.log"),
    threads: RANKS.cores("2")
    resources:
        **mpi_job(PLANNER.measure_precision),
    params:
        settings=SETTINGS.precision(),
        classes=EXPERIMENT.classes,
        samples=EXPERIMENT.samples_per_rank,
    shell:
        program(
            "measure_precision.py {params.settings} {execution} {params.classes} {params.samples}"
            " {output}",
            mpi=True,
        )
