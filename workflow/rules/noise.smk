rule estimate_noise:
    input:
        catalogue=result("catalogue/{dataset}.tsv"),
        noisy=index("noisy"),
    output:
        result("noise/{dataset}.json"),
    log:
        f"{LOGS}/estimate_noise.log",
    conda:
        "../envs/mct.yaml"
    resources:
        **serial(lambda wildcards, attempt: PLANNER.catalogue(attempt)),
    params:
        rate=EXPERIMENT.noise_settings(),
    shell:
        f"{START} workflow/scripts/estimate_noise.py"
        " --catalogue {input.catalogue:q}"
        " --noisy {input.noisy:q} --rate {params.rate:q} --output {output:q} 2> {log:q}"
        f" {code('estimate_noise.py')}"
