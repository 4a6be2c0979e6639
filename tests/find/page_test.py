# SPDX-License-Identifier: Apache-2.0
"""The page of `mice-find serve` in a browser without a window: typing, keys, marks, the text of a
document, filters, narrow and dark windows, and texts that would be elements. Arguments: the
program, the folder of models, a folder for pictures of the page."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import browser
from browser import By, Keys
from page_serving import HOSTILE_TEXT, Files, Server, check

WIDTHS = "return [document.scrollingElement.scrollWidth, innerWidth]"


class Page(browser.Page):
    def __init__(self, address, pictures):
        super().__init__(address, pictures)
        self.until(lambda: "passages" in self.status(), "the page begins")

    def press(self, *keys):
        self.browser.switch_to.active_element.send_keys(*keys)

    def titles(self):
        return self.texts(".result .name")


def test_typing(page):
    check(page.focused() == "question", "the question has the focus")
    check("token" not in page.browser.current_url, "the token is not left in the address")
    page.picture("empty")
    page.ask("why does the dough swell")
    check("Bread" in page.titles(), page.titles())
    bread = page.all(".result")[page.titles().index("Bread")]
    marks = page.texts(f"#{bread.get_attribute('id')} mark")
    check("Yeast gives off carbon dioxide, so the dough swells." in "".join(marks), marks)
    check(bread.find_elements(By.CSS_SELECTOR, "mark.word"), "words are marked")
    check(page.one("#results").get_attribute("role") == "listbox", "roles")
    check(page.one("#question").get_attribute("aria-expanded") == "true", "roles")
    # Words answer first.
    page.js("""window.seen = [];
        new MutationObserver(() => window.seen.push(document.getElementById("status").textContent))
            .observe(document.getElementById("status"), {childList: true});""")
    page.ask("stones")
    seen = page.js("return window.seen")
    check("by words; ranking" in seen[0] and " ranked in " in seen[-1], seen)
    page.ask("zzyzx")
    check(page.titles() == [] and page.status() == "Nothing was found.", page.status())
    page.one("#question").send_keys(Keys.ESCAPE)
    page.until(lambda: "passages" in page.status() and "files" in page.status(), "Escape clears")
    check(page.one("#question").get_attribute("value") == "", "the question is empty")


def test_keys(page):
    page.ask("dough kneading")
    selected = lambda: [each.get_attribute("aria-selected") for each in page.all(".result")]
    check(selected().count("true") == 0 and len(selected()) >= 3, "nothing is chosen yet")
    page.press(Keys.ARROW_DOWN)
    check(selected()[0] == "true", selected())
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP)
    check(selected()[1] == "true" and selected().count("true") == 1, selected())
    active = page.one("#question").get_attribute("aria-activedescendant")
    check(active == page.all(".result")[1].get_attribute("id"), active)
    check(page.focused() == "question", "the focus stays in the question")
    page.picture("results")
    title = page.titles()[1]
    page.press(Keys.ENTER)
    page.until(lambda: page.focused() == "text", "Enter opens the text")
    check(page.one("#title").text == title, page.one("#title").text)
    page.picture("preview")
    page.press("o")
    page.until(lambda: page.status() == f"Copied: {page.one('#path').text}"
               or "path is selected" in page.status(), "o copies the path")
    page.press("/")
    check(page.focused() == "question" and page.one("#preview").is_displayed(), "/ goes back")
    page.press(Keys.ARROW_UP)
    page.until(lambda: page.one("#title").text == page.titles()[0], "the text follows the choice")
    page.press(Keys.ESCAPE)
    check(not page.one("#preview").is_displayed() and page.focused() == "question", "Escape closes")
    check(page.one("#question").get_attribute("value"), "the question is kept")
    page.press("o", "/")
    check(page.one("#question").get_attribute("value").endswith("o/"), "letters in the question")


def test_preview(page):
    page.ask("who polishes the lens of the lighthouse")
    page.press(Keys.ARROW_DOWN, Keys.ENTER)
    page.until(lambda: page.focused() == "text", "the text")
    seen = """const mark = document.querySelector("#lines mark").getBoundingClientRect();
        const box = document.getElementById("text").getBoundingClientRect();
        return mark.top >= box.top && mark.bottom <= box.bottom && mark.bottom <= innerHeight;"""
    page.until(lambda: page.js(seen), "the passage is scrolled to")
    answer = " ".join(page.texts(".line.answer"))
    check("The lighthouse keeper polishes the lens" in answer, answer)
    number = int(page.one(".line.answer").get_attribute("data-number"))
    check(number > 1000, number)
    page.picture("scrolled")
    first = lambda: int(page.one(".line").get_attribute("data-number"))
    check(first() > 1, first())
    before = first()
    page.js("document.getElementById('earlier').click()")
    page.until(lambda: first() < before, "earlier lines")
    numbers = page.js("""return [...document.querySelectorAll(".line")]
        .map((each) => Number(each.dataset.number));""")
    check(numbers == list(range(numbers[0], numbers[0] + len(numbers))), "each line once")
    page.js("document.getElementById('later').click()")
    page.until(lambda: len(page.all(".line")) > len(numbers), "later lines")
    page.press(Keys.ESCAPE)


def test_filters(page):
    page.ask("dough kneading")
    everything = len(page.titles())
    choose = lambda field, text: page.js("""
        const field = document.getElementById(arguments[0]);
        field.selectedIndex = [...field.options].findIndex((e) => e.text.includes(arguments[1]));
        field.dispatchEvent(new Event("change", {bubbles: true}));""", field, text)
    choose("kind", "code")
    page.until(lambda: page.titles() == ["rise.py"], "by kind")
    choose("kind", "all")
    choose("place", "kitchen")
    page.until(lambda: len(page.titles()) == 2, "by folder")
    check(all("files/kitchen/" in each for each in page.texts(".place")), "the folder alone")
    choose("place", "everywhere")
    page.until(lambda: len(page.titles()) == everything, "all again")


def test_more(page):
    page.ask("note tea")
    check(len(page.titles()) == 10 and page.one("#more").is_displayed(), len(page.titles()))
    page.one("#more").click()
    page.until(lambda: len(page.titles()) == 15, "more results")
    check(not page.one("#more").is_displayed(), "no more than that")
    check(page.focused() == "question", "the focus goes back")
    chosen = page.all(".result")[10]
    check(chosen.get_attribute("aria-selected") == "true", "the first new one is chosen")
    check("15 documents" in page.status(), page.status())


def test_hostile_texts(page):
    page.ask("what does the walrus say")
    check(HOSTILE_TEXT in page.one(".snippet").text, page.one(".snippet").text)
    page.press(Keys.ARROW_DOWN, Keys.ENTER)
    page.until(lambda: page.focused() == "text", "the text")
    check(any(HOSTILE_TEXT in each for each in page.texts(".line")), "as it is written")
    check("<img src=x" in page.one("#path").text, page.one("#path").text)
    check("\u202e" not in page.one("#path").text, "a name cannot turn its direction")
    check(page.js("return document.hacked") is None, "nothing of it ran")
    check(not page.all("main img, main script, main b, main u"), "no elements of it")
    page.picture("hostile")
    page.press(Keys.ESCAPE)


def test_looks(page):
    for theme in ("light", "dark"):
        page.media(prefers_color_scheme=theme, prefers_reduced_motion="reduce")
        ground = page.js("return getComputedStyle(document.body).backgroundColor")
        check((ground == "rgb(20, 23, 26)") == (theme == "dark"), f"{theme}: {ground}")
        for width, height in ((1280, 800), (800, 600), (320, 640), (320, 256)):
            page.size(width, height)
            page.ask("how does the dough rise and swell")
            page.press(Keys.ARROW_DOWN)
            for view in ("list", "text"):
                if view == "text":
                    page.press(Keys.ENTER)
                    page.until(lambda: page.focused() == "text", "the text")
                scroll, inner = page.js(WIDTHS)
                check(scroll <= inner, f"{theme}, {width}, {view}: {scroll} wide")
                ratio, where = page.contrasts("body *")[0]
                check(ratio >= 4.5, f"{theme}, {width}, {view}: contrast {ratio:.2f} of {where}")
                page.picture(f"{theme}-{width}x{height}-{view}")
            page.press(Keys.ESCAPE)
            page.until(lambda: page.focused() == "question", "back")
    check(page.js("""return [...document.querySelectorAll(".result")].every((each) =>
        parseFloat(getComputedStyle(each).transitionDuration) === 0)"""), "nothing moves")
    page.media()
    page.size(1280, 800)


def test_names(page):
    """What a screen reader says of each control."""
    nodes = page.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    said = {}
    for node in nodes:
        role = node.get("role", {}).get("value")
        said.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    for role in ("combobox", "listbox", "button", "heading", "option"):
        check(role in said and all(said[role]), f"{role}: {said.get(role)}")
    check("Question or words" in said["combobox"], said["combobox"])
    check("status" in said and "search" in said, sorted(said))


def test_strangers(page, server):
    check(not page.said(), "the console is empty, and so are refusals of the content policy")
    page.browser.get(f"http://127.0.0.1:{server.port}/?q=lighthouse+keeper")
    page.until(lambda: page.titles()[:1] == ["A long text"], "a question in the address")
    check("q=" not in page.browser.current_url, "it is not left there")
    page.browser.get("about:blank")
    page.browser.get(f"http://127.0.0.1:{server.port}/#token={'0' * 32}")
    page.until(lambda: "The token is missing or wrong" in page.status(), "a wrong token")
    page.picture("refused")
    # Another origin, which is another name of the same machine.
    page.browser.get(f"http://127.0.0.1:{server.port}/icon.svg")
    for path in ("api/status", "", "page.js"):
        got = page.browser.execute_async_script("""
            const done = arguments[arguments.length - 1];
            fetch(arguments[0]).then((answer) => done(answer.status), () => done("refused"));""",
            f"http://127.0.0.2:{server.port}/{path}")
        check(got == "refused", f"a page of another origin: {got}")


def main():
    files = Files()
    with Server(files) as server:
        page = Page(server.address, sys.argv[3])
        try:
            test_typing(page)
            test_keys(page)
            test_preview(page)
            test_filters(page)
            test_more(page)
            test_hostile_texts(page)
            page.ask("dough kneading")
            page.press(Keys.ARROW_DOWN, Keys.ENTER)
            page.until(lambda: page.focused() == "text", "the text")
            test_names(page)
            page.press(Keys.ESCAPE)
            test_looks(page)
            test_strangers(page, server)
        except BaseException:
            page.picture("failed")
            print(page.said(), file=sys.stderr)
            raise
        finally:
            page.browser.quit()


if __name__ == "__main__":
    main()
