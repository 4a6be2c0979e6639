# SPDX-License-Identifier: Apache-2.0
"""mice-find-gnome as GNOME's overview asks it: a bus of its own starts it, gdbus asks. Arguments:
the programs mice-find-gnome and mice-find, the folder of models."""
import ast
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from waiting import until

PROVIDER, PROGRAM, MODELS = (pathlib.Path(each).resolve() for each in sys.argv[1:4])
FILES = pathlib.Path(__file__).resolve().parents[2] / "tools/find/gnome"
SKIPPED = 77
PATIENCE = 120  # seconds after which a test gives up; nothing waits for them
TEXTS = {
    "bread.md":
        "# Bread\n\nYeast gives off carbon dioxide, so the dough swells.\nKneading helps.\n",
    "knives.txt": "Hone knives often. A dull blade slips.\n",
    "tokyo.txt": "東京都は日本の首都です。人口は約千四百万人。\n",
    "start.desktop": "[Desktop Entry]\nName=walrus\nExec=touch walrus\n",
}


def check(truth, what):
    if not truth:
        sys.exit(f"FAILED: {what}")


def setting(file, key):
    found = re.search(rf"^{key}=(.*)$", (FILES / file).read_text("utf-8"), re.MULTILINE)
    check(found, f"{file} has no {key}")
    return found[1]


BUS, PLACE = (setting("mice-find-search-provider.ini", key) for key in ("BusName", "ObjectPath"))


def call(method, *arguments, fails=False):
    done = subprocess.run(
        ["gdbus", "call", "--session", "--timeout", str(PATIENCE), "--dest", BUS, "--object-path",
         PLACE, "--method", f"org.gnome.Shell.SearchProvider2.{method}", *map(str, arguments)],
        capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE)
    check((done.returncode != 0) == fails, f"{method}: {done.stdout} {done.stderr}")
    return done.stderr if fails else done.stdout


def search(*terms, method="GetInitialResultSet", before=()):
    given = ([str(list(before))] if method == "GetSubsearchResultSet" else []) + [str(list(terms))]
    answer = call(method, *given)
    return ast.literal_eval(answer.replace("@as ", ""))[0]


def metas(ids):
    answer = call("GetResultMetas", str(list(ids)))
    names = ("description", "gicon", "id", "name")
    found = re.findall(r"\{" + ", ".join(f"'{each}': <(.*?)>" for each in names) + r"\}", answer)
    return [dict(zip(names, map(ast.literal_eval, each))) for each in found]


def opened(log):
    return log.read_text("utf-8").splitlines() if log.exists() else []


def started_with(variable):
    """The processes that have this in their environment."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            number = entry.name.isdigit()
            if number and variable.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def on_the_bus():
    """Within a session's bus that can start the provider."""
    home = pathlib.Path(os.environ["XDG_DATA_HOME"])
    log = home / "opened"
    check(search("dough") == [], "no index is no error")
    texts = home / "texts"
    texts.mkdir()
    for name, text in TEXTS.items():
        (texts / name).write_text(text, encoding="utf-8")
    subprocess.run([PROGRAM, "add", texts, "--usual-priority"], check=True, capture_output=True)

    ids = search("why", "does", "dough", "swell")
    check(ids, "nothing is found")
    first = metas(ids)[0]
    check(first["id"] == ids[0] and first["name"] == "Bread", first)
    check(first["description"].startswith("Yeast gives off carbon dioxide"), first)
    check("\n" not in first["description"] and first["gicon"] == "text-x-generic", first)
    check(metas(search("首都"))[0]["name"] == "tokyo.txt", "Japanese is not found")
    check(search("why", "dough", method="GetSubsearchResultSet", before=ids)[0] == ids[0], "again")
    check(search() == [] and search("'); DROP", '"', "*") == [], "questions without words")
    check(metas(["", "#", "#00000000", "x", "../../etc/passwd"]) == [], "ids that nobody gave")

    call("ActivateResult", ids[0], "['dough']", 0)
    until(lambda: opened(log) == [str(texts / "bread.md")])
    (starts,) = search("walrus")
    check("starts a program" in call("ActivateResult", starts, "[]", 0, fails=True), ".desktop")
    check("no document" in call("ActivateResult", "/etc/passwd", "[]", 0, fails=True), "a path")
    (texts / "bread.md").unlink()
    check("no file any more" in call("ActivateResult", ids[0], "[]", 0, fails=True), "a lost file")

    # Another index takes the place of this one, and none does.
    index, other = home / "mice-find", home / "other"
    other.mkdir()
    (other / "walrus.txt").write_text("The walrus rests on the ice.\n", encoding="utf-8")
    index.rename(home / "aside")
    check(search("dough") == [], "an index that is gone answers")
    subprocess.run([PROGRAM, "add", other, "--usual-priority"], check=True, capture_output=True)
    check(metas(search("walrus"))[0]["name"] == "walrus.txt", "the new index does not answer")
    shutil.rmtree(index)
    (home / "aside").rename(index)
    check(search("why", "does", "dough", "swell") == ids, "the old index does not answer again")

    # The whole search: mice-find's page, opened by the desktop, which is the log here.
    call("LaunchSearch", "['dough', 'x=1&y']", 0)
    page = until(lambda: opened(log)[1:])[0]
    check("?q=dough%20x%3D1%26y#token=" in pathlib.Path(page).read_text("utf-8"), page)

    # It ends when nobody asks, and the bus starts it again for who knows an id.
    owned = lambda: BUS in subprocess.run(
        ["gdbus", "call", "--session", "--dest", "org.freedesktop.DBus", "--object-path",
         "/org/freedesktop/DBus", "--method", "org.freedesktop.DBus.ListNames"],
        capture_output=True, text=True, check=True).stdout
    until(lambda: not owned())
    check(metas([ids[0]])[0]["name"] == "Bread", "an id of a search before")


def main():
    if os.environ.get("MICE_ON_THE_BUS"):
        on_the_bus()
        return
    for each in ("dbus-run-session", "gdbus"):
        if shutil.which(each) is None:
            print(f"SKIPPED: there is no {each}")
            sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory(prefix="mice-gnome-") as name:
        folder = pathlib.Path(name)
        service = folder / "dbus-1/services" / f"{BUS}.service"
        service.parent.mkdir(parents=True)
        text = (FILES / f"{BUS}.service.in").read_text("utf-8")
        service.write_text(text.replace("@MICE_PROGRAMS@", str(PROVIDER.parent)).rstrip() +
                           " --idle 2\n", encoding="utf-8")
        programs = folder / "bin"
        programs.mkdir()
        stub = programs / "xdg-open"
        stub.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >>"{folder}/opened"\n', encoding="utf-8")
        stub.chmod(0o755)
        environment = {
            **os.environ, "MICE_ON_THE_BUS": "1", "XDG_DATA_HOME": name, "XDG_DATA_DIRS": name,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "MICE_MODEL": str(MODELS / "mice-minilm-l2x2-int8.safetensors")}
        done = subprocess.run(
            ["dbus-run-session", "--", sys.executable, "-B", __file__, *sys.argv[1:]],
            env=environment, timeout=600)
        for each in started_with(f"XDG_DATA_HOME={name}"):  # the page's server
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGTERM)
        until(lambda: not started_with(f"XDG_DATA_HOME={name}"))
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
