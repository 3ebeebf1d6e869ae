# pyright: strict
"""Algebra in processes that can be killed: `check` asks math-verify whether two expressions are the same.

A worker is a small supervisor (this module run as a program) that has imported sympy once and forks
the process that does the work. That one is killed at the limit and forked again in milliseconds, so a
hanging input costs its own limit and no new import. Everything is one JSON line per request and
per reply over pipes: no pickle, no signal handler in the caller, no start method, so it works from any
thread and any process. Linux and macOS only, for the fork.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import resource
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError

WORKERS = 2
MEMORY = 2 * 2**30
START_S = 120.0
GRACE_S = 5.0  # the supervisor keeps the limit; this is for the case that it is stopped or swapped out
RECYCLE = 5000
CACHE = 50_000
_BOOT = """import sys
sys.path[:0] = [p for p in sys.argv[1:] if p not in sys.path]
from sharpen.grading.symbolic import serve
serve()"""


@dataclass(frozen=True)
class Check:
    """Is `found` the answer `gold`? With no `found`, the question is whether `gold` can be read."""

    gold: str
    found: str | None
    tolerance: float | None = None


@dataclass(frozen=True)
class Reply:
    """`same` is None where it could not be told, `reason` being as in `Verdict`."""

    same: bool | None
    reason: str | None = None


class Worker:
    """One supervisor process, started at its first request and again after it was lost."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The supervisor's process id while it runs."""
        return self._process.pid if self._process else None

    def ask(self, check: Check, limit_s: float) -> Reply:
        """Send one request and wait for its reply; never longer than the limit and a little."""
        process = self._process or self._start()
        request = {"gold": check.gold, "found": check.found, "tolerance": check.tolerance, "limit_s": limit_s}
        try:
            _write_line(process, request)
            reply = _read_line(process, limit_s + GRACE_S)
        except BaseException as error:  # an interrupted exchange would leave a reply behind for the next request
            self.stop()
            if isinstance(error, (OSError, EOFError, ValueError)):
                return Reply(None, "crash")
            raise
        if reply is None:
            self.stop()
            return Reply(None, "timeout")
        same, reason = reply.get("same"), reply.get("reason")
        return Reply(same if isinstance(same, bool) else None, reason if isinstance(reason, str) else None)

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).resolve().parent.parent.parent)
        # -P: a sympy.py in the working directory is not ours; the seed makes sympy's term order repeatable
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            start_new_session=True,  # Ctrl-C is for the caller
        )
        self._process = process
        try:
            hello = _read_line(process, START_S)
        except (OSError, EOFError, ValueError):
            hello = {"failed": "it ended while starting"}
        except BaseException:
            self.stop()
            raise
        if hello is None or "ready" not in hello:
            self.stop()
            why = hello.get("failed") if hello else f"no sign of life within {START_S:.0f} s"
            raise UserError(
                f"the symbolic grader cannot start ({why}): install math-verify for {sys.executable}, "
                "or grade with Grader(symbolic=False)"
            )
        return process

    def stop(self) -> None:
        """Kill the supervisor and its child."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._close(process)

    def forget(self) -> None:
        """Let go of a process that belongs to the parent we were forked from."""
        process, self._process = self._process, None
        if process is not None:
            process.returncode = 0
            self._close(process)

    @staticmethod
    def _close(process: subprocess.Popen[bytes]) -> None:
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _write_line(process: subprocess.Popen[bytes], value: object) -> None:
    assert process.stdin is not None
    data = memoryview(json.dumps(value).encode() + b"\n")
    while data:
        data = data[process.stdin.write(data) :]


def _read_line(process: subprocess.Popen[bytes], limit_s: float) -> dict[str, object] | None:
    """One reply, or None if none came in time; replies are shorter than a pipe's atomic write."""
    assert process.stdout is not None
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    if not poll.poll(limit_s * 1000):
        return None
    line = process.stdout.read(select.PIPE_BUF)
    if not line:
        raise EOFError
    return json.loads(line)


class Pool:
    """At most `workers` workers shared by all threads, and the replies that were definite."""

    def __init__(self, workers: int = WORKERS) -> None:
        self.workers = tuple(Worker() for _ in range(workers))
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()  # the last used first: one caller starts one
        for worker in self.workers:
            self._idle.put(worker)
        self._known: dict[Check, Reply] = {}

    def check(self, checks: Sequence[Check], limit_s: float) -> list[Reply]:
        """Decide all `checks`, equal ones once."""
        new = [c for c in dict.fromkeys(checks) if c not in self._known]
        replies: dict[Check, Reply] = {}
        failures: list[BaseException] = []
        todo, lock, stop = iter(new), threading.Lock(), threading.Event()

        def work() -> None:
            while not stop.is_set():
                with lock:
                    check = next(todo, None)
                if check is None:
                    return
                worker = self._idle.get()
                try:
                    replies[check] = worker.ask(check, limit_s)
                except BaseException as error:
                    failures.append(error)
                    stop.set()
                finally:
                    self._idle.put(worker)

        helpers = [threading.Thread(target=work, daemon=True) for _ in range(min(len(self.workers), len(new)) - 1)]
        try:
            for helper in helpers:
                helper.start()
            work()
            for helper in helpers:
                helper.join()
        finally:
            stop.set()
        if failures:
            raise failures[0]
        if len(self._known) > CACHE:
            self._known = {}
        answers = {**{c: self._known[c] for c in set(checks) - set(new) if c in self._known}, **replies}
        self._known.update({c: r for c, r in replies.items() if r.same is not None})
        return [answers[c] for c in checks]

    def close(self) -> None:
        """Kill the workers; a later check starts new ones."""
        for worker in self.workers:
            worker.stop()


_pool = Pool()


def check(checks: Sequence[Check], limit_s: float) -> list[Reply]:
    """Decide `checks` in this process's pool; each costs at most `limit_s` seconds."""
    return _pool.check(checks, limit_s) if checks else []


def close() -> None:
    """Kill this process's workers."""
    _pool.close()


def _after_fork() -> None:
    global _pool
    for worker in _pool.workers:
        worker.forget()
    _pool = Pool()


atexit.register(close)
os.register_at_fork(after_in_child=_after_fork)


# ---- the worker's side


def serve() -> None:
    """Run a supervisor: requests on standard input, replies on standard output."""
    replies = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a print in a library is no reply
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        from .algebra import warm_up

        warm_up()
    except BaseException as error:
        os.write(replies, json.dumps({"failed": f"{type(error).__name__}: {error}"[:300]}).encode())
        return
    os.write(replies, b'{"ready": 1}')
    requests = os.fdopen(0, "rb")
    child = Child()
    for line in requests:
        os.write(replies, child.ask(line, float(json.loads(line)["limit_s"])))
    child.kill()


class Child:
    """The process that does the work, on the supervisor's side."""

    def __init__(self) -> None:
        self._pid = self._in = self._out = self._asked = 0

    def ask(self, line: bytes, limit_s: float) -> bytes:
        """The reply as written, or a timeout after killing the child."""
        if self._asked >= RECYCLE:
            self.kill()
        if not self._pid:
            self._fork()
        self._asked += 1
        with contextlib.suppress(BrokenPipeError):
            view = memoryview(line)
            while view:
                view = view[os.write(self._in, view) :]
        ready, _, _ = select.select([self._out, 0], [], [], limit_s)
        if self._out in ready and (reply := os.read(self._out, select.PIPE_BUF)):
            return reply
        self.kill()
        if 0 in ready:
            os._exit(0)  # one request at a time: more input now means the caller is gone
        return b'{"reason": "%s"}' % (b"crash" if ready else b"timeout")

    def _fork(self) -> None:
        request, reply = os.pipe(), os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.dup2(request[0], 0)
            os.closerange(3, reply[1])
            try:
                _work(reply[1])
            finally:
                os._exit(1)
        os.close(request[0])
        os.close(reply[1])
        self._in, self._out, self._asked = request[1], reply[0], 0

    def kill(self) -> None:
        """End the child, if there is one."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            os.close(self._in)
            os.close(self._out)
            self._pid = 0


def _work(replies: int) -> None:
    from .algebra import answer

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for line in _lines(0):
        request = json.loads(line)
        # the kernel's own kill, should supervisor and caller be gone; no handler, so C code cannot delay it
        signal.setitimer(signal.ITIMER_REAL, float(request["limit_s"]) + 1)
        try:
            same, reason = answer(request["gold"], request["found"], request["tolerance"])
        except BaseException:
            same, reason = None, "crash"
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.write(replies, json.dumps({"same": same, "reason": reason}).encode())


def _lines(fd: int) -> Iterator[bytes]:
    with os.fdopen(fd, "rb", closefd=False) as stream:
        yield from stream


if __name__ == "__main__":
    serve()
