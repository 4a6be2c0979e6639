# SPDX-License-Identifier: Apache-2.0
"""Starts `mice-find mcp` for tests, and talks to it over its pipes."""
import json
import os
import queue
import subprocess
import threading

from program_test import PROGRAM, SMALL

PATIENCE = 100  # seconds after which a test gives up; nothing waits for them
NEWEST = "2025-06-18"


def line_of(method, number=None, **params):
    """A message as a client writes it."""
    message = {"jsonrpc": "2.0", "method": method}
    if number is not None:
        message["id"] = number
    if params:
        message["params"] = params
    return json.dumps(message).encode() + b"\n"


def call_of(number, tool, **arguments):
    return line_of("tools/call", number, name=tool, arguments=arguments)


class server:
    """A server for the index of a place. On leaving its input ends, and so does it, well."""

    def __init__(self, at, version=NEWEST):
        self.process = subprocess.Popen(
            [PROGRAM, "mcp", "--index", at.index, "--model", SMALL, "--threads", "1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.number = 0
        if version is not None:
            self.initialized = self.ask("initialize", protocolVersion=version, capabilities={},
                                        clientInfo={"name": "test", "version": "1"})
            self.send(line_of("notifications/initialized"))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        self.process.stdin.close()
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        said = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        assert kind is not None or (code == 0 and said == b""), (code, said)

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def next(self):
        """The next thing that the server says, which is always a whole JSON-RPC message."""
        line = self.lines.get(timeout=PATIENCE)
        assert line.endswith(b"\n"), line[:200]
        said = json.loads(line)
        for each in said if isinstance(said, list) else [said]:
            assert each["jsonrpc"] == "2.0" and ("result" in each) + ("error" in each) + (
                "method" in each) == 1, each
        return said

    def answer(self, data):
        self.send(data)
        return self.next()

    def ask(self, method, **params):
        """The result of a request."""
        self.number += 1
        said = self.answer(line_of(method, self.number, **params))
        assert said["id"] == self.number and "result" in said, said
        return said["result"]

    def call(self, tool, **arguments):
        """The structured result of a tool."""
        result = self.ask("tools/call", name=tool, arguments=arguments)
        assert result["isError"] is False, result
        return result["structuredContent"]

    def refused(self, tool, **arguments):
        """What a tool says of why it cannot."""
        result = self.ask("tools/call", name=tool, arguments=arguments)
        assert result["isError"] is True, result
        return result["content"][0]["text"]

    def code(self, data):
        """The code of an error."""
        return self.answer(data)["error"]["code"]
