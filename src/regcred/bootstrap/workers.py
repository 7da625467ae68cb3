"""Several serving processes behind one port: a parent that starts, watches and stops them.

The parent serves nothing and holds no secret, no loop and no thread when it forks, so a worker
starts from a clean process with the framework already in memory that all of them share.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

OK, FAILED = 0, 1

REFUSED = 3
"""What a worker exits with when a restart would be refused as well."""

_PR_SET_PDEATHSIG = 1
_STOPPING = {signal.SIGTERM, signal.SIGINT}
_WATCHED = {*_STOPPING, signal.SIGCHLD}

_SHORT_LIVED = 10.0
"""Seconds; a worker that lived longer is started again at once when it dies."""

_SLOWEST = 30.0
"""Seconds between two starts of a worker that keeps dying."""

_MARGIN = 5.0
"""Seconds beyond the grace after which a worker that does not end is killed."""

_log = structlog.get_logger("regcred")


@dataclass(slots=True)
class _Worker:
    """One place among the workers, and who has it."""

    index: int
    pid: int = 0
    """0: nobody now."""

    started: float = 0.0
    due: float = 0.0
    """When it is to be started (monotonic seconds)."""

    deaths: int = 0
    """In a row, each soon after its start."""


@dataclass(slots=True)
class Workers:
    """Runs `work(index)` in each of `count` processes until told to stop."""

    count: int
    work: Callable[[int], int]
    """Serves as the worker of that index and returns an exit code."""

    grace: float
    """Seconds that a worker may take to stop."""

    _workers: list[_Worker] = field(default_factory=list, init=False)
    _deadline: float | None = field(default=None, init=False)
    """When those that were told to stop are killed; None: nobody was told."""

    _code: int = field(default=OK, init=False)

    def run(self) -> int:
        """Return the exit code once every worker has ended.

        SIGTERM and SIGINT stop them, each with its grace; a second one does not wait. A worker
        that dies is started again, ever more slowly while it keeps dying; one that was refused
        its start ends all.
        """
        self._workers = [_Worker(index) for index in range(self.count)]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        try:
            while self._deadline is None or any(worker.pid for worker in self._workers):
                self._start_due(before)
                told = signal.sigtimedwait(_WATCHED, self._patience())
                if told is not None and told.si_signo in _STOPPING:
                    self._stop(signal.SIGTERM if self._deadline is None else signal.SIGKILL)
                self._reap()
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    self._stop(signal.SIGKILL)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._code

    def _start_due(self, mask: set[int | signal.Signals]) -> None:
        if self._deadline is not None:
            return
        for worker in self._workers:
            if not worker.pid and time.monotonic() >= worker.due:
                worker.started = time.monotonic()
                worker.pid = self._fork(worker.index, mask)

    def _fork(self, index: int, mask: set[int | signal.Signals]) -> int:
        parent = os.getpid()
        if pid := os.fork():
            return pid
        code = FAILED
        try:
            # Whoever kills the parent must not leave workers behind that nobody watches.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            if os.getppid() == parent:
                code = self.work(index)
        except BaseException as error:  # noqa: BLE001  a worker ends here, whatever happened
            _log.error("a worker failed", error=type(error).__name__)
        finally:
            # Past the parent's own clean-up, which is not a worker's to do.
            os._exit(code)

    def _patience(self) -> float:
        """Return for how many seconds nothing is to be done."""
        if self._deadline is not None:
            moments = [self._deadline]
        else:
            moments = [worker.due for worker in self._workers if not worker.pid]
        soonest = min(moments, default=time.monotonic() + _SLOWEST)
        return max(0.0, soonest - time.monotonic())

    def _reap(self) -> None:
        for worker in self._workers:
            if not worker.pid:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                worker.pid = 0
                self._ended(worker, os.waitstatus_to_exitcode(status))

    def _ended(self, worker: _Worker, code: int) -> None:
        if self._deadline is not None:
            # One that was told before it listened to signals ends by the signal itself.
            self._code = self._code or (OK if code in {OK, -signal.SIGTERM} else FAILED)
            return
        if code == REFUSED:
            self._code = FAILED
            self._stop(signal.SIGTERM)
            return
        now = time.monotonic()
        worker.deaths = worker.deaths + 1 if now - worker.started < _SHORT_LIVED else 0
        pause = min(_SLOWEST, 2.0**worker.deaths - 1)
        worker.due = now + pause
        _log.error("a worker has died", code=code, pause=pause)

    def _stop(self, how: signal.Signals) -> None:
        now = time.monotonic()
        self._deadline = now + self.grace + _MARGIN
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, how)
