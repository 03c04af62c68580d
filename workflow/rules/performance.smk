"""What the paper measures: prefetch (Figure 3), communication (4), scaling (Table 1, Figure 5)."""


rule performance:
    input:
        [result(f"tables/{kind}.tsv") for kind in ("prefetch", "communication", "scaling")],
    localrule: True


rule measure_scaling:
    output:
        result("performance/scaling/ranks{ranks}.json"),
    log:
        result("logs/measure_scaling/ranks{ranks}.log"),
    threads: lambda wildcards: RANKS.cores(wildcards.ranks)
    resources:
        **mpi_job(PLANNER.rehearse, "ranks"),
    params:
        execution=SETTINGS.execution(),
        settings=SETTINGS.scaling(),
    shell:
        program("measure_scaling.py {params.settings} {params.execution} {output}", mpi=True)


rule measure_prefetch:
    input:
        shards=shards(),
        precision=EXPERIMENT.measured_precision,
        labels=LABELS,
    output:
        result("performance/prefetch/ranks{ranks}.json"),
    log:
        result("logs/measure_prefetch/ranks{ranks}.log"),
    threads: lambda wildcards: RANKS.cores(wildcards.ranks)
    resources:
        **mpi_job(PLANNER.rehearse_reading, "ranks"),
    params:
        execution=SETTINGS.execution("prefetch_batches", "loader_threads"),
        settings=SETTINGS.training("pretrain_primary", EXPERIMENT.config["seeds"][0]),
        steps=EXPERIMENT.config["scaling"]["repeats"],
    shell:
        program(
            "measure_prefetch.py {params.settings} {params.execution} {input.labels}"
            " {input.precision} {params.steps} {output}",
            mpi=True,
        )


rule tabulate_performance:
    input:
        measurements=lambda wildcards: FILES.measurements(wildcards.kind),
    output:
        tsv=shown("tables/{kind}.tsv", "Performance", "performance"),
        markdown=result("tables/{kind}.md"),
        sidecar=result("tables/{kind}.json"),
        png=result("figures/{kind}.png"),
        svg=shown("figures/{kind}.svg", "Performance", "performance"),
    log:
        result("logs/tabulate_performance_{kind}.log"),
    wildcard_constraints:
        kind="prefetch|communication|scaling",
    localrule: True
    resources:
        **summary(),
    params:
        config=EXECUTION,
        settings=SETTINGS.projection(),
    shell:
        program(
            "tabulate_performance.py {wildcards.kind} {params.config} {input.measurements}"
            " --output {output.tsv}",
            published="published_scaling.tsv",
        )
