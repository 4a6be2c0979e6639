# SPDX-License-Identifier: Apache-2.0
"""`mice-find mcp` over its pipes: versions, hostile input, answers like those of the commands,
updates meanwhile, cancellation. Arguments: the program, the folder of models."""

import json
import os
import random
import shutil
import sys
import urllib.parse

from mcp_server import NEWEST, PATIENCE, call_of, line_of, server
from program_test import LARGE, TEXTS, run_tests

PARSE, REQUEST, METHOD, PARAMS, MISSING = -32700, -32600, -32601, -32602, -32002


def test_versions(at):
    at.add()
    for version in ("2024-11-05", "2025-03-26", NEWEST, "1999-01-01"):
        with server(at, version) as it:
            spoken = it.initialized["protocolVersion"]
            assert spoken == (NEWEST if version == "1999-01-01" else version)
            assert set(it.initialized["capabilities"]) == {"tools", "resources"}
            assert it.initialized["serverInfo"]["name"] == "mice-find"
            tools = it.ask("tools/list")["tools"]
            assert [each["name"] for each in tools] == ["query", "get", "multi_get", "status"]
            for each in tools:
                assert ("annotations" in each) == (spoken != "2024-11-05")
                assert ("outputSchema" in each) == ("title" in each) == (spoken == NEWEST)
                assert each["inputSchema"]["type"] == "object" and each["description"]
            result = it.ask("tools/call", name="status")
            assert ("structuredContent" in result) == (spoken == NEWEST)
            assert json.loads(result["content"][0]["text"])["files"] == len(TEXTS)
            batch = [json.loads(line_of("ping", 71)), json.loads(line_of("notifications/x")),
                     json.loads(line_of("nothing", "b")), 5]
            said = it.answer(json.dumps(batch).encode() + b"\n")
            if spoken == "2025-03-26":
                assert [each.get("error", {}).get("code") for each in said] == [
                    None, METHOD, REQUEST], said
                assert [each["id"] for each in said] == [71, "b", None]
                assert it.code(b"[]\n") == REQUEST
                it.send(json.dumps(batch[1:2]).encode() + b"\n")  # asks for nothing
            else:
                assert said["error"]["code"] == REQUEST
            assert it.ask("ping") == {}
            said = it.answer(line_of("initialize", 5, protocolVersion=NEWEST))
            assert said["error"]["code"] == REQUEST, "a second time"


def test_hostile_lines(at):
    at.add()
    with server(at, version=None) as it:
        assert it.code(line_of("tools/list", 1)) == REQUEST, "before initialize"
        assert it.code(line_of("initialize", 1)) == PARAMS
        assert it.code(line_of("initialize", 1, protocolVersion=7)) == PARAMS
        assert it.answer(line_of("ping", 1))["result"] == {}
    deep = b"[" * 100_000 + b"]" * 100_000 + b"\n"
    with server(at) as it:
        for line, code in [
                (b"no JSON\n", PARSE), (b"{\n", PARSE), (b"\xff\xfe{}\n", PARSE),
                (b'{"jsonrpc":"2.0","id":1,"method":"ping\xc0\xaf"}\n', PARSE),
                (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}\n', PARSE),
                (b"\x00\n", PARSE), (deep, PARSE), (b"{}{}\n", PARSE), (b"nan\n", PARSE),
                (b"x" * (17 << 20) + b"\n", REQUEST), (b"7\n", REQUEST), (b"null\n", REQUEST),
                (b'"ping"\n', REQUEST), (b"{}\n", REQUEST), (b'{"jsonrpc":"2.0"}\n', REQUEST),
                (b'{"jsonrpc":"1.0","id":1,"method":"ping"}\n', REQUEST),
                (b'{"id":1,"method":"ping"}\n', REQUEST),
                (b'{"jsonrpc":"2.0","id":null,"method":"ping"}\n', REQUEST),
                (b'{"jsonrpc":"2.0","id":[1],"method":"ping"}\n', REQUEST),
                (b'{"jsonrpc":"2.0","id":1,"method":5}\n', REQUEST),
                (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}\n', REQUEST),
                (line_of("server/discover", 1), METHOD), (line_of("", 1), METHOD),
                (line_of("tools/call", 1), PARAMS), (call_of(1, "delete"), PARAMS),
                (line_of("tools/call", 1, name="status", arguments=[]), PARAMS),
                (call_of(1, "query"), PARAMS), (call_of(1, "query", query=5), PARAMS),
                (call_of(1, "query", query="x", searches=[{"query": "x"}]), PARAMS),
                (call_of(1, "query", searches=[]), PARAMS),
                (call_of(1, "query", searches=["x"]), PARAMS),
                (call_of(1, "query", searches=[{"query": "x", "type": "sql"}]), PARAMS),
                (call_of(1, "query", query="x", limit=0), PARAMS),
                (call_of(1, "query", query="x", limit=1e300), PARAMS),
                (call_of(1, "query", query="x", limit="5"), PARAMS),
                (call_of(1, "query", query="x", limit=1.5), PARAMS),
                (call_of(1, "query", query="x", minScore=True), PARAMS),
                (call_of(1, "query", query="x", collections="files"), PARAMS),
                (call_of(1, "query", query="x", collections=[1]), PARAMS),
                (call_of(1, "query", query="x", rerank=1), PARAMS),
                (call_of(1, "query", query="x", colections=["files"]), PARAMS),
                (call_of(1, "get"), PARAMS), (call_of(1, "get", file="a", fromLine=-1), PARAMS),
                (call_of(1, "get", file="mice-find:///files"), PARAMS),
                (call_of(1, "multi_get", pattern="*", maxBytes=1 << 40), PARAMS),
                (call_of(1, "status", all=True), PARAMS),
                (line_of("resources/list", 1, cursor="x"), PARAMS),
                (line_of("resources/list", 1, cursor=3), PARAMS),
                (line_of("resources/list", 1, cursor="9" * 30), PARAMS),
                (line_of("resources/read", 1), PARAMS),
                (line_of("resources/read", 1, uri="file:///etc/passwd"), PARAMS),
                (line_of("resources/read", 1, uri="mice-find:///files/%4"), PARAMS),
                (line_of("resources/read", 1, uri="mice-find:///files/%zz"), PARAMS),
                (line_of("resources/read", 1, uri="mice-find:///files/../../etc/passwd"), MISSING),
                (line_of("resources/read", 1, uri="mice-find:///files/bread.md%00"), MISSING),
                (line_of("resources/read", 1, uri="mice-find:///other/bread.md"), MISSING),
                (line_of("resources/read", 1, uri="mice-find:///files//etc/passwd"), MISSING)]:
            assert it.code(line) == code, (line[:100], code)
        # What asks for nothing is not answered.
        for line in (b"\n", b"  \t\r\n", line_of("notifications/cancelled"), line_of("x"),
                     line_of("notifications/cancelled", requestId={}), line_of("ping"),
                     line_of("notifications/cancelled", requestId="none"),
                     b'{"jsonrpc":"2.0","id":9,"result":{}}\n',
                     b'{"jsonrpc":"2.0","id":9,"error":{"code":1,"message":"x"}}\n'):
            it.send(line)
        assert it.ask("ping") == {}
        assert "no collection" in it.refused("query", query="x", collections=["other"])
        assert "did you mean" in it.refused("get", file="files/knifes.txt")
        assert "no such file" in it.refused("get", file="mice-find:///files/x")
        for text in ("", '"', "the of and", "x " * 100_000, "\u0000", "\ud83d\ude00 \u202e",
                     "path:*", '"' * 1000):
            assert it.call("query", query=text)["results"] == [], text[:40]
        fuzz(it)
        it.send(b'{"jsonrpc":"2.0","id":99,"method":"ping"}')  # ends without a line break
    assert it.next()["id"] == 99 and it.lines.empty()


def fuzz(it):
    """Lines with some bytes changed. Whatever is said of them, the server goes on."""
    chance = random.Random(20261130)
    lines = [call_of(1, "query", query="dough", limit=3, collections=["files"], rerank=False),
             call_of(1, "get", file="bread.md:2:3", maxLines=4), line_of("resources/list", 1),
             line_of("resources/read", 1, uri="mice-find:///files/bread.md")]
    for _ in range(400):
        line = bytearray(chance.choice(lines))
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(line) - 1)
            line[at:at + chance.randrange(2)] = bytes(
                chance.choice(b'{}[]",:0\\\xff \x00ae') for _ in range(chance.randrange(3)))
        it.send(bytes(line).replace(b"\n", b" ") + b"\n")
    it.send(line_of("ping", "end of fuzz"))
    # A ping may be answered before what was sent before it.
    it.send(line_of("tools/list", "last"))
    while it.next().get("id") != "last":
        pass


def test_same_answers(at):
    for i in range(20):
        at.write(f"many/{i}.txt", f"Page {i} of a long book about rivers and bridges.\n" * 3)
    at.add()
    with server(at) as it:
        for text, options, arguments in [
                ("why does dough rise", [], {}), ("rivers and bridges", ["-n", "3"], {"limit": 3}),
                ("rivers", ["-C", "5"], {"candidateLimit": 5}),
                ("dough", ["--no-rerank"], {"rerank": False}),
                ("rivers", ["--min-score", "0.9"], {"minScore": 0.9}),
                ("dough", ["-c", "files"], {"collections": ["files"]})]:
            wanted = at.ask(text, *options)
            for each in wanted:
                each["highlights"] = [mark["text"] for mark in each["highlights"]]
            result = it.ask("tools/call", name="query", arguments={"query": text, **arguments})
            found = result["structuredContent"]["results"]
            assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
            uris = [each.pop("uri") for each in found]
            assert found == wanted, (text, found, wanted)
            for uri, each in zip(uris, wanted):
                read = it.ask("resources/read", uri=uri)["contents"]
                assert len(read) == 1 and read[0]["uri"] == uri
                assert read[0]["text"] == at.run("get", each["docid"])
        both = it.call("query", searches=[{"type": "lex", "query": "dough"},
                                          {"type": "vec", "query": "how do I hone a knife"}])
        assert both == it.call("query", query="dough how do I hone a knife")

        for name, options, arguments in [
                ("bread.md", [], {}), ("files/bread.md:3:2", [], {}), ("bread.md:3", [], {}),
                ("bread.md:3:2", ["--from", "5", "-l", "1"], {"fromLine": 5, "maxLines": 1}),
                ("knives.txt", ["-l", "1"], {"maxLines": 1})]:
            wanted = json.loads(at.run("get", name, "--json", *options))
            result = it.ask("tools/call", name="get", arguments={"file": name, **arguments})
            block = result["content"][0]
            assert block["type"] == "resource" and block["resource"]["text"] == at.run(
                "get", name, "--line-numbers", *options)
            found = result["structuredContent"]
            assert found.pop("uri") == block["resource"]["uri"] and found == wanted
        plain = it.ask("tools/call", name="get", arguments={
            "file": "mice-find:///files/bread.md", "lineNumbers": False})
        assert plain["content"][0]["resource"]["text"] == TEXTS["bread.md"]

        wanted = json.loads(at.run("multi-get", "files/*.txt", "--json"))
        found = it.call("multi_get", pattern="files/*.txt")
        for each in found["documents"]:
            del each["uri"]
        assert found == {"documents": wanted, "left_out": []}
        found = it.call("multi_get", pattern="bread.md, nothing.md, many/1*.txt", maxBytes=140)
        assert len(found["documents"]) == 1 and len(found["left_out"]) == 12, found
        status = json.loads(at.run("status", "--json"))
        assert it.call("status")["collections"] == status["collections"]


def test_resources(at):
    names = [b"new\nline.txt", b"bad\xff\xfe.txt", b"a b%41#?&.txt", "\u00e4\u6771.txt".encode(),
             b"deep/er/x../a.txt", b"quote'\".txt", b"colon:12:3.txt"]
    for number, name in enumerate(names):
        path = os.path.join(os.fsencode(at.root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"A walrus, number %d.\n" % number)
    for i in range(420):
        at.write(f"many/{i}.txt", "one and the same text" if i % 3 else f"text {i % 10}")
    at.add("--name", "all of #1".replace("#", ""))
    with server(at) as it:
        listed, cursor, pages = [], None, 0
        while pages == 0 or cursor:
            page = it.ask("resources/list", **({"cursor": cursor} if cursor else {}))
            listed += page["resources"]
            cursor = page.get("nextCursor")
            pages += 1
        assert pages == 3, pages
        uris = {each["uri"] for each in listed}
        assert len(uris) == len(listed) == len(TEXTS) + len(names) + 420
        for number, name in enumerate(names):
            uri = "mice-find:///all%20of%201/" + urllib.parse.quote(name)
            assert uri in uris, (uri, sorted(uris)[:10])
            read = it.ask("resources/read", uri=uri)["contents"][0]
            assert read["text"] == f"A walrus, number {number}.\n", read
            got = it.call("get", file=uri)
            assert got["uri"] == uri and got["body"] == read["text"]
        sizes = {each["uri"]: each["size"] for each in listed}
        assert sizes["mice-find:///all%20of%201/bread.md"] == len(TEXTS["bread.md"])
        template = it.ask("resources/templates/list")["resourceTemplates"]
        assert template[0]["uriTemplate"] == "mice-find:///{collection}/{+path}"
        found = it.call("query", query="walrus", limit=20)["results"]
        assert {each["uri"] for each in found} <= uris and len(found) == len(names)


def test_updates_meanwhile(at):
    with server(at) as it:
        assert "mice-find add" in it.refused("status"), "no index yet"
        at.add()
        assert it.call("query", query="dough")["results"]
        assert it.call("query", query="walrus")["results"] == []
        at.write("zoo.md", "# Zoo\n\nThe walrus sleeps on the ice.\n")
        at.update()
        found = it.call("query", query="where does the walrus sleep")["results"]
        assert found[0]["title"] == "Zoo" and found[0]["highlights"], found
        (at.root / "zoo.md").unlink()
        at.update()
        assert it.call("query", query="walrus")["results"] == []
        assert "no file" in it.refused("get", file="files/zoo.md")
        at.update("--re-encode")
        assert it.call("query", query="dough")["results"]
        # Another index takes its place, and then none.
        shutil.rmtree(at.index)
        assert "mice-find add" in it.refused("query", query="dough")
        at.write("zoo.md", "A new walrus.\n")
        at.add("--name", "again")
        assert it.call("query", query="walrus")["results"][0]["collection"] == "again"
        at.update("--re-encode", model=LARGE)
        assert "another model" in it.refused("query", query="dough")
        assert it.call("query", query="dough", rerank=False)["results"]


def test_progress_and_cancellation(at):
    for i in range(30):
        at.write(f"many/{i}.txt", f"Page {i} of a long book about rivers and bridges. " * 12)
    at.add()
    with server(at) as it:
        def slow(number, **more):
            return line_of("tools/call", number, name="query",
                           arguments={"query": f"rivers {number}", "limit": 20}, **more)
        it.send(slow(1, _meta={"progressToken": "t"}))
        told = [it.next() for _ in range(4)]
        assert [each.get("method") for each in told] == ["notifications/progress"] * 3 + [None]
        assert [each["params"]["progress"] for each in told[:3]] == [0, 1, 2]
        assert {each["params"]["progressToken"] for each in told[:3]} == {"t"}
        # Of twelve requests that come together the last is cancelled while it waits, and so is
        # perhaps the first, while it is worked on. A ping does not wait.
        numbers = list(range(10, 22))
        it.send(b"".join(map(slow, numbers)) + line_of("notifications/cancelled", requestId=21) +
                line_of("notifications/cancelled", requestId=10, reason="changed my mind") +
                line_of("ping", "quick"))
        it.send(line_of("tools/list", "last"))
        order = []
        while "last" not in order:
            order.append(it.next()["id"])
        assert 21 not in order and set(numbers[1:-1]) <= set(order), order
        assert order.index("quick") < order.index(20), order
        assert it.call("query", query="rivers")["results"]
    # What was asked before the input ended is answered.
    with server(at) as it:
        it.send(b"".join(map(slow, numbers)))
        it.process.stdin.close()
        assert [it.next()["id"] for _ in numbers] == numbers


def test_client_goes_away(at):
    at.add()
    it = at.start("mcp")
    it.stdout.close()
    it.stdin.write(call_of(1, "status") * 50)
    it.stdin.flush()
    assert it.wait(PATIENCE) == 1 and it.stderr.read() == b""
    it.stdin.close()
    it.stderr.close()


sys.exit(run_tests(globals()))
