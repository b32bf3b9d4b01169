"""A proxy before an S3 server that now and then, or always, answers 503 or 500, or breaks the connection."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: What S3 says when it is asked too much, and when something is wrong with it.
ANSWERS = {
    "slow": (503, "SlowDown", "Please reduce your request rate."),
    "error": (500, "InternalError", "We encountered an internal error. Please try again."),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Trouble

    def log_message(self, *_):
        pass

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _forward(self) -> None:
        body = self._body()
        when = self.server.trouble()
        if when == "before":
            self._refuse()
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect", "transfer-encoding", "content-length"):
                    connection.putheader(name, value)
            if body or self.command in ("PUT", "POST"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if when == "after" and self.command in ("PUT", "POST", "DELETE"):
            # It was done, and the answer is lost.
            self._refuse()
            return
        headers = [
            pair
            for pair in answer.getheaders()
            if pair[0].lower() not in ("transfer-encoding", "connection", "content-length")
        ]
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self._answer(answer.status, headers, content, length)

    def _refuse(self) -> None:
        if self.server.kind == "reset":
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RD)
            self.connection.close()
            return
        status, code, message = ANSWERS[self.server.kind]
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'.encode()
        self._answer(status, [("Content-Type", "application/xml")], body)

    def _answer(self, code: int, headers: list[tuple[str, str]], content: bytes, length: str | None = None) -> None:
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward  # noqa: N815


class Trouble(ThreadingHTTPServer):
    """Of `every` requests one is refused, and of as many one is done without an answer that says so; with 1 all are
    refused, with 0 none is. `kind`: "slow", "error" or "reset"."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, behind: int, every: int = 7, kind: str = "slow") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.every, self.kind, self.count, self.refused = behind, every, kind, 0, 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that this one has broken."""

    def trouble(self) -> str:
        with self.lock:
            self.count += 1
            if self.every < 2:
                self.refused += self.every
                return "before" if self.every == 1 else ""
            place = self.count % self.every
            self.refused += place in (0, self.every // 2)
            return "before" if place == 0 else "after" if place == self.every // 2 else ""
