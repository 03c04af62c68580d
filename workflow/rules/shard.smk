rule write_shard:
    input:
        catalogue=result("catalogue/{dataset}.tsv"),
        inspection=inspection(),
        quarantine=result("catalogue/{dataset}.quarantine.tsv"),
    output:
        result("shards/{dataset}/{set}/{shard}.h5"),
    log:
        f"{LOGS}/write_shard/{{set}}_{{shard}}.log",
    wildcard_constraints:
        shard=shard_numbers(),
    conda:
        "../envs/mct.yaml"
    threads: EXPERIMENT.picture_threads
    resources:
        **serial(lambda wildcards, attempt: PLANNER.shard(attempt)),
    params:
        dataset=verbatim(EXPERIMENT.catalogue_settings()),
        settings=lambda wildcards: EXPERIMENT.shard_settings(wildcards.set),
    shell:
        f"{START} write_shard.py"
        " --dataset {params.dataset:q}"
        " --settings {params.settings:q} --catalogue {input.catalogue:q}"
        " --inspection {input.inspection:q} --quarantine {input.quarantine:q} --set {wildcards.set}"
        " --shard {wildcards.shard} --threads {threads} --output {output:q} 2> {log:q}"
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
    shell:
        f"{START} index_shards.py"
        " --set {wildcards.set} --shards {input:q}"
        " --output {output:q} 2> {log:q}"
        f" {code('index_shards.py')}"
