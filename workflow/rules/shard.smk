rule write_shard:
    input:
        result("catalogue/{dataset}.tsv"),
    output:
        shard=result("shards/{dataset}/{set}/{shard}.h5"),
        quarantine=result("shards/{dataset}/{set}/{shard}.quarantine.tsv"),
    log:
        f"{LOGS}/write_shard/{{set}}_{{shard}}.log",
    conda:
        "../envs/mct.yaml"
    resources:
        **serial(lambda wildcards, attempt: PLANNER.shard(attempt)),
    params:
        dataset=EXPERIMENT.catalogue_settings(),
        settings=lambda wildcards: EXPERIMENT.shard_settings(wildcards.set),
    shell:
        f"{START} workflow/scripts/write_shard.py"
        " --dataset {params.dataset:q}"
        " --settings {params.settings:q} --catalogue {input:q} --set {wildcards.set}"
        " --shard {wildcards.shard} --output {output.shard:q} 2> {log:q}"
        f" {code('write_shard.py')}"


rule index_shards:
    input:
        lambda wildcards: shard_files(wildcards.set)[:-1],
    output:
        result("shards/{dataset}/{set}/index.json"),
    log:
        f"{LOGS}/index_shards/{{set}}.log",
    conda:
        "../envs/mct.yaml"
    resources:
        **serial(lambda wildcards, attempt: PLANNER.index(wildcards.set, attempt)),
    params:
        most_quarantined=EXPERIMENT.config["dataset"]["quarantine_share"],
    shell:
        f"{START} workflow/scripts/index_shards.py"
        " --set {wildcards.set} --shards {input:q}"
        " --most-quarantined {params.most_quarantined}"
        " --output {output:q} 2> {log:q}"
        f" {code('index_shards.py')}"
