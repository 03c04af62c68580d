"""A model that diverges ends its stage in one line, not in 0.00 % at the end of the workflow."""

import re
from pathlib import Path

from projects import LONG, change_config, copy_project, run_snakemake, write_config
from trees import write_clothing1m

RUNS = ("pretrain_primary", "clean_noisy")
"""One of one rank, one of two."""
TARGETS = [f"results/tiny/models/tiny/{name}/seed0_ranks2/primary.safetensors" for name in RUNS]
OPTIONS = ("--cores", 3, "--configfile", "tiny.yaml", "--keep-going", "--retries", 1)
LINE = (
    r"error: {name}: the model diverged: the (loss is not finite at|weights are not finite after) step "
    r"\d+ of \d+, learning rate 1e\+06; last finite loss: \S+; lower pretraining\.learning_rate, then "
    r"run again \(not tried again\)\n"
)


@LONG
def test_a_rate_of_a_million_ends_in_a_line_and_another_rate_begins_anew(tmp_path: Path):
    own = copy_project(tmp_path / "project")
    write_config(own / "tiny.yaml", write_clothing1m(own / "data"))
    rates = {"epochs_primary": 40, "learning_rate": 1e6}
    execution = {"checkpoint_steps": 1}
    change_config(own, methods=["clean_noisy"], pretraining=rates, execution=execution)
    run = run_snakemake(own, *TARGETS, *OPTIONS)
    assert run.returncode == 1
    for name, target in zip(RUNS, TARGETS, strict=True):
        log = (own / f"results/tiny/logs/tiny/{name}/seed0_ranks2.log").read_text()
        assert re.fullmatch(LINE.format(name=name), log), log
        assert not (own / target).exists()
    change_config(own, pretraining={"epochs_primary": 2, "learning_rate": 0.1})
    again = run_snakemake(own, TARGETS[0], *OPTIONS)
    assert again.returncode == 0, again.stderr
    log = (own / "results/tiny/logs/tiny/pretrain_primary/seed0_ranks2.log").read_text()
    assert "pretrain_primary: epoch 1, 60 of 120 samples" in log
