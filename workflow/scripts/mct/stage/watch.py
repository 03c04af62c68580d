"""Threads that end a process which would otherwise wait for ever, and the lock of a stage.

A rank whose partners are gone waits inside MPI, where no Python handler runs.
"""

import fcntl
import json
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep
from types import FrameType
from uuid import uuid4

from mct.base.errors import UserError

ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""The signals by which a person ends a stage: Ctrl-C sends SIGINT, a terminal that closes SIGHUP."""
SIGNALS = (*ENDINGS, signal.SIGUSR1)
SECONDS_TO_AGREE, MOST_SECONDS_TO_AGREE = 5.0, 60.0
SECONDS_TO_SAVE = 25.0
LOCK = "lock"
"""Slurm's own patience after SIGTERM is 30 seconds (KillWait)."""
SECONDS_BETWEEN_LOOKS = SECONDS_OF_A_TICK = 1.0
SECONDS_TO_GIVE_UP = MOST_SECONDS_TO_AGREE + SECONDS_TO_SAVE + 15.0
"""A newcomer's patience: what the slowest holder may take after it has looked, and a margin."""


NO_LOCKS = (
    "the file system has no locks ({}): if a former run of this stage is still alive, it is asked to "
    "stop, but this run does not wait for it"
)


def start_thread(name: str, work: Callable[[], None]) -> None:
    """Run a function in a thread that does not keep the process alive."""
    threading.Thread(target=work, name=name, daemon=True).start()


def watch_for_termination(agreed: threading.Event, longest_step: Callable[[], float]) -> None:
    """End this process some seconds after one of ENDINGS unless all ranks have `agreed` on a checkpoint.

    They agree after a step, so the patience follows the longest one, in seconds.

    Where other ranks are gone already, agreement never comes; where one goes after it, the
    checkpoint never ends. The signal's number arrives at a thread through a pipe.
    """
    receiver, sender = os.pipe()
    os.set_blocking(sender, False)
    signal.set_wakeup_fd(sender, warn_on_full_buffer=False)

    def watch() -> None:
        while number := os.read(receiver, 1):
            if number[0] in ENDINGS:
                if agreed.wait(seconds_to_agree(longest_step())):
                    sleep(SECONDS_TO_SAVE)
                os.kill(os.getpid(), signal.SIGKILL)

    start_thread("watch", watch)


def seconds_to_agree(longest_step: float) -> float:
    """Return how long ranks may take to agree where the longest step took so many seconds."""
    return min(max(SECONDS_TO_AGREE, 1.5 * longest_step), MOST_SECONDS_TO_AGREE)


class StallWatch:
    """Ends this process when it makes no progress for so many seconds; 0 waits for ever.

    A node that dies and comes back before Slurm has noticed leaves the others' ranks waiting. Time in
    which the process is stopped, as Slurm stops a job that it suspends, does not count.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._seen = seconds, monotonic()
        self.longest_step: float | None = None
        if seconds:
            start_thread("stall", self._watch)

    def note_progress(self) -> None:
        """Note that a step was done. The first counts for no length: it began elsewhere."""
        now, longest = monotonic(), self.longest_step
        self.longest_step = 0.0 if longest is None else max(longest, now - self._seen)
        self._seen = now

    def _watch(self) -> None:
        tick, idle, seen = min(SECONDS_OF_A_TICK, self._seconds / 10), 0.0, self._seen
        while idle < self._seconds:
            sleep(tick)  # a stop makes it longer, by which the clock goes on
            idle = idle + tick if seen == self._seen else 0.0
            seen = self._seen
        minutes = self._seconds / 60
        message = f"fault: no step for {minutes:g} min (execution.stall_minutes): a rank is gone\n"
        os.write(2, message.encode())
        os.kill(os.getpid(), signal.SIGKILL)


class Interruption:
    """Notes the signal that ends a stage after its step, and ends a process that gets to none.

    `signal` is the last one that arrived. SIGUSR1 is Slurm's, before the time limit.
    """

    def __init__(self, stall_minutes: float) -> None:
        self.signal: signal.Signals | None = None
        self._agreed = threading.Event()
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # `start_rank.py` lets one wait
        self._watch = StallWatch(60 * stall_minutes)
        watch_for_termination(self._agreed, lambda: self._watch.longest_step or 0.0)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)

    def note_progress(self) -> None:
        """Note that a step was done."""
        self._watch.note_progress()

    def agree(self) -> None:
        """Note that all ranks know of the signal and stop."""
        self._agreed.set()


class StageLock:
    """The right to run a stage, held by rank 0 until the process ends.

    A stage whose workflow was killed, or whose node Slurm has given up, may still be running
    anywhere. A newcomer writes its token into the lock's file; the holder sees that it is no longer
    its own, leaves a checkpoint as after SIGTERM, or dies of it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / LOCK
        self._file = self._path.open("a+")
        known = {"host": platform.node(), "pid": os.getpid(), "token": uuid4().hex}
        self._token = json.dumps(known)
        holder = self._read()
        self._write()
        self._acquire(holder)
        self._write()
        start_thread("lock", self._watch)

    def _read(self) -> str:
        try:
            return self._path.read_text()
        except OSError:
            return ""

    def _write(self) -> None:
        self._file.truncate(0)
        self._file.write(self._token)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _acquire(self, holder: str) -> None:
        deadline = monotonic() + SECONDS_TO_GIVE_UP
        while monotonic() < deadline:
            try:
                return fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sleep(0.1)
                if self._read() != self._token:  # one that began at the same time wrote over it
                    self._write()
            except OSError as error:  # the file system knows no locks
                print(f"{self._path}: {NO_LOCKS.format(error.strerror)}", file=sys.stderr)
                return None
        known = json.loads(holder or "{}")
        raise UserError(
            f"{self._path}: the stage is running on host {known.get('host')}, process "
            f"{known.get('pid')}, and does not give way; end it"
        )

    def _watch(self) -> None:
        while self._read() in (self._token, ""):
            sleep(SECONDS_BETWEEN_LOOKS)
        os.kill(os.getpid(), signal.SIGTERM)


def is_over(folder: Path) -> bool:
    """Return whether the process that held the lock of a stage is gone; known of this machine's alone."""
    try:
        with (folder / LOCK).open("r+") as file:
            if json.loads(file.read() or "{}").get("host") != platform.node():
                return False
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a newcomer tries again
    except (OSError, ValueError):  # held, never taken, or half written
        return False
    return True
