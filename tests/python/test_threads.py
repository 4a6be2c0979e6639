# SPDX-License-Identifier: Apache-2.0
"""Other threads go on while a call works, and Ctrl-C ends it."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import pytest
from conftest import SMALL

import mice

WORK = 4000  # passages, seconds of work


def counted_during(call):
    """How far another thread of Python counts while the call works; the call's result."""
    counted, over = [0], threading.Event()

    def count():
        while not over.is_set():
            counted[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    try:
        before, begin = counted[0], time.monotonic()
        made = call()
        seconds = time.monotonic() - begin
        return counted[0] - before, seconds, made
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("way", ["load", "rank", "score_pairs", "encode_all", "rank_texts", "commit"])
def test_other_threads_make_progress(way, small, passages, tmp_path):
    some = passages * 2
    index = mice.Index(tmp_path / "index", small)
    for i, text in enumerate(some):
        index.put(str(i), text)
    calls = {
        "load": lambda: [mice.Reranker(SMALL) for _ in range(5)],
        "rank": lambda: small.rank("bread", some, threads=1),
        "score_pairs": lambda: small.score_pairs([(text, "bread") for text in some]),
        "encode_all": lambda: small.encode_all(some, threads=1),
        "rank_texts": lambda: small.rank_texts("bread", [" ".join(some)], threads=1),
        "commit": index.commit,
    }
    steps, seconds, _ = counted_during(calls[way])
    # A call that keeps the interpreter's lock lets no step be made.
    assert steps >= 3, f"{steps} steps in {seconds:.3f} s"


def test_many_threads_get_the_same_scores(small, passages):
    expected = small.score("bread", passages).tobytes()
    found, documents = [], small.encode_all(passages)

    def work():
        for _ in range(2):
            found.append(small.score("bread", passages, threads=1).tobytes())
            found.append(small.rank("bread", documents, threads=2).scores.tobytes())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == expected and len(set(found)) == 2 and len(found) == 16


INTERRUPTED = """
import sys
import mice
ranker = mice.Reranker(sys.argv[1], precision="f32")
texts = ["many words of a passage that takes its time " * 20] * int(sys.argv[4])
said = []
def told(*_):  # the call is on its way
    if not said:
        said.append(print("working", flush=True))
calls = {
    "rank": lambda: ranker.rank("bread", texts, threads=int(sys.argv[3]), progress=told),
    "pairs": lambda: ranker.score_pairs([(str(i), text) for i, text in enumerate(texts)], progress=told),
    "encode_all": lambda: ranker.encode_all(texts, progress=told),
    "rank_texts": lambda: ranker.rank_texts("bread", [" ".join(texts)], progress=told),
    "predict": lambda: mice.CrossEncoder(sys.argv[1]).predict([("bread", text) for text in texts]),
}
try:
    if sys.argv[2] == "predict":
        print("working", flush=True)
    calls[sys.argv[2]]()
    print("finished")
except KeyboardInterrupt:
    print("interrupted")
print(ranker.rank("bread", ["still works"])[0].scored)
"""


@pytest.mark.parametrize(
    "way, threads",
    [("rank", "1"), ("rank", "2"), ("pairs", ""), ("encode_all", ""), ("rank_texts", ""), ("predict", "")],
)
def test_control_c_ends_a_call(way, threads):
    program = [sys.executable, "-c", INTERRUPTED, str(SMALL), way, threads, str(WORK)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "working\n"
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=300)
    assert said == "interrupted\nTrue\n" and process.returncode == 0
    # The whole work takes many times as long, also on a machine that is busy.
    assert time.monotonic() - begin < 30


def test_progress_is_told_and_may_end_a_call(small, passages):
    told = []
    small.rank("bread", passages, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(passages), len(passages)) and told == sorted(told)

    def ends(done, total):
        raise LookupError("enough")

    for call in (
        lambda: small.rank("bread", passages * 40, progress=ends),
        lambda: small.encode_all(passages, progress=ends),
        lambda: small.score_pairs([("a", "b")], progress=ends),
        lambda: small.rank_texts("bread", passages, progress=ends),
    ):
        with pytest.raises(LookupError, match="enough"):
            call()
    with pytest.raises(TypeError, match="progress"):
        small.rank("bread", passages, progress=3)


def test_a_time_limit_leaves_what_is_done(small, passages):
    many = passages * 20
    found = small.rank("bread", many, timeout=0.05)
    assert not found.complete and 0 < len(found) < len(many)
    assert found.unscored == len(many) - len(found)
    with pytest.raises(mice.Error) as raised:
        small.encode_all(many, timeout=0.01)
    assert raised.value.code == "stopped"
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="timeout"):
            small.rank("bread", passages, timeout=wrong)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_ranks_too(small, passages):
    """As servers need it that load a model before they fork."""
    expected = small.score("bread", passages).tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
        child = os.fork()
    if child == 0:
        os._exit(0 if small.score("bread", passages).tobytes() == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert small.score("bread", passages).tobytes() == expected
