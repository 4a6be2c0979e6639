# SPDX-License-Identifier: Apache-2.0
"""mice-find from outside: collections, questions in every form, hostile names and questions, other
processes, failing writes, and kills at random times. Arguments: the program, the folder of models,
and how many times to kill (20 if not given)."""

import contextlib
import csv
import fcntl
import functools
import json
import os
import pathlib
import pty
import random
import re
import resource
import select
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import termios
import time
import zipfile

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
MODELS = pathlib.Path(sys.argv[2]).resolve()
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 20
SMALL = MODELS / "mice-minilm-l2x2-int8.safetensors"
LARGE = MODELS / "mice-minilm-l6x2-int8.safetensors"

RESULT_FIELDS = {
    "docid": str, "score": float, "collection": str, "file": str, "title": str, "heading": str,
    "snippet": str, "start_line": int, "end_line": int, "highlights": list,
}
TEXTS = {
    "bread.md": "# Bread\n\n## Rising\n\nYeast gives off carbon dioxide, so the dough swells.\n\n"
                "## Keeping\n\nBread freezes well and stays fresh for weeks.\n",
    "knives.txt": "Hone knives often. A dull blade slips and cuts the cook.\n",
    "deep/er/rainbow.txt": "Sunlight that enters a raindrop is bent, reflected and split in colours.\n",
    "script.py": "def open_door(key):\n    return key == 'sesame'\n",
    "tokyo.txt": "東京都は日本の首都です。人口は約千四百万人。\n",
}


class place:
    """A folder of files, an index, and the program."""

    def __init__(self, folder, texts=None):
        self.root = pathlib.Path(folder) / "files"
        self.index = pathlib.Path(folder) / "index"
        self.root.mkdir()
        for name, text in (TEXTS if texts is None else texts).items():
            self.write(name, text)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, *arguments, model=SMALL, before=(), **options):
        command, *rest = arguments
        computes = command not in ("search", "get", "multi-get", "ls", "status")
        named = ["--model", model, "--threads", "1"] if computes else []
        if command in ("add", "update"):
            named.append("--usual-priority")
        return subprocess.Popen(
            [*before, PROGRAM, command, "--index", self.index, *named, *rest], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run(self, *arguments, code=0, given=b"", **options):
        process = self.start(*arguments, **options)
        out, err = process.communicate(given, timeout=300)
        assert process.returncode == code, (arguments, process.returncode, out[:500], err[:2000])
        self.err = err.decode()
        return out.decode()

    def add(self, *arguments, **options):
        return json.loads(self.run("add", self.root, "--json", *arguments, **options))

    def update(self, *arguments, **options):
        return json.loads(self.run("update", "--json", *arguments, **options))

    def ask(self, *arguments, command="query", **options):
        return json.loads(self.run(command, "--json", *arguments, **options))

    def setting(self, name):
        with contextlib.closing(sqlite3.connect(self.index / "catalog.sqlite", timeout=30)) as catalog:
            found = catalog.execute("SELECT value FROM settings WHERE name = ?", [name]).fetchone()
        return found[0] if found else ""

    def check(self, code=0):
        return json.loads(self.run("cleanup", "--check", "--json", code=code))


def names(found):
    return [pathlib.Path(each["file"]).name for each in found]


def test_questions(at):
    assert at.add()["added"] == len(TEXTS)
    found = at.ask("why does dough rise")
    assert names(found)[0] == "bread.md", found
    for each in found:
        for field, kind in RESULT_FIELDS.items():
            assert isinstance(each[field], kind), (field, each)
        assert 0 <= each["score"] <= 1
        snippet = each["snippet"].encode()
        for mark in each["highlights"]:
            assert mark["text"].encode() == snippet[mark["begin"]:mark["end"]], each
            for word in mark["words"]:
                assert word["text"].encode() == snippet[word["begin"]:word["end"]]
    best = found[0]
    assert "Yeast" in best["snippet"]
    assert best["start_line"] == 1 and best["end_line"] == 9, best
    assert best["highlights"][0]["text"].startswith("Yeast"), best
    assert [each["score"] for each in found] == sorted((e["score"] for e in found), reverse=True)

    # What get prints are the lines that a result names.
    lines = at.run("get", f"{best['file']}:3:3")
    assert lines == "## Rising\n\nYeast gives off carbon dioxide, so the dough swells.\n", lines
    assert at.run("get", best["docid"]) == TEXTS["bread.md"]
    assert at.run("get", "files/knives.txt") == TEXTS["knives.txt"]
    assert at.run("get", "rainbow.txt") == TEXTS["deep/er/rainbow.txt"]
    assert "did you mean 'files/knives.txt'" in (at.run("get", "files/knifes.txt", code=1), at.err)[1]

    full = at.ask("dough", "--full")[0]
    assert full["body"] == TEXTS["bread.md"]
    why = at.ask("dough", "--explain")[0]["explain"]
    assert why["words_rank"] == 1 and {"model_rank", "model_score", "fused_score"} <= set(why)
    assert "model_rank" not in at.ask("dough", "--explain", "--no-rerank")[0]["explain"]
    assert len(at.ask("knives dough", "-n", "1")) == 1
    assert at.ask("dough", "--min-score", "1.5") == []
    assert at.ask("zzyzx") == []
    assert at.run("query", "zzyzx", "--json") == "[]\n" and "nothing was found" in at.err
    assert "no collection" in (at.run("query", "x", "-c", "other", code=1), at.err)[1]

    # Words: any of them; phrases, beginnings and fields have to be there.
    def words(*line):
        return sorted(names(at.ask(*line, command="search")))
    assert words("knives dough") == ["bread.md", "knives.txt"]
    assert words('"freezes well"') == ["bread.md"] and words('"well freezes"') == []
    told = 'the log said "dough rises 42%" and'
    assert words(told) == [], "a short line says what has to be there"
    assert words(told + " so I looked for what I had done with the oven and yeast on that day"
                 ) == ["bread.md"], "a long one quotes"
    assert words("carb*") == ["bread.md"] and words("carb") == []
    assert words("path:deep") == ["rainbow.txt"] and words("path:deep dough") == []
    assert words("path:bread dough knives") == ["bread.md"]
    assert words("rainbow") == ["rainbow.txt"], "a file's name is found"
    assert words("KNIVÈS") == ["knives.txt"] and words("首都") == ["tokyo.txt"]
    assert words('"日本の首都"') == ["tokyo.txt"] and words('"首都日本"') == []

    # The other forms.
    csv = at.run("search", "dough", "--csv").splitlines()
    assert csv[0] == "docid,score,collection,file,title,start_line,end_line,text"
    assert at.run("search", "dough", "--files").count("\n") == 1
    assert "> ## Rising" in at.run("search", "dough", "--md")
    assert "5\tYeast gives" in at.run("query", "dough", "--line-numbers")
    assert "\x1b" not in at.run("query", "dough")
    both = json.loads(at.run("multi-get", "files/*.txt", "--json"))
    assert names(both) == ["knives.txt", "tokyo.txt"], both
    assert names(json.loads(at.run("multi-get", "bread.md, knives.txt", "--json"))) == [
        "bread.md", "knives.txt"]
    listed = json.loads(at.run("ls", "files/deep", "--json"))
    assert [each["path"] for each in listed] == ["deep/er/rainbow.txt"]
    status = json.loads(at.run("status", "--json"))
    assert status["files"] == len(TEXTS) and status["collections"][0]["name"] == "files"
    assert at.check() == []
    assert at.index.stat().st_mode & 0o077 == 0


def test_hostile_questions(at):
    at.add()
    lines = [
        b'"', b"'", b'dough AND', b'NEAR(a b)', b"(", b"dough* ) OR 1", b"title:", b"path:*",
        b"*", b"^dough", b"-dough", b"a - b + {c} : d", b"words : x", b'"dough" "', b"\x00dough",
        b"the of and", "😀🎉".encode(), b"\xff\xfe\xc0", b"dough; DROP TABLE files; --", b"\n\t",
        b"%s%n", b"\x1f", b'title:"\x1f" ', "é".encode() * 3000, b"x " * 500_000,
        b"dough " + b"y" * 1_000_000, b'"' * 100_000, b"path:a " * 10_000,
    ]
    for line in lines:
        for command in ("search", "query"):
            found = at.ask("-", command=command, given=line)
            assert isinstance(found, list), line[:40]
    assert names(at.ask("-", given=b"\x00dough")) == ["bread.md"]
    assert at.ask("the of and") == [] and "no word" in at.err


def test_updates(at):
    long = "\n\n".join(f"## Part {i}\n\n" + f"Sentence {i} about topic {i * 7}. " * 30
                       for i in range(30))
    at.write("long.md", long)
    first = at.add()
    assert first["encoded"] > 20
    again = at.update()
    assert again["unchanged"] == len(TEXTS) + 1 and again["encoded"] == 0, again

    at.write("long.md", long.replace("Sentence 12 ", "Phrase twelve "))
    edited = at.update()
    assert edited["changed"] == 1 and 0 < edited["encoded"] <= 3, edited

    (at.root / "long.md").rename(at.root / "deep" / "moved.md")
    moved = at.update()
    assert moved["added"] == 1 and moved["removed"] == 1 and moved["encoded"] == 0, moved
    assert names(at.ask("phrase twelve"))[0] == "moved.md"

    shutil.copy(at.root / "knives.txt", at.root / "copy.txt")
    assert at.update()["encoded"] == 0
    assert len(at.ask("knives", command="search")) == 1, "files of one text are one result"
    os.utime(at.root / "copy.txt")
    assert at.update()["unchanged"] == len(TEXTS) + 2

    (at.root / "deep" / "moved.md").unlink()
    assert at.update()["removed"] == 1
    assert at.ask("phrase twelve", command="search") == []
    assert at.check() == []

    # A part of the work, then the rest.
    for i in range(10):
        at.write(f"more/{i}.txt", f"Note number {i} about gardens.\n")
    assert at.update("--max-files", "4")["left"] == 6
    assert at.update()["added"] == 6

    # An empty folder may be a disk that is not mounted.
    kept = pathlib.Path(str(at.root) + ".kept")
    at.root.rename(kept)
    at.root.mkdir()
    assert at.update(code=2)["removed"] == 0
    at.root.rmdir()
    assert at.update(code=2)["removed"] == 0
    kept.rename(at.root)
    assert at.update()["removed"] == 0

    at.run("remove", "files")
    assert at.ask("knives", command="search") == [] and at.check() == []
    assert json.loads(at.run("ls", "--json")) == []


def test_names_and_kinds(at):
    root = os.fsencode(at.root)
    for name in [b"new\nline.txt", b"bad\xff\xfe.txt", b"a" * 251 + b".txt", b"tab\tand space .txt",
                 b"-n.txt", b"quote'\".txt", b"colon:12:3"]:
        with open(os.path.join(root, name), "wb") as file:
            file.write(b"A walrus, number %d.\n" % len(name))
    for name, content in [("empty.txt", b""), ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(200)),
                          ("latin1.txt", "Der Käse reift im Keller.".encode("latin-1")),
                          ("nothing.txt", b" \n \n")]:
        (at.root / name).write_bytes(content)
    os.mkfifo(at.root / "pipe.txt")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(at.root / "s.txt"))
    (at.root / "loop").symlink_to(at.root)
    (at.root / "gone").symlink_to(at.root / "nowhere")
    (at.root / ".hidden.txt").write_text("A hidden walrus.")
    added = at.add()
    assert added["without_text"] == 3, added
    found = at.ask("walrus", "-n", "20")
    assert len(found) == 7, names(found)
    for each in found:
        assert at.run("get", each["docid"]) == each["snippet"] + "\n"
    assert any("\ufffd" in each["file"] for each in found)
    assert any("\n" in each["file"] for each in found)
    assert at.run("get", "colon:12:3").startswith("A walrus")
    for form in ("--csv", "--md", "--files"):
        at.run("query", "walrus", form)
    assert "\nline" not in at.run("query", "walrus"), "a name cannot make lines of its own"
    assert len(at.ask("path:line.txt", command="search")) == 1
    at.run("add", at.root, "--name", "all", "--hidden", "--follow")
    assert len(at.ask("walrus", "-n", "20", "-c", "all")) == 8
    assert at.check() == []


def test_forms_agree(at):
    """What a form names a document by can be given back."""
    root = os.fsencode(at.root)
    for name in (b"bad\xff\xfe.txt", b"esc\x1b[31mred.txt", b"both\x1b\xc3.txt", b"deep\xf0\x9f/in.txt"):
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"A walrus named %d.\n" % len(name))
    at.add()
    found = at.ask("walrus", "-n", "9")
    assert len(found) == 4
    ids = {each["docid"] for each in found}
    for form in ("--csv", "--files"):
        rows = list(csv.reader(at.run("query", "walrus", form).splitlines()))
        rows = rows[1:] if form == "--csv" else rows
        assert {row[0] for row in rows} == ids, rows
    listed = at.run("search", "walrus", "--files")
    assert "\x1b" not in listed and listed.count("\n") == 4, listed
    shown = [row[2] for row in csv.reader(listed.splitlines())] + [each["file"] for each in found]
    for name in shown:
        assert at.run("get", name).startswith("A walrus named "), name
        assert at.run("get", name + ":1:1").startswith("A walrus named "), name
    assert at.run("get", "files/bad\ufffd\ufffd.txt") == "A walrus named 9.\n"
    at.write("bad\ufffd\ufffd.txt", "Another name that looks the same.\n")
    at.update()
    assert at.run("get", "files/bad\ufffd\ufffd.txt").startswith("Another"), "the exact name goes before"
    at.run("get", "files/nothing\ufffd.txt", code=1)

    assert at.run("get", "files/knives.txt:99") == "" and "has 1 line" in at.err, at.err
    at.run("get", "files/bread.md:9:4")
    assert "none that were" not in at.err, at.err
    for line in ("title:", "title: dough", 'title:""', "path:"):
        at.run("search", line)
        assert "nothing stands behind" in at.err, (line, at.err)
    at.run("search", "title:bread")
    assert "nothing stands behind" not in at.err

    with zipfile.ZipFile(at.root / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.txt", "A packed walrus.\n")
        packed.writestr("b.txt", "\n" * (40 << 20))
    at.update()
    long = [each for each in json.loads(at.run("ls", "files", "--json")) if each["truncated"]]
    assert [each["path"] for each in long] == ["bomb.zip"], long
    assert "bomb.zip  (the file has more text than is kept" in at.run("ls", "files")

    other = at.root.parent / "other"
    other.mkdir()
    (other / "copy.md").write_text(TEXTS["bread.md"])
    (other / "own.md").write_text("Only here.\n")
    at.run("add", other)
    assert at.run("remove", "other") == (
        f"other removed: 2 files, 1 documents and 1 passages that nothing else has; {other} stays as it is\n")
    at.run("add", other)
    gone = json.loads(at.run("remove", "other", "--json"))
    assert (gone["files"], gone["documents"], gone["passages"]) == (2, 1, 1), gone
    assert at.check() == []


def test_long_lines(at):
    """A line of several passages is given whole, wherever it stands."""
    line = " ".join(f"w{n}" for n in range(3000))
    texts = {"one.txt": line, "first.txt": f"{line}\nb\n", "mid.txt": f"a\n{line}\nb\n{line}\nc\n",
             "md.md": f"{line}\n\n# Heading\n\nText.\n"}
    for name, text in texts.items():
        at.write(name, text)
    at.add()
    for name, text in texts.items():
        assert at.run("get", name).strip() == text.strip(), name
    assert at.run("get", "mid.txt:2:1") == f"{line}\n"
    assert at.run("get", "mid.txt:3:1") == "b\n"
    assert at.run("get", "mid.txt:4:2") == f"{line}\nc\n"
    assert at.run("get", "mid.txt:5") == "c\n"
    (found,) = at.ask("w1500", "--full", "-n", "1", command="search")
    assert found["body"].strip() == texts[pathlib.Path(found["file"]).name].strip()


def test_names_like_patterns(at):
    for name in ("plan [2024].txt", "star*q?[x].txt", "a, b [c].txt"):
        at.write(name, f"The text of {name}.\n")
    at.add()
    for name in ("plan [2024].txt", "star*q?[x].txt", "a, b [c].txt"):
        assert f"The text of {name}." in at.run("multi-get", f"files/{name}"), name
    assert at.run("multi-get", "*star*").count("The text of ") == 1


def test_damaged_states(at):
    at.add()
    folder = at.index / at.setting("states")
    for damage in ("bytes", "gone"):
        for file in folder.iterdir():
            if damage == "gone" or file.name.startswith("manifest"):
                kept = file.read_bytes()
                file.unlink() if damage == "gone" else file.write_bytes(kept[:-9] + b"\0" * 9)
        for command in (["query", "dough"], ["cleanup", "--check"], ["update"]):
            at.run(*command, code=1)
            assert "'mice-find update --re-encode'" in at.err and "verify" not in at.err, at.err
        assert names(at.ask("dough", command="search"))[0] == "bread.md", "words need no states"
        at.update("--re-encode")
        assert at.check() == []
        folder = at.index / at.setting("states")


def test_older_states(at):
    """The last manifest of the states is empty: what they lack is encoded, and nobody is silent."""
    at.add()
    at.write("new.txt", "A walrus rests on the ice.\n")
    at.update()
    manifests = (at.index / at.setting("states")).glob("manifest-*")
    max(manifests, key=lambda each: int(each.name.split("-")[1])).write_bytes(b"")
    advice = "'mice-find update --re-encode'"
    found = at.ask("where does the walrus rest", "--explain")
    assert names(found)[0] == "new.txt" and found[0]["explain"]["encoded_now"], found
    assert advice in at.err and "written last" in at.err and "mice index" not in at.err, at.err
    kinds = {each["kind"] for each in at.check(code=1)}
    assert kinds == {"damage", "missing_states"} and advice in at.err, (kinds, at.err)
    for command in ("update", "cleanup"):
        at.run(command, code=1)
        assert advice in at.err, (command, at.err)
    at.update("--re-encode")
    assert at.check() == []
    assert not at.ask("where does the walrus rest", "--explain")[0]["explain"]["encoded_now"]
    assert "note" not in at.err, at.err


def test_changed_texts(at):
    """Bytes that change inside a stored text are seen, and its file is read again."""
    at.write("copy of bread.md", TEXTS["bread.md"])
    at.add()

    def change(sql):
        with contextlib.closing(sqlite3.connect(at.index / "catalog.sqlite", timeout=30)) as catalog:
            assert catalog.execute(sql).rowcount == 1
            catalog.commit()
    for sql in ("UPDATE passages SET slice = replace(slice, 'dough', 'cough') WHERE slice LIKE "
                "'%dough%'",
                "UPDATE passages SET slice = slice || ' walrus' WHERE slice LIKE '%dough%'",
                "UPDATE contents SET title = 'Walrus' WHERE title = 'Bread'",
                "UPDATE passages SET hash = x'00' WHERE slice LIKE '%dough%'"):
        change(sql)
        assert [each["kind"] for each in at.check(code=1) if "bread" in each["what"]] == [
            "changed_text"], sql
        assert "'mice-find cleanup'" in at.err and "'mice-find update'" in at.err, at.err
        assert json.loads(at.run("cleanup", "--json"))["texts_to_read"] == 1
        assert "'mice-find update'" in at.err, at.err
        again = at.update()
        assert again["changed"] == 2 and again["unchanged"] == len(TEXTS) - 1, again
        assert at.check() == [], sql
        assert at.run("get", "files/bread.md") == TEXTS["bread.md"]
        assert [name[-8:] for name in names(at.ask("dough"))] == ["bread.md"], "of either name"
        assert at.ask("cough walrus", command="search") == [], sql
        assert at.update()["unchanged"] == len(TEXTS) + 1


def test_damaged_catalog(at):
    """What SQLite keeps beside its tables, and rows that miss others, are seen and made anew."""
    at.add()
    catalog = at.index / "catalog.sqlite"
    expected = names(at.ask("dough", command="search"))

    def change(sql):
        with contextlib.closing(sqlite3.connect(catalog, timeout=30)) as base:
            assert base.execute(sql).rowcount > 0, sql
            base.commit()

    def places(of):
        with contextlib.closing(sqlite3.connect(catalog, timeout=30)) as base:
            base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return [match.start() for match in re.finditer(re.escape(of), catalog.read_bytes())]

    def flip(of, number):
        content = bytearray(catalog.read_bytes())
        content[places(of)[number] + len(of) - 1] ^= 1
        catalog.write_bytes(content)

    bread = "(SELECT content FROM files WHERE path = CAST('bread.md' AS BLOB))"
    damages = [functools.partial(change, sql) for sql in (
        "DELETE FROM words_data WHERE id > 10",
        "DELETE FROM words_docsize WHERE id = 1",
        "DELETE FROM names_docsize WHERE id = 1",
        f"DELETE FROM contents WHERE id = {bread}",
        f"DELETE FROM passages WHERE content = {bread}",
        f"UPDATE passages SET content = 99 WHERE content = {bread}",
        "UPDATE files SET collection = 77 WHERE path = CAST('bread.md' AS BLOB)")]
    assert len(places(b"bread.md")) >= 2, "a table and its index have the path"
    damages += [functools.partial(flip, b"bread.md", i) for i in range(2)]
    for damage in damages:
        damage()
        assert at.check(code=1) != [], damage
        assert "'mice-find cleanup'" in at.err, (damage, at.err)
        at.run("cleanup")
        at.update()
        assert at.check() == [], damage
        assert names(at.ask("dough", command="search")) == expected, damage
        assert at.run("get", "files/bread.md") == TEXTS["bread.md"], damage


def test_no_room_to_read(at):
    """A full disk, or a folder that cannot be written: readers read, or say what to do."""
    at.add()
    catalog = at.index / "catalog.sqlite"
    full = {"preexec_fn": limited(0)}  # writing anything fails as on a full disk
    with contextlib.closing(sqlite3.connect(catalog)) as last:
        last.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for beside in ("-wal", "-shm"):
        (at.index / f"catalog.sqlite{beside}").unlink(missing_ok=True)
    assert "bread.md" in at.run("get", "files/bread.md", **full) or "Yeast" in at.run(
        "get", "files/bread.md", **full)
    # What was committed last lies in the log, which nobody can read without the shared file.
    with contextlib.closing(sqlite3.connect(catalog)) as writer:
        writer.execute("INSERT INTO settings(name, value) VALUES('test', 'x')")
        writer.commit()
        log = (at.index / "catalog.sqlite-wal").read_bytes()
    assert log
    (at.index / "catalog.sqlite-wal").write_bytes(log)
    (at.index / "catalog.sqlite-shm").unlink(missing_ok=True)
    at.run("search", "dough", code=1, **full)
    assert "no room on the disk" in at.err and "make room" in at.err, at.err
    read_only = ["unshare", "-rm", "sh", "-c", f"mount --bind {at.index} {at.index} && mount -o "
                 f'remount,ro,bind {at.index} && exec "$@"', "sh"]
    if subprocess.run([*read_only, "true"], capture_output=True, check=False).returncode != 0:
        print("left out: nothing can be mounted here")
    else:
        (at.index / "catalog.sqlite-shm").unlink(missing_ok=True)
        at.run("search", "dough", code=1, before=read_only)
        assert "changes in a log" in at.err and "mice-find status" in at.err, at.err
        at.run("status")  # where it can be written
        assert at.ask("dough", command="search", before=read_only), "read as it lies"
    assert at.setting("test") == "x" and at.ask("dough", command="search"), "it was only the room"


def test_interactive(at):
    """With fzf itself: as a filter, and on a terminal; and without it."""
    at.add()
    if shutil.which("fzf") is None:
        print("left out: no fzf")
    else:
        def filtered(words, *arguments):
            return at.run("query", "dough knives rainbow", "--interactive", *arguments,
                          env={**os.environ, "FZF_DEFAULT_OPTS": f"--filter={words}"})
        assert names(json.loads(filtered("carbon", "--json"))) == ["bread.md"]
        assert len(filtered("", "--files").splitlines()) == 3, "all of them"
        assert "Hone knives" in filtered("knives.txt")
        at.run("query", "dough", "--interactive", code=130,
               env={**os.environ, "FZF_DEFAULT_OPTS": "--filter=nothinglikethat"})
        assert "nothing was found" not in at.err
        at.run("search", "qwertyuiop", "--interactive")
        assert "nothing was found" in at.err
        screen = on_terminal(at, ["query", "dough", "--interactive", "--files"])
        assert "Yeast gives off" in screen and re.search(r"#[0-9a-f]{8},0\.\d+,.*/bread\.md", screen), screen
    with tempfile.TemporaryDirectory() as empty:
        at.run("query", "dough", "--interactive", code=1, env={**os.environ, "PATH": empty})
        assert "fzf, which is not installed" in at.err, at.err


def on_terminal(at, arguments):
    """All that a terminal shows of a run in which Enter is pressed when the preview is there."""
    command, *rest = arguments
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm", FZF_DEFAULT_OPTS="")
        os.execv(PROGRAM, [PROGRAM, command, "--index", at.index, "--model", SMALL, *rest])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 160, 0, 0))
    screen, pressed, end = b"", False, time.monotonic() + 120
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break  # the program ended
        screen += part
        if not pressed and b"## Keeping" in screen:  # from the preview: no result shows it first
            os.write(terminal, b"\r")
            pressed = True
    else:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    assert pressed and code == 0, (pressed, code, screen[-2000:])
    return re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", screen).decode("utf-8", "replace")


def test_ignored(at):
    if shutil.which("git") is None:
        print("left out: no git to compare with")
        return
    rules = {
        ".gitignore": "*.log\n!keep.log\n/build/\nsub/*.tmp\n**/deep/**/x.txt\n# no\n\\#yes\n"
                      "trail  \nspace\\ \n[ab]?.c\n!\\!odd\ndoc/**\n*.o\nb*[!0-9]z\n",
        "sub/.gitignore": "!*.log\n/only\nnested/\n*.tmp2\n",
        "sub/nested2/.gitignore": "*\n!keep*\n",
    }
    files = ["a.log", "keep.log", "build/x", "sub/build/x", "sub/a.tmp", "sub/q/a.tmp", "sub/a.log",
             "deep/x.txt", "z/deep/q/r/x.txt", "#yes", "trail", "space ", "ab.c", "a1.c", "cc.c",
             "!odd", "doc/a/b", "doc/c", "x.o/inside", "sub/only", "sub/q/only", "sub/nested/f",
             "sub/w.tmp2", "sub/nested2/f", "sub/nested2/keep.txt", "by1z", "byaz", "b1z", "plain"]
    for name, text in rules.items():
        at.write(name, text)
    for name in files:
        at.write(name, f"Text of {name}.\n")
    subprocess.run(["git", "init", "-q", at.root], check=True)
    told = subprocess.run(["git", "-C", at.root, "ls-files", "-z", "--others", "--exclude-standard"],
                          check=True, capture_output=True).stdout.decode()
    wanted = {name for name in told.split("\0") if name and not name.split("/")[-1].startswith(".")}
    at.add()
    listed = {each["path"] for each in json.loads(at.run("ls", "files", "--json"))}
    assert listed == wanted, (listed - wanted, wanted - listed)


def test_other_processes(at):
    at.add()
    with open(at.index / "lock", "r+", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        at.run("update", code=1)
        assert "process " in at.err and "--wait" in at.err, at.err
        assert names(at.ask("dough")) == ["bread.md"], "readers do not wait"
        waiting = at.start("update", "--wait", "60")
        line = waiting.stderr.readline().decode()
        assert "waiting for process" in line, line
    out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err

    # Questions while another process writes.
    for i in range(300):
        at.write(f"many/{i}.txt", f"Page {i} of a long book about rivers and bridges.\n" * 3)
    writing = at.start("update")
    asked = 0
    while writing.poll() is None:
        assert names(at.ask("dough"))[0] == "bread.md"
        asked += 1
    out, err = writing.communicate()
    assert writing.returncode == 0 and asked > 0, err

    at.run("query", "dough", model=LARGE, code=1)
    assert "another model" in at.err
    at.run("update", model=LARGE, code=0)  # nothing to encode: no model is asked
    at.write("new.txt", "Something else.")
    at.run("update", model=LARGE, code=1)
    at.run("update", "--re-encode", model=LARGE)
    assert names(at.ask("dough", model=LARGE)) == ["bread.md"]
    assert json.loads(at.run("cleanup", "--check", "--json", model=LARGE)) == []
    assert len(list(at.index.glob("states-*"))) == 1


def test_versions(at):
    at.add()

    def set_version(number):
        with sqlite3.connect(at.index / "catalog.sqlite") as catalog:
            catalog.execute(f"PRAGMA user_version = {number}")
        catalog.close()
    set_version(99)
    for command in (["update"], ["search", "dough"], ["status"]):
        at.run(*command, code=1)
        assert "newer" in at.err, at.err
    set_version(0)
    at.run("search", "dough", code=1)
    assert "older" in at.err
    again = at.update()
    assert again["added"] == len(TEXTS) and again["encoded"] == 0, again
    assert names(at.ask("dough")) == ["bread.md"] and at.check() == []
    (at.index / "catalog.sqlite").write_bytes(b"no database at all" * 1000)
    at.run("search", "dough", code=1)
    assert "damaged" in at.err, at.err


def test_damage(at):
    at.add()
    catalog = at.index / "catalog.sqlite"
    for beside in ("-wal", "-shm"):
        (at.index / f"catalog.sqlite{beside}").unlink(missing_ok=True)
    kept = catalog.read_bytes()
    catalog.write_bytes(b"")  # not an old catalog: its collections must not be forgotten
    for command in (["update"], ["search", "dough"], ["cleanup", "--check"]):
        at.run(*command, code=1)
        assert "damaged" in at.err, (command, at.err)
    assert catalog.read_bytes() == b""
    catalog.write_bytes(kept)
    assert at.update()["unchanged"] == len(TEXTS)


def test_small_beginnings(at):
    """The order in which an index grew does not change its scores."""
    other = place_beside(at, "other")
    at.root = at.write("first/knives.txt", "Hone knives often.\n").parent
    at.add("--name", "first")
    at.root = at.root.parent
    at.add("--name", "all")
    other.add("--name", "all")
    question = "why does the dough swell"
    found, expected = at.ask(question), other.ask(question)
    assert found[0]["file"].endswith("bread.md") and expected[0]["file"].endswith("bread.md")
    assert abs(found[0]["score"] - expected[0]["score"]) < 0.02, (found[0], expected[0])
    assert found[0]["score"] > 0.1, found[0]


def test_codec_of_stopped_work(at):
    """What --re-encode was told lasts until its work is done, whoever goes on."""
    for number in range(600):
        at.write(f"many/{number}.txt", f"Number {number} stands alone in file {number}.\n")
    at.add()
    process = at.start("update", "--re-encode", "--codec", "int4")
    deadline = time.monotonic() + 100
    while process.poll() is None and not at.setting("states_next") and time.monotonic() < deadline:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    begun = at.setting("states_next")
    at.update()
    assert (at.setting("codec"), at.setting("states_next")) == ("int4" if begun else at.setting("codec"), "")
    at.update("--re-encode", "--codec", "int4")
    assert at.setting("codec") == "int4" and at.check() == []


def test_damaged_files_wait_for_a_change(at):
    """A file that contradicts its format is read again when it changes, not with every update."""
    archive = at.root / "cut.zip"
    archive.write_bytes(b"PK\x03\x04" + bytes(range(200)))
    first = at.add(code=2)
    assert first["failed"] == 1, first
    again = at.update()
    assert again["failed"] == 0 and again["unchanged"] == len(TEXTS) + 1, again
    archive.write_bytes(b"PK\x03\x04" + bytes(range(100)))
    assert at.update(code=2)["failed"] == 1


def place_beside(at, name):
    folder = at.root.parent / name
    folder.mkdir()
    return place(folder)


def limited(size):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return limit


def test_failing_writes(at):
    """A limit of file sizes lets writes fail, as a full disk does."""
    at.add()
    for i in range(40):
        at.write(f"many/{i}.txt", f"Page {i} of a long book about rivers and bridges. " * 40)
    failures = 0
    for size in (0, 4096, 20_000, 60_000, 100_000, 150_000):
        process = at.start("update", preexec_fn=limited(size))
        out, err = process.communicate(timeout=100)
        failures += process.returncode != 0
        assert process.returncode in (0, 1), (size, process.returncode, err)
        assert process.returncode == 0 or err.startswith(b"mice-find: "), err
        assert names(at.ask("dough"))[0] == "bread.md", "what was committed is there"
    assert failures > 0
    at.update()
    assert at.check() == []
    assert len(at.ask("rivers", "-n", "100", command="search")) == 40


HARMLESS = {"unused_text", "unused_states", "unused_folder"}


def test_kills(at):
    chance = random.Random(20240607)
    began = time.monotonic()
    at.add()
    took = time.monotonic() - began
    texts = dict(TEXTS)
    killed = left_over = 0
    for round_number in range(KILLS):
        for _ in range(chance.randrange(1, 30)):
            name = f"k/{chance.randrange(60)}.md"
            if name in texts and chance.random() < 0.3:
                (at.root / name).unlink()
                del texts[name]
            else:
                texts[name] = f"# Note {name}\n\n" + "".join(
                    f"Round {round_number} line {chance.randrange(1000)} of the diary. " * 8 + "\n\n"
                    for _ in range(chance.randrange(1, 4)))
                at.write(name, texts[name])
        arguments = ["update"] + (["--re-encode"] if round_number % 7 == 3 else [])
        began = time.monotonic()
        process = at.start(*arguments)
        try:
            out, err = process.communicate(timeout=chance.random() * took * 1.2)
            assert process.returncode == 0, err
            took = max(0.1, 0.7 * took + 0.3 * (time.monotonic() - began))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
            took *= 1.15
        # Something may be left over, but nothing is missing or damaged.
        checking = at.start("cleanup", "--check", "--json")
        out, err = checking.communicate(timeout=100)
        left = json.loads(out)
        assert {each["kind"] for each in left} <= HARMLESS, left
        assert checking.returncode == (1 if left else 0)
        left_over += bool(left)
        assert names(at.ask("dough"))[0] == "bread.md"
    at.update()
    assert at.check() == [], at.check()
    listed = {each["path"] for each in json.loads(at.run("ls", "files", "--json"))}
    assert listed == set(texts)
    for name in sorted(texts)[:10]:
        assert at.run("get", f"files/{name}").rstrip() == texts[name].rstrip()
    at.run("cleanup")
    assert at.check() == []
    print(f"{killed} of {KILLS} updates killed, {left_over} left something over")


def run_tests(named):
    """Runs the functions that are named test_..., each with a place of its own."""
    for model in (SMALL, LARGE):
        if not model.is_file() or model.stat().st_size < 1_000_000:
            print(f"no model {model}")
            return 77
    chosen = os.environ.get("MICE_FIND_TESTS", "")
    for name, test in list(named.items()):
        if name.startswith("test_") and chosen in name:
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                test(place(folder))
            print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
