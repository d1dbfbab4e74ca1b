"""A server in a thread for as long as a block lasts, and a text that would like to run."""

from __future__ import annotations

import contextlib
import threading

HOSTILE = "\"><script>document.documentElement.dataset.hostile='1'</script><img src=x onerror=alert(1)>' <b>bold</b>"


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
