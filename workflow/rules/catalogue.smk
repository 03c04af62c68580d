rule build_catalogue:
    output:
        catalogue=result("catalogue/{dataset}.tsv"),
        skipped=result("catalogue/{dataset}.skipped.json"),
    log:
        f"{LOGS}/build_catalogue.log",
    conda:
        "../envs/mct.yaml"
    threads: EXPERIMENT.catalogue_threads
    resources:
        **serial(lambda wildcards, attempt: PLANNER.catalogue(attempt)),
    params:
        settings=verbatim(EXPERIMENT.catalogue_settings()),
        source=EXPERIMENT.source_digest,
    shell:
        f"{START} build_catalogue.py"
        f" --checked {EXPERIMENT.memory.file}"
        " --settings {params.settings:q} --threads {threads}"
        " --output {output.catalogue:q} 2> {log:q}"
        f" {code('build_catalogue.py')}"


rule list_classes:
    output:
        result("catalogue/{dataset}.classes.txt"),
    log:
        f"{LOGS}/list_classes.log",
    localrule: True
    conda:
        "../envs/mct.yaml"
    resources:
        **summary(),
    params:
        settings=verbatim(EXPERIMENT.catalogue_settings()),
        names=verbatim(EXPERIMENT.class_names),
    shell:
        f"{START} list_classes.py"
        " --settings {params.settings:q}"
        " --output {output:q} 2> {log:q}"
        f" {code('list_classes.py')}"
