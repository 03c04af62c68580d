"""Shards hold every readable picture, by key; a table of labels says what each is and where it lies."""


rule write_shard:
    input:
        inspection=lambda wildcards: inspection(EXPERIMENT.shards[wildcards.shard].intake),
        checked=ancient(result("catalogue/{dataset}.quarantine.tsv")),  # before hours of work
    output:
        result("shards/{dataset}/{shard}.h5"),
    log:
        f"{LOGS}/write_shard/{{shard}}.log",
    conda:
        "../envs/mct.yaml"
    threads: EXPERIMENT.picture_threads
    resources:
        **serial(lambda wildcards, attempt: PLANNER.shard(attempt)),
    params:
        dataset=verbatim(EXPERIMENT.reading_settings()),
        settings=EXPERIMENT.shard_settings(),
        listing=lambda wildcards: EXPERIMENT.storage.listing(EXPERIMENT.shards[wildcards.shard]),
        digest=lambda wildcards: EXPERIMENT.shards[wildcards.shard].intake.digest,
        number=lambda wildcards: EXPERIMENT.shards[wildcards.shard].number,
        pieces=lambda wildcards: EXPERIMENT.shards[wildcards.shard].pieces,
    shell:
        f"{START} write_shard.py"
        " --dataset {params.dataset:q} --settings {params.settings:q}"
        " --listing {params.listing:q} --digest {params.digest} --inspection {input.inspection:q}"
        " --shard {params.number} --shards {params.pieces} --threads {threads}"
        " --output {output:q} 2> {log:q}"
        f" {code('write_shard.py')}"


rule index_shard:
    input:
        result("shards/{dataset}/{shard}.h5"),
    output:
        result("shards/{dataset}/{shard}.json"),
    log:
        f"{LOGS}/index_shard/{{shard}}.log",
    conda:
        "../envs/mct.yaml"
    resources:
        **serial(lambda wildcards, attempt: PLANNER.index(attempt)),
    shell:
        f"{START} index_shard.py"
        " --shard {input:q} --output {output:q} 2> {log:q}"
        f" {code('index_shard.py')}"


rule label_pictures:
    input:
        catalogue=result("catalogue/{dataset}.tsv"),
        quarantine=result("catalogue/{dataset}.quarantine.tsv"),
        shards=shards(),
        indices=shards("json"),
    output:
        result("shards/{dataset}/labels.parquet"),
    log:
        f"{LOGS}/label_pictures.log",
    conda:
        "../envs/mct.yaml"
    resources:
        **serial(lambda wildcards, attempt: PLANNER.lists(attempt)),
    params:
        classes=EXPERIMENT.classes,
    shell:
        f"{START} label_pictures.py"
        " --catalogue {input.catalogue:q} --quarantine {input.quarantine:q}"
        " --shards {input.shards:q} --classes {params.classes} --output {output:q} 2> {log:q}"
        f" {code('label_pictures.py')}"
