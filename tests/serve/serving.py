# SPDX-License-Identifier: Apache-2.0
"""Starts `mice serve` for tests, and asks it."""
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models/mice-minilm-l2x2-int8.safetensors"
EXAMPLES = ROOT / "examples/data"
SKIPPED = 77
PATIENCE = 300  # seconds after which a test gives up; nothing waits for them

MICE = Path(sys.argv[1]).resolve()
SANITIZED = b"__asan_init" in MICE.read_bytes()  # then freed memory is kept for a while


def fail(message):
    sys.exit(f"FAILED: {message}")


def check(truth, message):
    if not truth:
        fail(message)


class Server:
    """A running `mice serve`. On leaving it is told to stop, which has to end well."""

    def __init__(self, *options, environment=None):
        self.log = tempfile.TemporaryFile()
        self.signalled = False
        self.process = subprocess.Popen(
            [MICE, "serve", "--model", MODEL, "--port", "0", "--log", *map(str, options)],
            stdout=subprocess.PIPE, stderr=self.log, env={**os.environ, **(environment or {})})
        self.url = self.process.stdout.readline().decode().strip()
        if not self.url:
            fail(f"no server: {self.said()}")
        self.port = urlsplit(self.url).port

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.said(), file=sys.stderr)
            self.process.kill()
            return
        self.stop()

    def signal(self, number=signal.SIGTERM):
        """Tells it to stop; a second signal would end it at once."""
        if not self.signalled and self.process.poll() is None:
            self.process.send_signal(number)
        self.signalled = True

    def stop(self):
        self.signal()
        code = self.process.wait(PATIENCE)
        check(code == 0, f"the server ended with {code}: {self.said()}")
        rest = self.process.stdout.read()
        check(rest == b"", f"more than the address on standard output: {rest!r}")

    def said(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def peak_memory(self):
        """Bytes that it has taken at most, shared ones too."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def ask(self, method, path, body=None, headers=None, on=None):
        """Status, headers and body of an answer; JSON is read."""
        connection = on or self.connect()
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        if on is None:
            connection.close()
        if text and answer.headers.get("Content-Type", "").startswith("application/json"):
            text = json.loads(text)
        return answer.status, answer.headers, text

    def post(self, body, path="/v1/rerank", headers=None, on=None):
        return self.ask("POST", path, body, {"Content-Type": "application/json", **(headers or {})}, on)

    def metric(self, name):
        text = self.ask("GET", "/metrics")[2].decode()
        return next(int(line.split()[-1]) for line in text.splitlines() if line.startswith(name + " "))

    def wait_for(self, name, value):
        """Until a metric has a value."""
        while self.metric(name) != value:
            check(self.process.poll() is None, f"the server ended: {self.said()}")
