"""Reviewed labels join the clean set; whatever counts wrong labels goes by the lists without them."""


rule apply_reviews:
    input:
        catalogue=result("catalogue/{dataset}.tsv"),
        classes=ancient(result("catalogue/{dataset}.classes.txt")),  # `decided` has numbers
    output:
        result("catalogue/{dataset}.reviewed.tsv"),
    log:
        f"{LOGS}/apply_reviews.log",
    resources:
        **serial_job(PLANNER.lists),
    params:
        decided=EXPERIMENT.lists.reviews,
    shell:
        program(
            "apply_reviews.py {execution} {input.catalogue} {input.classes} {params.decided} {output}"
        )


use rule label_pictures as label_listed_pictures with:
    input:
        catalogue=result("catalogue/{dataset}.tsv"),
        quarantine=result("catalogue/{dataset}.quarantine.tsv"),
        shards=shards(),
        indices=shards("json"),
    output:
        result("shards/{dataset}/listed.parquet"),
    log:
        f"{LOGS}/label_listed_pictures.log",
