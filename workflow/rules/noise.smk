"""How many labels are wrong: as configured, and as Ma sees it."""


rule estimate_noise:
    input:
        catalogue=result("catalogue/{dataset}.tsv"),
        labels=LABELS,
    output:
        result("noise/{dataset}.json"),
    log:
        f"{LOGS}/estimate_noise.log",
    resources:
        **serial_job(PLANNER.lists),
    params:
        rate=SETTINGS.noise(),
    shell:
        program("estimate_noise.py {input.catalogue} {input.labels} {params.rate} {output}")


rule estimate_noise_by_models:
    input:
        shards=samples(),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        weights=FILES.of_runs("pretrain_auxiliary", "auxiliary.safetensors")[0],
    output:
        result("noise/{dataset}.models.json"),
    log:
        f"{LOGS}/estimate_noise_by_models.log",
    threads: cores_of(PLANNER.estimate_noise)
    resources:
        **mpi_job(PLANNER.estimate_noise),
    params:
        stage="estimate_noise_by_models",
        checkpoints=f"{CHECKPOINTS}/estimate_noise_by_models",
        settings=SETTINGS.estimation(),
    shell:
        program(
            "estimate_noise_by_models.py {params.stage} {params.settings} {execution}"
            " {input.labels} {input.precision} {input.weights} {params.checkpoints} {output}",
            mpi=True,
        )


rule tabulate_noise:
    input:
        configured=NOISE,
        models=result(f"noise/{EXPERIMENT.dataset}.models.json"),
        classes=CLASSES,
    output:
        tsv=shown("tables/noise.tsv", "Data", "noise"),
        markdown=result("tables/noise.md"),
        sidecar=result("tables/noise.json"),
    log:
        result("logs/tabulate_noise.log"),
    localrule: True
    resources:
        **summary(),
    params:
        config=EXECUTION,
        clean=verbatim(EXPERIMENT.lists.clean_source),
    shell:
        program(
            "tabulate_noise.py {params.clean} {params.config} {input.configured} {input.models}"
            " {input.classes} --output {output.tsv}"
        )
