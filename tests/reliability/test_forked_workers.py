"""Workers of the harness are lost as those of a process pool are."""

import os
import socket
import threading
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from thermograd.ensemble.executors.process import Process
from thermograd.reproductions.running_forked_workers import use_forked_workers


def test_a_worker_killed_before_it_says_its_number_is_a_lost_worker(monkeypatch):
    """A nurse whose child dies at birth: its socket is closed before a word."""
    monkeypatch.setattr(Process, "open", Process.open)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def nurse():
        _, descriptors, *_ = socket.recv_fds(theirs, 1, 1)
        os.close(descriptors[0])

    child = threading.Thread(target=nurse)
    child.start()
    use_forked_workers(ours)
    with ours, theirs, Process(workers=1).open(Path()) as pool:
        child.join()
        task = pool.submit(len, "abc")
        with pytest.raises(BrokenProcessPool, match="a worker died"):
            task.result()
