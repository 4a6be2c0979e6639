# SPDX-License-Identifier: Apache-2.0
"""The example page of the JavaScript package in a browser without a window: a file, typing, marks,
texts that would be elements, narrow and dark windows. Arguments: the page's folder, the folder of
the package, a folder for pictures."""
import functools
import http.server
import pathlib
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import browser
from browser import PATIENCE, ROOT, SKIPPED, Keys

HOSTILE = "The walrus says <script>document.hacked=1</script> and <b onclick=x>&amp;</b>."
TEXT = f"""# Kitchen \U0001f35e

## Bread

Yeast gives off carbon dioxide, so the dough swells. It smells of apples, and it wants to be fed
every day with as much flour as water, or else it starves, turns grey and has to be thrown away.

## Knives

Hone knives often. A dull blade slips and cuts the cook who is in a hurry; a sharp one stays where
it is put. Ten strokes on each side are enough, and a board of wood is kinder to it than glass.

## Sea

{HOSTILE} The carpenter answers that the time has come to talk of many things, of shoes and ships
and sealing wax, of cabbages and kings, and why the sea is boiling hot and whether pigs have wings.
""" + "".join(f"\n## Stone {i}\n\nStone number {i} is about water and moss. It lies where the "
              f"river left it, {i * 7} steps below the bridge, and nobody has ever moved it. In "
              "winter it is cold, in summer a lizard suns itself on it, and children count it "
              "as they pass by.\n"
              for i in range(40))


def check(truth, what):
    if not truth:
        sys.exit(f"FAILED: {what}")


class Files(http.server.SimpleHTTPRequestHandler):
    """A plain server of files, which notes what was asked for."""

    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map,
                      ".mjs": "text/javascript", ".wasm": "application/wasm"}
    asked = []

    def log_message(self, *_):
        self.asked.append(self.path)


class Page(browser.Page):
    def __init__(self, address, pictures):
        super().__init__(address, pictures)
        self.browser.set_script_timeout(PATIENCE)
        self.until(lambda: self.status() == "Choose a file.", "the model")

    def choose(self, path):
        self.one("#file").send_keys(str(path))

    def has_ranked(self):
        return super().has_ranked() and " ranked in " in self.status()


def test_typing(page, folder):
    path = folder / "kitchen.md"
    path.write_text(TEXT, encoding="utf-8")
    page.choose(path)
    page.until(lambda: page.one("#question").is_enabled(), "the text")
    check(page.status().startswith("kitchen.md: "), page.status())
    check(page.focused() == "question", "the question has the focus")
    page.ask("why does the dough swell")
    check(len(page.texts("li")) == 10, page.texts("li"))
    best = page.texts("li:first-child > .text > mark")
    check(best == ["Yeast gives off carbon dioxide, so the dough swells."], best)
    words = page.texts("li:first-child mark mark")
    check(len(words) == 3 and all(word in best[0] for word in words), words)
    places = page.texts(".place")
    check(places[0] == "line 1", places)
    check(any(each.startswith("Kitchen \U0001f35e \u203a ") for each in places), places)
    page.picture("answer")
    page.ask("how sharp are blades")
    check("Hone knives often." in page.texts("li:first-child .text")[0], page.texts("li")[0])
    page.ask("what does the walrus say")
    check(HOSTILE in page.texts("li:first-child .text")[0], page.texts("li")[0])
    check(page.js("return document.hacked") is None, "nothing of it ran")
    check(not page.all("main b, main script"), "no elements")
    page.one("#question").send_keys(Keys.CONTROL, "a", Keys.DELETE)
    page.until(lambda: not page.texts("li"), "an empty question")


def test_other_files(page, folder):
    (folder / "empty.txt").write_bytes(b"")
    (folder / "binary.bin").write_bytes(bytes(range(256)) * 8)
    for name in ("empty.txt", "binary.bin", "kitchen.md"):
        page.choose(folder / name)
        page.until(lambda: page.status().startswith(f"{name}: "), name)
    (folder / "huge.txt").write_bytes(b"a" * 10_000_001)
    page.choose(folder / "huge.txt")
    page.until(lambda: "reads 10000000 at most" in page.status(), "a file that is too large")


def test_looks(page):
    page.ask("why does the dough swell")
    for theme in ("light", "dark"):
        page.media(prefers_color_scheme=theme)
        for width in (1280, 320):
            page.size(width, 640)
            wide = page.js("return document.scrollingElement.scrollWidth")
            check(wide <= width, f"{theme}, {width}: {wide} wide")
            ratio, where = page.contrasts("main, main *")[0]
            check(ratio >= 4.5, f"{theme}, {width}: contrast {ratio:.2f} of {where}")
            page.picture(f"{theme}-{width}")


def test_bits(page, package):
    """The browser computes what Node does."""
    import json
    import subprocess
    code = """
        const { Reranker } = await import(MODULE);
        const ranker = await Reranker.load(MODEL, { precision: PRECISION });
        const texts = Array.from({ length: 20 }, (_, i) => `Stone ${i} lies in water. `.repeat(i));
        done([...ranker.score("where is the stone", texts)]);"""
    for precision in ("f32", "int8"):
        asked = code.replace("PRECISION", f'"{precision}"')
        in_browser = page.browser.execute_async_script(
            "const done = arguments[0]; (async () => {"
            + asked.replace("MODULE", '"./index.mjs"')
            .replace("MODEL", 'await (await fetch("model.safetensors")).arrayBuffer()')
            + "})();")
        model = ROOT / "models" / "mice-minilm-l2x2-int8.safetensors"
        node = subprocess.run(
            ["node", "--input-type=module", "-e",
             "const done = (scores) => console.log(JSON.stringify(scores));"
             + asked.replace("MODULE", json.dumps((package / "index.mjs").as_uri()))
             .replace("MODEL",
                      f"(await import('node:fs')).readFileSync({json.dumps(str(model))})")],
            capture_output=True, text=True, check=True)
        check(in_browser == json.loads(node.stdout), f"{precision}: {in_browser}, {node.stdout}")


def main():
    site, package = (pathlib.Path(each).resolve() for each in sys.argv[1:3])
    if not (site / "mice.wasm").is_file():
        print(f"SKIPPED: no mice.wasm in {site}; wasm/build says why")
        sys.exit(SKIPPED)
    serve = functools.partial(Files, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server, \
            tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = Page(f"http://127.0.0.1:{server.server_port}/", sys.argv[3])
        try:
            test_typing(page, pathlib.Path(folder))
            test_other_files(page, pathlib.Path(folder))
            page.choose(pathlib.Path(folder) / "kitchen.md")
            page.until(lambda: page.status().startswith("kitchen.md: "), "the text again")
            test_looks(page)
            test_bits(page, package)
            said = [each for each in page.said()
                    if "favicon.ico" not in each["message"]]
            check(not said, f"the console, refusals of the content policy among it: {said}")
            asked = {path for path in Files.asked if path != "/favicon.ico"}
            check(asked <= {"/", *(f"/{each.name}" for each in site.iterdir())}, asked)
        except BaseException:
            page.picture("failed")
            print(page.said(), file=sys.stderr)
            raise
        finally:
            page.browser.quit()
            server.shutdown()


if __name__ == "__main__":
    main()
