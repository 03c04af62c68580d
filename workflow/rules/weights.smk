"""Weights to start from that a library has for the net, fetched where Snakemake runs: it has a network."""


rule fetch_weights:
    output:
        weights=EXPERIMENT.fetched_weights,
        record=f"{EXPERIMENT.fetched_weights}.json",
    log:
        result("logs/fetch_weights.log"),
    localrule: True
    resources:
        **summary(),
    params:
        name=verbatim(EXPERIMENT.config["model"]["name"]),
    shell:
        program("fetch_weights.py {params.name} {output.weights} {output.record}")
