"""A small web server that shows one run while it goes on, to this machine only unless asked otherwise."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import json
import secrets
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs

from thermograd.report.document import plotly_script
from thermograd.report.live_page import live_page, live_script
from thermograd.report.live_run import LiveRun

CONNECTIONS = 32
"""Most connections at a time; one more is refused at once."""
_SECONDS_IDLE = 10
_SECONDS_CONNECTION = 120
_SECONDS_READING = 1.0
_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_NAMES = {"127.0.0.1", "localhost", "[::1]"}
Options = dict[str, str]


class BadRequestError(Exception):
    """What was asked makes no sense; the message is safe to send back."""


class LiveServer(ThreadingHTTPServer):
    """Serves the page of a run until `shutdown`; `serve_forever` does the work.

    The routes are fixed, no path ever reaches the file system. On a loopback address only requests whose `Host` is
    this machine's own name are answered, so that no web page can reach the data through a name of its own. On any
    other address every request must carry a secret.

    Args:
        run: what is shown.
        host: address to listen on.
        port: port; 0 for a free one.

    Attributes:
        token: the secret; "" on a loopback address.

    Raises:
        OSError: the address cannot be used, or the port is taken.
        MissingExtraError: plotly is not installed.
    """

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, run: LiveRun, host: str = "127.0.0.1", port: int = 0) -> None:
        self.run, self.host = run, host
        self.token = "" if is_loopback(host) else secrets.token_urlsafe(24)
        _plotly()
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._since: dict[socket.socket, float] = {}
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self.address_family = family
        super().__init__((str(address[0]), int(address[1])), _Handler)

    @property
    def url(self) -> str:
        """Where the page is, with the secret if there is one."""
        anywhere = self.host in {"", "0.0.0.0", "::"}
        name = socket.gethostname() if anywhere else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.server_address[1]}/{self.query}"

    @property
    def query(self) -> str:
        """What every request has to carry."""
        return f"?token={self.token}" if self.token else ""

    def server_bind(self) -> None:
        """Listen, without asking a name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.host, int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """One thread for each connection, as long as there are not too many."""
        if not self._slots.acquire(blocking=False):
            self._send_busy(request)
            return
        self._since[request] = time.monotonic()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._since.pop(request, None)
            self._slots.release()

    def service_actions(self) -> None:
        """Cut off who dawdles."""
        now = time.monotonic()
        for request, since in list(self._since.items()):
            if now - since > _SECONDS_CONNECTION:
                self._since.pop(request, None)
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)  # its thread wakes up and ends

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is no news."""

    def _send_busy(self, request: socket.socket) -> None:
        with contextlib.suppress(OSError):
            request.sendall(b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        self.shutdown_request(request)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("example.org")
    (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; HTTP/1.0, so that a connection ends with it."""

    server: LiveServer
    timeout = _SECONDS_IDLE
    server_version, sys_version = "thermograd", ""
    _routes: ClassVar[dict[str, tuple[str, Callable[[LiveServer, Options], bytes]]]]

    def do_GET(self) -> None:
        """Answer with headers and content."""
        path, _, query = self.path.partition("?")
        if not self._allowed(query):
            self._refuse(HTTPStatus.FORBIDDEN)
        elif path not in self._routes:
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            kind, content = self._routes[path]
            try:
                answer = content(self.server, _options(query))
            except BadRequestError as error:
                self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            except (
                Exception
            ) as error:  # the page says what the server could not do; nobody else is there to tell
                self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, type(error).__name__)
            else:
                self._send(HTTPStatus.OK, kind, answer)

    def do_HEAD(self) -> None:
        """Answer with the headers alone."""
        self.do_GET()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself refuses; nothing of the request is repeated."""
        other_method = code == HTTPStatus.NOT_IMPLEMENTED
        self._refuse(HTTPStatus.METHOD_NOT_ALLOWED if other_method else HTTPStatus(code))

    def log_message(self, *_: Any) -> None:
        """Nothing: the terminal belongs to the user."""

    def version_string(self) -> str:
        """Who answers, without versions."""
        return self.server_version

    def _allowed(self, query: str) -> bool:
        """Whether the request names this machine, or knows the secret."""
        token = self.server.token
        if not token:
            known = _NAMES | {self.server.host, f"[{self.server.host}]"}
            return _name(self.headers.get("Host", "")) in known
        given = _options(query).get("token", "")
        # compared as bytes: text that is not ASCII would be an error
        return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode("ascii"))

    def _refuse(self, status: HTTPStatus, why: str = "") -> None:
        self.request_version = (
            "HTTP/1.0"  # a line that could not be read leaves 0.9, which has no status line
        )
        said = f"{status.value} {status.phrase}{': ' * bool(why)}{why}\n"
        self._send(status, "text/plain; charset=utf-8", said.encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _name(host: str) -> str:
    """The name in a `Host` header. Any port will do, for a tunnel has its own.

    >>> _name("localhost:8000"), _name("[::1]:1"), _name("127.0.0.1:evil.org")
    ('localhost', '[::1]', '127.0.0.1:evil.org')
    """
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isascii() and port.isdecimal() else host).lower()


def _options(query: str) -> Options:
    try:
        found = parse_qs(query, keep_blank_values=True, max_num_fields=8)
    except ValueError:
        return {}
    return {name: values[-1] for name, values in found.items()}


def _page(server: LiveServer, _: Options) -> bytes:
    return live_page(server.run.name, server.query).encode()


def _script(_: LiveServer, __: Options) -> bytes:
    return live_script().encode()


@cache
def _plotly() -> bytes:
    return plotly_script().encode()


def _data(server: LiveServer, options: Options) -> bytes:
    since = options.get("since", "-1")
    if since != "-1" and not (since.isascii() and since.isdecimal() and len(since) < 20):
        message = "since is a version, a whole number"
        raise BadRequestError(message)
    server.run.refresh(_SECONDS_READING)
    return json.dumps(server.run.data(int(since)), allow_nan=False, separators=(",", ":")).encode()


_JAVASCRIPT = "text/javascript; charset=utf-8"
_Handler._routes = {
    "/": ("text/html; charset=utf-8", _page),
    "/page.js": (_JAVASCRIPT, _script),
    "/plotly.js": (_JAVASCRIPT, lambda *_: _plotly()),
    "/data.json": ("application/json", _data),
}
