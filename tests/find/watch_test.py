# SPDX-License-Identifier: Apache-2.0
"""`mice-find watch`: what it hears of, what it polls, what waits. Each wait is for a condition, and
ends with a failure after some minutes. Arguments: the program, the folder of models."""

import contextlib
import fcntl
import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time

from program_test import names, run_tests

PATIENCE = 240


def until(what, condition):
    """Waits until the condition holds, and gives its value."""
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


class watcher:
    """A running `mice-find watch`; it is told to end on leaving, and has to end well."""

    def __init__(self, at, *arguments, settle="0.1", code=0, **options):
        self.process = at.start("watch", "--settle", settle, *arguments, **options)
        self.code = code
        self.lines = queue.Queue()
        self.said = []
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.at = at

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        elif kind is not None:
            self.process.kill()
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.hear()
        assert self.process.stdout.read() == b""
        for each in (self.process.stdin, self.process.stdout, self.process.stderr):
            each.close()
        assert kind is not None or code == self.code, (code, self.said)
        if kind is not None:
            print(*self.said, sep="\n")

    def read(self):
        for line in self.process.stderr:
            self.lines.put(line.decode().rstrip("\n"))

    def hear(self):
        with contextlib.suppress(queue.Empty):
            while True:
                self.said.append(self.lines.get_nowait())
        return self.said

    def until_said(self, text):
        return until(f"it says {text}", lambda: [line for line in self.hear() if text in line])

    def until_found(self, words, *wanted):
        """Waits until these words find these files, in any order."""
        until(f"{words} finds {wanted}", lambda: sorted(names(
            self.at.ask(words, "-n", "100", command="search"))) == sorted(wanted))


def test_changes(at):
    at.write("old.txt", "An old walrus.\n")
    at.add()
    at.write("late.txt", "A late walrus, written while nothing watched.\n")
    with watcher(at) as it:
        it.until_found("walrus", "old.txt", "late.txt")
        at.write("new.txt", "A new walrus.\n")
        it.until_found("walrus", "old.txt", "late.txt", "new.txt")
        at.write("new.txt", "A new giraffe.\n")
        it.until_found("giraffe", "new.txt")
        (at.root / "late.txt").unlink()
        (at.root / "old.txt").rename(at.root / "older.txt")
        it.until_found("walrus", "older.txt")
        # Folders come, are filled, moved, and go.
        at.write("a/b/c/deep.txt", "A deep walrus.\n")
        it.until_found("walrus", "older.txt", "deep.txt")
        at.write("a/b/c/deeper.txt", "One more walrus there.\n")
        it.until_found("walrus", "older.txt", "deep.txt", "deeper.txt")
        (at.root / "a").rename(at.root / "moved")
        until("it moved", lambda: {each["path"] for each in json.loads(
            at.run("ls", "files", "--json"))} >= {"moved/b/c/deep.txt"})
        at.write("moved/b/c/third.txt", "A third walrus there.\n")
        it.until_found("walrus", "older.txt", "deep.txt", "deeper.txt", "third.txt")
        outside = at.root.parent / "outside"
        (at.root / "moved").rename(outside)
        it.until_found("walrus", "older.txt")
        (outside / "b" / "c" / "third.txt").write_text("Not watched any more: giraffe.\n")
        outside.rename(at.root / "back")
        it.until_found("walrus", "older.txt", "deep.txt", "deeper.txt")
        it.until_found("giraffe", "new.txt", "third.txt")
        shutil.rmtree(at.root / "back")
        it.until_found("walrus", "older.txt")
        # Rules: a file that comes and one that goes with them.
        at.write("build/out.txt", "A built walrus.\n")
        it.until_found("walrus", "older.txt", "out.txt")
        at.write(".gitignore", "build/\n")
        it.until_found("walrus", "older.txt")
        (at.root / ".gitignore").unlink()
        it.until_found("walrus", "older.txt", "out.txt")
        # Another collection.
        other = at.root.parent / "other"
        other.mkdir()
        at.run("add", other, "--wait", "60")
        it.until_said("watching other")
        (other / "walrus.txt").write_text("A walrus of another collection.\n")
        it.until_found("walrus", "older.txt", "out.txt", "walrus.txt")
        at.run("remove", "other", "--wait", "60")
        it.until_found("walrus", "older.txt", "out.txt")
    assert at.check() == []
    assert any("files: 1 added" in line for line in it.said), it.said


def test_polling(at):
    at.add()
    with watcher(at, "files", "--poll", "0.2") as it:
        it.until_said("every 0.2 seconds")
        at.write("new/new.txt", "A new walrus.\n")
        it.until_found("walrus", "new.txt")
        # The folder goes, as a disk that is taken off, and comes back.
        kept = pathlib.Path(str(at.root) + ".kept")
        at.root.rename(kept)
        it.until_said("its files stay")
        assert len(at.ask("walrus", command="search")) == 1
        kept.rename(at.root)
        at.write("new/new.txt", "A new giraffe.\n")
        it.until_found("giraffe", "new.txt")
    at.run("watch", "nothing", code=1)
    assert "no collection" in at.err
    at.run("watch", "--settle", "x", code=64)
    at.index = at.index / "nowhere"
    at.run("watch", code=1)


def test_root_comes_back(at):
    at.add()
    with watcher(at) as it:
        it.until_said("watching files")
        at.write("one.txt", "One walrus.\n")
        it.until_found("walrus", "one.txt")
        kept = pathlib.Path(str(at.root) + ".kept")
        at.root.rename(kept)
        it.until_said("cannot open")
        assert len(at.ask("walrus", command="search")) == 1
        kept.rename(at.root)
        at.write("two.txt", "Another walrus.\n")
        it.until_found("walrus", "one.txt", "two.txt")


def test_root_replaced(at):
    """Another folder takes the name, by what happens above it, which nothing tells of."""
    above = at.root.parent / "above"
    above.mkdir()
    at.root.rename(above / "files")
    at.root = above / "files"
    at.add()
    with watcher(at) as it:
        it.until_said("watching files")
        at.write("one.txt", "One walrus.\n")
        it.until_found("walrus", "one.txt")
        kept = above.with_name("kept")
        above.rename(kept)
        began = time.monotonic()
        it.until_said("cannot open")
        shutil.copytree(kept, above)
        at.write("two.txt", "Another walrus.\n")
        it.until_found("walrus", "one.txt", "two.txt")
        shutil.rmtree(kept)
        above.rename(kept)
        shutil.copytree(kept, above)  # at once, before anybody looked
        at.write("three.txt", "A third walrus.\n")
        it.until_found("walrus", "one.txt", "two.txt", "three.txt")
        took = time.monotonic() - began
        assert took < 25, f"noticed after {took:.0f} s"  # a failure was tried again after 30


def test_files_that_are_written(at):
    """A file waits until it was left alone; those that were wait for nothing."""
    at.add()
    new, old = at.write("new.txt", "A new walrus.\n"), at.write("old.txt", "An old walrus.\n")
    an_hour_ago = time.time() - 3600
    os.utime(old, (an_hour_ago, an_hour_ago))
    with watcher(at, settle="3000") as it:
        it.until_found("walrus", "old.txt")
        it.until_said("1 left for the next update")
    os.utime(new, (an_hour_ago, an_hour_ago))
    with watcher(at) as it:
        it.until_found("walrus", "old.txt", "new.txt")


def test_other_writers(at):
    at.add()
    with open(at.index / "lock", "r+", encoding="utf-8") as lock, watcher(at) as it:
        it.until_said("watching files")
        fcntl.flock(lock, fcntl.LOCK_EX)
        at.write("new.txt", "A new walrus.\n")
        it.until_said("waiting: the index is written")
        fcntl.flock(lock, fcntl.LOCK_UN)
        it.until_found("walrus", "new.txt")


def supply(folder, name, **values):
    (folder / name).mkdir(parents=True, exist_ok=True)
    for key, value in values.items():
        (folder / name / key).write_text(value + "\n")


def test_battery(at):
    at.add()
    power = at.root.parent / "power"
    supply(power, "AC", type="Mains", online="0")
    supply(power, "BAT0", type="Battery", status="Discharging")
    at.write("new.txt", "A new walrus.\n")
    with watcher(at, "--power-supply", power) as it:
        it.until_said("on battery")
        assert at.ask("walrus", command="search") == []
        supply(power, "AC", online="1")
        it.until_found("walrus", "new.txt")
    supply(power, "AC", online="0")
    at.write("newer.txt", "A newer walrus.\n")
    with watcher(at, "--power-supply", power, "--on-battery") as it:
        it.until_found("walrus", "new.txt", "newer.txt")
    shutil.rmtree(power / "AC")
    supply(power, "BAT0", scope="Device")  # a mouse's
    at.write("newest.txt", "The newest walrus.\n")
    with watcher(at, "--power-supply", power) as it:
        it.until_found("walrus", "new.txt", "newer.txt", "newest.txt")


def test_limits_of_the_system(at):
    """In a user name space of its own the system's limits are the test's."""
    at.add()
    for number, (kind, limit) in enumerate([("watches", 0), ("instances", 0)]):
        inside = ["unshare", "-r", "sh", "-c",
                  f'echo {limit} > /proc/sys/user/max_inotify_{kind} && exec "$@"', "sh"]
        if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode != 0:
            print("left out: limits cannot be set here")
            return
        with watcher(at, before=inside) as it:
            it.until_said("is looked at every 60 seconds" if number == 0
                          else "folders are looked at every 60 seconds")
            at.write(f"{number}.txt", f"Walrus number {number}.\n")
        with watcher(at, "--poll", "0.2", before=inside) as it:
            it.until_found("walrus", *[f"{i}.txt" for i in range(number + 1)])
            assert not any("note" in line for line in it.said), it.said


def test_too_many_changes(at):
    """More than the system's queue holds: a stopped process hears of the first ones alone."""
    at.write(".gitignore", "*.tmp\n")
    at.add()
    queue_size = pathlib.Path("/proc/sys/fs/inotify/max_queued_events")
    if not queue_size.exists() or int(queue_size.read_text()) > 20_000:
        print("left out: the system's queue is too long, or it has none")
        return
    with watcher(at) as it:
        at.write("one.txt", "One walrus.\n")
        it.until_found("walrus", "one.txt")
        it.process.send_signal(signal.SIGSTOP)
        for i in range(int(queue_size.read_text()) // 2 + 1):  # made and closed: two changes each
            at.write(f"{i}.tmp", "")
        at.write("new/two.txt", "Another walrus.\n")
        it.process.send_signal(signal.SIGCONT)
        it.until_said("more changed than the system could tell")
        it.until_found("walrus", "one.txt", "two.txt")


def test_stopped_at_work(at):
    at.add()
    for i in range(120):
        page = at.write(f"many/{i}.txt", f"Page {i} of a long book about rivers and bridges. " * 40)
        os.utime(page, (0, 0))  # no file waits
    with watcher(at, code=130) as it:
        it.until_said("watching files")
        until("it works", lambda: "watch" in (at.index / "lock").read_text())
        it.process.send_signal(signal.SIGINT)
        it.process.wait(PATIENCE)
    assert any("stopped" in line for line in it.said)
    assert at.ask("dough", command="search")
    at.update()
    assert at.check() == []


sys.exit(run_tests(globals()))
