# SPDX-License-Identifier: Apache-2.0
"""The official client library of the Model Context Protocol gets answers from `mice-find mcp`,
which is started as docs/find.md tells clients. Arguments: the program, the folder of models.

The library is looked for in build/find/venv/, where tools/find/setup.sh puts it, or by the Python
that MICE_FIND_PYTHON names; without it the test is skipped.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from program_test import PROGRAM, SMALL, TEXTS, place

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77


def documented():
    """The command and its arguments, from the settings of a client that the page shows."""
    page = (ROOT / "docs" / "find.md").read_text(encoding="utf-8")
    for block in re.findall(r"^```json\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        if "mcpServers" in block:
            (settings,) = json.loads(block)["mcpServers"].values()
            return settings["command"], settings["args"]
    raise AssertionError("docs/find.md shows no settings of a client")


async def talk(at, data):
    from mcp import ClientSession, StdioServerParameters
    from mcp.client import Client
    from mcp.client.stdio import stdio_client
    from mcp.shared.exceptions import MCPError

    command, arguments = documented()
    where = StdioServerParameters(
        command=command, args=arguments,
        env={"PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}", "MICE_MODEL": str(SMALL),
             "XDG_DATA_HOME": str(data)})
    steps = []

    async def progress(done, total, message):
        steps.append((done, total, message))

    async with stdio_client(where) as (reading, writing), ClientSession(reading, writing) as it:
        told = await it.initialize()
        assert told.protocol_version == "2025-06-18" and told.server_info.name == "mice-find"
        assert told.instructions
        tools = (await it.list_tools()).tools
        assert [each.name for each in tools] == ["query", "get", "multi_get", "status"]
        assert all(each.annotations.read_only_hint for each in tools)

        # The library checks each structured result against the tool's schema.
        found = await it.call_tool("query", {"query": "why does dough rise"},
                                   progress_callback=progress)
        assert not found.is_error, found
        best = found.structured_content["results"][0]
        assert best["file"].endswith("bread.md") and "Yeast" in best["highlights"][0]
        assert [done for done, _, _ in steps] == sorted({done for done, _, _ in steps}) != []
        for options in ({"rerank": False}, {"limit": 1}, {"minScore": 2}):
            await it.call_tool("query", {"query": "dough", **options})

        got = await it.call_tool("get", {"file": best["docid"], "fromLine": 3, "maxLines": 1})
        assert got.content[0].resource.text == "3\t## Rising\n"
        assert str(got.content[0].resource.uri) == best["uri"]
        both = await it.call_tool("multi_get", {"pattern": "*.txt", "maxBytes": 65})
        assert both.structured_content["documents"] and both.structured_content["left_out"]
        state = await it.call_tool("status", {})
        assert state.structured_content["files"] == len(TEXTS)
        missing = await it.call_tool("get", {"file": "nothing.md"})
        assert missing.is_error and "no file" in missing.content[0].text

        listed = (await it.list_resources()).resources
        assert len(listed) == len(TEXTS)
        for each in listed:
            read = (await it.read_resource(each.uri)).contents
            assert read[0].text == TEXTS[each.name.removeprefix("files/")]
        assert len((await it.list_resource_templates()).resource_templates) == 1
        for asked in (it.read_resource("mice-find:///files/nothing"), it.call_tool("nothing", {}),
                      it.call_tool("query", {"query": 5})):
            try:
                await asked
                raise AssertionError("an error was expected")
            except MCPError as problem:
                assert problem.error.code in (-32002, -32602), problem

        # What is committed meanwhile is there.
        at.write("zoo.md", "# Zoo\n\nThe walrus sleeps on the ice.\n")
        at.update()
        found = await it.call_tool("query", {"query": "where does the walrus sleep"})
        assert found.structured_content["results"][0]["title"] == "Zoo"

    # A client that first asks for what this server has not, as newer ones do.
    async with Client(stdio_client(where), mode="auto") as it:
        assert it.protocol_version == "2025-06-18"
        assert (await it.call_tool("status", {})).structured_content["files"] == len(TEXTS) + 1


def main():
    python = os.environ.get("MICE_FIND_PYTHON") or ROOT / "build/find/venv/bin/python"
    try:
        found = subprocess.run([python, "-c", "import mcp"], capture_output=True)
    except OSError:
        found = None
    if found is None or found.returncode != 0:
        print(f"SKIPPED: {python} has no mcp; tools/find/setup.sh installs it")
        return SKIPPED
    if not SMALL.is_file() or SMALL.stat().st_size < 1_000_000:
        print(f"SKIPPED: no model {SMALL}")
        return SKIPPED
    return subprocess.run([python, "-B", __file__, *sys.argv[1:3]],
                          env={**os.environ, "MICE_FIND_TALK": "1"}).returncode


if "MICE_FIND_TALK" in os.environ:
    import anyio

    with tempfile.TemporaryDirectory() as name:
        here = place(name)
        here.index = pathlib.Path(name) / "data" / "mice-find"
        here.add()
        anyio.run(talk, here, here.index.parent)
else:
    sys.exit(main())
