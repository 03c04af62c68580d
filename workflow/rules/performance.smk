"""What the paper measures of speed: scaling (Table 1, Figure 5), prefetch (Figure 3), communication (4).

The table and the figure of scaling are made of the experiment's own trainings. What `snakemake performance`
measures is rehearsed, so that it needs no training.
"""


rule tabulate_scaling:
    input:
        records=FILES.records(),
    output:
        tsv=shown("tables/scaling.tsv", "Performance", "scaling"),
        markdown=result("tables/scaling.md"),
        sidecar=result("tables/scaling.json"),
    log:
        result("logs/tabulate_scaling.log"),
    localrule: True
    resources:
        **summary(),
    params:
        config=EXECUTION,
        titles=verbatim(SETTINGS.training_titles()),
    shell:
        program(
            "tabulate_scaling.py {params.titles} {params.config} {input.records}"
            " --output {output.tsv}",
            published="published_scaling.tsv",
        )


rule plot_scaling:
    input:
        records=FILES.records(),
    output:
        png=result("figures/scaling.png"),
        svg=shown("figures/scaling.svg", "Performance", "scaling"),
    log:
        result("logs/plot_scaling.log"),
    localrule: True
    resources:
        **summary(),
    params:
        titles=verbatim(SETTINGS.training_titles()),
    shell:
        program(
            "plot_scaling.py {params.titles} {input.records} --output {output.png}",
            published="published_scaling.tsv",
        )


rule performance:
    input:
        [result(f"tables/{kind}.tsv") for kind in ("prefetch", "communication", "rehearsal")],
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
        settings=lambda wildcards: SETTINGS.reading(wildcards.ranks),
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
        kind="prefetch|communication|rehearsal",
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
