rule tabulate_accuracy:
    input:
        evaluations=[
            evaluation(method, run, role)
            for method, role in EXPERIMENT.models()
            for run in EXPERIMENT.runs()
        ],
        records=[
            model_file(method, run, "record.json")
            for method in EXPERIMENT.trainings()
            for run in EXPERIMENT.runs()
        ],
    output:
        tsv=shown("tables/accuracy.tsv", "Accuracy", "accuracy"),
        markdown=result("tables/accuracy.md"),
        sidecar=result("tables/accuracy.json"),
    log:
        result("logs/tabulate_accuracy.log"),
    localrule: True
    conda:
        "../envs/mct.yaml"
    resources:
        **summary(),
    params:
        execution=EXECUTION,
        settings=verbatim(EXPERIMENT.table_settings()),
    shell:
        f"{START} tabulate_accuracy.py"
        " --settings {params.settings:q}"
        " --config {params.execution:q} --evaluations {input.evaluations:q}"
        " --records {input.records:q}"
        f" --published {RESOURCES}/published.tsv"
        " --output {output.tsv:q} 2> {log:q}"
        f" {code('tabulate_accuracy.py', 'published.tsv')}"


rule plot_accuracy:
    input:
        [
            evaluation(method, run, "primary")
            for method in EXPERIMENT.config["methods"]
            for run in EXPERIMENT.runs()
        ],
    output:
        png=result("figures/accuracy.png"),
        svg=shown("figures/accuracy.svg", "Accuracy", "accuracy"),
    log:
        result("logs/plot_accuracy.log"),
    localrule: True
    conda:
        "../envs/mct.yaml"
    resources:
        **summary(),
    params:
        methods=verbatim(EXPERIMENT.drawn_methods()),
        split=EXPERIMENT.config["split"],
    shell:
        f"{START} plot_accuracy.py"
        " --evaluations {input:q} --methods {params.methods:q} --split {params.split} --output {output.png:q} 2> {log:q}"
        f" {code('plot_accuracy.py')}"


rule tabulate_pictures:
    input:
        census=result(f"catalogue/{EXPERIMENT.dataset}.census.json"),
        names=result(f"catalogue/{EXPERIMENT.dataset}.classes.txt"),
    output:
        pictures=shown("tables/pictures.tsv", "Data", "pictures"),
        pictures_markdown=result("tables/pictures.md"),
        classes=shown("tables/classes.tsv", "Data", "pictures"),
        classes_markdown=result("tables/classes.md"),
        png=result("figures/pictures.png"),
        svg=shown("figures/pictures.svg", "Data", "pictures"),
    log:
        result("logs/tabulate_pictures.log"),
    localrule: True
    conda:
        "../envs/mct.yaml"
    resources:
        **summary(),
    params:
        dataset=EXPERIMENT.dataset,
        clean=verbatim(EXPERIMENT.clean_source),
    shell:
        f"{START} tabulate_pictures.py"
        " --dataset {params.dataset:q} --clean {params.clean:q}"
        " --census {input.census:q} --names {input.names:q} --pictures {output.pictures:q}"
        " --classes {output.classes:q} --figure {output.png:q} 2> {log:q}"
        f" {code('tabulate_pictures.py')}"


rule plot_confusion:
    input:
        evaluations=[
            evaluation(method, EXPERIMENT.runs()[0], "primary")
            for method in EXPERIMENT.config["methods"]
        ],
        classes=result(f"catalogue/{EXPERIMENT.dataset}.classes.txt"),
    output:
        png=result("figures/confusion.png"),
        svg=shown("figures/confusion.svg", "Accuracy", "confusion"),
    log:
        result("logs/plot_confusion.log"),
    localrule: True
    conda:
        "../envs/mct.yaml"
    resources:
        **summary(),
    params:
        methods=verbatim(EXPERIMENT.drawn_methods()),
    shell:
        f"{START} plot_confusion.py"
        " --evaluations {input.evaluations:q} --methods {params.methods:q}"
        " --classes {input.classes:q} --output {output.png:q} 2> {log:q}"
        f" {code('plot_confusion.py')}"


rule plot_training:
    input:
        auxiliary=[model_file("pretrain_auxiliary", run, "epochs.tsv") for run in EXPERIMENT.runs()],
        primary=[model_file("pretrain_primary", run, "epochs.tsv") for run in EXPERIMENT.runs()],
        calibration=lambda wildcards: [
            model_file(wildcards.method, run, "epochs.tsv") for run in EXPERIMENT.runs()
        ],
        noise=result(f"noise/{EXPERIMENT.dataset}.json"),
    output:
        png=result("figures/training_{method}.png"),
        svg=shown("figures/training_{method}.svg", "Training", "training"),
    log:
        result("logs/plot_training_{method}.log"),
    wildcard_constraints:
        method="|".join(CALIBRATED),
    localrule: True
    conda:
        "../envs/mct.yaml"
    resources:
        **summary(),
    shell:
        f"{START} plot_training.py"
        " --auxiliary {input.auxiliary:q}"
        " --primary {input.primary:q} --calibration {input.calibration:q}"
        " --noise {input.noise:q} --output {output.png:q} 2> {log:q}"
        f" {code('plot_training.py')}"


rule plot_selection:
    input:
        samples=lambda wildcards: [
            model_file(wildcards.method, run, "samples.h5") for run in EXPERIMENT.runs()
        ],
        classes=result(f"catalogue/{EXPERIMENT.dataset}.classes.txt"),
    output:
        png=result("figures/selection_{method}.png"),
        svg=shown("figures/selection_{method}.svg", "Training", "selection"),
    log:
        result("logs/plot_selection_{method}.log"),
    wildcard_constraints:
        method="|".join(CALIBRATED),
    localrule: True
    conda:
        "../envs/mct.yaml"
    resources:
        **summary(),
    shell:
        f"{START} plot_selection.py"
        " --samples {input.samples:q}"
        " --classes {input.classes:q} --output {output.png:q} 2> {log:q}"
        f" {code('plot_selection.py')}"
