# SPDX-License-Identifier: Apache-2.0
"""The example page of the JavaScript package in a browser without a window: a file, typing, marks,
texts that would be elements, narrow and dark windows. Arguments: the page's folder, the folder of
the package, a folder for pictures.

Selenium is looked for in build/find/venv/, where tools/find/setup.sh puts it, or by the Python that
MICE_FIND_PYTHON names. Without it, Chromium or its driver the test is skipped."""
import functools
import http.server
import os
import pathlib
import shutil
import sys
import tempfile
import threading

SKIPPED = 77
PATIENCE = 300  # seconds after which the test gives up
ROOT = pathlib.Path(__file__).resolve().parents[2]

try:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.wait import WebDriverWait
except ImportError:
    python = os.environ.get("MICE_FIND_PYTHON") or ROOT / "build/find/venv/bin/python"
    if "MICE_FIND_RESTARTED" in os.environ or not os.access(python, os.X_OK):
        print(f"SKIPPED: {python} has no Selenium; tools/find/setup.sh installs it")
        sys.exit(SKIPPED)
    os.environ["MICE_FIND_RESTARTED"] = "1"
    os.execv(python, [python, "-B", *sys.argv])

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

# The ratio of the colours of every text that is shown, against the ground behind it.
CONTRAST = """
const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
const shine = (colour) => {
  const [r, g, b] = colour.map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (of) => {
  for (let each = of; each; each = each.parentElement) {
    const colour = numbers(getComputedStyle(each).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) { return colour; }
  }
  return [255, 255, 255];
};
return Math.min(...[...document.querySelectorAll("main, main *")].filter((each) =>
    [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) &&
    each.checkVisibility()).map((each) => {
  const a = shine(numbers(getComputedStyle(each).color)), b = shine(ground(each));
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}));
"""


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


class Page:
    """The page in a browser that looks for nothing beyond this machine."""

    def __init__(self, address, pictures):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage",
                         "--no-first-run", "--disable-background-networking",
                         "--disable-component-update", "--disable-sync", "--disable-extensions",
                         "--window-size=1280,800",
                         "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"):
            options.add_argument(argument)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        self.browser = webdriver.Chrome(options, service)
        self.browser.set_script_timeout(PATIENCE)
        self.pictures = pathlib.Path(pictures)
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.browser.get(address)
        self.until(lambda: self.status() == "Choose a file.", "the model")

    def js(self, code, *given):
        return self.browser.execute_script(code, *given)

    def until(self, condition, what):
        WebDriverWait(self.browser, PATIENCE, 0.05).until(lambda _: condition(), what)

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def status(self):
        return self.one("#status").text

    def texts(self, selector):
        return self.js("""return [...document.querySelectorAll(arguments[0])]
            .map((each) => each.textContent);""", selector)

    def choose(self, path):
        self.one("#file").send_keys(str(path))

    def ask(self, text):
        field = self.one("#question")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)
        self.until(lambda: self.one("#results").get_attribute("aria-busy") == "false"
                   and " ranked in " in self.status(), text)

    def picture(self, name):
        self.browser.save_screenshot(str(self.pictures / f"{name}.png"))


def test_typing(page, folder):
    path = folder / "kitchen.md"
    path.write_text(TEXT, encoding="utf-8")
    page.choose(path)
    page.until(lambda: page.one("#question").is_enabled(), "the text")
    check(page.status().startswith("kitchen.md: "), page.status())
    check(page.js("return document.activeElement.id") == "question", "the question has the focus")
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
    check(not page.browser.find_elements(By.CSS_SELECTOR, "main b, main script"), "no elements")
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
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": theme}]})
        for width in (1280, 320):
            page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": width, "height": 640, "deviceScaleFactor": 1, "mobile": False})
            wide = page.js("return document.scrollingElement.scrollWidth")
            check(wide <= width, f"{theme}, {width}: {wide} wide")
            ratio = page.js(CONTRAST)
            check(ratio >= 4.5, f"{theme}, {width}: contrast {ratio:.2f}")
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
        browser = page.browser.execute_async_script(
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
        check(browser == json.loads(node.stdout), f"{precision}: {browser}, {node.stdout}")


def main():
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        print("SKIPPED: no chromium and chromedriver; 'scripts/packages.sh develop' installs them")
        sys.exit(SKIPPED)
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
            said = [each for each in page.browser.get_log("browser")
                    if "favicon.ico" not in each["message"]]
            check(not said, f"the console, refusals of the content policy among it: {said}")
            asked = {path for path in Files.asked if path != "/favicon.ico"}
            check(asked <= {"/", *(f"/{each.name}" for each in site.iterdir())}, asked)
        except BaseException:
            page.picture("failed")
            print(page.browser.get_log("browser"), file=sys.stderr)
            raise
        finally:
            page.browser.quit()
            server.shutdown()


if __name__ == "__main__":
    main()
