"""A trained model with what others need to use it, as one folder that needs nothing of this project."""


rule export:
    input:
        result(f"export/{EXPERIMENT.dataset}/{FILES.exported_method}/export.json"),
    localrule: True


rule export_model:
    input:
        shards=shards(),
        labels=LABELS,
        classes=CLASSES,
        noise=NOISE,
        weights=lambda wildcards: FILES.exported_weights(wildcards.method),
        records=lambda wildcards: FILES.exported_records(wildcards.method),
        evaluations=lambda wildcards: FILES.evaluations_of_seeds(wildcards.method),
    output:
        weights=result("export/{dataset}/{method}/model.safetensors"),
        card=result("export/{dataset}/{method}/README.md"),
        facts=result("export/{dataset}/{method}/export.json"),
    log:
        f"{LOGS}/export_model/{{method}}.log",
    wildcard_constraints:
        method="|".join([*FILES.pairs(), *FILES.singles()]),
    threads: RANKS.cores_per_rank
    resources:
        **serial_job(PLANNER.export),
    params:
        settings=SETTINGS.evaluation(),
        about=lambda wildcards: SETTINGS.export(wildcards.method, EXPERIMENT.lists.clean_source),
        # Some nets have no ONNX, so it is no output; it is made when missing packages are there.
        lacking=advise_installing(*ONNX, ONNX_RUNTIME),
    shell:
        program(
            "export_model.py {params.about} {params.settings} {execution} {input.labels} {input.classes}"
            " {input.noise} {input.weights} {input.records} {input.evaluations} --output {output.facts}"
        )
