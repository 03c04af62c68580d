"""How many labels are wrong: as configured, and as Ma sees it."""


rule estimate_noise:
    input:
        catalogue=result("catalogue/{dataset}.tsv"),
        noisy=index("noisy"),
    output:
        result("noise/{dataset}.json"),
    log:
        f"{LOGS}/estimate_noise.log",
    conda:
        "../envs/mct.yaml"
    resources:
        **serial(lambda wildcards, attempt: PLANNER.lists(attempt)),
    params:
        rate=EXPERIMENT.noise_settings(),
    shell:
        f"{START} estimate_noise.py"
        " --catalogue {input.catalogue:q}"
        " --noisy {input.noisy:q} --rate {params.rate:q} --output {output:q} 2> {log:q}"
        f" {code('estimate_noise.py')}"


rule estimate_noise_by_models:
    input:
        shards=[*shard_files("noisy"), *shard_files("validation")],
        noisy=index("noisy"),
        validation=index("validation"),
        weights=model_file("pretrain_auxiliary", EXPERIMENT.runs()[0], "auxiliary.safetensors"),
    output:
        result("noise/{dataset}.models.json"),
    log:
        f"{LOGS}/estimate_noise_by_models.log",
    conda:
        "../envs/mct.yaml"
    threads: EXPERIMENT.cores_per_rank
    resources:
        **serial(lambda wildcards, attempt: PLANNER.estimate_noise(attempt)),
    params:
        execution=EXECUTION,
        settings=EXPERIMENT.estimation_settings(),
    shell:
        f"{START} estimate_noise_by_models.py"
        " --settings {params.settings:q} --execution {params.execution:q}"
        " --noisy {input.noisy:q} --validation {input.validation:q}"
        " --weights {input.weights:q} --output {output:q} 2> {log:q}"
        f" {code('estimate_noise_by_models.py')}"


rule tabulate_noise:
    input:
        configured=result(f"noise/{EXPERIMENT.dataset}.json"),
        models=result(f"noise/{EXPERIMENT.dataset}.models.json"),
        classes=result(f"catalogue/{EXPERIMENT.dataset}.classes.txt"),
    output:
        tsv=shown("tables/noise.tsv", "Data", "noise"),
        markdown=result("tables/noise.md"),
        sidecar=result("tables/noise.json"),
    log:
        result("logs/tabulate_noise.log"),
    localrule: True
    conda:
        "../envs/mct.yaml"
    resources:
        **summary(),
    params:
        execution=EXECUTION,
        clean=verbatim(EXPERIMENT.clean_source),
    shell:
        f"{START} tabulate_noise.py"
        " --clean {params.clean:q} --config {params.execution:q} --configured {input.configured:q}"
        " --models {input.models:q} --classes {input.classes:q} --output {output.tsv:q} 2> {log:q}"
        f" {code('tabulate_noise.py')}"
