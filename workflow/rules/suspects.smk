"""Labels that are probably wrong, as a list and as a page to review them."""


rule suspects:
    input:
        result(f"suspects/{EXPERIMENT.dataset}.tsv"),
    localrule: True


rule judge_labels:
    input:
        shard=result(f"{SEEN}/{{dataset}}/{{shard}}.h5"),
        labels=LABELS,
        precision=EXPERIMENT.measured_precision,
        auxiliary=FILES.judges("auxiliary.safetensors"),
        primary=FILES.judges("primary.safetensors"),
        confusions=FILES.judges_confusions(),
    output:
        result("suspects/{dataset}/{shard}.h5"),
    log:
        f"{LOGS}/judge_labels/{{shard}}.log",
    threads: RANKS.cores_per_rank
    resources:
        **serial_job(PLANNER.judge),
    params:
        settings=SETTINGS.evaluation(),
    shell:
        program(
            "judge_labels.py {params.settings} {execution} {input.labels} {wildcards.shard}"
            " {input.precision} {input.auxiliary} {input.primary} {input.confusions} {output}"
        )


rule list_suspects:
    input:
        shards=shards(),
        labels=LABELS,
        classes=result("catalogue/{dataset}.classes.txt"),
        judgements=[result(f"suspects/{{dataset}}/{name}.h5") for name in EXPERIMENT.shards],
    output:
        list=result("suspects/{dataset}.tsv"),
        page=shown("suspects/{dataset}.html", "Data", "suspects"),
        facts=result("suspects/{dataset}.json"),
    log:
        f"{LOGS}/list_suspects.log",
    resources:
        **serial_job(PLANNER.lists),
    params:
        shown=EXPERIMENT.config["suspects"]["shown"],
    shell:
        program(
            "list_suspects.py {wildcards.dataset} {input.labels} {input.classes}"
            " {input.judgements} {params.shown} --output {output.list}",
            template="suspects.html",
        )
