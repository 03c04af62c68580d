"""Attempts of a job: a user's error and a fault without progress are not repeated."""

from pathlib import Path

import pytest

from mct.base.errors import UserError
from mct.stage import entry
from mct.stage.attempts import VARIABLE, Attempts


@pytest.fixture
def attempts(tmp_path: Path) -> Attempts:
    return Attempts(tmp_path / "job.attempts")


def test_a_users_error_ends_all_attempts(attempts: Attempts):
    attempts.begin(1)
    attempts.refuse("no such file")
    with pytest.raises(UserError, match="no such file"):
        attempts.begin(2)
    attempts.begin(1)


def test_two_attempts_without_a_first_step_are_enough(attempts: Attempts):
    for attempt in (1, 2):
        attempts.begin(attempt)
        for _ in range(attempt):  # each rank may note it
            attempts.fail("KeyError('x')")
    with pytest.raises(UserError, match="before their first step"):
        attempts.begin(3)


def test_an_attempt_that_was_killed_is_tried_again_with_more(attempts: Attempts):
    attempts.begin(1)
    attempts.fail("KeyError('x')")
    for attempt in (2, 3, 4):
        attempts.begin(attempt)


def test_a_rank_that_lost_the_others_to_a_signal_is_no_fault(attempts: Attempts):
    attempts.begin(1)
    attempts.interrupt("SIGUSR1")
    attempts.fail("MPI_ERR_OTHER")
    assert attempts.stopped_by() == "SIGUSR1"


def test_a_program_notes_its_fault(attempts: Attempts, tmp_path: Path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "job.attempts"))
    for attempt in (1, 2):
        attempts.begin(attempt)
        with pytest.raises(ZeroDivisionError):
            entry.run(lambda: print(1 // 0))
    with pytest.raises(UserError, match="before their first step"):
        attempts.begin(3)


def test_two_attempts_that_got_no_further_are_enough(attempts: Attempts):
    for attempt, step in enumerate((0, 40, 40), start=1):
        attempts.begin(attempt)
        attempts.start_at(step)
    attempts.begin(4)
    with pytest.raises(UserError, match="no further than step 40"):
        attempts.start_at(40)


def test_what_a_signal_stopped_is_no_fault(attempts: Attempts):
    attempts.begin(1)
    for _ in range(4):
        attempts.start_at(100)
        attempts.interrupt("SIGTERM")
    attempts.start_at(100)


def test_half_a_line_is_left_out(tmp_path: Path):
    path = tmp_path / "job.attempts"
    attempts = Attempts(path)
    attempts.begin(1)
    attempts.start_at(7)
    with path.open("a") as file:
        file.write('{"refu')
    attempts.begin(2)


def test_the_time_limit_is_known_from_a_persons_signal(attempts: Attempts):
    attempts.begin(1)
    assert attempts.stopped_by() is None
    for name in ("SIGTERM", "SIGUSR1"):
        attempts.interrupt(name)
        assert attempts.stopped_by() == name
    attempts.begin(2)
    assert attempts.stopped_by() is None
