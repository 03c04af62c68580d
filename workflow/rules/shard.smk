rule write_shard:
    input:
        result("catalogue/{dataset}.tsv"),
    output:
        result("shards/{dataset}/{set}/{shard}.h5"),
    log:
        f"{LOGS}/write_shard/{{set}}_{{shard}}.log",
    params:
        dataset=EXPERIMENT.catalogue_settings(),
        settings=lambda wildcards: EXPERIMENT.shard_settings(wildcards.set),
        code=EXPERIMENT.code("write_shard.py"),
    conda:
        "../envs/mct.yaml"
    shell:
        "python {SCRIPTS}/write_shard.py --dataset {params.dataset:q}"
        " --settings {params.settings:q} --catalogue {input:q} --set {wildcards.set}"
        " --shard {wildcards.shard} --output {output:q} 2> {log:q}"


rule index_shards:
    input:
        lambda wildcards: shard_files(wildcards.set)[:-1],
    output:
        result("shards/{dataset}/{set}/index.json"),
    log:
        f"{LOGS}/index_shards/{{set}}.log",
    params:
        code=EXPERIMENT.code("index_shards.py"),
    conda:
        "../envs/mct.yaml"
    shell:
        "python {SCRIPTS}/index_shards.py --set {wildcards.set} --shards {input:q}"
        " --output {output:q} 2> {log:q}"
