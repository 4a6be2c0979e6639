# SPDX-License-Identifier: Apache-2.0
"""What mice-find takes out of files of every kind, and what hostile files cannot do. Argument: the
driver, which reads requests from standard input."""

import contextlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))

import samples
from waiting import until

DRIVER = sys.argv.pop(1) if len(sys.argv) > 1 else ""
MILLION = 10**6
SLOW = b"<div>" * (4 * MILLION)  # takes minutes


class Driver:
    """The driver, one request at a time."""

    def __init__(self):
        self.process = subprocess.Popen(
            [DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(60)


def children(process):
    """The processes that a process has started."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue  # it has ended meanwhile
            if parent == process:
                found.append(int(entry.name))
    return found


def is_running(process):
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Extraction(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.driver = Driver()
        report = cls.driver.ask()
        cls.report = report
        cls.kinds = set(report["kinds"])

    @classmethod
    def tearDownClass(cls):
        code = cls.driver.close()
        cls.folder.cleanup()
        if code != 0:
            raise AssertionError(f"the driver ended with {code}")

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def extract(self, name, content, **limits):
        """What is extracted from a file with that name and content."""
        with open(self.path(name), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return self.driver.ask(file=self.path(name), **limits)

    def need(self, *kinds):
        for kind in kinds:
            if kind not in self.kinds:
                self.skipTest(f"built without {kind}")

    def parts(self, found, *names):
        self.assertIn("sections", found, found)
        return [tuple(each[name] for name in names) for each in found["sections"]]


class Kinds(Extraction):
    def test_text_is_one_section_with_its_line(self):
        found = self.extract("a.txt", "\n\nfirst\n\nsecond\n")
        self.assertEqual(found["kind"], "text")
        self.assertEqual(self.parts(found, "line", "text"), [(3, "first\n\nsecond")])

    def test_an_empty_file_has_no_sections(self):
        for name in ["a.txt", "a.md", "a.py"] + ["a.html"] * ("html" in self.kinds):
            self.assertEqual(self.extract(name, "").get("sections"), [], name)

    def test_encodings(self):
        text = "Größe – naïve café €"
        latin = text.encode("windows-1252")
        for content, noted in [
            (text.encode(), False), (text.encode("utf-8-sig"), False), (text.encode("utf-16"), False),
            (text.encode("utf-16-be").join([b"\xfe\xff", b""]), False),
            (text.encode("utf-32"), False), (latin, True),
        ]:
            found = self.extract("a.txt", content)
            self.assertEqual(self.parts(found, "text"), [(text,)])
            self.assertEqual(bool(found["notes"]), noted)

    def test_invalid_places_do_not_change_the_encoding(self):
        found = self.extract("a.txt", "Größe ä ö ü ß\n".encode() * 10 + b"\xff broken \xc3")
        self.assertIn("\ufffd broken \ufffd", found["sections"][0]["text"])
        self.assertIn("2 places are not UTF-8", found["notes"][0])

    def test_control_characters_and_what_turns_text_are_left_out(self):
        found = self.extract("a.txt", "a\0b\x1b[31mred\u202eder\ufeff\r\nnext\rlast\fpage\x7f " + "x" * 200)
        self.assertEqual(found["sections"][0]["text"][:32], "ab[31mredder\nnext\nlast page xxxx")

    def test_markdown(self):
        self.need("markdown")
        lines = samples.MARKDOWN.splitlines()
        found = self.extract("a.md", samples.MARKDOWN)
        self.assertEqual((found["kind"], found["title"]), ("markdown", "A page"))
        self.assertEqual(
            self.parts(found, "heading", "line", "text"),
            [
                ("", 5, "Before."),
                ("One", 7, "\n".join(lines[6:10])),
                ("One > Two", 12, "\n".join(lines[11:])),
            ],
        )

    def test_markdown_keeps_its_lines(self):
        self.need("markdown")
        text = (pathlib.Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
        setext = "\n\nOne\n===\n\ntext\n\n\nTwo\n---\nmore\n\n> # Quoted\n> x\n\n    # code\n\n#\n\nend\n"
        for source in [text, setext, "---\ntitle: x\n---\n" + setext]:
            for ends in ["\n", "\r\n", "\r"]:
                found = self.extract("a.md", source.replace("\n", ends).encode())
                parts = self.parts(found, "line", "text")
                lines = source.splitlines()
                covered = set()
                for line, part in parts:
                    part = part.split("\n")
                    wanted = [each.rstrip() for each in lines[line - 1 : line - 1 + len(part)]]
                    self.assertEqual([each.rstrip() for each in part], wanted)
                    covered.update(range(line, line + len(part)))
                head = 3 if source.startswith("---") else 0
                filled = {i for i, each in enumerate(lines, 1) if each.strip() and i > head}
                self.assertEqual(filled - covered, set())
        self.assertEqual(
            self.parts(found, "heading"), [("One",), ("One > Two",), ("Quoted",)], found
        )

    def test_html(self):
        self.need("html")
        found = self.extract("a.html", samples.HTML)
        self.assertEqual((found["kind"], found["title"]), ("html", "Café"))
        self.assertEqual(
            self.parts(found, "heading", "line", "text"),
            [("", 2, "intro bold text"), ("One", 3, "мышь"), ("One > Two", 3, "a\tb\nc\nx\n  y\nz")],
        )

    def test_code_is_cut_between_functions(self):
        found = self.extract("a.py", samples.CODE)
        lines = samples.CODE.splitlines()
        self.assertEqual(found["kind"], "code")
        parts = self.parts(found, "line", "text")
        self.assertGreater(len(parts), 2)
        for line, text in parts:
            self.assertTrue(text.startswith("def "))
            self.assertEqual(text.split("\n"), lines[line - 1 : line - 1 + text.count("\n") + 1])
        self.assertEqual(
            "".join("".join(text.split()) for _, text in parts), "".join(samples.CODE.split())
        )
        self.assertEqual(self.extract("script", "#!/bin/sh\nls\n")["kind"], "code")

    def test_mail(self):
        self.need("mail")
        attachments = {"n.txt": b"attached text", "p.png": b"\x89PNG\r\n\x1a\n", "../e.zip": samples.zipped({"a": "b"})}
        found = self.extract("1700000000.M1P2.host:2,S", samples.message("Grüße", "<p>rich</p>", attachments))
        self.assertEqual((found["kind"], found["title"]), ("mail", "Grüße"))
        header = "From: Ann <ann@example.org>\nTo: bob@example.org\nDate: Mon, 01 Jan 2024 10:00:00 +0000"
        self.assertEqual(
            self.parts(found, "member", "text"),
            [("", header + "\n\nSee you at noon."), ("n.txt", "attached text")],
        )
        self.assertEqual(found["notes"], ["../e.zip: an archive inside another file is not opened"])

    def test_mail_in_html_only(self):
        self.need("mail", "html")
        found = self.extract("a.eml", samples.message(plain=None, html="<h1>Big</h1><p>news &amp; more</p>"))
        heading, text = self.parts(found, "heading", "text")[0]
        self.assertEqual((heading, text.split("\n")[-1]), ("Big", "news & more"))
        self.assertTrue(text.startswith("From: Ann"))

    def test_mailbox(self):
        self.need("mail")
        found = self.extract("inbox", samples.mailbox(samples.message("First"), samples.message("Second")))
        self.assertEqual(self.parts(found, "heading", "line"), [("First", 1), ("Second", 13)])
        bare = self.extract("a.mbox", samples.message("Alone"))
        self.assertEqual((bare["title"], len(bare["sections"])), ("Alone", 1))

    def test_forwarded_message(self):
        self.need("mail")
        outer = b"From: a@example.org\nTo: b@example.org\nSubject: Fwd\nMIME-Version: 1.0\n"
        outer += b"Content-Type: message/rfc822\n\n" + samples.message("Inner")
        found = self.extract("a.eml", outer)
        self.assertEqual([member for (member,) in self.parts(found, "member")], ["", "Inner"])
        self.assertIn("See you at noon.", found["sections"][1]["text"])

    def test_old_encodings_of_mail(self):
        self.need("mail")
        for charset, text in [("iso-2022-jp", "猫とネズミ"), ("koi8-r", "мышь"), ("gb2312", "老鼠")]:
            head = f"From: a\nTo: b\nSubject: x\nContent-Type: text/plain; charset={charset}\n\n"
            found = self.extract("a.eml", head.encode() + text.encode(charset))
            self.assertIn(text, found["sections"][0]["text"], charset)

    def test_pdf(self):
        self.need("pdf")
        found = self.extract("a.pdf", samples.pdf([b"Page one text", b"", b"Page three"]))
        self.assertEqual((found["kind"], found["title"]), ("pdf", "A report"))
        self.assertEqual(self.parts(found, "page", "text"), [(1, "Page one text"), (3, "Page three")])
        self.assertEqual(found["notes"], ["1 of 3 pages have no text"])

    def test_chinese_pdf(self):
        self.need("pdf")
        if not os.path.exists("/usr/share/poppler/cMap/Adobe-GB1"):
            self.skipTest("poppler-data is not installed")
        found = self.extract("a.pdf", samples.chinese_pdf())
        self.assertEqual(self.parts(found, "text"), [("老鼠找到文件",)])

    def test_word(self):
        self.need("office")
        found = self.extract("a.docx", samples.docx())
        self.assertEqual((found["kind"], found["title"]), ("office", "A title"))
        self.assertEqual(
            self.parts(found, "heading", "text"),
            [
                ("", "Before all."), ("Erster Teil", "Two runs."),
                ("Erster Teil > Detail", "a\tb\nEnd."), ("", "A footnote."),
            ],
        )

    def test_slides(self):
        self.need("office")
        found = self.extract("a.pptx", samples.pptx())
        self.assertEqual(
            self.parts(found, "page", "heading", "text"),
            [(1, "First", "First\nbody two\nSay hello."), (2, "Last", "Last\nbody one")],
        )
        found = self.extract("a.odp", samples.odp())
        self.assertEqual(
            self.parts(found, "page", "heading", "text"), [(1, "Start", "first"), (2, "End", "second")]
        )

    def test_sheets(self):
        self.need("office")
        found = self.extract("a.xlsx", samples.xlsx())
        self.assertEqual(self.parts(found, "heading", "text"), [("Costs", "rent\t12.5\nheat\tlittle")])
        found = self.extract("a.ods", samples.ods())
        self.assertEqual(
            self.parts(found, "heading", "text"), [("Sheet A", "x\t1\ny\t2"), ("Sheet B", "z")]
        )

    def test_open_document_text(self):
        self.need("office")
        found = self.extract("any name", samples.odt())
        self.assertEqual(found["title"], "A title")
        self.assertEqual(self.parts(found, "heading", "text"), [("One", "A  b c"), ("One > Two", "item")])

    def test_epub(self):
        self.need("epub")
        found = self.extract("a.epub", samples.epub())
        self.assertEqual((found["kind"], found["title"]), ("epub", "A book"))
        self.assertEqual(
            self.parts(found, "heading", "line", "text"),
            [("First", 0, "the beginning"), ("Second", 0, "the end")],
        )

    def test_archives(self):
        self.need("archive", "html")
        members = {"d/a.txt": "one", "b.html": "<h1>H</h1>two", "c.png": b"\x89PNG\r\n\x1a\n\0\0", "__MACOSX/x": "no"}
        wanted = [("d/a.txt", "", "one"), ("b.html", "H", "two")]
        for name, content in [
            ("a.zip", samples.zipped(members)), ("a.tar", samples.tarred(members, "w")),
            ("a.tgz", samples.tarred(members)), ("a.tar.bz2", samples.tarred(members, "w:bz2")),
            ("a.tar.xz", samples.tarred(members, "w:xz")),
        ]:
            found = self.extract(name, content)
            self.assertEqual(found["kind"], "archive")
            self.assertEqual(self.parts(found, "member", "heading", "text"), wanted, name)
        for name, member in [("a.7z", "hello.txt"), ("a.txt.gz", "a.txt")]:
            found = self.extract(name, samples.all_kinds()[name])
            self.assertEqual(self.parts(found, "member", "text"), [(member, "Text in a packed member.")])

    def test_what_has_no_text(self):
        for name, content, reason in [
            ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(100), "not_text"),
            ("a.txt", bytes(range(256)) * 8, "not_text"),
            ("a", b"\x7fELF" + bytes(100), "not_text"),
            ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "unsupported"),
        ]:
            self.assertEqual(self.extract(name, content).get("error"), reason, name)


class Hostile(Extraction):
    def test_the_sandbox_holds(self):
        if any("seccomp is missing" in note for note in self.report["notes"]):
            self.skipTest("this build or system has no seccomp")
        for name in ["started", "no_opens", "no_writes", "no_sockets", "no_programs"]:
            self.assertIs(self.report[name], True, self.report["notes"])

    def test_what_is_no_file(self):
        os.mkfifo(self.path("fifo"))
        os.symlink("loop", self.path("loop"))
        for name in ["/dev/zero", "/dev/tty", self.folder.name, self.path("fifo"), self.path("none"), self.path("loop")]:
            self.assertEqual(self.driver.ask(file=name).get("error"), "unreadable", name)

    def test_too_large(self):
        with open(self.path("sparse.txt"), "wb") as file:
            file.truncate(10 << 30)
        self.assertEqual(self.driver.ask(file=self.path("sparse.txt")).get("error"), "too_large")

    def test_a_file_that_grows(self):
        stop = threading.Event()
        with open(self.path("log.txt"), "wb") as file:
            file.write(b"line\n" * 1000)
            file.flush()

            def grow():
                while not stop.is_set():
                    file.write(b"more\n" * 1000)
                    file.flush()
                    if file.tell() > 50 << 20:
                        file.truncate(0)
                        file.seek(0)

            thread = threading.Thread(target=grow)
            thread.start()
            answers = [self.driver.ask(file=self.path("log.txt"), file_bytes=1 << 20) for _ in range(20)]
            stop.set()
            thread.join()
        for answer in answers:
            self.assertTrue("kind" in answer or answer.get("error") in ["too_large", "not_text"], answer)

    def test_output_is_cut(self):
        found = self.extract("a.txt", "wörd " * MILLION, output_bytes=1001)
        self.assertTrue(found["truncated"])
        self.assertLessEqual(len(found["sections"][0]["text"].encode()), 1001)
        found = self.extract("b.txt", "word\n\n" * MILLION, output_bytes=1 << 20)
        self.assertTrue(found["truncated"])
        found = self.extract("c.py", samples.CODE, sections=2)
        self.assertEqual((len(found["sections"]), found["truncated"]), (2, True))

    def test_one_long_line(self):
        found = self.extract("a.py", b"x = '" + b"a" * (20 << 20))
        self.assertEqual(len(found["sections"][0]["text"]), (20 << 20) + 5)
        self.assertIn("kind", self.extract("a.md", b"[" * MILLION))
        self.assertIn("kind", self.extract("b.md", b"> " * 50000 + b"x"))

    def test_bombs(self):
        self.need("archive")
        found = self.extract("a.zip", samples.zipped({"a.txt": b"a" * (40 << 20), "b.txt": "never"}))
        self.assertEqual((found["truncated"], found["sections"]), (True, []))
        self.assertIn("unpacks to more than it may", found["notes"][0])
        members = {f"{i}.txt": "text" for i in range(50)}
        found = self.extract("b.zip", samples.zipped(members), members=10)
        self.assertEqual((len(found["sections"]), found["truncated"]), (10, True))
        nested = samples.zipped({"x.txt": "deep"})
        for _ in range(5):
            nested = samples.zipped({"n.zip": nested})
        self.assertEqual(self.extract("c.zip", nested)["sections"], [])

    def test_names_in_archives_are_only_names(self):
        self.need("archive")
        outside = self.path("outside.txt")
        names = ["../outside.txt", outside, "a\nb\x1b[31m.txt", "../" * 200 + "x.txt"]
        found = self.extract("a.zip", samples.zipped({name: "text" for name in names}))
        self.assertEqual(len(found["sections"]), len(names))
        self.assertFalse(os.path.exists(outside))
        for (member,) in self.parts(found, "member"):
            self.assertNotRegex(member, r"[\x00-\x1f]")
            self.assertLessEqual(len(member.encode()), 300)

    def test_deep_documents(self):
        self.need("html", "office")
        deep = "<text:span>" * MILLION + "x" + "</text:span>" * MILLION
        content = samples.open_document("text", f"<office:text><text:p>{deep}</text:p></office:text>")
        found = self.extract("a.odt", content, ratio=100000, seconds=30)
        self.assertIn("kind", found)
        begun = time.monotonic()
        for content in [b"<div>" * MILLION, b"<b>" * MILLION, b"<table>" * MILLION]:
            found = self.extract("a.html", content + b"text", seconds=1)
            self.assertTrue("kind" in found or found.get("error") in ["time", "memory"], found)
        self.assertLess(time.monotonic() - begun, 30)

    def test_entities_are_not_expanded(self):
        self.need("office")
        entities = "".join(
            f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9)
        )
        content = f'<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY z SYSTEM "file:///etc/passwd">{entities}]>'
        content += "<office:text><text:p>&j; &z; end</text:p></office:text>"
        mimetype = "application/vnd.oasis.opendocument.text"
        found = self.extract("a.odt", samples.zipped({"mimetype": mimetype, "content.xml": content}))
        self.assertEqual(self.parts(found, "text"), [("&j; &z; end",)])

    def test_cyclic_pdf(self):
        self.need("pdf")
        found = self.extract(
            "a.pdf",
            b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[2 0 R 3 0 R]"
            b"/Count 99999999>>endobj\n3 0 obj<</Type/Pages/Parent 2 0 R/Kids[2 0 R]/Count 1>>endobj\n"
            b"trailer<</Root 1 0 R/Prev 0>>\n", seconds=10,
        )
        self.assertTrue("kind" in found or found["error"] in ["malformed", "time"], found)

    def test_memory_is_bound(self):
        if not self.report["memory_bound"]:
            self.skipTest("memory is not bound in this build")
        found = self.extract("a.txt", "word " * (8 * MILLION), memory_bytes=32 << 20)
        self.assertEqual(found.get("error"), "memory", found.get("message"))

    def test_deep_mail(self):
        self.need("mail")
        parts = b"".join(
            b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (i, i) for i in range(20000)
        )
        found = self.extract("a.eml", b"From: a\nDate: b\nTo: x\n" + parts + b"\n\nx", seconds=10)
        self.assertTrue("kind" in found or found["error"] in ["crashed", "time"], found)

    def test_damaged_files(self):
        """Every answer comes, in time, whatever is cut off or changed."""
        chance = random.Random(7)
        reasons = {"not_text", "unsupported", "malformed", "crashed", "time", "memory"}
        crashed = 0
        for name, content in samples.all_kinds().items():
            damaged = [content[: len(content) * i // 8] for i in range(8)]
            for _ in range(24):
                changed = bytearray(content)
                for _ in range(chance.choice([1, 4, 32])):
                    changed[chance.randrange(len(changed))] = chance.randrange(256)
                damaged.append(bytes(changed))
            for each in damaged:
                found = self.extract(name, each, seconds=10)
                self.assertTrue("kind" in found or found["error"] in reasons, found)
                crashed += found.get("error") == "crashed"
        self.assertLess(crashed, 20)

    def test_killed_from_outside(self):
        self.need("html")
        driver = Driver()
        self.addCleanup(driver.close)
        with open(self.path("small.txt"), "w", encoding="utf-8") as file:
            file.write("text")
        self.assertIn("kind", driver.ask(file=self.path("small.txt")))
        # While it waits: nobody notices.
        (server,) = children(driver.process.pid)
        os.kill(server, signal.SIGKILL)
        self.assertIn("kind", driver.ask(file=self.path("small.txt")))
        # While it reads: once more, and then no more.
        with open(self.path("slow.html"), "wb") as file:
            file.write(SLOW)
        killed, answered = set(), threading.Event()

        def kill_readers():
            # A new server tries its sandbox in a process of its own, which may be killed instead.
            while not answered.is_set():
                for server in children(driver.process.pid):
                    for reader in set(children(server)) - killed:
                        killed.add(reader)
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(reader, signal.SIGKILL)
                time.sleep(0.005)

        thread = threading.Thread(target=kill_readers)
        thread.start()
        found = driver.ask(file=self.path("slow.html"), seconds=60)
        answered.set()
        thread.join()
        self.assertIn(len(killed), range(2, 5))
        self.assertEqual(found.get("error"), "crashed", found)
        self.assertIn("signal 9", found["message"])
        self.assertIn("kind", driver.ask(file=self.path("small.txt")))

    def test_nothing_is_left_behind(self):
        self.need("html")
        driver = Driver()
        self.addCleanup(driver.close)
        with open(self.path("slow2.html"), "wb") as file:
            file.write(SLOW)
        self.assertEqual(driver.ask(file=self.path("slow2.html"), seconds=0.5).get("error"), "time")
        self.assertEqual(children(driver.process.pid), [])
        # The programs end with the one that started them, however that ends.
        driver.process.stdin.write(json.dumps({"file": self.path("slow2.html"), "seconds": 60}) + "\n")
        driver.process.stdin.flush()
        (server,) = until(lambda: children(driver.process.pid))
        (reader,) = until(lambda: children(server))
        driver.process.kill()
        for each in [reader, server]:
            until(lambda: not is_running(each))

    def test_many_files_on_many_threads(self):
        with open(self.path("many.txt"), "w", encoding="utf-8") as file:
            file.write("text\n" * 100)
        found = self.driver.ask(file=self.path("many.txt"), count=400, threads=4)
        self.assertEqual(found["good"], 400)


if __name__ == "__main__":
    if not DRIVER:
        sys.exit("usage: extract_test.py DRIVER")
    unittest.main()
