"""Mutual Calibration Training: from image lists with wrong labels to a calibrated model."""

import os
import sys

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

try:
    min_version("9.4")
    if not isinstance(workflow.current_basedir, os.PathLike):
        raise WorkflowError("the workflow's scripts must be on a file system: clone its repository")
except WorkflowError as error:
    print(f"error: Snakefile: {error}", file=sys.stderr)
    raise SystemExit(2) from None

# In a module of another workflow, `workflow.basedir` is the folder of that one.
HERE = os.fspath(workflow.current_basedir)
CONFIG = "config/config.yaml"


configfile: CONFIG if os.path.exists(CONFIG) else f"{HERE}/{CONFIG}"


report: "workflow/report/workflow.rst"


sys.path.insert(0, f"{HERE}/workflow/scripts")


include: "workflow/rules/common.smk"
include: "workflow/rules/catalogue.smk"
include: "workflow/rules/inspect.smk"
include: "workflow/rules/shard.smk"
include: "workflow/rules/reviews.smk"
include: "workflow/rules/noise.smk"
include: "workflow/rules/weights.smk"
include: "workflow/rules/precision.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/calibrate.smk"
include: "workflow/rules/baseline.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/performance.smk"
include: "workflow/rules/suspects.smk"
include: "workflow/rules/export.smk"


rule all:
    default_target: True
    input:
        [result(f"tables/{name}.tsv") for name in FILES.tables()],
        [result(f"figures/{name}.png") for name in FILES.figures()],
        result("summary.html"),


onstart:
    READING.begin(log)


READING.complete("../envs/mct.yaml")
