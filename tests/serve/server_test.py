# SPDX-License-Identifier: Apache-2.0
"""`mice serve` over sockets: every form, errors, limits, clients that are slow or break off, and its
end. Argument: the mice program."""
import concurrent.futures
import gzip
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from serving import EXAMPLES, MICE, MODEL, PATIENCE, SANITIZED, SKIPPED, Server, check, fail

QUERY = "why does bread dough rise"
DOCUMENTS = [
    "Knives need honing.",
    "Yeast feeds on sugar and gives off gas, so the bread dough rises.",
    "The harbour was closed in winter.",
    "",
    "Bread freezes well. Ünïcödé \u202e and \u0000 are text, too.",
    "The nets hung in the sheds, and nobody in the town went out to fish.\n\n" * 60
    + "Yeast feeds on sugar, so the dough rises.\n\n" + "The ships waited for the spring.\n" * 20,
]
ALL = {"query": QUERY, "documents": DOCUMENTS}
PATHS = ("/rerank", "/v1/rerank", "/v2/rerank", "/reranking", "/v1/reranking")
# much more than a test waits for: it is cancelled, or its server is told to stop
ENDLESS = {"query": QUERY, "documents": [f"{number} " + "The ships waited for the spring. " * 20000
                                         for number in range(30)]}


def by_command(documents, *options):
    """Indexes and scores as `mice rerank` gives them."""
    lines = "".join(json.dumps({"_id": str(i), "text": text}) + "\n" for i, text in enumerate(documents))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "passages.jsonl"
        file.write_text(lines)
        done = subprocess.run([MICE, "rerank", QUERY, file, "--model", MODEL, "--json", *options],
                              capture_output=True, text=True)
    check(done.returncode == 0, f"mice rerank: {done.stderr}")
    return [(int(hit["id"]), hit["score"]) for hit in json.loads(done.stdout)["hits"]]


def pairs(answer):
    rows = answer if isinstance(answer, list) else answer["results"]
    return [(row["index"], row.get("relevance_score", row.get("score"))) for row in rows]


def raw(server, data, end=False):
    """Sends bytes; gives all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as link:
        got = b""
        try:
            link.sendall(data)
            if end:
                link.shutdown(socket.SHUT_WR)
            while part := link.recv(65536):
                got += part
        except (ConnectionResetError, BrokenPipeError):
            pass
        return got


def start_endless(server, headers=None):
    """A request that keeps the server busy until its connection is closed."""
    connection = server.connect()
    connection.request("POST", "/v1/rerank", json.dumps(ENDLESS), headers or {})
    server.wait_for("mice_running", 1)
    return connection


def test_forms(server):
    expected = by_command(DOCUMENTS, "--sigmoid")
    for path in PATHS:
        status, headers, got = server.post({**ALL, "model": "theirs"}, path)
        check(status == 200, f"{path}: {got}")
        check(headers["Access-Control-Allow-Origin"] is None, "no page of the web may ask")
        check(got["model"] == "theirs" and got["id"] and got["usage"]["total_tokens"] > 0, f"{got}")
        check(got["meta"]["api_version"]["version"] == ("2" if path.startswith("/v2") else "1"), f"{got}")
        check(pairs(got) == expected, f"{path}: {pairs(got)} is not {expected}")
        check(all("document" not in row for row in got["results"]), "documents come when asked for")
    for flag in (True, "true"):
        objects = {"query": QUERY, "documents": [{"text": text} for text in DOCUMENTS], "top_n": 2,
                   "return_documents": flag}
        got = server.post(objects)[2]
        check(pairs(got) == expected[:2], f"{got}")
        check(all(row["document"] == {"text": DOCUMENTS[row["index"]]} for row in got["results"]), f"{got}")
    for top_n in (len(DOCUMENTS), 1000, None):
        check(pairs(server.post({**ALL, "top_n": top_n})[2]) == expected, f"top_n {top_n}")
    texts = {"query": QUERY, "texts": DOCUMENTS}
    check(pairs(server.post(texts, "/rerank")[2]) == expected, "the form of texts")
    got = server.post({**texts, "raw_scores": True, "return_text": True, "truncate": True}, "/rerank")[2]
    check(pairs(got) == by_command(DOCUMENTS), f"raw scores: {got}")
    check(all(row["text"] == DOCUMENTS[row["index"]] for row in got), f"{got}")


def test_places(server):
    check(server.ask("GET", "/health")[2] == {"status": "ok"}, "health")
    check(server.ask("HEAD", "/health")[0] == 200, "health, its head alone")
    models = server.ask("GET", "/v1/models")[2]
    check(models["data"][0]["id"] == MODEL.stem, f"{models}")
    check(server.metric("mice_cache_hits_total") > 0, "the cache was used")
    check(server.ask("GET", "/nowhere")[0] == 404, "nothing there")
    check(server.ask("GET", "/rerank")[0] == 405, "a ranking address takes POST")
    check(server.ask("DELETE", "/rerank")[0] == 405, "nothing is deleted")
    check(server.ask("OPTIONS", "/rerank")[0] == 405, "pages are not let in")


def test_errors(server):
    for body, status in (
            (b"", 400), (b"{", 400), (b"\xff\xfe", 400), (b"[" * 100000, 400), (b'{"a":' * 100000, 400),
            (b'{"query":"q","query":"q","documents":["a"]}', 400), (b'{"query":"q","documents":["a"],"top_n":NaN}', 400),
            (b'{"query":"q","documents":["a"],"top_n":1e999}', 400), (b'{"query":"\xc3(","documents":["a"]}', 400),
            (b'{"query":"q","documents":["a"],"top_n":' + b"9" * 5000 + b"}", 400),
            ({**ALL, "top_n": 0}, 400), ({**ALL, "top_n": -1}, 400), ({**ALL, "top_n": "2"}, 400),
            ({**ALL, "top_n": 1.5}, 400), ({"query": QUERY}, 400), ({"query": QUERY, "documents": []}, 400),
            ({"query": QUERY, "documents": ["a"] * 1001}, 413), ({"query": QUERY, "documents": ["a" * (1 << 20) + "b"]}, 413)):
        got = server.post(body)
        check(got[0] == status, f"{str(body)[:80]}: {got}")
        check(got[2]["message"] and got[2]["error"]["code"] == status, f"{got}")
    for body, status in (({"query": QUERY, "texts": []}, 400), ({"query": 1, "texts": ["a"]}, 422)):
        got = server.post(body, "/rerank")
        check(got[0] == status and got[2]["error"] and got[2]["error_type"], f"{got}")
    check(server.post({"query": "q " * (1 << 19), "documents": DOCUMENTS})[0] == 200, "a query of 1 MiB")
    check(server.post({"query": "\ud800", "documents": ["\udc00"]})[0] in (200, 400), "half a character")


def test_bytes(server):
    """Requests that are no good HTTP, or unusual."""
    body = json.dumps(ALL).encode()
    head = b"POST /rerank HTTP/1.1\r\nHost: localhost\r\n"
    for given, status in (
            (head + b"Content-Length: -1\r\n\r\n", 400), (head + b"Content-Length: x\r\n\r\n", 400),
            (head + b"Content-Length: 99999999999\r\n\r\n", 413), (head + b"Connection: close\r\n\r\n", 411),
            (head + b"Content-Length: 99999999999999999999999\r\n\r\n", 413),
            (head + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
            (head + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            (head + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 415),
            (head + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 3\r\n\r\nabc", 415),
            (b"POST /rerank HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 403),
            (b"POST /rerank HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}", 403),
            (b"GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403),
            (b"POST /rerank HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Length: 2\r\n\r\n{}", 403),
            (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414)):
        got = raw(server, given)
        check(got.startswith(b"HTTP/1.1 %d " % status), f"{given[:90]}: {got[:200]}")
    for noise in (b"\r\n\r\n", b"\x00" * 1000 + b"\r\n\r\n", os.urandom(5000) + b"\r\n\r\n", b"GET\r\n\r\n", b"{}"):
        raw(server, noise, end=True)  # whatever it answers
    check(raw(server, head + b"Content-Length: 500\r\n\r\nabc", end=True)[9:12] in (b"", b"400"), "a body's part")

    compressed = gzip.compress(body)
    check(server.post(compressed, headers={"Content-Encoding": "gzip"})[0] == 415, "compressed")
    large = b"%x\r\n" % (40 << 20) + b" " * (40 << 20) + b"\r\n0\r\n\r\n"
    check(raw(server, head + b"Transfer-Encoding: chunked\r\n\r\n" + large)[9:12] in (b"", b"413"), "too large")

    expected = server.post(ALL)[2]["results"]
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as link:
        link.sendall(head + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        for begin in range(0, len(body), 500):  # a body in parts, each a chunk in pieces
            part = body[begin:begin + 500]
            link.sendall(b"%x\r\n" % len(part) + part[:7])
            link.sendall(part[7:] + b"\r\n")
        link.sendall(b"0\r\n\r\n")
        answer = http.client.HTTPResponse(link)
        answer.begin()
        check(json.loads(answer.read())["results"] == expected, "a body in chunks")
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as link:
        link.sendall(head + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        check(link.recv(100).startswith(b"HTTP/1.1 100 "), "the client is asked to go on")
        link.sendall(body)
        answer = http.client.HTTPResponse(link)
        answer.begin()
        check(json.loads(answer.read())["results"] == expected, "a body after 100 Continue")

    connection = server.connect()
    link = None
    for _ in range(20):
        check(server.post(ALL, on=connection)[2]["results"] == expected, "one connection, many requests")
        check(link is None or link is connection.sock, "the connection stays open")
        link = connection.sock
    connection.close()


def test_framing(server):
    """What could be understood in two ways is refused at once, and nothing behind it is run."""
    body = b'{"query":"a","documents":["b"]}'
    behind = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"POST /rerank HTTP/1.1\r\nHost: localhost\r\n"
    get = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    inner = b"Content-Length%%s: %d\r\n" % len(behind)
    length = b"Content-Length: %d\r\n" % len(body)
    chunked = b"Transfer-Encoding: chunked\r\n"
    parts = b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    size = b"%x" % len(body)

    def chunks(size, after=b"\r\n", end=b"0\r\n\r\n"):
        return head + chunked + b"\r\n" + size + b"\r\n" + body + after + end

    for given, status in (
            (chunks(size, b"JUNK\r\n"), 400), (chunks(size, b""), 400), (chunks(size, b"\n"), 400),
            (chunks(size, b"\r\n", b""), 400), (chunks(b"0x" + size), 400), (chunks(b"+" + size), 400),
            (chunks(b"-" + size), 400), (chunks(size + b"zz"), 400), (chunks(b" " + size), 400),
            (chunks(size + b" "), 400), (chunks(b""), 400), (chunks(b";x"), 400), (chunks(b"0" * 20 + size), 400),
            (chunks(b"f" * 16), 413), (chunks(b"f" * 17), 400), (chunks(size + b"\n"), 400),
            (chunks(size + b";a\0b"), 400), (chunks(size + b";" + b"e" * (1 << 17)), 400),
            (chunks(size, end=b"0\r\n" + b"X: y\r\n" * (1 << 15)), 400), (chunks(size, end=b"0\r\n X: y\r\n\r\n"), 400),
            (chunks(size, end=b"0\r\nX: y\n\r\n"), 400), (chunks(size, end=b"0\r\nX : y\r\n\r\n"), 400),
            (chunks(size, end=b"0\r\n"), 400),  # what stands behind is a trailer then, and no good one
            (head + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + parts, 501),
            (head + b"Transfer-Encoding: identity\r\n\r\n" + body, 501),
            (head + b"Transfer-Encoding: xchunked\r\n\r\n" + parts, 501),
            (head + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + parts, 501),
            (head + b"Transfer-Encoding:\r\n\r\n" + body, 501),
            (head + chunked + b"Transfer-Encoding: identity\r\n\r\n" + parts, 501),
            (head + b"Transfer-Encoding: identity\r\n" + chunked + b"\r\n" + parts, 501),
            (head + chunked + chunked + b"\r\n" + parts, 501), (head + chunked + length + b"\r\n" + parts, 400),
            (head.replace(b"/1.1", b"/1.0") + chunked + b"\r\n" + parts, 400),
            (head + length + length + b"\r\n" + body, 400), (head + length + b"Transfer-Encoding : chunked\r\n\r\n", 400),
            (head + b"Content-Length: 31, 31\r\n\r\n" + body, 400), (head + b"Content-Length: +31\r\n\r\n" + body, 400),
            (head + b"Content-Length: %33%31\r\n\r\n" + body, 400),
            (get + inner % b" " + b"\r\n", 400), (get + inner % b"\t" + b"\r\n", 400),
            (get + (inner % b"").replace(b"\r\n", b"\n") + b"\r\n", 400), (get + b"X: y\r" + inner % b"" + b"\r\n", 400),
            (get + b"X: y\r\n " + inner % b"" + b"\r\n", 400), (get + b"Content-Length:\r\n %d\r\n\r\n" % len(behind), 400),
            (get + b"X\r\n\r\n", 400), (get + b": y\r\n\r\n", 400), (get + b"X\0: y\r\n\r\n", 400),
            (get + b"X: a\0b\r\n\r\n", 400), (get + b"Host: evil.example\r\n\r\n", 400),
            (get.replace(b"Host", b"HOST: evil.example\r\nHost") + b"\r\n", 400),
            (get + b"Origin : http://evil.example\r\n\r\n", 400),
            (get + b"Origin: \r\nOrigin: http://evil.example\r\n\r\n", 400),
            (get.replace(b" HTTP", b"  HTTP") + b"\r\n", 400), (get.replace(b"GET ", b"G(T ") + b"\r\n", 400),
            (get.replace(b"GET ", b" GET ") + b"\r\n", 400), (get.replace(b"\r\n", b"\n") + b"\n", 400)):
        got = raw(server, given + behind)
        check(got.startswith(b"HTTP/1.1 %d " % status) and got.count(b"HTTP/1.1") == 1 and b'"error"' in got,
              f"{given[:150]}: {got[:300]}")
    for given in (chunks(b"000" + size.upper()), chunks(size + b' ;a="b";c'), chunks(size, end=b"0;x\r\n\r\n"),
                  chunks(size, end=b"0\r\nX: y\r\nZ:\r\n\r\n"), head + length + b"\r\n" + body,
                  head + length.replace(b": ", b":\t ").replace(b"\r", b" \r") + b"\r\n" + body,
                  head + b"TRANSFER-encoding: Chunked\r\n\r\n" + parts, get + b"Content-Length: 0\r\n\r\n"):
        got = raw(server, given + behind.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        check(got.count(b"HTTP/1.1 200 ") == 2 and b'"object"' in got, f"{given[:150]}: {got[:300]}")


def test_asked_for_body():
    """100 Continue comes where a body is wanted, and takes nothing from the answer's time."""
    patience = 2
    texts = [f"{' ' * 1_000_000}{i}" for i in range(12)]
    body = json.dumps({"query": QUERY, "documents": texts, "return_documents": True}).encode()
    head = b"POST /rerank HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n"
    with Server("--client-timeout", patience) as server:
        for lines, status in ((b"Content-Length: 99999999999\r\n", b"413"), (b"", b"411"),
                              (b"Origin: http://evil.example\r\nContent-Length: 9\r\n", b"403")):
            got = raw(server, head + lines + b"\r\n")
            check(got[9:12] == status and got.count(b"HTTP/1.1") == 1, f"{lines}: {got[:200]}")
        busy = start_endless(server)
        with socket.socket() as link:
            link.settimeout(PATIENCE)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            link.connect(("127.0.0.1", server.port))
            begin = time.monotonic()
            link.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
            check(link.recv(100).startswith(b"HTTP/1.1 100 "), "the client is asked to go on")
            link.sendall(body)
            while time.monotonic() < begin + patience or server.metric("mice_waiting") != 1:
                check(server.process.poll() is None, "the server ended")
                time.sleep(0.05)
            busy.close()
            answer = http.client.HTTPResponse(link)
            answer.begin()
            found = json.loads(answer.read())["results"]
            check({each["document"]["text"] for each in found} == set(texts), "the whole answer")


def test_many(server):
    expected = server.post(ALL)[2]["results"]
    together = threading.Barrier(64)

    def client(_):
        connection = server.connect()
        together.wait(PATIENCE)
        found = [server.post(ALL, on=connection) for _ in range(3)]
        connection.close()
        return all(status == 200 and got["results"] == expected for status, _, got in found)

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        check(all(pool.map(client, range(64))), "64 clients get the same answers")


def test_memory():
    """Many short documents leave no holes between those that are kept."""
    with Server("--threads", 1) as server:
        connection = server.connect()
        server.post(ALL, on=connection)
        before = server.peak_memory()
        for request in range(200):
            texts = [f"{request} and {number}" for number in range(3)]
            check(server.post({"query": "q", "documents": texts}, on=connection)[0] == 200, "an answer")
        connection.close()
        kept, grown = server.metric("mice_cache_bytes"), server.peak_memory() - before
        check(SANITIZED or grown < 2 * kept + (24 << 20), f"{kept >> 20} MiB of documents took {grown >> 20} MiB")
        print(f"  {kept >> 20} MiB of documents took {grown >> 20} MiB", flush=True)


def test_broken_clients(server):
    for cut in (1, 30, 200):
        body = json.dumps(ALL).encode()
        request = b"POST /rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for _ in range(10):
            link = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
            link.sendall(request[:cut])
            link.close()
    start_endless(server).close()
    server.wait_for("mice_running", 0)  # its work is cancelled
    check(server.post(ALL)[0] == 200, "the server goes on")


def test_same_bits():
    """Scores do not depend on the cache, on threads, or on what was asked before."""
    whole, beginnings = by_command(DOCUMENTS), by_command(DOCUMENTS, "--first-passage")
    check(whole != beginnings, "the long document's answer is near its end")
    for options, expected in (((), whole), (("--cache-mb", 0), whole), (("--threads", 1, "--cache-mb", 1), whole),
                              (("--first-passage",), beginnings), (("--first-passage", "--cache-mb", 0), beginnings),
                              (("--precision", "f32"), by_command(DOCUMENTS, "--precision", "f32"))):
        with Server("--scores", "logit", *options) as server:
            for _ in range(2):
                got = pairs(server.post(ALL)[2])
                check(got == expected, f"{options}: {got} is not {expected}")


def test_a_thousand_pairs():
    """The bits of `mice score`: a JSON number says all of a float."""
    texts, queries = ([json.loads(line)["text"] for line in open(EXAMPLES / name, encoding="utf-8")]
                      for name in ("corpus.jsonl", "queries.jsonl"))
    asked = [(query, text) for query in queries for text in texts]
    check(len(asked) >= 1000, f"{len(asked)} pairs")
    lines = "".join(json.dumps({"query": query, "document": text}) + "\n" for query, text in asked)
    for precision in ("f32", "int8"):
        command = [MICE, "score", "--model", MODEL, "--precision", precision]
        said = subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout
        expected = [struct.pack("f", json.loads(line)["score"]) for line in said.splitlines()]
        with Server("--scores", "logit", "--precision", precision) as server:
            got = []
            for query in queries:
                scores = dict(pairs(server.post({"query": query, "documents": texts})[2]))
                got += [struct.pack("f", scores[place]) for place in range(len(texts))]
        check(got == expected, f"{precision}: other bits than the program")


def test_queue_and_time():
    with Server("--queue", 0) as server:
        busy = start_endless(server)
        status, headers, got = server.post(ALL)
        check(status == 429 and int(headers["Retry-After"]) > 0 and got["error"]["code"] == 429, f"{got}")
        status, _, got = server.post({"query": QUERY, "texts": ["a"]}, "/rerank")
        check(status == 429 and got["error_type"] == "Overloaded", f"{got}")
        check(server.ask("GET", "/health")[0] == 200, "a busy server is healthy")
        busy.close()
        server.wait_for("mice_running", 0)
        check(server.post(ALL)[0] == 200, "there is room again")
    with Server("--queue", 2) as server:
        busy = start_endless(server)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = [pool.submit(server.post, ALL) for _ in range(2)]
            server.wait_for("mice_waiting", 2)
            check(server.post(ALL)[0] == 429, "only two may wait")
            busy.close()
            check(all(each.result()[0] == 200 for each in waiting), "those that waited are answered")
    with Server("--timeout", 0.2) as server:
        status, headers, got = server.post(ENDLESS)
        check(status == 503 and headers["Retry-After"], f"{status} {got}")
    many = {"query": QUERY, "documents": DOCUMENTS[:1] + ENDLESS["documents"]}
    with Server("--timeout", 0.2, "--partial") as server:
        status, headers, got = server.post(many)
        check(status == 200 and got["partial"] is True, f"{status} {got}")
        check(1 <= len(got["results"]) < len(many["documents"]), f"{got}")
        check(headers["X-Mice-Partial"] == f"{len(got['results'])}/{len(many['documents'])}", f"{headers}")


def test_ends(server):
    """A client that closed its sending half gets its answer; one that closed all is left."""
    body = json.dumps(ALL).encode()
    busy = start_endless(server)
    for version in (b"1.1", b"1.0"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as link:
            link.sendall(b"POST /rerank HTTP/%s\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
                         % (version, len(body)) + body)
            link.shutdown(socket.SHUT_WR)
            if version == b"1.1":
                check(link.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n", "it is asked whether it is there")
            server.wait_for("mice_waiting", 1)
            busy.close()
            answer = http.client.HTTPResponse(link)
            answer.begin()
            check(answer.status == 200 and json.loads(answer.read())["results"], f"half closed: {answer.status}")
        server.wait_for("mice_running", 0)
        busy = start_endless(server)
    link = server.connect()
    link.request("POST", "/rerank", body)
    server.wait_for("mice_waiting", 1)
    link.close()
    server.wait_for("mice_waiting", 0)
    busy.close()
    server.wait_for("mice_running", 0)


def test_limits():
    with Server("--max-documents", 2, "--max-document-kb", 1, "--max-body-mb", 1) as server:
        check(server.post({"query": "q", "documents": ["a"] * 3})[0] == 413, "documents")
        check(server.post({"query": "q", "documents": ["a" * 1025]})[0] == 413, "a document")
        check(server.post({"query": "q" * 1025, "documents": ["a"]})[0] == 413, "a query")
        check(server.post(b" " * (1 << 20) + b"{}")[0] == 413, "a body")
        check(server.post({"query": "q", "documents": ["a" * 1024] * 2})[0] == 200, "up to the limits")


def refused(*options, port=0):
    done = subprocess.run([MICE, "serve", "--model", MODEL, "--port", str(port), *map(str, options)],
                          capture_output=True, text=True, timeout=PATIENCE)
    check(done.stdout == "", f"{options}: {done.stdout}")
    return done.returncode, done.stderr


def test_access():
    code, said = refused("--host", "0.0.0.0")
    check(code == 64 and "--token-file" in said, f"{code} {said}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "token"
        file.write_text("secret\n")
        empty = Path(folder) / "empty"
        empty.write_text("\n")
        check(refused("--token-file", empty)[0] == 1, "an empty token")
        check(refused("--token-file", Path(folder) / "missing")[0] == 1, "no such file")
        for options, environment in ((("--token-file", file), None), ((), {"MICE_SERVE_TOKEN": "secret"}),
                                     (("--host", "0.0.0.0", "--token-file", file), None)):
            with Server(*options, environment=environment) as server:
                check(server.post(ALL)[0] == 401, "no token")
                check(server.post(ALL, headers={"Authorization": "Bearer secre"})[0] == 401, "a wrong token")
                check(server.post(ALL, headers={"Authorization": "Bearer secret"})[0] == 200, "the token")
                check(server.ask("GET", "/metrics")[0] == 401, "counts are not for everybody")
                check(server.ask("GET", "/health")[0] == 200, "health is")
    with Server("--host", "0.0.0.0", "--no-token", "--allow-origin", "https://good.example") as server:
        check(server.post(ALL, headers={"Host": "any.example"})[0] == 200, "any name where all may ask")
        status, headers, _ = server.post(ALL, headers={"Origin": "https://good.example"})
        check(status == 200 and headers["Access-Control-Allow-Origin"] == "https://good.example", f"{headers}")
        check(server.post(ALL, headers={"Origin": "https://evil.example"})[0] == 403, "another page")
    with Server("--allow-host", "Ranker.example") as server:
        check(server.post(ALL, headers={"Host": "ranker.example:80"})[0] == 200, "a name that is allowed")
        code, said = refused(port=server.port)
        check(code == 1 and "cannot listen" in said, f"a port that is taken: {code} {said}")


def test_heads(server):
    """Heads of any size, and lines before the parts of a body, take no more memory than a request."""
    begin = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    check(b" 200 " in raw(server, begin + b"X: y\r\n" * 90 + b"\r\n")[:20], "90 lines are fine")
    check(b" 200 " in raw(server, b"\r\n" + begin + b"\r\n")[:20], "an empty line before a request")
    ranges = b"Range: bytes=" + b"0-0," * 1990 + b"0-0\r\n"
    check(b" 200 " in raw(server, begin + ranges + b"\r\n")[:20], "ranges are not looked at")
    before = server.peak_memory()
    for lines in (b"X: y\r\n" * 101, b"X: " + b"y" * (1 << 16) + b"\r\n", b"X:\r\n" * 13_000_000, b"x" * (1 << 26)):
        got = raw(server, begin + lines + b"\r\n")
        check(got == b"" or got[9:12] == b"431" and b'"error"' in got, f"a head of {len(lines)} bytes: {got[:100]}")
    check(raw(server, begin + b"X: y\r\n" * 101 + b"\r\n")[9:12] == b"431", "the answer comes")
    check(raw(server, begin, end=True)[9:12] == b"400", "half a head")
    parts = b"POST /rerank HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;"
    check(raw(server, parts + b"x" * (1 << 26))[9:12] in (b"", b"400"), "a line before a part of a body")
    grown = server.peak_memory() - before
    check(SANITIZED or grown < 24 << 20, f"heads of 65 MB took {grown >> 20} MiB")
    link = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    link.sendall((begin.replace(b"close", b"keep-alive") + b"\r\n") * 3 + begin + b"\r\n")  # all at once
    got = b""
    while part := link.recv(65536):
        got += part
    check(got.count(b"HTTP/1.1 200") == 4, f"four requests sent at once: {got}")


def test_idle_clients():
    """Clients that send nothing, or slowly, keep nobody waiting."""
    begun = b"POST /rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    for connections, sent in ((256, b""), (8, b""), (8, begun), (8, begun + b"\r\n{")):
        with Server("--client-timeout", PATIENCE, "--connections", connections) as server:
            links = []
            for _ in range(2 * connections):
                links.append(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE))
                links[-1].sendall(sent)
            start = time.monotonic()
            for _ in range(3):
                check(server.post(ALL)[0] == 200, "an answer")
            took = time.monotonic() - start  # the body of 8 clients is waited for a second each
            check(took < 20, f"{connections} idle clients, after {len(sent)} bytes: {took:.1f} s for three answers")
            print(f"  {connections} idle clients after {len(sent)} bytes: {took:.2f} s", flush=True)
            kept = server.connect()
            check(server.post(ALL, on=kept)[0] == 200, "a connection that stays open")
            for link in links:
                link.close()
            check(server.post(ALL, on=kept)[0] == 200, "where there is room, it does stay open")


def test_refused_clients():
    """Those that have their refusal, and send on, go first."""
    refused = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
    with Server("--client-timeout", PATIENCE, "--connections", 4) as server:
        took = 0
        for _ in range(6):
            links = [socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) for _ in range(4)]
            for link in links:
                link.sendall(refused)
            for link in links:
                check(link.recv(12) == b"HTTP/1.1 404", "a refusal")
            start = time.monotonic()
            check(server.post(ALL)[0] == 200, "an answer")
            took += time.monotonic() - start
            for link in links:
                link.close()
        check(took < 4, f"behind refused clients, six answers took {took:.1f} s")


def test_slow_clients():
    with Server("--client-timeout", 0.5, "--connections", 4) as server:
        begun = b"POST /rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        for sent in (b"", begun, begun + b"\r\n{"):
            got = raw(server, sent)  # ends when the server gives up
            check(got[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 408"), f"{got[:100]}")
        for start in (begun, begun + b"\r\n{"):  # a byte now and then is no request either
            with socket.create_connection(("127.0.0.1", server.port), timeout=0.05) as link:
                link.sendall(start)
                while True:
                    try:
                        link.sendall(b"x")
                        if not link.recv(1000):
                            break
                    except TimeoutError:
                        continue
                    except OSError:
                        break
        links = [socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) for _ in range(4)]
        check(server.post(ALL)[0] == 200, "those who wait get their turn when idle clients are sent away")
        for link in links:
            link.close()


def test_endless_clients():
    """Time also ends for those whose bytes never stop."""
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\n"
    begun = head % b"/rerank" + b"Transfer-Encoding: chunked\r\n\r\n"
    with Server("--client-timeout", 0.5, "--max-body-mb", 1024) as server:
        for start, more in ((begun, b"1\r\nx\r\n" * 10000), (begun, b"1;" + b"e" * 6000 + b"\r\nx\r\n"),
                            (begun + b"1\r\n \r\n0\r\n", b"X: y\r\n" * 10000),
                            (head % b"/nope" + b"Content-Length: 99999999999\r\n\r\n", b"x" * (1 << 20))):
            end = time.monotonic() + 15
            with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as link:
                try:
                    link.sendall(start)
                    while time.monotonic() < end:
                        link.sendall(more)
                    fail(f"{more[:10]} is still read after 15 s")
                except OSError:
                    pass
    with Server("--client-timeout", 0.5) as server:  # a byte of a head whenever the server looks
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.sendall(b"GET / HTTP/1.1\r\nX: ")
            end = time.monotonic() + 15
            try:
                while time.monotonic() < end:
                    link.sendall(b"y")
                    time.sleep(0.002)
                fail("a head is still read after 15 s")
            except OSError:
                pass


def test_end():
    """SIGTERM and SIGINT end a server that is idle, and one that works when its work is done."""
    for number in (signal.SIGTERM, signal.SIGINT):
        server = Server("--threads", 1, "--grace", PATIENCE)  # also with sanitizers
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        work = {"query": QUERY, "documents": [f"{i} " + DOCUMENTS[5] for i in range(60)]}
        with concurrent.futures.ThreadPoolExecutor() as pool:
            working = pool.submit(server.post, work)
            server.wait_for("mice_running", 1)
            server.signal(number)
            check(idle.recv(1) == b"", "an idle connection is closed")
            try:
                status, _, got = server.post(ALL)
                fail(f"a stopping server answered: {status} {got}")
            except OSError:
                pass
            status, headers, got = working.result()
            check(status == 200 and len(got["results"]) == 60, f"{status} {got}")
        idle.close()
        server.stop()
    server = Server("--grace", 0.1)
    connection = start_endless(server)
    server.signal()
    status = connection.getresponse().status
    check(status == 503, f"work beyond the grace gets {status}")
    server.stop()


def main():
    if subprocess.run([MICE, "serve", "--port", "0", "--model", "/"], capture_output=True).stderr.count(b"cpp-httplib"):
        print("SKIPPED: this mice was built without serve")
        raise SystemExit(SKIPPED)
    with Server() as server:
        for test in (test_forms, test_places, test_errors, test_bytes, test_framing, test_heads, test_many,
                     test_broken_clients, test_ends):
            print(test.__name__, flush=True)
            test(server)
        log = server.said()
        check("mice: 200 POST /v1/rerank, 6 documents, " in log, f"the log: {log[-2000:]}")
        check("mice: 400 POST /v1/rerank" in log and QUERY not in log, "errors are logged, and no texts")
    for test in (test_same_bits, test_a_thousand_pairs, test_queue_and_time, test_limits, test_memory,
                 test_access, test_asked_for_body, test_idle_clients, test_refused_clients,
                 test_slow_clients, test_endless_clients, test_end):
        print(test.__name__, flush=True)
        test()
    print("all answers are as they should be")


main()
