"""Tables and figures of accuracy, data and training."""


rule tabulate_accuracy:
    input:
        evaluations=FILES.evaluations(),
        records=FILES.records(),
    output:
        tsv=shown("tables/accuracy.tsv", "Accuracy", "accuracy"),
        markdown=result("tables/accuracy.md"),
        sidecar=result("tables/accuracy.json"),
    log:
        result("logs/tabulate_accuracy.log"),
    localrule: True
    resources:
        **summary(),
    params:
        config=EXECUTION,
        settings=verbatim(SETTINGS.table(EXPERIMENT.lists.clean_source)),
    shell:
        program(
            "tabulate_accuracy.py {params.settings} {params.config} {input.evaluations}"
            " {input.records} --output {output.tsv}",
            published="published.tsv",
        )


rule plot_accuracy:
    input:
        evaluations=FILES.deployed_evaluations(),
    output:
        png=result("figures/accuracy.png"),
        svg=shown("figures/accuracy.svg", "Accuracy", "accuracy"),
    log:
        result("logs/plot_accuracy.log"),
    localrule: True
    resources:
        **summary(),
    params:
        split=EXPERIMENT.config["split"],
        titles=verbatim(SETTINGS.titles()),
        calibrated=verbatim(as_json(FILES.calibrated())),
    shell:
        program(
            "plot_accuracy.py {params.titles} {params.calibrated} {input.evaluations}"
            " {params.split} --output {output.png}"
        )


rule plot_curves:
    input:
        epochs=FILES.epochs(),
    output:
        png=result("figures/curves.png"),
        svg=shown("figures/curves.svg", "Training", "curves"),
    log:
        result("logs/plot_curves.log"),
    localrule: True
    resources:
        **summary(),
    params:
        settings=verbatim(SETTINGS.table("")),
        rows=verbatim(SETTINGS.rows()),
    shell:
        program(
            "plot_curves.py {params.settings} {params.rows} {input.epochs} --output {output.png}"
        )


rule plot_schedules:
    output:
        table=shown("tables/schedules.tsv", "Training", "schedules"),
        markdown=result("tables/schedules.md"),
        figure=result("figures/schedules.png"),
        svg=shown("figures/schedules.svg", "Training", "schedules"),
    log:
        result("logs/plot_schedules.log"),
    localrule: True
    resources:
        **summary(),
    params:
        settings=lambda wildcards: SETTINGS.schedules(),
        sizes=lambda wildcards: as_json(EXPERIMENT.sizes),
    shell:
        program("plot_schedules.py {params.settings} {params.sizes} {output.table} {output.figure}")


rule tabulate_pictures:
    input:
        census=result(f"catalogue/{EXPERIMENT.dataset}.census.json"),
        names=CLASSES,
    output:
        pictures=shown("tables/pictures.tsv", "Data", "pictures"),
        pictures_markdown=result("tables/pictures.md"),
        classes=shown("tables/classes.tsv", "Data", "pictures"),
        classes_markdown=result("tables/classes.md"),
        figure=result("figures/pictures.png"),
        svg=shown("figures/pictures.svg", "Data", "pictures"),
    log:
        result("logs/tabulate_pictures.log"),
    localrule: True
    resources:
        **summary(),
    params:
        dataset=EXPERIMENT.dataset,
        clean=verbatim(EXPERIMENT.lists.clean_source),
    shell:
        program(
            "tabulate_pictures.py {params.dataset} {params.clean} {input.census} {input.names}"
            " {output.pictures} {output.classes} {output.figure}"
        )


rule plot_confusion:
    input:
        evaluations=FILES.deployed_evaluations(EXPERIMENT.files.runs()[:1]),
        classes=CLASSES,
    output:
        png=result("figures/confusion.png"),
        svg=shown("figures/confusion.svg", "Accuracy", "confusion"),
    log:
        result("logs/plot_confusion.log"),
    localrule: True
    resources:
        **summary(),
    params:
        titles=verbatim(SETTINGS.titles()),
    shell:
        program(
            "plot_confusion.py {params.titles} {input.evaluations} {input.classes}"
            " --output {output.png}"
        )


rule plot_training:
    input:
        auxiliary=lambda wildcards: FILES.pretrained_epochs(wildcards.method, "auxiliary"),
        primary=lambda wildcards: FILES.pretrained_epochs(wildcards.method, "primary"),
        calibration=lambda wildcards: FILES.of_runs(wildcards.method, "epochs.tsv"),
        noise=NOISE,
    output:
        png=result("figures/training_{method}.png"),
        svg=shown("figures/training_{method}.svg", "Training", "training"),
    log:
        result("logs/plot_training_{method}.log"),
    wildcard_constraints:
        method="|".join(FILES.pairs()),
    localrule: True
    resources:
        **summary(),
    shell:
        program(
            "plot_training.py {input.auxiliary} {input.primary} {input.calibration}"
            " {input.noise} --output {output.png}"
        )


rule plot_selection:
    input:
        samples=lambda wildcards: FILES.of_runs(wildcards.method, "samples.h5"),
        classes=CLASSES,
    output:
        png=result("figures/selection_{method}.png"),
        svg=shown("figures/selection_{method}.svg", "Training", "selection"),
    log:
        result("logs/plot_selection_{method}.log"),
    wildcard_constraints:
        method="|".join(FILES.pairs()),
    localrule: True
    resources:
        **summary(),
    shell:
        program("plot_selection.py {input.samples} {input.classes} --output {output.png}")


rule tabulate_recall:
    input:
        evaluations=FILES.deployed_evaluations(),
        classes=CLASSES,
    output:
        tsv=shown("tables/recall.tsv", "Accuracy", "recall"),
        markdown=result("tables/recall.md"),
    log:
        result("logs/tabulate_recall.log"),
    localrule: True
    resources:
        **summary(),
    params:
        titles=verbatim(SETTINGS.titles()),
    shell:
        program(
            "tabulate_recall.py {params.titles} {input.evaluations} {input.classes}"
            " --output {output.tsv}"
        )


rule write_summary:
    input:
        tables=[result(f"tables/{name}.tsv") for name in FILES.tables()],
        figures=[result(f"figures/{name}.png") for name in FILES.figures()],
        records=FILES.records(),
    output:
        shown("summary.html", "Accuracy", "summary"),
    log:
        result("logs/write_summary.log"),
    localrule: True
    resources:
        **summary(),
    params:
        dataset=EXPERIMENT.dataset,
        calibrated=verbatim(as_json(FILES.calibrated())),
        config=EXECUTION,
    shell:
        program(
            "write_summary.py {params.dataset} {params.calibrated} {input.records} {input.figures}"
            " {params.config} --output {output}"
        )
