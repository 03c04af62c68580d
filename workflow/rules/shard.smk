"""Shards hold every readable picture, by key; a table of labels says what each is and where it lies."""


rule write_shard:
    input:
        inspection=lambda wildcards: inspection(EXPERIMENT.shards[wildcards.shard].intake),
        checked=ancient(result("catalogue/{dataset}.quarantine.tsv")),  # before hours of work
    output:
        result("shards/{dataset}/{shard}.h5"),
    log:
        f"{LOGS}/write_shard/{{shard}}.log",
    threads: EXPERIMENT.config["execution"]["picture_threads"]
    resources:
        **serial_job(PLANNER.shard),
    params:
        **piece_params("shard", EXPERIMENT.shards),
        settings=EXPERIMENT.shard_settings(),
    shell:
        program(
            "write_shard.py {params.dataset} {params.settings} {params.listing} {params.digest}"
            " {input.inspection} --shard {params.number} --shards {params.pieces} {threads} {output}"
        )


rule index_shard:
    input:
        result("shards/{dataset}/{shard}.h5"),
    output:
        result("shards/{dataset}/{shard}.json"),
    log:
        f"{LOGS}/index_shard/{{shard}}.log",
    resources:
        **serial_job(PLANNER.index),
    shell:
        program("index_shard.py --shard {input} {output}")


rule label_pictures:
    input:
        catalogue=CATALOGUE,
        quarantine=result("catalogue/{dataset}.quarantine.tsv"),
        shards=shards(),
        indices=shards("json"),
    output:
        result("shards/{dataset}/labels.parquet"),
    log:
        f"{LOGS}/label_pictures.log",
    resources:
        **serial_job(PLANNER.lists),
    params:
        classes=EXPERIMENT.classes,
    shell:
        program(
            "label_pictures.py {input.catalogue} {input.quarantine} {input.shards} {params.classes}"
            " {output}"
        )
