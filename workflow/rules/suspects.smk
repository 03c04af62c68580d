"""Labels that are probably wrong, as a list and as a page to look at."""


rule suspects:
    input:
        result(f"suspects/{EXPERIMENT.dataset}.tsv"),
    localrule: True


rule judge_labels:
    input:
        shard=result("shards/{dataset}/{shard}.h5"),
        labels=index("noisy"),
        auxiliary=judges("auxiliary.safetensors"),
        primary=judges("primary.safetensors"),
        confusions=EXPERIMENT.judges_confusions(),
    output:
        result("suspects/{dataset}/{shard}.h5"),
    log:
        f"{LOGS}/judge_labels/{{shard}}.log",
    conda:
        "../envs/mct.yaml"
    threads: EXPERIMENT.cores_per_rank
    resources:
        **serial(lambda wildcards, attempt: PLANNER.judge(attempt)),
    params:
        execution=EXECUTION,
        settings=EXPERIMENT.evaluation_settings(),
    shell:
        f"{START} judge_labels.py"
        " --settings {params.settings:q} --execution {params.execution:q} --labels {input.labels:q}"
        " --shard $(basename {input.shard:q})"
        " --auxiliary {input.auxiliary:q} --primary {input.primary:q}"
        " --confusions {input.confusions:q} --output {output:q} 2> {log:q}"
        f" {code('judge_labels.py')}"


rule list_suspects:
    input:
        shards=shard_files("noisy"),
        noisy=index("noisy"),
        classes=result("catalogue/{dataset}.classes.txt"),
        judgements=judgements(),
    output:
        list=result("suspects/{dataset}.tsv"),
        page=shown("suspects/{dataset}.html", "Data", "suspects"),
        facts=result("suspects/{dataset}.json"),
    log:
        f"{LOGS}/list_suspects.log",
    conda:
        "../envs/mct.yaml"
    resources:
        **serial(lambda wildcards, attempt: PLANNER.lists(attempt)),
    shell:
        f"{START} list_suspects.py --dataset {{wildcards.dataset}}"
        " --noisy {input.noisy:q} --classes {input.classes:q}"
        " --judgements {input.judgements:q} --output {output.list:q} 2> {log:q}"
        f" {code('list_suspects.py')}"
