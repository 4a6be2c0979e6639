# SPDX-License-Identifier: Apache-2.0
"""Use of a day in minutes: rounds of all kinds of calls, in which models, documents, indexes and
connections come and go, leave no memory and no handles behind. Arguments: a binding (c, python,
sqlite, http, wasm), the build folder of mice, --minutes N: how long to go on, instead of the few
rounds of a test."""

import argparse
import contextlib
import ctypes
import gc
import http.client
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "mice-minilm-l2x2-int8.safetensors"
TEXT = "Bakers feed it every day. Yeast gives off carbon dioxide, so the dough swells. "
LONG = TEXT * 30
VARIANTS = 40  # of texts, ids and connections: then they come again
ROUNDS = 50  # of a test, after one with each variant
MOST = 6.0  # MiB that allocators may keep more; one model that stays is 5 a round
MOST_OF = {"sqlite": 2000 / 1024}  # where a test's rounds stay below that


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(77)


def resident(process):
    """MiB of memory that a process has."""
    gc.collect()
    status = pathlib.Path(f"/proc/{process}/status").read_text(encoding="ascii")
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return kilobytes / 1024


def handles(process):
    """How many files and sockets it has."""
    return len(os.listdir(f"/proc/{process}/fd"))


class Library:
    """libmice by ctypes. What made() gives, freed() frees."""

    def __init__(self, file):
        self.mice = ctypes.CDLL(str(file))
        self.mice.mice_bytes_data.restype = ctypes.c_void_p

    def status(self, name, *arguments):
        given = []
        for each in arguments:
            if isinstance(each, str):
                each = each.encode()
            if isinstance(each, bytes):
                given += [each, ctypes.c_size_t(len(each))]
            else:
                given.append(ctypes.c_size_t(each) if isinstance(each, int) else each)
        error = ctypes.c_void_p()
        status = getattr(self.mice, name)(*given, ctypes.byref(error))
        self.mice.mice_error_free(error)
        return status

    def call(self, name, *arguments):
        if self.status(name, *arguments) != 0:
            sys.exit(f"FAILED: {name}")

    def made(self, name, *arguments):
        result = ctypes.c_void_p()
        self.call(name, *arguments, ctypes.byref(result))
        return result

    def freed(self, kind, *objects):
        for each in objects:
            getattr(self.mice, f"mice_{kind}_free")(each)


@contextlib.contextmanager
def of_c(build, folder):
    file = build / "src" / "c" / "libmice.so"
    if not file.is_file():
        skip(f"no {file.name}")
    library = Library(file)
    call, made, freed = library.call, library.made, library.freed
    where = str(folder / "index")

    def work(turn):
        options = made("mice_options_create")
        call("mice_options_set_threads", options, 1)
        call("mice_options_set_highlights", options, 1, 1)
        ranker = made("mice_reranker_load", str(MODEL), options)
        texts = [TEXT.encode(), f"Text {turn % VARIANTS}".encode()]
        given = (ctypes.c_char_p * 2)(*texts), (ctypes.c_size_t * 2)(*map(len, texts)), 2
        query = made("mice_encode_query", ranker, f"bread {turn % VARIANTS}", options)
        queries = (ctypes.c_void_p * 1)(query)
        documents = (ctypes.c_void_p * 2)()
        call("mice_encode_all", ranker, *given, options, documents)
        for _ in range(5):
            for ranking in (
                made("mice_rank", ranker, "bread", *given, options),
                made("mice_rank_texts", ranker, "bread", *given, options),
                made("mice_rank_batch", ranker, queries, 1, *given, options),
                made("mice_rank_documents", ranker, "bread", documents, 2, None, None, None),
            ):
                freed("ranking", ranking)
        stored = made("mice_document_serialize", ctypes.c_void_p(documents[0]))
        size = ctypes.c_size_t()
        data = ctypes.c_void_p(library.mice.mice_bytes_data(stored, ctypes.byref(size)))
        read = made("mice_document_deserialize", data, size)
        freed("passages", made("mice_passages_cut", ranker, LONG, options))
        freed("highlights", made("mice_highlight_text", ranker, "bread", TEXT, options))

        index = made("mice_index_open_or_create", where, ranker, options)
        name = f"id {turn % VARIANTS}"
        call("mice_index_put_text", index, name, LONG, name, None)
        call("mice_index_put_document", index, "encoded", ctypes.c_void_p(documents[0]), name, None)
        call("mice_index_commit", index, None)
        call("mice_options_unset_highlights", options)
        freed("ranking", made("mice_index_search", index, "yeast", 10, options))
        freed("ranking", made("mice_index_rank_batch", index, queries, 1, options))
        freed("bytes", made("mice_index_metadata", index, name))
        if turn % VARIANTS == 0:
            call("mice_index_compact", index, options, None)
            freed("findings", made("mice_index_verify", where, options))
        freed("index", index)

        nothing = ctypes.byref(ctypes.c_void_p())
        for wrong in (
            library.status("mice_reranker_load", "none", None, nothing),
            library.status("mice_document_deserialize", data, size.value - 1, nothing),
            library.status("mice_index_open", str(folder / "none"), ranker, None, nothing),
        ):
            assert wrong != 0
        freed("document", read, *map(ctypes.c_void_p, documents))
        freed("bytes", stored)
        freed("query", query)
        freed("reranker", ranker)
        freed("options", options)

    yield work, os.getpid(), resident


@contextlib.contextmanager
def of_python(build, folder):
    python = ROOT / "build" / "python" / "venv" / "bin" / "python"
    if not list((build / "python" / "mice").glob("_core.*.so")) or not python.is_file():
        skip("no Python package in the build")
    if pathlib.Path(sys.prefix) != python.parents[1]:
        os.execv(python, [str(python), "-B", *sys.argv])
    sys.path.insert(0, str(build / "python"))
    import mice

    def work(turn):
        ranker = mice.Reranker(MODEL, threads=1)
        texts = [TEXT, f"Text {turn % VARIANTS}"]
        documents = ranker.encode_all(texts, threads=1)
        query = ranker.encode_query(f"bread {turn % VARIANTS}")
        for _ in range(5):
            ranker.rank("bread", texts, threads=1, highlights=1)
            ranker.rank_texts("bread", [LONG, TEXT], threads=1)
            ranker.rank_batch(["bread", "knife"], documents, threads=1)
            ranker.score(query, documents, threads=1).sum()
        mice.Document.from_bytes(documents[0].to_bytes()).states.sum()
        ranker.passages(LONG)
        mice.CrossEncoder(MODEL).predict([("bread", TEXT)])
        with mice.Index(folder / "index", ranker, threads=1) as index:
            name = f"id {turn % VARIANTS}"
            index.put_text(name, LONG, metadata=name)
            index.commit()
            list(index.search("yeast", top_k=3))
            if turn % VARIANTS == 0:
                index.compact()
        for wrong in (lambda: ranker.rank("bread", [3]), lambda: mice.Reranker(folder / "none")):
            try:
                wrong()
            except (TypeError, mice.Error):
                continue
            sys.exit("FAILED: nothing was refused")

    yield work, os.getpid(), resident


@contextlib.contextmanager
def of_sqlite(build, folder):
    extension = build / "lib" / "mice" / "mice_sqlite.so"
    if not extension.is_file():
        skip(f"no {extension.name}")
    if not hasattr(sqlite3.Connection, "enable_load_extension"):  # as Python was compiled
        other = "/usr/bin/python3"
        if sys.executable == other or not os.path.exists(other):
            skip("Python's sqlite3 loads no extensions")
        os.execv(other, [other, "-B", *sys.argv])

    def connect(file):
        base = sqlite3.connect(file)
        base.enable_load_extension(True)
        base.load_extension(str(extension))
        return base

    keeper = connect(":memory:")  # holds the model while others come and go
    keeper.execute("SELECT mice_model(?)", [str(MODEL)]).fetchone()

    def work(turn):
        base = connect(folder / f"{turn % VARIANTS}.sqlite")
        base.execute("CREATE TABLE IF NOT EXISTS t(s)")
        base.execute("DELETE FROM t")
        base.execute("INSERT INTO t SELECT mice_encode(?)", [TEXT])
        base.commit()
        for _ in range(20):
            base.execute("SELECT mice_score('dough', s) FROM t").fetchall()
            base.execute("SELECT * FROM mice_rank('dough', '[\"a\", \"b\"]')").fetchall()
            base.execute("SELECT mice_ranking('dough', 1, s) FROM t").fetchall()
            base.execute("SELECT mice_highlight('dough', ?, '<', '>')", [TEXT]).fetchall()
            with contextlib.suppress(sqlite3.Error):
                base.execute("SELECT mice_ranking('dough', 1, x'00')").fetchall()
        if turn % 10 == 0:  # another model, and the old one again
            base.execute("SELECT mice_model(?, 'f32')", [str(MODEL)]).fetchone()
        base.close()

    yield work, os.getpid(), resident
    keeper.close()


@contextlib.contextmanager
def of_http(build, folder):
    program = build / "bin" / "mice"
    if not program.is_file():
        skip(f"no program {program.name}")
    command = [program, "serve", "--model", MODEL, "--port", "0", "--threads", "1", "--cache-mb", "4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        port = int(server.stdout.readline().strip().rsplit(":", 1)[1].rstrip("/"))

        def asked(connection, path, body):
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status

        def work(turn):
            texts = [f"{TEXT} {turn % VARIANTS} {number}" for number in range(4)]
            good = json.dumps({"query": "bread", "documents": texts, "top_n": 2})
            for _ in range(10):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
                for path, body, status in (
                    ("/v1/rerank", good, 200),
                    ("/rerank", json.dumps({"query": "bread", "texts": texts}), 200),
                    ("/v2/rerank", good[:-5], 400),
                    ("/none", good, 404),
                ):
                    found = asked(connection, path, body)
                    assert found == status, f"{path}: {found}"
                connection.close()
            gone = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
            gone.putrequest("POST", "/v1/rerank")
            gone.putheader("Content-Length", "1000")
            gone.endheaders(b"{")
            gone.close()

        yield work, server.pid, resident
        server.terminate()
        if server.wait() != 0:
            sys.exit(f"FAILED: the server ended with {server.returncode}")


@contextlib.contextmanager
def of_wasm(build, folder):
    package = next((each for each in (build / "wasm", ROOT / "build" / "wasm") if (each / "package").is_dir()), None)
    if package is None or shutil.which("node") is None:
        skip("no JavaScript package in the build, or no Node")
    command = ["node", "--expose-gc", pathlib.Path(__file__).with_name("rounds.mjs"), package / "package", MODEL]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:

        used = [0.0]  # in its last round; what Node's own engine keeps resident goes up and down

        def work(turn):
            node.stdin.write(f"{turn % VARIANTS}\n")
            node.stdin.flush()
            answer = node.stdout.readline()
            if not answer:
                sys.exit("FAILED: Node ended")
            used[0] = int(answer) / 2**20

        yield work, node.pid, lambda _: used[0]
        node.stdin.close()
        if node.wait() != 0:
            sys.exit(f"FAILED: Node ended with {node.returncode}")


BINDINGS = {"c": of_c, "python": of_python, "sqlite": of_sqlite, "http": of_http, "wasm": of_wasm}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("binding", choices=sorted(BINDINGS))
    arguments.add_argument("build", type=pathlib.Path)
    arguments.add_argument("--minutes", type=float, default=0)
    given = arguments.parse_args()
    if not sys.platform.startswith("linux"):
        skip("reads /proc")
    with tempfile.TemporaryDirectory() as name, BINDINGS[given.binding](
        given.build.resolve(), pathlib.Path(name)
    ) as (work, process, memory):
        begin, turn = time.monotonic(), 0
        seconds = 60 * given.minutes
        # All variants have been there once; a long run has also settled then.
        while turn < VARIANTS or time.monotonic() - begin < seconds / 5:
            work(turn)
            turn += 1
        warm, before, opened = turn, memory(process), handles(process)
        while turn < warm + ROUNDS or time.monotonic() - begin < seconds:
            work(turn)
            turn += 1
        after, left = memory(process), handles(process)
    print(
        f"{given.binding}: {turn - warm} rounds after {warm}: memory {before:.1f} to {after:.1f} MiB, "
        f"handles {opened} to {left}"
    )
    most = MOST if given.minutes else MOST_OF.get(given.binding, MOST)
    if after - before >= most or left > opened:
        sys.exit("FAILED: it grows")


main()
