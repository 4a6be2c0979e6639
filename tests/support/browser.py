# SPDX-License-Identifier: Apache-2.0
"""A page in a browser without a window, for tests.

Selenium is looked for in build/find/venv/, where tools/find/setup.sh puts it, or by the Python that
MICE_FIND_PYTHON names. Without it, Chromium or its driver a test that imports this is skipped."""
import os
import pathlib
import shutil
import sys

SKIPPED = 77
PATIENCE = 300  # seconds after which a test gives up; nothing waits for them
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

if not shutil.which("chromium") or not shutil.which("chromedriver"):
    print("SKIPPED: no chromium and chromedriver; 'scripts/packages.sh develop' installs them")
    sys.exit(SKIPPED)

# The ratio of the colours of every text that is shown, against the ground behind it.
CONTRASTS = """
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
const found = [];
for (const each of document.querySelectorAll(arguments[0])) {
  const text = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (text && each.checkVisibility()) {
    const a = shine(numbers(getComputedStyle(each).color)), b = shine(ground(each));
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), each.outerHTML.slice(0, 80)]);
  }
}
return found.sort((a, b) => a[0] - b[0]);
"""


class Page:
    """A page in a browser that looks for nothing beyond this machine. It says how it is in #status,
    takes a question in #question, and shows what it finds in #results."""

    def __init__(self, address, pictures):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage",
                         "--no-first-run", "--disable-background-networking",
                         "--disable-component-update",
                         "--disable-sync", "--disable-extensions", "--window-size=1280,800",
                         "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"):
            options.add_argument(argument)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        self.browser = webdriver.Chrome(options, service)
        self.pictures = pathlib.Path(pictures)
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.browser.get(address)

    def js(self, code, *given):
        return self.browser.execute_script(code, *given)

    def until(self, condition, what):
        WebDriverWait(self.browser, PATIENCE, 0.02).until(lambda _: condition(), what)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def status(self):
        return self.one("#status").text

    def ask(self, text):
        """Types a question; returns when the model has ranked."""
        field = self.one("#question")
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)
        self.until(self.has_ranked, text)

    def has_ranked(self):
        return self.one("#results").get_attribute("aria-busy") == "false"

    def texts(self, selector):
        """All at once: the page may change between two questions."""
        return self.js("""return [...document.querySelectorAll(arguments[0])]
            .map((each) => each.textContent);""", selector)

    def focused(self):
        return self.js("return document.activeElement.id")

    def contrasts(self, selector):
        """[ratio, element] of each text that is shown in these elements, the least first."""
        return self.js(CONTRASTS, selector)

    def media(self, **features):
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()]})

    def size(self, width, height):
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def picture(self, name):
        self.browser.save_screenshot(str(self.pictures / f"{name}.png"))

    def said(self):
        """What the console has, refusals of the content policy among it."""
        return self.browser.get_log("browser")
