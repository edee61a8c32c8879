"""An OpenAI-compatible server in this process that answers as a script says."""

import json
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What to answer: a dict as JSON, bytes as they are; ``delay`` seconds late; or ``die``."""

    body: Any = None
    status: int = 200
    headers: dict = field(default_factory=dict)
    delay: float = 0.0
    die: bool = False


def completion(body, text=None, reason="stop", logprobs=(-0.5, -0.25)):
    """Return the answer to a completion request; the text tells the seed."""
    text = f" seed {body.get('seed')}." if text is None else text
    choice = {"index": 0, "text": text, "finish_reason": reason}
    if body.get("logprobs") is not None and logprobs is not None:
        choice["logprobs"] = {"token_logprobs": list(logprobs), "tokens": ["a"] * len(logprobs)}
    return {"object": "text_completion", "model": body["model"], "choices": [choice]}


def error(status, message, **headers):
    """Return an error as vLLM words it."""
    return Reply({"error": {"message": message, "type": "Error", "code": status}}, status, headers)


class Server:
    """``script(number, path, body)`` returns a Reply, a dict, or None for a usual completion; requests are kept."""

    def __init__(self, script=lambda number, path, body: None):
        self.script, self.seen, self.lock, self.closing = script, [], threading.Lock(), threading.Event()
        self.busy = self.most = 0
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.refuse()
        self.http.shutdown()
        self.http.server_close()

    def refuse(self):
        """Answer no request any more and refuse connections from now on."""
        self.closing.set()
        with suppress(OSError):  # closed before
            self.http.socket.shutdown(socket.SHUT_RDWR)

    @property
    def seeds(self):
        return [body.get("seed") for _, _, body, _ in self.seen]

    def answer(self, path, body, headers):
        with self.lock:
            number = len(self.seen)
            self.seen.append((time.monotonic(), path, body, headers))
            self.busy += 1
            self.most = max(self.most, self.busy)
        try:
            reply = Reply(completion(body)) if self.closing.is_set() else self.script(number, path, body)
            if reply is None:
                reply = completion(body)
            reply = reply if isinstance(reply, Reply) else Reply(reply)
            if reply.delay:
                self.closing.wait(reply.delay)
            return reply
        finally:
            with self.lock:
                self.busy -= 1


def _handler(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = server.answer(self.path, body, dict(self.headers))
            if reply.die:
                server.refuse()
            if reply.die or server.closing.is_set():
                self.close_connection = True
                return
            raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            try:
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, str(value))
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client left

        def log_message(self, *_):
            pass

    return Handler


def closed_port():
    """Return the address of a port where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}"
