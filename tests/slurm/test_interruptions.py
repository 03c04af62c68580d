"""What happens on a cluster happens to a calibration; it ends in the same bits."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import cluster
import pytest
from workflows import Workflow, is_cancelled, kill_rank, node_of, slurm, stop_ranks, wait_for


@pytest.fixture
def workflow(prepared: Path, tmp_path: Path) -> Iterator[Workflow]:
    workflow = Workflow(prepared, tmp_path)
    yield workflow
    workflow.end()


def test_a_cancelled_job_is_tried_again_and_goes_on(workflow: Workflow):
    run = workflow.start()
    slurm("scancel", workflow.wait_for_training(run))
    wait_for(lambda: "goes on after step" in workflow.log, run, workflow.output)
    workflow.finish(run)


def test_a_requeued_job_goes_on(workflow: Workflow):
    run = workflow.start()
    job = workflow.wait_for_training(run)
    slurm("scontrol", "requeue", job)
    wait_for(lambda: "goes on after step" in workflow.log, run, workflow.output)
    workflow.finish(run)
    assert workflow.jobs() == [job, job]


@pytest.mark.parametrize("queue", ["q_low_requeue", "q_low_cancel"])
def test_a_preempted_job_goes_on(workflow: Workflow, queue: str):
    run = workflow.start("--set-resources", f"calibrate_pair:slurm_partition={queue}")
    job = workflow.wait_for_training(run)
    other = ["sbatch", "--parsable", "-p", "q_high", "-N4", "--exclusive", "-o/dev/null"]
    slurm(*other, "--wrap", "sleep 8")
    wait_for(lambda: "goes on after step" in workflow.log, run, workflow.output)
    workflow.finish(run)
    assert workflow.jobs() == [job, job]


def test_a_killed_rank_ends_its_job_and_the_retry_goes_on(workflow: Workflow):
    run = workflow.start()
    job = workflow.wait_for_training(run)
    kill_rank(workflow.project)
    workflow.finish(run)
    assert len(set(workflow.jobs())) == 2
    report = (workflow.project / "results/tiny/jobs.tsv").read_text()
    assert f"\n{job}\t" in f"\n{report}"


def test_a_node_whose_slurmd_dies_does_no_harm(workflow: Workflow):
    run = workflow.start()
    node = node_of(workflow.wait_for_training(run))
    cluster.kill_slurmd(node)
    try:
        workflow.finish(run)
    finally:
        cluster.start_node(node)


def test_a_dead_node_loses_its_job(workflow: Workflow):
    run = workflow.start()
    node = node_of(workflow.wait_for_training(run))
    cluster.kill_node(node)
    try:
        wait_for(lambda: "goes on after step" in workflow.log, run, workflow.output)
    finally:
        cluster.start_node(node)
    workflow.finish(run)


def test_a_restarted_controller_changes_nothing(workflow: Workflow):
    run = workflow.start()
    job = workflow.wait_for_training(run)
    # It saves what it knows within seconds of each new step; before that it takes the job for waiting.
    saved = cluster.FOLDER / "state/job_state"
    wait_for(lambda: saved.stat().st_mtime > workflow.last_start(), run, workflow.output)
    cluster.restart_controller(signal.SIGKILL)
    workflow.finish(run)
    assert workflow.jobs() == [job]


def test_a_killed_workflow_is_started_again_while_its_job_runs(workflow: Workflow):
    """It does nothing until it is cancelled, so that it is not done before on any machine."""
    run = workflow.start()
    first = workflow.wait_for_training(run)
    stop_ranks(workflow.project)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert "RUNNING" in slurm("squeue", "--noheader", f"--jobs={first}", "--format=%T")
    workflow.unlock()
    again = workflow.start()
    wait_for(lambda: "goes on after step" in workflow.log, again, workflow.output)
    assert not slurm("squeue", "--noheader", f"--jobs={first}", "--states=RUNNING")
    workflow.finish(again)
    wait_for(lambda: is_cancelled(first), None, workflow.output)


def test_a_waiting_job_of_a_killed_workflow_is_cancelled(workflow: Workflow):
    """It would begin with removing what its successor has made."""
    blocker = slurm("sbatch", "--parsable", "-N4", "--exclusive", "-o/dev/null", "--wrap=sleep 600")
    try:
        run = workflow.start()
        wait_for(lambda: workflow.submitted() != [], run, workflow.output)
        [waiting] = workflow.submitted()
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        workflow.unlock()
        again = workflow.start()
        wait_for(lambda: len(workflow.submitted()) == 2, again, workflow.output)
        wait_for(lambda: is_cancelled(waiting), again, workflow.output)
    finally:
        slurm("scancel", blocker.strip())
    workflow.finish(again)
    assert waiting not in workflow.jobs()


def test_a_time_limit_is_passed_in_pieces(workflow: Workflow):
    """Under a limit of two minutes the second piece goes on where the first stopped.

    The first does nothing until Slurm signals it, so that it is not done before on any machine.
    """
    limits = ["calibrate_pair:slurm_partition=q_test_short", "calibrate_pair:runtime=2"]
    run = workflow.start("--set-resources", *limits)
    workflow.wait_for_training(run)
    stop_ranks(workflow.project)
    workflow.finish(run)
    assert "goes on after step" in workflow.log
    [job] = set(workflow.jobs())
    states = slurm("sacct", "-nXPD", f"--jobs={job}", "--format=State").split()
    assert "REQUEUED" in states
    assert states[-1] == "COMPLETED"
