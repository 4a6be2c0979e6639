# SPDX-License-Identifier: Apache-2.0
"""One contender's process in bench/python_peers.py. Reads commands from standard input, one a line, and answers each
with one JSON line.

    python_peers_worker.py CONTENDER WORK THREADS

start   imports the package and loads the model: [elapsed, processor] seconds of both
rank    ranks the passages again and again, for some tenths of a second: seconds of each call, and the scores
peak    the most memory that the process ever had, in bytes
size    bytes of the package's files, of those that it needs, and of the model: nothing is imported
encode  stores the passages for the contender "mice-stored"; bytes of all of them

This file imports little, as what it imports costs the contender nothing.
"""
import json
import os
import sys
import time
from pathlib import Path

LEAST = 0.3  # seconds of calls in a turn


def timed(call):
    """[elapsed, processor] seconds, of all threads; what the call gave."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return [time.perf_counter() - wall, time.process_time() - cpu], result


class Mice:
    """The package's default model."""

    package = "mice-rerank"

    def __init__(self, work, threads):
        self.work, self.threads = work, threads

    def bring(self):
        import mice

        self.library = mice

    def load(self):
        self.ranker = self.library.Reranker()

    def rank(self, query, texts):
        return self.in_order(self.ranker.rank(query, texts, threads=self.threads))

    @staticmethod
    def in_order(ranking):
        return [hit.score for hit in sorted(ranking, key=lambda hit: hit.index)]

    def about(self):
        return self.ranker.precision

    def model_bytes(self):
        return 0  # in the package


class MiceStored(Mice):
    def load(self):
        super().load()
        files = sorted((self.work / "stored").iterdir())
        self.documents = [self.library.Document.from_bytes(each.read_bytes()) for each in files]

    def rank(self, query, texts):
        return super().rank(query, self.documents)

    def encode(self, texts):
        folder = self.work / "stored"
        folder.mkdir()
        for i, document in enumerate(self.library.Reranker().encode_all(texts)):
            (folder / f"{i:06}.mice").write_bytes(document.to_bytes())
        return sum(each.stat().st_size for each in folder.iterdir())


class MiceCrossEncoder(Mice):
    """The cross-encoder of sentence-transformers and fastembed, converted. The package's own model is on disk, too."""

    weights, precision = "int8", "automatic"

    def file(self):
        return self.work / f"minilm-l6-{self.weights}.safetensors"

    def load(self):
        self.ranker = self.library.Reranker(self.file(), precision=self.precision)

    def model_bytes(self):
        return self.file().stat().st_size


class MiceCrossEncoderF32(MiceCrossEncoder):
    weights = precision = "f32"


class SentenceTransformers:
    package = "sentence-transformers"

    def __init__(self, work, threads):
        self.folder, self.threads = work / "models" / "minilm-l6", threads

    def bring(self):
        from sentence_transformers import CrossEncoder

        self.library = CrossEncoder

    def load(self):
        import torch

        torch.set_num_threads(self.threads)
        self.model = self.library(str(self.folder), device="cpu", activation_fn=torch.nn.Identity())

    def rank(self, query, texts):
        ranking = self.model.rank(query, texts, show_progress_bar=False)
        return [float(hit["score"]) for hit in sorted(ranking, key=lambda hit: hit["corpus_id"])]

    def about(self):
        return "PyTorch, f32"

    def model_bytes(self):
        return (self.folder / "model.safetensors").stat().st_size + (self.folder / "tokenizer.json").stat().st_size


class Fastembed:
    package = "fastembed"

    def __init__(self, work, threads):
        self.folder, self.threads = work / "models" / "minilm-l6", threads

    def bring(self):
        from fastembed.rerank.cross_encoder import TextCrossEncoder

        self.library = TextCrossEncoder

    def load(self):
        self.model = self.library("Xenova/ms-marco-MiniLM-L-6-v2", threads=self.threads,
                                  specific_model_path=str(self.folder))

    def rank(self, query, texts):
        return [float(score) for score in self.model.rerank(query, texts)]

    def about(self):
        return "ONNX Runtime, f32"

    def model_bytes(self):
        return (self.folder / "onnx/model.onnx").stat().st_size + (self.folder / "tokenizer.json").stat().st_size


class FlashRank:
    """It has no option for threads: as many as processors."""

    package = "FlashRank"

    def __init__(self, work, threads):
        self.folder = work / "models" / "flashrank"

    def bring(self):
        from flashrank import Ranker, RerankRequest

        self.library, self.request = Ranker, RerankRequest

    def load(self):
        self.model = self.library(cache_dir=str(self.folder), log_level="WARNING")

    def rank(self, query, texts):
        passages = [{"id": i, "text": text} for i, text in enumerate(texts)]
        ranking = self.model.rerank(self.request(query=query, passages=passages))
        return [float(hit["score"]) for hit in sorted(ranking, key=lambda hit: hit["id"])]

    def about(self):
        return "ONNX Runtime, int8"

    def model_bytes(self):
        return sum(each.stat().st_size for each in self.folder.rglob("*") if each.suffix in (".onnx", ".json"))


CONTENDERS = {"mice-stored": MiceStored, "mice": Mice, "mice-ce": MiceCrossEncoder, "mice-ce-f32": MiceCrossEncoderF32,
              "sentence-transformers": SentenceTransformers, "fastembed": Fastembed, "flashrank": FlashRank}


def turn(contender, query, texts):
    contender.rank(query, texts[:2])  # the other processes took the caches
    seconds, scores = [], []
    while sum(wall for wall, _ in seconds) < LEAST:
        spent, scores = timed(lambda: contender.rank(query, texts))
        seconds.append(spent)
    return {"seconds": seconds, "scores": scores}


def peak():
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def files_on_disk(name):
    """Bytes of what pip installed for a package; compiled Python is left out, as it comes with the first import."""
    from importlib.metadata import distribution

    paths = [each.locate() for each in distribution(name).files or () if each.suffix != ".pyc"]
    return sum(os.lstat(path).st_size for path in paths if os.path.exists(path))


def with_what_it_needs(name):
    """The names of a package and, again and again, of what it needs without extras."""
    from importlib.metadata import requires

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found, waiting = set(), [(name, frozenset())]
    while waiting:
        entry = waiting.pop()
        if entry in found:
            continue
        found.add(entry)
        package, extras = entry
        for line in requires(package) or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": each}) for each in extras | {""}):
                waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    return sorted({canonicalize_name(package) for package, _ in found})


def main():
    name, work, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries that print do not disturb the answers
    # FlashRank takes as many threads as there are processors.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    data = json.loads((work / "input.json").read_text(encoding="utf-8"))
    query, texts = data["query"], data["documents"]
    contender = CONTENDERS[name](work, threads)
    for line in sys.stdin:
        command = line.strip()
        try:
            if command == "start":
                brought, loaded = timed(contender.bring)[0], timed(contender.load)[0]
                answer = {"import": brought, "load": loaded, "about": contender.about()}
            elif command == "rank":
                answer = turn(contender, query, texts)
            elif command == "peak":
                answer = {"bytes": peak()}
            elif command == "encode":
                contender.bring()
                answer = {"bytes": contender.encode(texts)}
            else:
                needed = with_what_it_needs(contender.package)
                answer = {"package": files_on_disk(contender.package), "all": sum(map(files_on_disk, needed)),
                          "needed": needed, "model": contender.model_bytes()}
        except ModuleNotFoundError as problem:
            answer = {"error": f"{problem.name} is not installed"}
        except Exception as problem:  # whatever a library throws: the others go on
            answer = {"error": f"{type(problem).__name__}: {problem}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
