# SPDX-License-Identifier: Apache-2.0
"""The rooms of include/mice/, the one list of them, and the part of docs/design.md that shows them.

    rooms.py           exit 1 where docs/design.md is not what the headers are
    rooms.py --write   writes that part
"""

import re
import sys
import textwrap

from common import INCLUDE, ROOT, headers

PAGE = ROOT / "docs" / "design.md"
BEGIN, END = "<!-- rooms: begin -->\n", "<!-- rooms: end -->\n"

# Rooms from the ground up: names, and what is in them. A header includes its own room and the
# rooms before it. A name with a slash is a folder, also of folders inside it.
ROOMS = [
    (["version.hpp", "config.hpp"], "version, settings and the inline namespace"),
    (["fwd.hpp", "error.hpp"], "names of the public classes; errors and their wording"),
    (["system/"], "processors, memory, the floating-point mode"),
    (["io/"], "mapped files, safetensors, JSON, checksums, writing files"),
    (["parallel/"], "loops over threads; the caller's pool, cancellation"),
    (["kernels/"], "matrix products, attention, softmax, norms, behind one table of functions"),
    (["precision.hpp", "precision_impl.hpp"], "f32, bf16, int8"),
    (["text/"], "text to ids: Unicode and the tokenizers; words for BM25; borders of passages"),
    (["sentences.hpp", "sentences_impl.hpp"], "the sentences of a text"),
    (["highlights.hpp"], "what answers a query in a text"),
    (
        ["document.hpp", "document_impl.hpp", "ranking.hpp", "index_options.hpp", "index_results.hpp"],
        "options, results",
    ),
    (["model/"], "configuration, families, names of tensors, weights, fingerprint"),
    (["nn/"], "parts of networks: matrices, encoder, interaction layer, attention, norms, head"),
    (["networks/"], "what every kind of model does (`network`), and one header for each kind"),
    (["model.hpp", "model_impl.hpp"], "a loaded model file: configuration, tokenizer, network"),
    (["codecs/"], "how states are stored; `learn/` is what is learned from a sample"),
    (["scoring/"], "how one call is cut into pieces of work; the sources of its documents"),
    (["query.hpp", "query_impl.hpp"], "an encoded query"),
    (["reranker.hpp", "reranker_impl.hpp"], "the facade: load, rank, score, encode"),
    (
        ["attention.hpp", "attention_impl.hpp", "attention_blocks.hpp", "attention_blocks_impl.hpp"],
        "what a model attends to",
    ),
    (["passages.hpp", "passages_impl.hpp"], "cutting long texts into passages"),
    (["texts.hpp", "texts_impl.hpp"], "ranking texts of any length by their passages"),
    (["index/words/"], "the words of an index, and BM25"),
    (["index/files/", "index/errors.hpp"], "the files of an index"),
    (["index/write/"], "what writes them"),
    (["index/"], "an index's state, and ranking its documents"),
    (["index.hpp", "index_impl.hpp", "index_ranking_impl.hpp"], "encoded documents in a folder: put, commit, rank"),
    (["mice.hpp"], "the one header an app includes"),
]


def height_of(header):
    """The place of a header's room in ROOMS, or None."""
    name = header.removeprefix("mice/")
    for height, (members, _) in enumerate(ROOMS):
        if any(name == m or (m.endswith("/") and name.startswith(m)) for m in members):
            return height
    return None


def stale_names():
    """Names in ROOMS that stand for no header."""
    names = [header.removeprefix("mice/") for header in headers()]
    return [
        member
        for members, _ in ROOMS
        for member in members
        if not any(n == member or (member.endswith("/") and n.startswith(member)) for n in names)
    ]


def included(header):
    """The headers of mice that a header includes."""
    text = (INCLUDE / header).read_text(encoding="utf-8")
    return re.findall(r"^\s*#\s*include\s*<(mice/.+?)>", text, re.MULTILINE)


def title(height):
    shown = [name for name in ROOMS[height][0] if not name.endswith("_impl.hpp")]
    return ", ".join(f"`{name}`" for name in shown)


def arrows():
    """For each room the heights of the rooms that its headers include."""
    found = [set() for _ in ROOMS]
    for header in headers():
        here = height_of(header)
        if here is None:
            continue
        above = [height_of(other) for other in included(header)]
        found[here].update(height for height in above if height not in (None, here))
    return found


def tree():
    """The folders and headers, one line a folder."""
    folders = {}
    for header in headers():
        folder, _, name = header.removeprefix("mice/").rpartition("/")
        folders.setdefault(folder, []).append(name.removesuffix(".hpp"))
    lines = []
    for folder in sorted(folders):
        start = f"{folder + '/' if folder else 'mice/':<22} "
        lines += textwrap.wrap(
            start + " ".join(sorted(folders[folder])), 98, subsequent_indent=" " * len(start),
            break_long_words=False, break_on_hyphens=False,
        )
    return lines


def page_part():
    numbers = range(len(ROOMS) - 1, -1, -1)
    rows = [f"| {height} | {title(height)} | {ROOMS[height][1]} |" for height in numbers]
    graph = arrows()
    edges = [
        f"| {height} | {', '.join(str(other) for other in sorted(graph[height], reverse=True)) or '-'} |"
        for height in numbers
    ]
    return "\n".join(
        ["| floor | room | what is in it |", "| --- | --- | --- |", *rows, ""]
        + ["Bodies of `x.hpp` are in `x_impl.hpp` beside it. The headers, without `.hpp`:", ""]
        + ["```", *tree(), "```", ""]
        + ["The include graph: each room, and the rooms that it includes. Every arrow goes down.", ""]
        + ["| floor | includes floors |", "| --- | --- |", *edges, ""]
    )


def main():
    text = PAGE.read_text(encoding="utf-8")
    begin = text.index(BEGIN) + len(BEGIN)
    made = text[:begin] + page_part() + text[text.index(END) :]
    if "--write" in sys.argv[1:]:
        PAGE.write_text(made, encoding="utf-8")
    elif made != text:
        print(f"{PAGE.relative_to(ROOT)} does not show the rooms as they are; run "
              "tests/package/rooms.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
