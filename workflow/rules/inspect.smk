"""Every listed picture is decoded once; what cannot be used stays out of all sets, with a reason."""


rule inspect_pictures:
    output:
        result("inspection/{dataset}/{part}.tsv"),
    log:
        f"{LOGS}/inspect_pictures/{{part}}.log",
    threads: EXPERIMENT.config["execution"]["picture_threads"]
    resources:
        **serial_job(PLANNER.inspect),
    params:
        **piece_params("part", EXPERIMENT.inspection_parts),
        most_pixels=EXPERIMENT.config["inspection"]["most_pixels"],
    shell:
        program(
            "inspect_pictures.py {params.dataset} {params.listing} {params.digest}"
            " --part {params.number} --parts {params.pieces} {params.most_pixels} {threads} {output}"
        )


rule quarantine_pictures:
    input:
        catalogue=CATALOGUE,
        skipped=result("catalogue/{dataset}.skipped.json"),
        inspection=inspection(),
    output:
        quarantine=result("catalogue/{dataset}.quarantine.tsv"),
        copies=result("catalogue/{dataset}.copies.tsv"),
        census=result("catalogue/{dataset}.census.json"),
    log:
        f"{LOGS}/quarantine_pictures.log",
    resources:
        **serial_job(PLANNER.lists),
    params:
        dataset=verbatim(EXPERIMENT.catalogue_settings()),
        most_quarantined=EXPERIMENT.config["dataset"]["quarantine_share"],
    shell:
        program(
            "quarantine_pictures.py {params.dataset} {input.catalogue} {input.skipped}"
            " {input.inspection} {params.most_quarantined} {output.quarantine} {output.copies}"
            " {output.census}"
        )
