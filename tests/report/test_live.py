from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import sys
from pathlib import Path

import pytest

pytest.importorskip("zarr")
pytest.importorskip("plotly")
sys.path.append(str(Path(__file__).parent))
from growing_run import GrowingRun
from live_serving import HOSTILE, serving

from thermograd.report import live
from thermograd.report.live import LiveServer
from thermograd.report.live_run import LiveRun


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The server of one run for all requests that change nothing."""
    with GrowingRun(tmp_path_factory.mktemp("served") / "run") as run:
        run.train(0, 8)
        with serving(LiveServer(LiveRun(run.path))) as found:
            yield found


def asked(server, path, *, method="GET", host=None, body=None):
    """Status, headers and content."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    name = f"127.0.0.1:{server.server_port}" if host is None else host
    if name:
        connection.putheader("Host", name)
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def said(server, raw):
    """The answer to bytes that need not be a request."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                received += part
    return received


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/plotly.js", "text/javascript; charset=utf-8"),
        ("/data.json", "application/json"),
        ("/data.json?since=0&other=1", "application/json"),
    ],
)
def test_the_four_routes(server, path, kind):
    status, headers, content = asked(server, path)
    assert status == 200
    assert headers["Content-Type"] == kind
    assert int(headers["Content-Length"]) == len(content) > 100
    status, again, nothing = asked(server, path, method="HEAD")
    assert (status, nothing) == (200, b"")
    assert again["Content-Type"] == kind
    if not path.startswith("/data"):
        assert again["Content-Length"] == headers["Content-Length"]


@pytest.mark.parametrize(
    "path",
    [
        "/manifest.json", "/index.html", "/page.css", "/../manifest.json", "/..%2fmanifest.json", "/%2e%2e/etc/passwd",
        "//etc/passwd", "/data.json/", "/data.json%00", "/./", "/page.js/../../x", "http://evil.org/", "page.js", "*", "/\\",
        "/DATA.JSON", "/data.json;x", "/file:///etc/passwd",
    ],
)  # fmt: skip
def test_every_other_path_is_not_found_and_reaches_no_file(server, path, monkeypatch):
    def refuse(*_arguments, **_more):
        raise AssertionError

    monkeypatch.setattr(server.run, "refresh", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(live, "live_page", refuse)
    status, _, content = asked(server, path)
    assert (status, content) == (404, b"404 Not Found\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get"])
@pytest.mark.parametrize("path", ["/", "/data.json", "/nothing"])
def test_other_methods_are_refused(server, method, path):
    status, headers, _ = asked(server, path, method=method)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("127.0.0.1:1", 200), ("localhost", 200), ("LOCALHOST:8080", 200), ("[::1]:80", 200),
        ("evil.org", 403), ("evil.org:80", 403), ("127.0.0.1.evil.org", 403), ("localhost.evil.org:1", 403), ("", 403),
        ("127.0.0.1@evil.org", 403), ("evil.org#127.0.0.1", 403), ("localhost:80.evil.org", 403), ("127.0.0.1:evil.org", 403),
        ("0.0.0.0", 403), ("127.1", 403), ("localhost:", 403), ("localhost:²", 403),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/data.json"])
def test_only_names_of_this_machine_are_answered(server, host, status, path):
    raw = f"GET {path} HTTP/1.1\r\n" + (f"Host: {host}\r\n" if host else "") + "\r\n"
    assert int(said(server, raw.encode()).split()[1]) == status


@pytest.mark.parametrize(
    ("path", "method"), [("/", "GET"), ("/data.json", "HEAD"), ("/no", "GET"), ("/", "POST")]
)
def test_every_answer_has_the_headers(server, path, method):
    _, headers, _ = asked(server, path, method=method)
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "connect-src": "'self'", "style-src": "'unsafe-inline'",
        "img-src": "data: blob:", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
    }  # fmt: skip
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"] == "thermograd"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400), (b"GET / HTTP/9.9\r\n\r\n", 505), (b"GET / x HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414), (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\na: " + b"b" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /<script>alert(1)</script> HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    ],
)  # fmt: skip
def test_malformed_requests_are_answered_and_never_repeated(server, raw, status, capfd):
    answer = said(server, raw)
    assert answer.startswith(f"HTTP/1.0 {status} ".encode())
    assert b"script>" not in answer
    assert b"GARBAGE" not in answer
    assert asked(server, "/data.json")[0] == 200
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("since", ["x", "-2", "1.5", "", "9" * 30, "²", "1e3", "%00"])
def test_a_version_that_is_no_number_is_refused(server, since):
    raw = f"GET /data.json?since={since} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    answer = said(server, raw)
    assert answer.split(b"\r\n\r\n", 1)[1] == b"400 Bad Request: since is a version, a whole number\n"


def test_too_many_fields_are_no_error(server):
    assert asked(server, "/data.json?" + "a=1&" * 50)[0] == 200


def test_since_answers_what_is_new(growing):
    with serving(LiveServer(LiveRun(growing.path))) as server:
        first = json.loads(asked(server, "/data.json")[2])
        assert first["series"]["train_loss"]["step"] == list(range(9))
        small = json.loads(asked(server, f"/data.json?since={first['version']}")[2])
        assert "series" not in small
        growing.train(0, 10)
        more = json.loads(asked(server, f"/data.json?since={first['version']}")[2])
        assert more["series"]["train_loss"]["step"] == list(range(11))  # one diverged: its past left the mean
        growing.train(1, 2)
        more = json.loads(asked(server, f"/data.json?since={more['version']}")[2])
        assert more["series"]["train_loss"]["step"] == [0, 1, 2]


def test_what_goes_wrong_inside_is_one_line(server, monkeypatch, capfd):
    def broken(*_):
        message = "secret"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(server.run, "data", broken)
    status, _, content = asked(server, "/data.json")
    assert (status, content) == (500, b"500 Internal Server Error: ZeroDivisionError\n")
    assert capfd.readouterr() == ("", "")


def test_without_the_secret_nothing_is_answered_beyond_this_machine(open_server):
    token = open_server.token
    assert len(token) == 32
    assert open_server.url.endswith(f":{open_server.server_port}/?token={token}")
    for path in ("/", "/page.js", "/plotly.js", "/data.json", "/no"):
        for query in (
            "",
            "?token=",
            f"?token={token[:-1]}",
            f"?token={token}x",
            "?token=%ff%00é",
            f"?tokem={token}",
        ):
            raw = f"GET {path}{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            assert said(open_server, raw).startswith(b"HTTP/1.0 403 "), (path, query)
    # any name: behind a tunnel or a name server the secret is what protects
    assert asked(open_server, f"/data.json?token={token}", host="cluster.example.org")[0] == 200
    page = asked(open_server, f"/?token={token}")[2].decode()
    assert re.findall(r'src="([^"]+)"', page) == [f"/plotly.js?token={token}", f"/page.js?token={token}"]
    assert asked(open_server, f"/page.js?token={token}")[0] == 200


def test_secrets_differ(growing):
    run = LiveRun(growing.path)
    servers = [LiveServer(run, "0.0.0.0") for _ in range(3)]
    assert len({server.token for server in servers}) == 3
    for server in servers:
        server.server_close()


def test_the_comparison_takes_constant_time(open_server, monkeypatch):
    compared = []
    monkeypatch.setattr(live.hmac, "compare_digest", lambda *both: compared.append(both))
    assert asked(open_server, "/data.json?token=guess")[0] == 403
    assert compared == [(b"guess", open_server.token.encode())]


def test_connections_are_bounded_and_dawdlers_are_cut_off(growing, monkeypatch):
    monkeypatch.setattr(live, "CONNECTIONS", 3)
    with serving(LiveServer(LiveRun(growing.path))) as server:
        address = ("127.0.0.1", server.server_port)
        dawdlers = [socket.create_connection(address, timeout=20) for _ in range(3)]
        for dawdler in dawdlers:
            dawdler.sendall(b"GET / HT")
        with socket.create_connection(address, timeout=20) as refused:
            assert refused.recv(100).startswith(b"HTTP/1.0 503 ")
        monkeypatch.setattr(live, "_SECONDS_CONNECTION", -1)
        for dawdler in dawdlers:
            assert dawdler.recv(100) == b""  # cut off, long before it would time out
            dawdler.close()
        monkeypatch.setattr(live, "_SECONDS_CONNECTION", 120)
        for _ in range(50):
            with contextlib.suppress(http.client.HTTPException, OSError):
                if asked(server, "/data.json")[0] == 200:
                    break
        else:
            pytest.fail("no room again")


def test_a_reader_that_leaves_is_no_news(server, capfd):
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
            connection.sendall(b"GET /plotly.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert asked(server, "/data.json")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_the_page_holds_no_script_of_its_own_and_escapes_the_name(tmp_path):
    with (
        GrowingRun(tmp_path / "run", name=HOSTILE) as growing,
        serving(LiveServer(LiveRun(growing.path))) as server,
    ):
        page = asked(server, "/")[2].decode()
        assert re.findall(r"<script[^>]*>", page) == [
            '<script src="/plotly.js" defer>',
            '<script src="/page.js" defer>',
        ]
        assert "<img" not in page
        assert "&lt;b&gt;bold" in page
        assert not re.search(r"<[^>]*\son\w+=|javascript:|https?://", page)
