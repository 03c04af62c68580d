"""That a person stops the workflow, and what to type to resume it."""

import os
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import psutil

COMMAND = "MCT_COMMAND"
"""The environment variable with the command of a program that starts Snakemake (make)."""
RERUN = "--rerun-incomplete"
LOCKS = Path(".snakemake/locks")
SHELLS = ("sh", "bash")
"""Snakemake waits for the shells around its jobs, which end with them."""


class Interruption:
    """Notes signals that stop the workflow, and passes them on to Snakemake."""

    def __init__(self) -> None:
        self.came = False
        self._is_watching = False
        self._asked = threading.Event()

    def watch_planning(self) -> None:
        """End without a traceback when Ctrl-C comes before the first job."""
        if _is_main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._end)

    def watch_jobs(self) -> None:
        """Note Ctrl-C and SIGTERM from now on; the end of the terminal (SIGHUP) acts as Ctrl-C.

        Signals that are ignored (nohup) still are.
        """
        if not _is_main_thread() or self._is_watching:
            return
        self._is_watching = True
        if signal.getsignal(signal.SIGINT) in (self._end, signal.default_int_handler):
            signal.signal(signal.SIGINT, self._interrupt)
        graceful = signal.getsignal(signal.SIGTERM)
        if callable(graceful):
            threading.Thread(target=self._pass_on, args=[graceful], daemon=True).start()
            signal.signal(signal.SIGTERM, self._ask)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            signal.signal(signal.SIGHUP, self._interrupt)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        raise SystemExit(128 + number)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        if number == signal.SIGHUP:
            hang_up_jobs()
        raise KeyboardInterrupt

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        self._asked.set()

    def _pass_on(self, handler: Callable[[int, None], object]) -> None:
        """Call Snakemake's handler of SIGTERM each time it is asked for.

        In a thread: the handler takes a lock, which the main thread may hold when the signal comes.
        """
        while self._asked.wait():
            self._asked.clear()
            handler(signal.SIGTERM, None)


def _is_main_thread() -> bool:
    """Return whether this thread may set handlers of signals."""
    return threading.current_thread() is threading.main_thread()


def hang_up_jobs() -> None:
    """Send SIGHUP to all processes of the jobs that this Snakemake runs, from now on without it.

    Otherwise a stage would lose its work since the last checkpoint, or an orphan would keep running and
    `--rerun-incomplete` would discard its result.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for process in psutil.Process().children(recursive=True):
        try:
            if process.name() not in SHELLS:
                process.send_signal(signal.SIGHUP)
        except psutil.Error:  # it has ended
            continue


def resume_line(arguments: Sequence[str], folder: Path) -> str:
    """Return what to type to resume a run in a folder that was started with these arguments."""
    command = os.environ.get(COMMAND)
    resume = f"`{command or command_line(arguments, RERUN)}`"
    if any((folder / LOCKS).glob("*")):
        return f"type `{command_line(arguments, '--unlock')}`, then {resume} to resume"
    return f"type {resume} to resume"


def command_line(arguments: Sequence[str], option: str) -> str:
    """Return the command line of this run of Snakemake, with an option more."""
    words = list(arguments)
    if option not in words:
        words.insert(words.index("--") if "--" in words else len(words), option)
    return f"{program()} {shlex.join(words)}"


def program() -> str:
    """Return how this Snakemake is called from a shell."""
    called = Path(sys.argv[0])
    if called.name not in ("snakemake", "__main__.py"):
        return shlex.join([sys.executable, str(called)])
    own = Path(sys.executable).with_name("snakemake")
    if shutil.which("snakemake") == str(own):
        return "snakemake"
    return shlex.quote(str(own)) if own.is_file() else f"{sys.executable} -m snakemake"
