rule build_catalogue:
    output:
        result("catalogue/{dataset}.tsv"),
    log:
        f"{LOGS}/build_catalogue.log",
    conda:
        "../envs/mct.yaml"
    params:
        settings=EXPERIMENT.catalogue_settings(),
        source=EXPERIMENT.source_digest,
    shell:
        "python workflow/scripts/build_catalogue.py --settings {params.settings:q}"
        " --output {output:q} 2> {log:q}" + code("build_catalogue.py")


rule list_classes:
    output:
        result("catalogue/{dataset}.classes.txt"),
    log:
        f"{LOGS}/list_classes.log",
    conda:
        "../envs/mct.yaml"
    params:
        settings=EXPERIMENT.catalogue_settings(),
        names=EXPERIMENT.class_names,
    shell:
        "python workflow/scripts/list_classes.py --settings {params.settings:q}"
        " --output {output:q} 2> {log:q}" + code("list_classes.py")
