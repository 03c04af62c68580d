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
    conda:
        "../envs/mct.yaml"
    threads: lambda wildcards: EXPERIMENT.threads(wildcards.ranks)
    resources:
        **ranks(lambda wildcards, attempt: PLANNER.rehearse(wildcards.ranks, attempt)),
    params:
        execution=EXPERIMENT.step_execution(),
        settings=EXPERIMENT.scaling_settings(),
    shell:
        f"{START_RANKS} measure_scaling.py --ranks {{resources.ranks}}"
        " --settings {params.settings:q} --execution {params.execution:q}"
        " --output {output:q} 2> {log:q}"
        f" {code('measure_scaling.py')}"


rule measure_prefetch:
    input:
        shards=shard_files("noisy"),
        noisy=index("noisy"),
    output:
        result("performance/prefetch/ranks{ranks}.json"),
    log:
        result("logs/measure_prefetch/ranks{ranks}.log"),
    conda:
        "../envs/mct.yaml"
    threads: lambda wildcards: EXPERIMENT.threads(wildcards.ranks)
    resources:
        **ranks(lambda wildcards, attempt: PLANNER.rehearse_reading(wildcards.ranks, attempt)),
    params:
        execution=EXPERIMENT.reading_execution(),
        settings=EXPERIMENT.training_settings("pretrain_primary", EXPERIMENT.config["seeds"][0]),
        steps=EXPERIMENT.config["scaling"]["repeats"],
    shell:
        f"{START_RANKS} measure_prefetch.py --ranks {{resources.ranks}}"
        " --settings {params.settings:q} --execution {params.execution:q}"
        " --noisy {input.noisy:q} --steps {params.steps} --output {output:q} 2> {log:q}"
        f" {code('measure_prefetch.py')}"


rule tabulate_performance:
    input:
        measurements=lambda wildcards: measurements(wildcards.kind),
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
    conda:
        "../envs/mct.yaml"
    resources:
        **summary(),
    params:
        execution=EXECUTION,
        settings=EXPERIMENT.projection_settings(),
    shell:
        f"{START} tabulate_performance.py"
        " --kind {wildcards.kind} --config {params.execution:q}"
        " --measurements {input.measurements:q}"
        f" --published {RESOURCES}/published_scaling.tsv"
        " --output {output.tsv:q} 2> {log:q}"
        f" {code('tabulate_performance.py', 'published_scaling.tsv')}"
