# SPDX-License-Identifier: Apache-2.0
"""Writes tokenizers.json, pieces.json, golden.jsonl and pairs.jsonl: Unigram tokenizers in the forms
of Hugging Face's checkpoints, and the ids that its tokenizers library gives.

    pip install tokenizers==0.23.3; python generate.py [--train]

Texts are those of ../byte_bpe/golden.jsonl and random ones. The vocabularies are the sentencepiece
model ../spm_unigram/spm.model, whose normalization rules stand in tokenizers.json as "@rules", the
same with scores that make ties, and one that the tokenizers library trains on the texts (with
--train, as it trains another one every time; else that of pieces.json stays). Their place in
"vocab" has the name of the list in pieces.json.
"""
import base64
import json
import pathlib
import random
import struct
import sys

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
SPACE = "\u2581"


# ---- the sentencepiece model ----

def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of each field of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            size, at = (4, at) if key & 7 == 5 else varint(data, at)
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def read_model():
    """Its ordinary pieces with scores, and its normalization rules."""
    pieces, rules = [], b""
    for number, message in fields((HERE / "../spm_unigram/spm.model").read_bytes()):
        if number == 1:
            piece = dict(fields(message))
            if piece.get(3, 1) == 1:
                pieces.append([piece[1].decode(), struct.unpack("<f", piece[2])[0]])
        elif number == 3:
            rules = dict(fields(message))[2]
    return pieces, base64.b64encode(rules).decode()


# ---- texts ----

CODES = [0, 9, 10, 13, 32, 32, 32, 0xA0, 0xAA, 0xAD, 0x300, 0x301, 0x345, 0x130, 0x1E9E, 0x200B,
         0x200C, 0x200D, 0x2028, 0x3000, 0x4E2D, 0xAC00, 0xFE0F, 0xFFFD, 0x1F600, 0x2F800, 0x10FFFF,
         0x2581, 0x2581, 0xFEFF, 0x85, 0x1100, 0x1161, 0x11A8, 0xFB03, 0xFDFA, 0x915, 0x94D, 0x937,
         0x93C, 0x958, 0x1F468, 0x1F1E6, 0x3099, 0x304B, 0xFF76, 0xFF9E, 0x2122, 0xA9, 0x600]
WORDS = ["<s>", "</s>", "<mask>", "<unk>", "[SEP]", "hello", "the", " world", "``", "''", "\r\n",
         "  ", "   ", "Привет", "你好", "こんにちは", "ﬁ", "①", "½", "é", "＜s＞", "<0x41>", "مرحبا",
         "ไทย", "😀👍🏽", "e\u0301", "don't", "...", "/", "-", "_", "1,234.56", "İSTANBUL", "ß", "ǅ",
         "Hello", "<tag>"]


def random_texts(count):
    """Code points and words that normalizers treat specially."""
    chance = random.Random(20)
    texts = []
    for _ in range(count):
        text = ""
        for _ in range(chance.randrange(1, 14)):
            kind = chance.randrange(6)
            if kind == 0:
                text += chr(chance.choice(CODES))
            elif kind == 1:
                text += chr(chance.choice([chance.randrange(0x80, 0x3000),
                                           chance.randrange(0xE000, 0x110000)]))
            elif kind == 2:
                text += chr(chance.randrange(0x300, 0x370))
            elif kind < 5:
                text += chance.choice(WORDS)
            else:
                text += chr(chance.randrange(0x20, 0x7F))
        texts.append(text)
    # Clusters of less than 6 bytes, which the rules see as one.
    for first in ("\ufb03", "\xaa", "\u2122", "\u0958", "\r", "\u0600", "\uac00", "\xa9"):
        for then in ("\u0301", "\u0903", "\u200d", "\n", "\u11a8"):
            texts.append(f"{first}{then}x {first}{then}{first}\u0301")
    return texts


def all_texts():
    lines = (HERE / "../byte_bpe/golden.jsonl").read_text(encoding="utf-8").splitlines()
    short = [text for text in (json.loads(line)["text"] for line in lines) if len(text) < 120]
    return list(dict.fromkeys(short + random_texts(220)))


# ---- tokenizers ----

def added(number, content, **switches):
    return {"id": number, "content": content, "single_word": False, "lstrip": False,
            "rstrip": False, "normalized": False, "special": True} | switches


def template(cls, sep, ids, doubled):
    def special(name, kind=0):
        return {"SpecialToken": {"id": name, "type_id": kind}}

    def text(name, kind=0):
        return {"Sequence": {"id": name, "type_id": kind}}

    pair = [special(cls), text("A"), special(sep), special(sep), text("B"), special(sep)] \
        if doubled else [special(cls), text("A"), special(sep), text("B", 1), special(sep, 1)]
    return {"type": "TemplateProcessing", "single": [special(cls), text("A"), special(sep)],
            "pair": pair,
            "special_tokens": {name: {"id": name, "ids": [number], "tokens": [name]}
                               for name, number in zip((cls, sep), ids)}}


def steps(*names):
    """Normalizers by short names."""
    known = {
        "rules": {"type": "Precompiled", "precompiled_charsmap": "@rules"},
        "spaces": replace(" {2,}", " "), "spaces_to_meta": replace(" {2,}", SPACE),
        "quotes": replace("``", '"', "String"), "marks": replace("''", '"', "String"),
        "strip": {"type": "Strip", "strip_left": True, "strip_right": True},
        "strip_right": {"type": "Strip", "strip_left": False, "strip_right": True},
        "lower": {"type": "Lowercase"}, "accents": {"type": "StripAccents"},
        "nmt": {"type": "Nmt"}, "nfc": {"type": "NFC"}, "nfd": {"type": "NFD"},
        "nfkc": {"type": "NFKC"}, "nfkd": {"type": "NFKD"},
        "white_space": replace(r"\s{2,}|[\n\r\t]", " "), "controls": replace(r"[\n\r\t]", " "),
        "space_meta": replace(" +▁", SPACE), "meta_alone": replace("^▁+$", ""),
        "edges": replace(r"\A +| +\z", ""), "meta_twice": replace(r"\A▁", SPACE * 2),
        "prepend": {"type": "Prepend", "prepend": SPACE},
        "to_meta": replace(" ", SPACE, "String"),
    }
    return {"type": "Sequence", "normalizers": [known[name] for name in names]}


def replace(pattern, content, kind="Regex"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def metaspace(scheme="always", split=True):
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}


def sequence(*members):
    return {"type": "Sequence", "pretokenizers": list(members)}


OLD_METASPACE = {"type": "Metaspace", "replacement": SPACE, "add_prefix_space": True}
WHITE_SPACE = {"type": "WhitespaceSplit"}
PUNCTUATION = {"type": "Punctuation", "behavior": "Isolated"}
ALBERT = ("quotes", "marks", "nfkd", "accents", "lower", "rules", "spaces")
XLMR, BERT = ("<s>", "<pad>", "</s>", "<unk>", "<mask>"), ("[CLS]", "[PAD]", "[SEP]", "[UNK]",
                                                           "[MASK]")
MORE = [dict(content="hello", special=False, normalized=True),
        dict(content="world", special=False, single_word=True),
        dict(content="the", special=False, lstrip=True, rstrip=True),
        dict(content="É!", special=False, normalized=True, lstrip=True),
        dict(content="<tag>", rstrip=True)]

# name: (vocabulary, normalizers, pre-tokenizer, special tokens, byte_fallback, more added tokens)
FORMS = {
    "xlmr": ("spm", ("rules",), sequence(WHITE_SPACE, OLD_METASPACE), XLMR, False, []),
    "bge_m3": ("spm", ("rules", "spaces"), metaspace(), XLMR, False, []),
    "camembert": ("spm", ("rules", "strip_right", "spaces_to_meta"), metaspace(), XLMR, None, []),
    "albert": ("spm", ALBERT, metaspace(), BERT, False, MORE),
    "deberta": ("spm", ("strip", "rules", "spaces"), sequence(metaspace()), BERT, True, []),
    "deberta_5": ("spm", ("white_space", "nfc", "strip_right"),
                  sequence(PUNCTUATION, metaspace()), BERT, True, []),
    "first": ("spm", ("rules",), metaspace("first"), XLMR, False, MORE),
    "first_words": ("spm", ("nfkc",), sequence(WHITE_SPACE, metaspace("first")), XLMR, False, []),
    "first_whole": ("spm", ("edges", "spaces", "meta_twice"), metaspace("first", False), XLMR,
                    False, []),
    "never": ("spm", ("nfd", "prepend", "to_meta"), metaspace("never"), XLMR, True, []),
    "seamless": ("spm", ("controls", "nfkc", "strip_right", "space_meta", "meta_alone",
                         "spaces_to_meta"), metaspace("first"), XLMR, False, []),
    "trained": ("trained", ("nmt", "nfkc", "spaces"), metaspace(), XLMR, False, []),
    "trained_lower": ("trained", ("nmt", "nfkc", "spaces", "lower"), metaspace(), XLMR, True,
                      []),
    "ties": ("ties", ("rules",), metaspace(), XLMR, False, []),
}


def train(texts):
    trained = Tokenizer(models.Unigram())
    trained.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    readable = [text for text in texts if all(0 < ord(each) < 0x500 for each in text)]
    trained.train_from_iterator(readable, trainers.UnigramTrainer(
        vocab_size=500, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False))
    own = json.loads(trained.to_str())["model"]["vocab"]
    return [each for each in own if each[0] not in XLMR]


def vocabularies(pieces, texts):
    if "--train" in sys.argv:
        own = train(texts)
    else:
        own = json.loads((HERE / "pieces.json").read_text(encoding="utf-8"))["trained"]
    chance = random.Random(5)
    return {"spm": pieces, "trained": own,
            "ties": [[piece, chance.choice((-1.0, -2.0, -1.5, -0.1, -0.2, -0.3, -1.1, -2.2, 3.5))]
                     for piece, _ in pieces]}


def tokenizer(form):
    vocabulary, normalizer, splitter, names, spelled, more = FORMS[form]
    mask = 4 + SIZES[vocabulary] + (256 if spelled else 0)
    cls, pad, sep, unk, last = names
    tokens = [added(0, cls), added(1, pad), added(2, sep), added(3, unk),
              added(mask, last, lstrip=True)]
    tokens += [added(mask + 1 + i, **each) for i, each in enumerate(more)]
    model = {"type": "Unigram", "unk_id": 3, "vocab": [*names[:4], "@" + vocabulary] +
             (["@bytes"] if spelled else []) + [last]}
    if spelled is not None:
        model["byte_fallback"] = spelled
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens,
            "normalizer": steps(*normalizer), "pre_tokenizer": splitter,
            "post_processor": template(cls, sep, (0, 2), names is XLMR), "decoder": None,
            "model": model}


def filled(root, lists, rules, plain):
    """The tokenizer with its pieces and rules. Plain: no text makes a special token, as these have
    names that no text has."""
    root = json.loads(json.dumps(root).replace("@rules", rules))
    vocabulary = []
    for entry in root["model"]["vocab"]:
        if entry == "@bytes":
            vocabulary += [[f"<0x{byte:02X}>", 0.0] for byte in range(256)]
        elif entry.startswith("@"):
            vocabulary += lists[entry[1:]]
        else:
            vocabulary.append([entry, 0.0])
    root["model"]["vocab"] = vocabulary
    if plain:
        root["post_processor"] = None
        for token in root["added_tokens"]:
            if token["special"]:
                token["content"] = "\ue000\U000f1234" * 3 + str(token["id"])
                if token["id"] < len(vocabulary):
                    vocabulary[token["id"]][0] = token["content"]
    return Tokenizer.from_str(json.dumps(root))


def write(name, lines):
    text = "".join(json.dumps(line, ensure_ascii=True, separators=(",", ":")) + "\n"
                   for line in lines)
    (HERE / name).write_text(text, encoding="utf-8")


pieces, rules = read_model()
texts = all_texts()
lists = vocabularies(pieces, texts)
SIZES = {name: len(each) for name, each in lists.items()}
roots = {name: tokenizer(name) for name in FORMS}
write("pieces.json", [lists])
write("tokenizers.json", [roots])
parsed = {name: filled(root, lists, rules, False) for name, root in roots.items()}
plain = {name: filled(root, lists, rules, True) for name, root in roots.items()}
lines = []
for text in texts:
    line = {"text": text, "ids": {}, "ids_plain": {}}
    for name in FORMS:
        line["ids"][name] = parsed[name].encode(text).ids[1:-1]
        other = plain[name].encode(text).ids
        if other != line["ids"][name]:
            line["ids_plain"][name] = other
    lines.append(line)
write("golden.jsonl", lines)
write("pairs.jsonl", [{"form": name, "text": first, "pair": second, "ids": pair.ids,
                       "type_ids": pair.type_ids}
                      for name in ("xlmr", "albert")
                      for first, second in zip(texts[20:320:30], texts[30:330:30])
                      for pair in [parsed[name].encode(first, second)]])
print(len(texts), "texts")
