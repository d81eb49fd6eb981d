"""A process is ours only if it started when we wrote it down."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from lakehouse.stack.process import (
    Process,
    ask,
    await_end,
    kill_session,
    record_self,
    recorded,
    session_of,
)

# a leader whose worker has a process group of its own, as Airflow's tasks have
LEADER = r"""
import os, sys, time
if os.fork() == 0:
    os.setpgid(0, 0)
os.write(1, b"ready\n")
time.sleep(60)
"""


# the first of its threads ends before the others, as when it is killed
UNFINISHED = r"""
import ctypes, os, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


@pytest.fixture
def leader():
    process = subprocess.Popen(
        (sys.executable, "-c", LEADER), start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
    found = Process(process.pid, psutil.Process(process.pid).create_time())
    yield found
    kill_session(found)
    process.wait(5)
    process.stdout.close()


def test_a_process_that_was_written_down_is_found_again(tmp_path):
    record_self(tmp_path / "own.pid")
    found = recorded(tmp_path / "own.pid")
    assert found is not None
    assert found.pid == os.getpid()
    assert found.is_alive()
    assert recorded(tmp_path / "none.pid") is None


def test_another_process_that_got_the_same_number_is_left_alone(leader):
    stranger = replace(leader, started=leader.started - 100)
    assert not stranger.is_alive()
    assert session_of(stranger) == []
    ask(stranger, signal.SIGKILL)
    kill_session(stranger)
    assert leader.is_alive()


def test_a_session_is_ended_with_the_workers_of_a_leader_that_is_dead(leader):
    assert len(session_of(leader)) == 2
    os.kill(leader.pid, signal.SIGKILL)
    assert await_end(leader, 5)
    (worker,) = session_of(leader)
    kill_session(leader)
    assert await_end(Process(worker, leader.started), 5)


def test_a_process_is_alive_until_its_last_thread_has_ended():
    with subprocess.Popen((sys.executable, "-c", UNFINISHED), start_new_session=True) as process:
        known = psutil.Process(process.pid)
        found = Process(process.pid, known.create_time())
        while known.status() != psutil.STATUS_ZOMBIE:
            assert process.poll() is None
        assert found.is_alive()
        assert session_of(found) == [process.pid]
        kill_session(found)
        assert await_end(found, 5)


def test_waiting_for_a_process_that_stays_ends_in_time(leader):
    before = time.monotonic()
    assert not await_end(leader, 0.2)
    assert time.monotonic() - before < 2
