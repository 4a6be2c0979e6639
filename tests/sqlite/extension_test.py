# SPDX-License-Identifier: Apache-2.0
"""The SQLite extension as Python's sqlite3 loads it: the bits of the C++ library, FTS5, hostile
values. Arguments: the extension, the program mice."""

import json
import os
import pathlib
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile

EXTENSION, MICE = sys.argv[1:]
ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "examples" / "data"
OTHER_MODEL = ROOT / "models" / "mice-minilm-l2x2-int8.safetensors"

if not hasattr(sqlite3.Connection, "enable_load_extension"):  # as Python was compiled
    other = "/usr/bin/python3"
    if sys.executable == other or not os.path.exists(other):
        print("SKIPPED: Python's sqlite3 loads no extensions")
        sys.exit(77)
    os.execv(other, [other, "-B", *sys.argv])


def check(holds, what):
    if not holds:
        print(f"FAILED: {what}")
        sys.exit(1)


def connect():
    connection = sqlite3.connect(":memory:")
    connection.enable_load_extension(True)
    connection.load_extension(EXTENSION)
    return connection


def one(connection, sql, *values):
    return connection.execute(sql, values).fetchone()[0]


def refused(connection, sql, *values, says=""):
    try:
        found = connection.execute(sql, values).fetchall()
    except (sqlite3.Error, sqlite3.Warning) as problem:
        check(says in str(problem), f"{sql}: says {problem}, not {says}")
        return
    check(False, f"{sql} gave {str(found)[:100]}, and should be refused")


def single(value):
    return struct.pack("f", value)


def lines_of(name):
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def scores_of_the_program(pairs, precision):
    asked = "".join(json.dumps({"query": q, "document": d}) + "\n" for q, d in pairs)
    said = subprocess.run(
        [MICE, "score", "--precision", precision], input=asked, capture_output=True, text=True, check=True
    )
    return [json.loads(line)["score"] for line in said.stdout.splitlines()]


def same_bits():
    texts = [each["text"] for each in lines_of("corpus.jsonl")]
    queries = [each["text"] for each in lines_of("queries.jsonl")]
    pairs = [(query, text) for query in queries for text in texts][:1000]
    check(len(pairs) == 1000, f"{len(pairs)} pairs")
    for precision in ("f32", "int8"):
        expected = list(map(single, scores_of_the_program(pairs, precision)))
        base = connect()
        file = one(base, "SELECT mice_model()")
        check(one(base, "SELECT mice_model(?, ?)", file, precision) == file, "mice_model gives the file")
        base.execute("CREATE TABLE passages(id INTEGER PRIMARY KEY, body TEXT, states BLOB)")
        base.executemany("INSERT INTO passages(body, states) VALUES (?1, mice_encode(?1))", [(t,) for t in texts])
        stored, ranked, in_json, grouped = [], {}, {}, {}
        for number, query in enumerate(queries):
            stored += [
                single(score)
                for (score,) in base.execute("SELECT mice_score(?, states) FROM passages ORDER BY id", [query])
            ]
            for sql, into in (
                ("SELECT json_group_array(body) FROM passages ORDER BY id", ranked),
                ("SELECT json_group_array(json_object('id', id - 1, 'states', hex(states))) FROM passages", in_json),
            ):
                if into is ranked and number >= 3:
                    continue  # texts are encoded in every call
                documents = one(base, sql)
                for rank, position, score in base.execute(
                    "SELECT rank, id, score FROM mice_rank(?, ?)", [query, documents]
                ):
                    into[number, position] = single(score), rank
            listed = json.loads(one(base, "SELECT mice_ranking(?, id - 1, states) FROM passages", query))
            for rank, each in enumerate(listed, 1):
                grouped[number, each["id"]] = single(each["score"]), rank
        check(stored[:1000] == expected, f"{precision}: mice_score has other bits than the program")
        check(in_json == grouped, f"{precision}: states and rows rank differently")
        check(ranked.items() <= in_json.items(), f"{precision}: texts rank differently")
        flat = [in_json[n, p][0] for n in range(len(queries)) for p in range(len(texts))]
        check(flat[:1000] == expected, f"{precision}: mice_rank has other bits than the program")
        text_score = one(base, "SELECT mice_score(?, ?)", *pairs[7])
        check(single(text_score) == expected[7], "a text that is encoded at once")
    print("1,000 pairs, f32 and int8: the bits of mice score")


def beside_full_text_search():
    base = connect()
    base.execute("CREATE VIRTUAL TABLE words USING fts5(body, tokenize = 'porter')")
    base.execute("CREATE TABLE states(id INTEGER PRIMARY KEY, encoded BLOB)")
    for each in lines_of("corpus.jsonl"):
        row = base.execute("INSERT INTO words(body) VALUES (?)", [each["text"]]).lastrowid
        base.execute("INSERT INTO states VALUES (?, mice_encode(?))", [row, each["text"]])
    found = base.execute(
        """
        WITH candidates AS (
            SELECT words.rowid AS id, encoded FROM words JOIN states ON states.id = words.rowid
            WHERE words MATCH 'bread OR dough OR rise OR heat OR water' ORDER BY bm25(words) LIMIT 20)
        SELECT body, mice_highlight(:query, body, '[', ']')
        FROM json_each((SELECT mice_ranking(:query, id, encoded, 3) FROM candidates)) AS best
        JOIN words ON words.rowid = best.value ->> 'id'
        ORDER BY best.key
        """,
        {"query": "why does bread dough rise"},
    ).fetchall()
    check(len(found) == 3, f"{len(found)} hits")
    check("yeast" in found[0][0].lower(), f"the best hit is {found[0][0]}")
    for body, marked in found:
        begin, end = marked.index("["), marked.index("]")
        check(marked[:begin] + marked[begin + 1 : end] + marked[end + 1 :] == body, marked)
        sentence = one(base, "SELECT mice_highlight(?, ?)", "why does bread dough rise", body)
        check(marked[begin + 1 : end] == sentence, sentence)
    plan = base.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM mice_rank('q', '[]') ORDER BY rank"
    ).fetchall()
    check("TEMP B-TREE" not in str(plan), f"hits come in order, yet are sorted: {plan}")
    join = base.execute(  # the query from one table, the documents from another
        "SELECT q.text, r.text FROM (SELECT 'dough' AS text UNION ALL SELECT 'knives') AS q, "
        "mice_rank(q.text, json_array('Hone knives often.', 'The dough swells.'), 1) AS r"
    ).fetchall()
    check([row[1] for row in join] == ["The dough swells.", "Hone knives often."], join)
    print("FTS5 finds, mice ranks and highlights")


def bad_values():
    base = connect()
    blob = one(base, "SELECT mice_encode('The dough swells.')")
    score = one(base, "SELECT mice_score('dough', ?)", blob)
    for sql in (
        "SELECT mice_encode(NULL)",
        "SELECT mice_score(NULL, 'x')",
        "SELECT mice_score('x', NULL)",
        "SELECT mice_highlight('x', NULL)",
    ):
        check(one(base, sql) is None, sql)
    check(base.execute("SELECT * FROM mice_rank(NULL, '[]')").fetchall() == [], "no query, no rows")
    check(base.execute("SELECT * FROM mice_rank('q', '[]')").fetchall() == [], "no documents")
    check(one(base, "SELECT mice_ranking('q', 1, NULL)") == "[]", "no document")
    check(one(base, "SELECT mice_ranking('q', 1, 'x') WHERE 0") == "[]", "no row")
    refused(base, "SELECT mice_score('q', 7)", says="BLOB")
    refused(base, "SELECT mice_score('q', x'')", says="no document")
    refused(base, "SELECT mice_ranking('q', x'00', 'text')", says="id")
    refused(base, "SELECT mice_ranking('q', 1, 'text', -1)", says="number of hits")
    refused(base, "SELECT mice_ranking(column1, 1, 'text') FROM (VALUES ('a'), ('b'))", says="query")
    refused(base, "SELECT * FROM mice_rank", says="needs a query")
    refused(base, "SELECT * FROM mice_rank('q')", says="JSON array")
    for documents in ("", "{", "{}", "7", "[" * 100_000, "[1]", "[{}]", '[{"text": 7}]', '[{"id": []}]',
                      '[{"states": "0"}]', '[{"states": "zz"}]', '[{"states": "00ff"}]', "[null]"):
        refused(base, "SELECT * FROM mice_rank('q', ?)", documents, says="mice: ")
    refused(base, "SELECT * FROM mice_rank('q', '[\"a\"]', 'many')", says="number of hits")
    refused(base, "SELECT mice_model('/nowhere/model.safetensors')", says="/nowhere/model.safetensors")
    refused(base, "SELECT mice_model(?, 'float')", str(OTHER_MODEL), says="f32")
    refused(base, "SELECT mice_model(?)", str(DATA / "corpus.jsonl"), says="mice: ")
    check(one(base, "SELECT mice_score('dough', ?)", blob) == score, "a refused model changes nothing")
    # A view of a file from elsewhere must not choose files to read.
    base.execute("CREATE VIEW sly AS SELECT mice_model('/etc/passwd')")
    refused(base, "SELECT * FROM sly", says="unsafe")
    # States of another model.
    base.execute("SELECT mice_model(?)", [str(OTHER_MODEL)]).fetchall()
    refused(base, "SELECT mice_score('dough', ?)", blob, says="another model")
    refused(base, "SELECT * FROM mice_rank('q', json_array(json_object('states', hex(?))))", blob,
            says="another model")
    # Cut and changed documents: refused, or a finite score.
    base = connect()
    chance = random.Random(7)
    outcomes = [0, 0]
    for _ in range(300):
        changed = bytearray(blob)
        for _ in range(chance.randrange(1, 4)):
            changed[chance.randrange(min(len(blob), 2000))] = chance.randrange(256)
        given = bytes(changed[: chance.randrange(len(blob))] if chance.random() < 0.3 else changed)
        try:
            found = one(base, "SELECT mice_score('dough', ?)", given)
            check(found is not None and abs(found) < 1e30, f"a score of {found}")
            outcomes[0] += 1
        except sqlite3.Error:
            outcomes[1] += 1
    check(outcomes[1] > 50, f"changed documents: {outcomes}")
    for text in ("", "\0", "a\0b", "\ud7ff\uffff", "x" * 1_000_000, "[SEP] [CLS]"):
        check(abs(one(base, "SELECT mice_score(?, ?)", text[:5000], text)) < 1e6, repr(text[:20]))
        one(base, "SELECT mice_highlight(?, ?, '<b>', '</b>')", text[:5000], text[:20_000])
    print(f"bad values: refused; of 300 changed documents {outcomes[1]}")


def default_models():
    """Wherever the extension is installed, it finds the model that is installed with it."""
    code = ("import sqlite3, sys; base = sqlite3.connect(':memory:'); base.enable_load_extension(True); "
            "base.load_extension(sys.argv[1]); print(base.execute('SELECT mice_model()').fetchone()[0])")
    environment = {name: value for name, value in os.environ.items() if name != "MICE_MODEL"}
    for place in ("bin", "lib/mice", "lib/x86_64-linux-gnu/mice"):
        with tempfile.TemporaryDirectory() as prefix:
            folder = pathlib.Path(prefix) / place
            folder.mkdir(parents=True)
            installed = shutil.copy(EXTENSION, folder)
            ask = [sys.executable, "-c", code, installed]
            lost = subprocess.run(ask, env=environment, capture_output=True, text=True)
            check("there is no default model beside this extension" in lost.stderr, lost)
            models = pathlib.Path(prefix) / "share" / "mice" / "models"
            models.parent.mkdir(parents=True)
            models.symlink_to(ROOT / "models")
            found = subprocess.run(ask, env=environment, capture_output=True, text=True)
            check(found.stdout.startswith(f"{models}/"), found)
    print("default models: found in three layouts")


same_bits()
beside_full_text_search()
bad_values()
default_models()
