# SPDX-License-Identifier: Apache-2.0
"""The JavaScript package beside onnxruntime-web in a tab of headless Chromium, on one thread: what
bench/wasm.mjs measures in Node, and made ready as it says there.

    build/find/venv/bin/python bench/wasm_browser.py [build/wasm/package] [build/bench-wasm]

Needs Selenium (tools/find/setup.sh), Chromium and its driver, and Linux. Prints milliseconds of
processor time of the tab for a document, the least of many short rounds in which all take turns: for
machines that have other work."""

import functools
import http.server
import os
import pathlib
import shutil
import sys
import tempfile
import threading

from selenium import webdriver

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODEL = ROOT / "models" / "mice-minilm-l2x2-int8.safetensors"

ROUNDS = 30
DOCUMENTS = 5

PREPARE = """
const done = arguments[arguments.length - 1];
(async () => {
  const { Reranker } = await import("./package/index.mjs");
  const ort = await import("./peers/node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs");
  const bytes = async (file) => new Uint8Array(await (await fetch(file)).arrayBuffer());
  const words = ["the", "water", "is", "of", "house", "and", "time", "in", "world", "city"];
  const text = (count, first) => Array.from({ length: count },
    (_, i) => words[(first + i * i) % words.length]).join(" ");
  const query = text(6, 0), texts = [0, 1, 2, 3, 4].map((i) => text(126, i));
  const runs = window.runs = {};
  for (const precision of ["f32", "int8"]) {
    const ranker = await Reranker.load(await bytes("model.safetensors"), { precision });
    const documents = ranker.encode(texts);
    runs[`mice.wasm, ${precision}, texts`] = () => ranker.score(query, texts);
    runs[`mice.wasm, ${precision}, stored`] = () => ranker.score(query, documents);
  }
  ort.env.wasm.numThreads = 1;
  for (const file of ["cross.onnx", "cross-int8.onnx"]) {
    const session = await ort.InferenceSession.create(await bytes(`peers/${file}`),
      { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
    const size = texts.length * 135, shape = [texts.length, 135];
    const feeds = {
      ids: new ort.Tensor("int64",
        BigInt64Array.from({ length: size }, (_, i) => BigInt(i * 31 % 7000)), shape),
      types_of: new ort.Tensor("int64", new BigInt64Array(size), shape),
    };
    runs[`onnxruntime-web, ${file}, pairs`] = () => session.run(feeds);
  }
  return Object.keys(runs);
})().then(done, (failure) => done(String(failure.stack ?? failure)));
"""

RUN = """
const done = arguments[arguments.length - 1];
(async () => { await window.runs[arguments[0]](); })().then(() => done(), (failure) => done(String(failure)));
"""


def tab_of(driver):
    """The processes below Chromium's driver that draw pages: one of them has the tab."""
    parents, tabs = {}, []
    for each in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parents[int(each.name)] = int((each / "stat").read_text().rpartition(")")[2].split()[1])
            if b"--type=renderer" in (each / "cmdline").read_bytes():
                tabs.append(int(each.name))
        except OSError:  # has ended
            continue

    def below(process):
        return process == driver or (process in parents and below(parents[process]))

    return [each for each in tabs if below(each)]


def processor_time(processes):
    """Milliseconds that their threads have had."""
    files = [file for each in processes for file in pathlib.Path(f"/proc/{each}/task").glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files) / 1e6


def measure(browser, tab):
    names = browser.execute_async_script(PREPARE)
    if isinstance(names, str):
        sys.exit(names)
    best = {}
    for _ in range(ROUNDS):
        for name in names:
            before = processor_time(tab)
            failure = browser.execute_async_script(RUN, name)
            if failure:
                sys.exit(failure)
            each = (processor_time(tab) - before) / DOCUMENTS
            best[name] = min(best.get(name, each), each)
    return best


class Files(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript",
                      ".wasm": "application/wasm"}

    def log_message(self, *_):
        pass


def main():
    usual = [ROOT / "build" / "wasm" / "package", ROOT / "build" / "bench-wasm"]
    package, peers = (pathlib.Path(each).resolve() for each in sys.argv[1:3] + usual[len(sys.argv) - 1:])
    with tempfile.TemporaryDirectory() as name:
        site = pathlib.Path(name)
        (site / "package").symlink_to(package)
        (site / "peers").symlink_to(peers)
        (site / "model.safetensors").symlink_to(MODEL)
        (site / "index.html").write_text("<!doctype html><title>bench</title>", encoding="utf-8")
        with http.server.ThreadingHTTPServer(
                ("127.0.0.1", 0), functools.partial(Files, directory=name)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            options = webdriver.ChromeOptions()
            options.binary_location = shutil.which("chromium")
            for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage",
                             "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                             *(["--no-sandbox"] if os.geteuid() == 0 else [])):
                options.add_argument(argument)
            service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
            browser = webdriver.Chrome(options, service)
            try:
                browser.set_script_timeout(600)
                browser.get(f"http://127.0.0.1:{server.server_port}/")
                best = measure(browser, tab_of(service.process.pid))
            finally:
                browser.quit()
                server.shutdown()
    for name, milliseconds in best.items():
        print(f"{milliseconds:9.3f} ms  {name}")


if __name__ == "__main__":
    main()
