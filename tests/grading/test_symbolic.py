"""The worker pool: what hangs or dies is killed and replaced, from any thread and any process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sharpen.errors import UserError
from sharpen.grading import symbolic
from sharpen.grading.symbolic import Check, Pool, Reply, Worker

ROOT = Path(__file__).parents[1]
SAME = Check(r"\sin^2 x+\cos^2 x", "1")
OTHER = Check(r"\sin x", r"\cos x")
HANG = Check("5", r"\prod_{n=1}^{1000000} n")


ENDS_S = 60.0
"""No measurement: what hangs does so for ever."""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    pool = Pool()
    assert pool.check([SAME, OTHER], 30.0) == [Reply(True), Reply(False)]
    yield pool
    pool.close()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = dict(map(int, line.split()) for line in listed.splitlines())
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [d for child in found for d in descendants(child)]


def gone(pids: list[int], within_s: float = 5.0) -> bool:
    end = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, pids))


def test_a_hang_costs_its_limit_and_the_next_check_works(pool: Pool) -> None:
    start = time.monotonic()
    assert pool.check([HANG], 0.5) == [Reply(None, "timeout")]
    assert 0.5 <= time.monotonic() - start < ENDS_S
    assert pool.check([Check(r"\tan x", r"\frac{\sin x}{\cos x}")], 10.0) == [Reply(True)]


def test_hangs_in_a_batch_do_not_touch_the_others(pool: Pool) -> None:
    hangs = [Check("5", rf"\prod_{{n=1}}^{{100000{i}}} n") for i in range(4)]
    fine = [Check(rf"\sin({i} x)", rf"\sin({i // 2 * 2} x)") for i in range(2, 8)]
    mixed = [c for pair in zip(hangs, fine, strict=False) for c in pair] + fine[4:]
    start = time.monotonic()
    replies = dict(zip(mixed, pool.check(mixed, 0.5), strict=True))
    assert time.monotonic() - start < ENDS_S
    assert [replies[c] for c in hangs] == [Reply(None, "timeout")] * 4
    assert [replies[c].same for c in fine] == [True, False] * 3


def test_equal_checks_are_done_once_and_definite_replies_are_kept(pool: Pool) -> None:
    start = time.monotonic()
    assert pool.check([HANG] * 20, 0.3) == [Reply(None, "timeout")] * 20
    assert time.monotonic() - start < ENDS_S
    pool.close()
    assert pool.check([SAME, OTHER], 0.1) == [Reply(True), Reply(False)]
    assert all(worker.pid is None for worker in pool.workers)  # nobody had to be asked


def test_a_worker_killed_from_outside_is_a_crash_and_is_replaced() -> None:
    worker = Worker()
    assert worker.ask(OTHER, 30.0) == Reply(False)
    assert worker.pid is not None
    threading.Timer(0.4, os.killpg, (worker.pid, signal.SIGKILL)).start()
    assert worker.ask(HANG, 20.0) == Reply(None, "crash")
    assert worker.ask(SAME, 30.0) == Reply(True)
    children = descendants(worker.pid)
    os.kill(children[0], signal.SIGKILL)  # the process that does the work
    assert worker.ask(OTHER, 30.0) == Reply(None, "crash")
    assert worker.ask(OTHER, 30.0) == Reply(False)
    worker.stop()
    assert gone(children)


def test_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import resource, sharpen.grading.symbolic as s, sharpen.grading.algebra as a\n"
        "a.answer = lambda *_: (len(bytearray(3 * 2**30)) > 0, None)\n"
        "s.serve()"
    )
    monkeypatch.setattr(symbolic, "_BOOT", "import sys; sys.path[:0] = sys.argv[1:]\n" + code)
    worker = Worker()
    assert worker.ask(SAME, 30.0) == Reply(None, "crash")
    worker.stop()


def test_any_thread_may_ask(pool: Pool) -> None:
    replies: list[Reply] = []
    threads = [
        threading.Thread(target=lambda i=i: replies.extend(pool.check([Check(f"{i}|x|", f"|x| {i}")], 20.0)))
        for i in range(2, 8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [Reply(True)] * 6
    assert sum(worker.pid is not None for worker in pool.workers) <= 2


def test_a_forked_process_has_workers_of_its_own() -> None:
    code = (
        "import os, sys\n"
        "from sharpen.grading import symbolic\n"
        "from sharpen.grading.symbolic import Check, check\n"
        f"one, two = Check({OTHER.gold!r}, {OTHER.found!r}), Check({SAME.gold!r}, {SAME.found!r})\n"
        "assert check([one], 30)[0].same is False\n"
        "before = [w.pid for w in symbolic._pool.workers]\n"
        "if os.fork() == 0:\n"
        "    assert [w.pid for w in symbolic._pool.workers] == [None, None]\n"
        "    same = check([two], 30)[0].same\n"
        "    symbolic.close()\n"
        "    os._exit(0 if same is True else 1)\n"
        "assert os.waitstatus_to_exitcode(os.wait()[1]) == 0\n"
        "assert [w.pid for w in symbolic._pool.workers] == before\n"
        "assert check([two], 30)[0].same is True\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_a_script_without_a_main_guard_grades_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "sympy.py").write_text("raise SystemExit('a module of the user')")
    (tmp_path / "script.py").write_text(
        "import sys\nsys.path.pop(0)\n"
        f"sys.path.append({str(ROOT)!r})\n"
        "from sharpen.grading import symbolic\n"
        f"print(symbolic.check([symbolic.Check({SAME.gold!r}, {SAME.found!r})], 30)[0].same)\n"
        "print([w.pid for w in symbolic._pool.workers if w.pid][0])\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, check=True, timeout=60, capture_output=True, text=True
    )
    same, pid = done.stdout.split()
    assert same == "True"
    assert gone([int(pid)])


def test_a_killed_caller_leaves_no_busy_worker_behind() -> None:
    code = (
        "from sharpen.grading.symbolic import *\n"
        f"check([Check({OTHER.gold!r}, {OTHER.found!r})], 30)\n"
        "print('ready', flush=True)\n"
        f"check([Check({HANG.gold!r}, {HANG.found!r})], 60)\n"
    )
    caller = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    assert caller.stdout is not None
    assert caller.stdout.readline() == b"ready\n"
    time.sleep(0.3)
    workers = descendants(caller.pid)
    assert len(workers) == 2  # the supervisor and its child
    caller.kill()
    caller.wait()
    caller.stdout.close()
    assert gone(workers)


def test_a_worker_that_cannot_start_is_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbolic, "_BOOT", "import sys; sys.modules['math_verify'] = None\n" + symbolic._BOOT)
    with pytest.raises(UserError, match=r"math_verify.*install math-verify"):
        Pool().check([SAME], 5.0)
    monkeypatch.setattr(symbolic, "_BOOT", "raise SystemExit(3)")
    with pytest.raises(UserError, match="ended while starting"):
        Pool().check([SAME], 5.0)


def test_an_interrupt_leaves_no_stale_reply(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    worker = Worker()
    assert worker.ask(SAME, 30.0) == Reply(True)
    real = symbolic._read_line

    def interrupted(*_: object) -> dict[str, object]:
        raise KeyboardInterrupt

    monkeypatch.setattr(symbolic, "_read_line", interrupted)
    with pytest.raises(KeyboardInterrupt):
        worker.ask(SAME, 30.0)
    monkeypatch.setattr(symbolic, "_read_line", real)
    assert worker.ask(OTHER, 30.0) == Reply(False)
    worker.stop()
