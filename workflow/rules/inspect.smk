"""Every listed picture is decoded once; what cannot be used stays out of all sets, with a reason."""


rule inspect_pictures:
    output:
        result("inspection/{dataset}/{part}.tsv"),
    log:
        f"{LOGS}/inspect_pictures/{{part}}.log",
    conda:
        "../envs/mct.yaml"
    threads: EXPERIMENT.picture_threads
    resources:
        **serial(lambda wildcards, attempt: PLANNER.inspect(attempt)),
    params:
        dataset=verbatim(EXPERIMENT.reading_settings()),
        listing=lambda wildcards: EXPERIMENT.storage.listing(
            EXPERIMENT.inspection_parts[wildcards.part]
        ),
        digest=lambda wildcards: EXPERIMENT.inspection_parts[wildcards.part].intake.digest,
        number=lambda wildcards: EXPERIMENT.inspection_parts[wildcards.part].number,
        parts=lambda wildcards: EXPERIMENT.inspection_parts[wildcards.part].pieces,
        most_pixels=EXPERIMENT.config["inspection"]["most_pixels"],
    shell:
        f"{START} inspect_pictures.py"
        " --dataset {params.dataset:q}"
        " --listing {params.listing:q} --part {params.number} --parts {params.parts}"
        " --most-pixels {params.most_pixels} --threads {threads} --output {output:q} 2> {log:q}"
        f" {code('inspect_pictures.py')}"


rule quarantine_pictures:
    input:
        catalogue=result("catalogue/{dataset}.tsv"),
        skipped=result("catalogue/{dataset}.skipped.json"),
        inspection=inspection(),
    output:
        quarantine=result("catalogue/{dataset}.quarantine.tsv"),
        copies=result("catalogue/{dataset}.copies.tsv"),
        census=result("catalogue/{dataset}.census.json"),
    log:
        f"{LOGS}/quarantine_pictures.log",
    conda:
        "../envs/mct.yaml"
    resources:
        **serial(lambda wildcards, attempt: PLANNER.lists(attempt)),
    params:
        dataset=verbatim(EXPERIMENT.catalogue_settings()),
        most_quarantined=EXPERIMENT.config["dataset"]["quarantine_share"],
    shell:
        f"{START} quarantine_pictures.py"
        " --dataset {params.dataset:q}"
        " --catalogue {input.catalogue:q} --skipped {input.skipped:q}"
        " --inspection {input.inspection:q}"
        " --most-quarantined {params.most_quarantined} --quarantine {output.quarantine:q}"
        " --copies {output.copies:q} --census {output.census:q} 2> {log:q}"
        f" {code('quarantine_pictures.py')}"
