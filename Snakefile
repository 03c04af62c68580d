"""Mutual Calibration Training: from image lists with wrong labels to a calibrated model."""

import sys


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


sys.path.insert(0, f"{workflow.basedir}/workflow/scripts")


include: "workflow/rules/common.smk"
include: "workflow/rules/catalogue.smk"
include: "workflow/rules/inspect.smk"
include: "workflow/rules/shard.smk"
include: "workflow/rules/noise.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/calibrate.smk"
include: "workflow/rules/baseline.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/performance.smk"
include: "workflow/rules/suspects.smk"


rule all:
    default_target: True
    input:
        result("tables/accuracy.tsv"),
        [result("tables/noise.tsv")] if EXPERIMENT.calibrated() else [],
        result("tables/pictures.tsv"),
        result("figures/accuracy.png"),
        result("figures/confusion.png"),
        [result(f"figures/training_{name}.png") for name in EXPERIMENT.calibrated()],
        [result(f"figures/selection_{name}.png") for name in EXPERIMENT.calibrated()],


onstart:
    begin(log)


onsuccess:
    report_jobs(log)


onerror:
    report_jobs(log)
