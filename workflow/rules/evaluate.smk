rule evaluate_model:
    input:
        shards=shard_files("test"),
        index=index("test"),
        weights=f"{MODELS}/{{method}}/{RUN}/{{role}}.safetensors",
    output:
        result(f"evaluation/{{dataset}}/{{method}}/{RUN}/{{role}}.json"),
    log:
        f"{LOGS}/evaluate_model/{{method}}_{RUN}_{{role}}.log",
    params:
        settings=EXPERIMENT.evaluation_settings(),
        code=EXPERIMENT.code("evaluate_model.py"),
    threads: EXPERIMENT.threads_per_rank
    conda:
        "../envs/mct.yaml"
    shell:
        "python {SCRIPTS}/evaluate_model.py --settings {params.settings:q}"
        " --execution {EXECUTION:q} --split test --index {input.index:q}"
        " --weights {input.weights:q} --output {output:q} 2> {log:q}"
