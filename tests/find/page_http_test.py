# SPDX-License-Identifier: Apache-2.0
"""The server of `mice-find serve` over raw sockets: who may ask, what is answered, and requests
that mean harm. Arguments: the program, the folder of models."""
import concurrent.futures
import json
import os
import pathlib
import re
import socket
import stat
import sys
import tempfile
import time

from page_serving import FILES, HOSTILE_NAME, PATIENCE, SKIPPED, Files, Server, check

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "
    "'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PAGE = {"/": "text/html", "/page.js": "text/javascript", "/page.css": "text/css",
        "/icon.svg": "image/svg+xml", "/opensearch.xml": "application/opensearchdescription+xml"}


def names(found):
    return [pathlib.Path(each["file"]).name for each in found["results"]]


def raw(server, request, end=False):
    """What comes back for bytes, until the server closes or has said all."""
    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as to:
        to.sendall(request)
        if end:
            to.shutdown(socket.SHUT_WR)
        answer = b""
        while part := to.recv(1 << 16):
            answer += part
            head, _, body = answer.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            if length and len(body) >= int(length[1]):
                break
        return answer


def status_of(answer):
    match = re.match(rb"HTTP/1\.1 (\d+) ", answer)
    return int(match[1]) if match else None


def test_page(server):
    check(re.fullmatch(r"[0-9a-f]{32}", server.token), f"a token of 128 bits: {server.token}")
    for path, kind in PAGE.items():
        status, headers, body = server.ask(path, token=None)
        check(status == 200 and headers["Content-Type"].startswith(kind) and body, (path, status))
        for name, value in HEADERS.items():
            check(headers[name] == value, f"{path}: {name}: {headers[name]}")
        check(server.token.encode() not in body, f"{path} gives the token away")
        check(server.ask(path, "HEAD", token=None)[::2] == (200, b""), f"HEAD {path}")
    page = server.ask("/")[2].decode()
    check("http" not in page.replace("http-equiv", "") and not re.search(r"\son\w+=|style=", page),
          "the page has nothing from elsewhere, and nothing inline")
    description = server.ask("/opensearch.xml")[2].decode()
    check(f"http://127.0.0.1:{server.port}/?q={{searchTerms}}" in description, description)


def test_who_may_ask(server):
    here = f"127.0.0.1:{server.port}"
    search = "/api/search?q=dough"
    for token in (None, "", "0" * 32, server.token[:-1], server.token + "0", server.token.upper()):
        status, headers, body = server.ask(search, token=token)
        if token != server.token:  # one without letters has no upper case
            check(status == 403 and list(body) == ["error"], f"{token}: {status}")
        check(headers["Content-Security-Policy"] and headers["Cache-Control"], "the same headers")
    check(server.ask(f"{search}&token={server.token}", token=None)[0] == 403, "not in the address")
    check(server.ask(search, token=None, Cookie=f"token={server.token}")[0] == 403, "no cookie")
    for path in (*PAGE, search, "/api/status"):
        for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", "",
                     "10.0.0.1", "localhost.evil.example", "[::2]:80", "localhost:x"):
            check(server.ask(path, Host=host)[0] == 403, f"{path} of {host}")
        for host in (here, f"localhost:{server.port}", "LOCALHOST", f"[::1]:{server.port}"):
            check(server.ask(path, Host=host)[0] == 200, f"{path} of {host}")
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"https://{here}",
                       f"http://localhost:{server.port}", "file://"):
            check(server.ask(path, Origin=origin)[0] == 403, f"{path} from {origin}")
        check(server.ask(path, Origin=f"http://{here}")[0] == 200, f"{path} from itself")
        for site in ("cross-site", "same-site"):
            check(server.ask(path, Sec_Fetch_Site=site)[0] == 403, f"{path}, {site}")
            visit = server.ask(path, Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate")[0]
            check(visit == (200 if path == "/" else 403), f"a link to {path}: {visit}")
        for site in ("same-origin", "none"):
            check(server.ask(path, Sec_Fetch_Site=site)[0] == 200, f"{path}, {site}")
    check(status_of(raw(server, b"GET / HTTP/1.1\r\n\r\n")) == 403, "no Host header")
    preflight = server.ask(search, "OPTIONS", Origin="http://evil.example",
                           Access_Control_Request_Method="GET")
    check(preflight[0] == 403 and "Access-Control-Allow-Origin" not in preflight[1], "preflight")


def test_answers(files, server):
    alone = json.loads(files.run("query", "why does dough rise", "--json", "--explain", "--model",
                                 server.process.args[5]))
    found = server.api("search", {"q": "why does dough rise", "n": "10"})
    addresses = [each.pop("address") for each in found["results"]]
    check(found["results"] == alone, "results are those of query --json --explain")
    check(addresses[0].startswith("file:///") and "bread.md" in names(found), addresses)
    times = found["milliseconds"]
    check(set(times) == {"words", "load", "rank", "highlights"} and times["rank"] > 0, times)
    check(found["reranked"] and found["candidates"] >= 4 and not found["no_words"], found)
    words = server.api("search", {"q": "kneading bread", "words": "1"})
    best = words["results"][0]
    marked = [best["snippet"].encode()[a:b].decode() for a, b in best["words"]]
    check(not words["reranked"] and marked == ["Bread", "Kneading", "Bread"], marked)
    check("model_rank" not in best["explain"], "by words alone")
    japanese = server.api("search", {"q": "首都", "words": "1"})["results"][0]
    marked = [japanese["snippet"].encode()[a:b].decode() for a, b in japanese["words"]]
    check(marked == ["都", "首都"], marked)
    check(server.api("search", {"q": "the of"})["no_words"], "no word to look for")
    check(server.api("search")["results"] == [], "no question")

    def ask(**parameters):
        return sorted(names(server.api("search", {"q": "dough knead", **parameters})))
    check(ask() == ["bread.md", "knives.txt", "oven.md", "rise.py"], ask())
    check(ask(kind="code") == ["rise.py"] and ask(kind="pdf") == [], "kinds")
    check(ask(folder="kitchen") == ["knives.txt", "oven.md"] == ask(folder="kitchen/"), "folders")
    check(ask(folder="kit") == [] and ask(folder="../files") == [], "whole names of folders")
    check(ask(c="files", folder="kitchen", kind="text") == ["knives.txt"], "all together")
    check(len(server.api("search", {"q": "dough", "n": "1"})["results"]) == 1, "n")
    two = server.api("search", [("q", "dough"), ("kind", "code"), ("kind", "text")])
    check(sorted(names(two)) == ["knives.txt", "rise.py"], "two kinds")
    check(server.api("search", {"q": "x", "c": "other"}, 404)["error"], "no such collection")

    status = server.api("status")
    check(status["files"] == len(FILES) and not status["open_files"], status)
    folders = {each["folder"] for each in status["folders"]}
    check(folders == {"kitchen", "garden", "code", "notes"}, folders)
    check({"kind": "code", "files": 1} in status["kinds"], status)

    long = server.api("search", {"q": "lighthouse keeper"})["results"][0]
    part = server.api("document", {"id": long["docid"], "from": long["start_line"], "lines": "3"})
    lines = FILES["long.md"].split("\n")
    check(part["body"].split("\n")[0] == lines[long["start_line"] - 1], part)
    check(part["lines"] >= 3000 and part["start_line"] == long["start_line"], part["lines"])
    whole = server.api("document", {"id": best["docid"]})
    bare = server.api("document", {"id": best["docid"].removeprefix("#")})
    check(bare == whole, "an id without its #")
    check(whole["body"] == FILES["bread.md"] and not whole["cut"], whole)
    walrus = server.api("search", {"q": "walrus"})["results"][0]
    check(walrus["file"].endswith(HOSTILE_NAME) and "<script>" in walrus["snippet"], walrus)


def test_bad_requests(server):
    for id in ("", "#", "#zzzz0000", "bread.md", "files/bread.md", "/etc/passwd",
               "../../etc/passwd", "#0123", "#" + "0" * 40, "#%"):
        server.api("document", {"id": id}, 400)
    server.api("document", {"id": "#0123456789abcdef"}, 404)
    for name, value in (("n", "0"), ("n", "101"), ("n", "-1"), ("n", "x"), ("n", "1e1"),
                        ("candidates", "100000"), ("words", "2"), ("turn", "18446744073709551616"),
                        ("n", "9" * 30), ("page", "x" * 65)):
        server.api("search", {"q": "dough", name: value}, 400)
    for path in ("/etc/passwd", "/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd",
                 "/page.js/..", "/page.js/", "/page/page.js", "/index.html", "/api", "/api/",
                 "/api/search/", "/..%2fpage.js", "/page.js%00", "/%", "/%zz", "/api/../page.js"):
        check(server.ask(path)[0] == 404, path)
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        status, headers, _ = server.ask("/api/search?q=dough", method)
        check(status == 405 and headers["Allow"] == "GET, HEAD", f"{method}: {status}")
    check(server.ask("/api/search?q=dough", "POST", "x" * 100_000)[0] == 405, "a body")
    check(server.ask("/api/open?id=%2301234567")[0] == 405, "opening is no GET")
    check(server.ask("/api/open?id=%2301234567", "POST")[0] == 403, "without --open-files")
    for query in ("q=%", "q=%zz", "q=%ff%fe%c0", "q=%00dough", "q", "=", "&&&", "q=a&q=b",
                  "%71=dough", "q=" + "%22" * 500, "q=" + "path:a+" * 200, "q=dough;DROP",
                  "q=%F0%9F%98%80",
                  "q=" + "x" * 7000, "kind=a,b&q=dough", "folder=%00&q=dough"):
        status, _, found = server.ask(f"/api/search?{query}")
        check(status == 200 and isinstance(found["results"], list), f"{query[:40]}: {status}")
    check(server.ask("/api/search?q=" + "x" * 9000)[0] == 414, "a question beyond 8 KiB")
    for request in (b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n", b"\x00" * 1000, b"GET /\r\n\r\n",
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"G" * 100_000,
                    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"):
        status = status_of(raw(server, request, end=True))
        check(status is None or status >= 400, f"{request[:30]}: {status}")
    head = b"GET /page.js HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    for lines, expected in (
            (b"Host: evil.example\r\n", 400), (b"Origin : http://evil.example\r\n", 400),
            (b"Content-Length : 9\r\n", 400), (b"X: y\r\n Origin: null\r\n", 400),
            (b"Content-Length: 9\n", 400), (b"Transfer-Encoding: identity\r\n", 501),
            (b"X: " + b"y" * 9000 + b"\r\n", 431)):
        answer = raw(server, head + lines + b"\r\n" + head + b"\r\n", end=True)
        check(status_of(answer) == expected, f"{lines[:40]}: {answer[:100]}")
    for lines in (b"X: y\r\n" * 101, b"X: y\r\n" * 1_000_000, b"X" * (1 << 16)):
        status = status_of(raw(server, head + lines + b"\r\n"))
        check(status in (None, 431), f"{len(lines)} bytes of head lines: {status}")
    check(status_of(raw(server, head + b"X: y\r\n" * 101 + b"\r\n")) == 431, "it says so")
    check(server.ask("/")[0] == 200, "it still answers")


def test_many(server):
    expected = server.api("search", {"q": "dough"})["results"]
    idle = [socket.create_connection((server.host, server.port)) for _ in range(300)]
    slow = socket.create_connection((server.host, server.port))
    for byte in b"GET / HT":  # and no more
        slow.sendall(bytes([byte]))
    deaf = socket.create_connection((server.host, server.port))
    deaf.sendall(b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)  # reads nothing
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        given = list(pool.map(lambda _: server.ask("/api/search?q=dough"), range(200)))
    check({status for status, _, _ in given} <= {200, 429}, "answers, or too many")
    check(all(body["results"] == expected for status, _, body in given if status == 200),
          "the same answer for all")
    for each in (*idle, slow, deaf):
        each.close()
    # Clients that went away before their answer.
    for _ in range(50):
        with socket.create_connection((server.host, server.port)) as to:
            to.sendall(b"GET /api/search?q=dough HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
                       b"Bearer " + server.token.encode() + b"\r\n\r\n")
    check(server.api("search", {"q": "dough"})["results"] == expected, "as before")


def test_newer_searches(server):
    path = "/api/search?q=dough+stones&candidates=1000&page={}&turn={}"
    check(server.ask(path.format("a", 7))[0] == 200, "the first")
    check(server.ask(path.format("a", 6))[0] == 204, "one that comes late")
    check(server.ask(path.format("b", 1))[0] == 200, "another page")
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        given = list(pool.map(lambda turn: server.ask(path.format("c", turn))[0], range(1, 60)))
    check(set(given) <= {200, 204, 429} and given[-1] == 200, given)
    for page in range(200):
        check(server.ask(path.format(f"page-{page}", 1))[0] == 200, "pages are forgotten")


def test_changes(files, server):
    (files.root / "new.txt").write_text("An ocelot sleeps in the wardrobe.\n")
    check(names(server.api("search", {"q": "ocelot"})) == [], "not indexed yet")
    files.run("update", "--model", server.process.args[5], "--usual-priority")
    check(names(server.api("search", {"q": "ocelot"})) == ["new.txt"], "found when it is indexed")


def fake_desktop(folder):
    """An xdg-open that writes down what it was given."""
    program = pathlib.Path(folder, "xdg-open")
    program.write_text("#!/bin/sh\nfor each; do cat \"$each\" > \"$0.read\"; done\n"
                       "printf '%s\\n' \"$@\" > \"$0.new\"\nmv \"$0.new\" \"$0.given\"\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def given_to(folder):
    """What the program was given, when it has written that."""
    file = pathlib.Path(folder, "xdg-open.given")
    end = time.monotonic() + PATIENCE
    while not file.exists():
        check(time.monotonic() < end, "nothing was opened")
        time.sleep(0.01)
    given = file.read_text().splitlines()
    file.unlink()
    return given, pathlib.Path(folder, "xdg-open.read").read_text()


def test_opening(files):
    with tempfile.TemporaryDirectory() as folder:
        with Server(files, "--open", "--open-files", environment=fake_desktop(folder)) as server:
            (page,), text = given_to(folder)
            check(server.token not in page, "the token is no argument")
            check(f"url={server.address}" in text, "the address is in a file")
            check(stat.S_IMODE(pathlib.Path(page).parent.stat().st_mode) == 0o700, "for its owner")
            check(server.api("status")["open_files"], "the page may open files")
            best = server.api("search", {"q": "yeast gives off carbon dioxide"})["results"][0]
            ask = {"id": best["docid"]}
            check(server.api("open", ask, method="POST")["opened"] == best["file"], "it says what")
            check(given_to(folder) == ([best["file"]], FILES["bread.md"]), "the file")
            server.api("open", ask, 403, method="POST", token=None)
            server.api("open", ask, 403, method="POST", Origin="http://evil.example")
            server.api("open", {"id": best["file"]}, 400, method="POST")
            server.api("open", {"id": "#0123456789"}, 404, method="POST")
            kept = pathlib.Path(best["file"]).rename(f"{best['file']}.kept")
            server.api("open", ask, 404, method="POST")
            kept.rename(best["file"])
        check(not pathlib.Path(page).exists(), "the file with the address is removed")


def test_other_index(files):
    """Another index that takes the place of this one is read from then on."""
    other = Files({"walrus.txt": "The walrus rests on the ice.\n"})
    with Server(other) as server:
        check(names(server.api("search", {"q": "walrus"}))[0] == "walrus.txt", "the first index")
        aside = other.index.with_name("aside")
        other.index.rename(aside)
        server.api("search", {"q": "walrus"}, 500)
        files.index.rename(other.index)
        check(names(server.api("search", {"q": "why does the dough swell"}))[0] == "bread.md",
              "the second index")
        other.index.rename(files.index)


def test_end(files):
    """It ends by itself where that is wanted, and gives its page a first question."""
    server = Server(files, "--idle", "1", "--ask", "why & how: 50%?")
    check("/?q=why%20%26%20how%3A%2050%25%3F#token=" in server.address, server.address)
    check(server.process.wait(PATIENCE) == 0, server.said())


def main():
    files = Files()
    with Server(files) as server:
        test_page(server)
        test_who_may_ask(server)
        test_answers(files, server)
        test_bad_requests(server)
        test_many(server)
        test_newer_searches(server)
        test_changes(files, server)
        begin = time.monotonic()
    check(time.monotonic() - begin < 9, "it waits for nobody")  # grace has 10
    test_opening(files)
    test_end(files)
    test_other_index(files)
    if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6") and "lo" in pathlib.Path(
            "/proc/net/if_inet6").read_text():
        with Server(files, "--host", "::1") as server:
            check(server.address.startswith("http://[::1]:"), server.address)
            check(names(server.api("search", {"q": "dough"}))[0], "over IPv6")


if __name__ == "__main__":
    main()
