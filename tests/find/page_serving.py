# SPDX-License-Identifier: Apache-2.0
"""Starts `mice-find serve` on some files, and asks it. Arguments of a test: the program, the folder
of models."""
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import urllib.parse

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
MODELS = pathlib.Path(sys.argv[2]).resolve()
MODEL = MODELS / "mice-minilm-l2x2-int8.safetensors"
SKIPPED = 77
PATIENCE = 300  # seconds after which a test gives up; nothing waits for them

HOSTILE_NAME = "<img src=x onerror=document.hacked=1>\u202egnp.md"
HOSTILE_TEXT = "The walrus says <script>document.hacked=1</script> and <b onclick=x>&amp;</b>."
FILES = {
    "bread.md": "# Bread\n\n## Rising\n\nYeast gives off carbon dioxide, so the dough swells. "
                "Kneading helps.\n\n## Keeping\n\nBread freezes well and stays fresh for weeks.\n",
    "kitchen/knives.txt":
        "Hone knives often. A dull blade slips and cuts the cook who kneads dough.\n",
    "kitchen/oven.md": "# Oven\n\nHeat it for half an hour before the dough goes in.\n",
    "garden/rainbow.txt":
        "Sunlight that enters a raindrop is bent, reflected and split into colours.\n",
    "code/rise.py":
        "def rise(dough, hours):\n    \"\"\"Lets dough rise.\"\"\"\n    return dough * hours\n",
    "tokyo.txt": "東京都は日本の首都です。人口は約千四百万人。\n",
    "long.md": "# A long text\n\n" + "".join(
        f"## Part {i}\n\nThis part, number {i}, is about stones and water.\n\n" for i in range(500))
    + "## The lighthouse\n\nThe lighthouse keeper polishes the lens each morning.\n\n" + "".join(
        f"## After {i}\n\nMore about stones, number {i}.\n\n" for i in range(300)),
    **{f"notes/{i}.txt": f"Note {i} about tea from garden {i * 7}.\n" for i in range(15)},
    HOSTILE_NAME: f"# <u>Walrus</u>\n\n{HOSTILE_TEXT}\n",
}


def check(truth, what):
    if not truth:
        sys.exit(f"FAILED: {what}")


class Files:
    """A folder of files, and an index of it; removed at the end."""

    def __init__(self, files=FILES):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name, "files")
        self.index = pathlib.Path(self.folder.name, "index")
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.run("add", self.root, "--model", MODEL, "--usual-priority")

    def run(self, command, *arguments):
        done = subprocess.run([PROGRAM, command, "--index", self.index, *map(str, arguments)],
                              capture_output=True, timeout=PATIENCE)
        check(done.returncode == 0, f"{command}: {done.stderr.decode()}")
        return done.stdout.decode()


class Server:
    """A running `mice-find serve`. On leaving it is told to stop, which has to end well."""

    def __init__(self, files, *options, environment=None):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--index", files.index, "--model", MODEL, *options],
            stdout=subprocess.PIPE, stderr=self.log, env={**os.environ, **(environment or {})})
        self.address = self.process.stdout.readline().decode().strip()
        if not self.address:
            self.process.wait(PATIENCE)
            if "without serve" in self.said():
                print("SKIPPED: this program was built without cpp-httplib")
                sys.exit(SKIPPED)
            sys.exit(f"FAILED: no server: {self.said()}")
        parts = urllib.parse.urlsplit(self.address)
        self.host, self.port = parts.hostname, parts.port
        self.token = urllib.parse.parse_qs(parts.fragment)["token"][0]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(PATIENCE)
            check(code == 0 and not self.said(), f"the server ended with {code}: {self.said()}")
            check(self.process.stdout.read() == b"", "more than the address on standard output")
        else:
            self.process.kill()
            self.process.wait()
            print(self.said(), file=sys.stderr)
        self.process.stdout.close()

    def said(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def ask(self, path, method="GET", body=None, **headers):
        """Status, headers and body of an answer; JSON is read. token=None sends none."""
        token = headers.pop("token", self.token)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.headers.get("Content-Type") == "application/json":
            text = json.loads(text)
        return answer.status, answer.headers, text

    def api(self, name, parameters=(), status=200, **others):
        """The JSON that a page gets."""
        pairs = list(parameters.items() if isinstance(parameters, dict) else parameters)
        got, _, text = self.ask(f"/api/{name}?{urllib.parse.urlencode(pairs)}", **others)
        check(got == status, f"{name} {pairs}: {got}, {text}")
        return text
