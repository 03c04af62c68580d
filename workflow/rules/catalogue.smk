rule build_catalogue:
    output:
        catalogue=result("catalogue/{dataset}.tsv"),
        skipped=result("catalogue/{dataset}.skipped.json"),
    log:
        f"{LOGS}/build_catalogue.log",
    threads: EXPERIMENT.catalogue_threads
    resources:
        **serial_job(PLANNER.catalogue),
    params:
        settings=verbatim(EXPERIMENT.catalogue_settings()),
        source=EXPERIMENT.lists.source,
    shell:
        program(
            f"build_catalogue.py --checked {EXPERIMENT.memory.file}"
            " {params.settings} {threads} --output {output.catalogue}"
        )


rule list_classes:
    output:
        result("catalogue/{dataset}.classes.txt"),
    log:
        f"{LOGS}/list_classes.log",
    localrule: True
    resources:
        **summary(),
    params:
        settings=verbatim(EXPERIMENT.catalogue_settings()),
        names=verbatim(as_json(EXPERIMENT.lists.classes)),
    shell:
        program("list_classes.py {params.settings} {output}")
