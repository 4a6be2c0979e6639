# SPDX-License-Identifier: Apache-2.0
"""Writes golden.jsonl: the bytes of a text that each token came from, as Hugging Face's tokenizers
and the sentencepiece library say.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3 protobuf; python generate.py

The first line has the added tokens of the forms that have more than their file. A line of texts has
"text", or "hex" where it is not UTF-8, and "offsets" by form: for each token the distance of its
begin from the end of the token before, and its size, in bytes. A line of "shared" has no text: its
lists are of the texts of golden.jsonl in the form's folder, in their order. Special tokens are
parsed; of sentencepiece models they are plain.

Hugging Face counts characters. Bytes that are not UTF-8 are replaced for the libraries, and the
offsets are those of the bytes that were replaced.
"""
import codecs
import json
import pathlib

import sentencepiece
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent
FOLDERS = HERE.parent
UNIGRAM = FOLDERS / "unigram" / "generate.py"

TEXTS = [
    "", " ", "a", "  a  b  ", "Hello, World!", "unaffable rivers", "line one\r\nline two\n\n\tend",
    "nul\x00inside", "\x00", "bell\x07 and \x1b[0m escape\x7f", "soft\u00adhyphen zero\u200bwidth",
    "\ufeffmark", "no\u00a0break\u3000space\u2028line", "x\ufffdy",
    "café CAFÉ cafe\u0301 CAFE\u0301", "n\u0303\u0323 \u1e69\u0323 q\u0307\u0323 s\u0323\u0307",
    "a\u0301\u0316\u0344b", "\u0301\u0316 marks first", "\u0344\u0f73\u0f71", "e" + "\u0301" * 40,
    "İSTANBUL ıstanbul Straße STRASSE ẞ", "ǅ ŉ ﬁnd ﬃx ﬀ ﬆ Œuvre ΑΣ", "№ ™ ½ ① ㍿ ﷺ … ‼ ㏗ ㍧",
    "ＡＢＣ１２３ ｱｲｳ ｶﾞ パ か\u3099 は\u309a", "東京タワーに行きました。", "中国的首都是北京", "漢字かな交じり文、テスト",
    "한국어 문장 각 가 \u1112\u1161\u11ab\u1100\u1161", "สวัสดีชาวโลก น้ำ ไทย", "مرحبا بالعالم مُحَمَّد",
    "שָׁלוֹם עולם", "हिन्दी क्षत्रिय \u0958 \u0915\u093c", "Привет, мир Й \u0418\u0306", "Å Ω K Å",
    "👍🏽 👨‍👩‍👧‍👦 🇩🇪🇫🇷 ❤️ 1️⃣", "😀😀😀 𝒜𝓁𝑔 𐍈 \U0010ffff", "\ue000\u0378\U000e0001",
    "don't can't I'LL we've", "a/b-c_d.e:f", "1,234.56 €3 £4", "``quoted'' \"text\"",
    "[CLS] [SEP] [MASK]  x", "  <mask>  y <s> </s><unk>", "a [MASK]b  [MASK]", "< s > ＜s＞ <0x41>",
    "hello the world  the  hello", "the É! É! e\u0301! river rivers river ", "thehelloé é  héllo",
    "Ġthe Ġ\u0120 ▁the ▁", "\u2581\u2581 \u2581a", "         nine", "|||EMAIL_ADDRESS||| mail",
    "w" * 120 + " after", "東" * 30, "ab" * 60 + "é" * 20, "tab\tquote\"back\\slash",
]
BROKEN = ["80", "61c3", "c328", "61e4bd62", "f09f98 20 f09f9880".replace(" ", ""), "ffff61ff",
          "eda080 7a".replace(" ", ""), "e2 82 41 cc81".replace(" ", ""), "5bff434c535d20fe"]

MORE = [dict(content="the", lstrip=True, rstrip=True, normalized=True),
        dict(content="É!", lstrip=True, normalized=True), dict(content="hello", normalized=True),
        dict(content="é", rstrip=True, normalized=True),
        dict(content="river", single_word=True, rstrip=True),
        dict(content="＜s＞", lstrip=True, special=True)]


def with_more(root):
    for each in MORE:
        token = dict(id=0, single_word=False, lstrip=False, rstrip=False, normalized=False,
                     special=False) | each
        root["added_tokens"].append(token)


def roberta(prefix):
    def change(root):
        root["pre_tokenizer"]["add_prefix_space"] = prefix
        root["post_processor"] = {"type": "RobertaProcessing", "cls": ["[CLS]", 1],
                                  "sep": ["[SEP]", 2], "trim_offsets": True,
                                  "add_prefix_space": prefix}
    return change


# form: (folder, change to its tokenizer.json)
FORMS = {
    "wordpiece_uncased": ("wordpiece_uncased", None),
    "wordpiece_cased": ("wordpiece_cased", None),
    "wordpiece_more": ("wordpiece_uncased", with_more),
    "byte_bpe": ("byte_bpe", None),
    "byte_bpe_more": ("byte_bpe", with_more),
    "byte_bpe_trim": ("byte_bpe", roberta(False)),
    "byte_bpe_trim_prefix": ("byte_bpe", roberta(True)),
}


def hugging_face(folder, change):
    root = json.loads((FOLDERS / folder / "tokenizer.json").read_text(encoding="utf-8"))
    if change:
        change(root)
    return of_tokenizer(Tokenizer.from_str(json.dumps(root)))


def of_tokenizer(tokenizer):
    """Gives byte offsets of a text whose characters begin at `places`."""
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def offsets(text, places):
        encoding = tokenizer.encode(text, add_special_tokens=False)
        return [(places[begin], places[end]) for begin, end in encoding.offsets]
    offsets.tokenizer = tokenizer
    return offsets


def of_model(folder):
    library = sentencepiece.SentencePieceProcessor(model_file=str(FOLDERS / folder / "spm.model"))

    def offsets(text, places):
        bytes_before = [0]
        for character in text:
            bytes_before.append(bytes_before[-1] + len(character.encode()))
        place = dict(zip(bytes_before, places))
        pieces = library.encode(text, return_type="proto").pieces
        return [(place[piece.begin], place[piece.end]) for piece in pieces]
    return offsets


def unigram_forms():
    """Those of ../unigram/generate.py, and one that trims."""
    source = UNIGRAM.read_text(encoding="utf-8")
    own = {"__file__": str(UNIGRAM), "__name__": "unigram"}
    code = source[:source.index("\npieces, rules = read_model()")]
    exec(compile(code, str(UNIGRAM), "exec"), own)
    _, rules = own["read_model"]()
    lists = json.loads((FOLDERS / "unigram" / "pieces.json").read_text(encoding="utf-8"))
    own["SIZES"] = {name: len(each) for name, each in lists.items()}
    roots = {name: own["tokenizer"](name) for name in own["FORMS"]}
    roots["first_trim"] = dict(roots["first"], post_processor={
        "type": "RobertaProcessing", "cls": ["<s>", 0], "sep": ["</s>", 2], "trim_offsets": True,
        "add_prefix_space": True})
    return {name: of_tokenizer(own["filled"](root, lists, rules, False))
            for name, root in roots.items()}


def decoded(data):
    """The text, and the byte that each character begins at; the end is one more."""
    replaced = []

    def note(problem):
        replaced.append((problem.start, problem.end))
        return "\ufffd", problem.end
    codecs.register_error("note", note)
    text = data.decode("utf-8", "note")
    sizes, places = dict(replaced), [0]
    for character in text:
        at = places[-1]
        places.append(sizes[at] if at in sizes else at + len(character.encode()))
    assert places[-1] == len(data)
    return text, places


def is_plain(text):
    """Whether sentencepiece takes all of it for plain text, as mice does."""
    return not any(special in text for special in ("<s>", "</s>", "<unk>"))


def compact(offsets):
    numbers, last = [], 0
    for begin, end in offsets:
        numbers += [begin - last, end - begin]
        last = end
    return numbers


forms = {name: hugging_face(*how) for name, how in FORMS.items()}
added = {name: json.loads(forms[name].tokenizer.to_str())["added_tokens"]
         for name in forms if name.endswith("_more")}
models = {name: of_model(name) for name in ("spm_unigram", "spm_bpe")}
unigrams = unigram_forms()
lines = [{"added_tokens": added}]
for data in [text.encode() for text in TEXTS] + [bytes.fromhex(each) for each in BROKEN]:
    text, places = decoded(data)
    line = {"text": text} if text.encode() == data else {"hex": data.hex()}
    plain = [models] if is_plain(text) else []
    line["offsets"] = {name: compact(offsets(text, places))
                       for group in [forms, unigrams, *plain] for name, offsets in group.items()}
    lines.append(line)
shared = {}
for name in ("wordpiece_uncased", "wordpiece_cased", "byte_bpe", "spm_unigram", "spm_bpe"):
    shared[name] = []
    for row in (FOLDERS / name / "golden.jsonl").read_text(encoding="utf-8").splitlines():
        text, places = decoded(json.loads(row)["text"].encode())
        same = name in forms or is_plain(text)
        shared[name].append(compact((forms | models)[name](text, places)) if same else None)
lines.append({"shared": shared})
with open(HERE / "golden.jsonl", "w", encoding="utf-8") as file:
    for line in lines:
        file.write(json.dumps(line, ensure_ascii=True, separators=(",", ":")) + "\n")
print(len(lines) - 2, "texts")
