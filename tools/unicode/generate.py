#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes include/mice/text/unicode/unicode_data.hpp from the Unicode Character Database.

    tools/unicode/generate.py [--ucd /usr/share/unicode] [--check] [OUTPUT]

Needs the files of Debian's package unicode-data, version 15.0: UnicodeData.txt, DerivedAge.txt,
DerivedCoreProperties.txt, PropList.txt, SpecialCasing.txt, CompositionExclusions.txt,
CaseFolding.txt, Scripts.txt, ScriptExtensions.txt, LineBreak.txt. --check compares OUTPUT with what
would be written and changes nothing.

Four kinds of tables come out:

* the plain properties of Unicode 15.0: general category, canonical combining class, canonical
  decomposition and composition, lowercase. A test compares each of them with utf8proc over all code
  points.
* `bert_flags`: what Hugging Face's BertNormalizer and BertPreTokenizer see. Their crates carry
  tables of different ages, and a model's vocabulary was counted with them, so each property is
  "as of" the version its crate has (AS_OF below). A code point that is younger than that version
  (DerivedAge.txt) has the property of an unassigned one. Unicode's stability policy fixes
  decompositions and combining classes for ever, but not the general category: the few that
  changed in between are listed in CATEGORY_IN_8_0.
* `split_class`: letters, numbers and white space as the regular expression of Hugging Face's
  ByteLevel pre-tokenizer sees them, as of Unicode 16.0.
* `word_kind` and `foldings`: how a text is cut into the words of BM25 (text/words.hpp), as of
  Unicode 15.0. A folding is the whole of it: compatibility decomposition, full case folding, no
  accents, decimal digits as 0 to 9. What is folded so needs no other table.
"""

import argparse
import pathlib
import sys

UCD_VERSION = (15, 0)
CODE_POINTS = 0x110000

# Versions of the tables behind each step of the Hugging Face tokenizers library.
AS_OF = {
    "category": (8, 0),  # unicode_categories: clean_text, strip_accents, punctuation
    "normalization": (9, 0),  # unicode-normalization-alignments: NFD
}

# General categories that were different in Unicode 8.0 and matter to one of the steps.
CATEGORY_IN_8_0 = {
    0x166D: "Po",  # So since 12.0
    0x1734: "Mn",  # Mc since 14.0
    0x1885: "Lo",  # Mn since 9.0
    0x1886: "Lo",  # Mn since 9.0
    0xA9BD: "Mc",  # Mn since 11.0
    0x111C9: "Po",  # Mn since 11.0
}

# Two steps use the tables of a Unicode younger than 15.0: lowercase is the Rust standard library's
# (17.0), the word class of `single_word` added tokens is its regex crate's (16.0). What those
# versions added to 15.0 is stated here; they changed nothing that 15.0 has.
LOWERCASE_AFTER_15_0 = [  # (first, last, lowercase of first)
    (0x1C89, 0x1C89, 0x1C8A),
    (0xA7CB, 0xA7CB, 0x0264),
    (0xA7CC, 0xA7CC, 0xA7CD),
    (0xA7CE, 0xA7CE, 0xA7CF),
    (0xA7D2, 0xA7D2, 0xA7D3),
    (0xA7D4, 0xA7D4, 0xA7D5),
    (0xA7DA, 0xA7DA, 0xA7DB),
    (0xA7DC, 0xA7DC, 0x019B),
    (0x10D50, 0x10D65, 0x10D70),  # Garay
    (0x16EA0, 0x16EB8, 0x16EBB),  # Beria Erfe
]
WORD_AFTER_15_0 = [
    (0x0897, 0x0897), (0x1C89, 0x1C8A), (0xA7CB, 0xA7CD), (0xA7DA, 0xA7DC), (0x105C0, 0x105F3),
    (0x10D40, 0x10D65), (0x10D69, 0x10D6D), (0x10D6F, 0x10D85), (0x10EC2, 0x10EC4),
    (0x10EFC, 0x10EFC), (0x11380, 0x11389), (0x1138B, 0x1138B), (0x1138E, 0x1138E),
    (0x11390, 0x113B5), (0x113B7, 0x113C0), (0x113C2, 0x113C2), (0x113C5, 0x113C5),
    (0x113C7, 0x113CA), (0x113CC, 0x113D3), (0x113E1, 0x113E2), (0x116D0, 0x116E3),
    (0x11BC0, 0x11BE0), (0x11BF0, 0x11BF9), (0x11F5A, 0x11F5A), (0x13460, 0x143FA),
    (0x16100, 0x16139), (0x16D40, 0x16D6C), (0x16D70, 0x16D79), (0x18CFF, 0x18CFF),
    (0x1CCF0, 0x1CCF9), (0x1E5D0, 0x1E5FA), (0x2EBF0, 0x2EE5D),
]

# What Unicode 15.1 and 16.0 added to the categories L and N; they moved nothing between the two.
LETTERS_AFTER_15_0 = [
    (0x1C89, 0x1C8A), (0xA7CB, 0xA7CD), (0xA7DA, 0xA7DC), (0x105C0, 0x105F3), (0x10D4A, 0x10D65),
    (0x10D6F, 0x10D85), (0x10EC2, 0x10EC4), (0x11380, 0x11389), (0x1138B, 0x1138B),
    (0x1138E, 0x1138E), (0x11390, 0x113B5), (0x113B7, 0x113B7), (0x113D1, 0x113D1),
    (0x113D3, 0x113D3), (0x11BC0, 0x11BE0), (0x13460, 0x143FA), (0x16100, 0x1611D),
    (0x16D40, 0x16D6C), (0x18CFF, 0x18CFF), (0x1E5D0, 0x1E5ED), (0x1E5F0, 0x1E5F0),
    (0x2EBF0, 0x2EE5D),
]
NUMBERS_AFTER_15_0 = [
    (0x10D40, 0x10D49), (0x116D0, 0x116E3), (0x11BF0, 0x11BF9), (0x16130, 0x16139),
    (0x16D70, 0x16D79), (0x1CCF0, 0x1CCF9), (0x1E5F1, 0x1E5FA),
]

# The blocks that BertNormalizer puts spaces around: its own list, not a Unicode property.
CJK = [
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF),
    (0x2A700, 0x2B81F), (0x2B920, 0x2CEAF), (0x2F800, 0x2FA1F),
]

CATEGORIES = ("Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So "
              "Zs Zl Zp Cc Cf Cs Co").split()

FLAGS = {
    "dropped": 1, "white_space": 2, "punctuation": 4, "cjk": 8,
    "nonspacing_mark": 16, "normalizes": 32, "has_lowercase": 64, "word": 128,
}

SPLIT_CLASSES = "other letter number white_space".split()

# What a code point is to the words of BM25, and flags beside that. `spaceless` are scripts whose
# words have no space between them; `prolonged` belongs to the kana before it.
WORD_KINDS = "separator letter dropped mark han hiragana katakana prolonged hangul spaceless".split()
WORD_FLAGS = {"folds": 16, "alone": 32, "raised": 64}

IDEOGRAPHIC = {"Han", "Tangut", "Nushu", "Khitan_Small_Script"}
# Beside those with Line_Break=SA, whose lines are broken with a dictionary as well.
SPACELESS = {"Bopomofo", "Yi", "Balinese", "Javanese"}
TATWEEL = 0x640  # lengthens an Arabic word and means nothing
# Voiced marks that stand by themselves are typed for those that combine.
FOLDED_OTHERWISE = {0x309B: [0x3099], 0x309C: [0x309A]}

HANGUL_FIRST, HANGUL_LAST = 0xAC00, 0xD7A3
BLOCK = 128


def records(path):
    """Yields (first, last, fields) of a UCD file of the form `range ; field ; ... # comment`."""
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if line:
            where, *fields = (field.strip() for field in line.split(";"))
            first, _, last = where.partition("..")
            yield int(first, 16), int(last or first, 16), fields


class Ucd:
    """The properties of Unicode 15.0 as plain Python tables."""

    def __init__(self, folder):
        self.category = ["Cn"] * CODE_POINTS
        self.combining = {}
        self.lowercase = {}
        self.casefold = {}
        self.compatibility = {}  # code -> (tag, parts of one step)
        self.digit = {}
        self.age = [None] * CODE_POINTS
        self.alphabetic, self.join_control, self.white_space = set(), set(), set()
        self.ignorable = set()
        self.excluded = {code for first, last, _ in records(folder / "CompositionExclusions.txt")
                         for code in range(first, last + 1)}
        self.read_unicode_data(folder / "UnicodeData.txt")
        for first, last, fields in records(folder / "DerivedAge.txt"):
            version = tuple(int(part) for part in fields[0].split("."))
            self.age[first:last + 1] = [version] * (last - first + 1)
        newest = max(version for version in self.age if version)
        if newest != UCD_VERSION:
            sys.exit(f"{folder}: expected Unicode {UCD_VERSION}, found {newest}")
        for name, properties in (("DerivedCoreProperties.txt",
                                  {"Alphabetic": self.alphabetic,
                                   "Default_Ignorable_Code_Point": self.ignorable}),
                                 ("PropList.txt", {"Join_Control": self.join_control,
                                                   "White_Space": self.white_space})):
            for first, last, fields in records(folder / name):
                if fields[0] in properties:
                    properties[fields[0]].update(range(first, last + 1))
        for first, _, fields in records(folder / "SpecialCasing.txt"):
            condition = fields[3] if len(fields) > 4 else ""
            lower = [int(code, 16) for code in fields[0].split()]
            if not condition and lower != [self.lowercase.get(first, first)]:
                self.lowercase[first] = lower
        for first, _, fields in records(folder / "CaseFolding.txt"):
            if fields[0] in "CF":
                self.casefold[first] = [int(code, 16) for code in fields[1].split()]
        self.script, self.line_break, self.script_extensions = (
            {code: fields[0] for first, last, fields in records(folder / name)
             for code in range(first, last + 1)}
            for name in ("Scripts.txt", "LineBreak.txt", "ScriptExtensions.txt"))

    def read_unicode_data(self, path):
        raw, first_of_range = {}, None
        for line in path.read_text(encoding="utf-8").splitlines():
            field = line.split(";")
            code = int(field[0], 16)
            if field[1].endswith(", First>"):
                first_of_range = code
                continue
            first = code if first_of_range is None else first_of_range
            first_of_range = None
            self.category[first:code + 1] = [field[2]] * (code - first + 1)
            if field[3] != "0":
                self.combining[code] = int(field[3])
            if field[5].startswith("<"):
                tag, *parts = field[5].split()
                self.compatibility[code] = (tag, [int(part, 16) for part in parts])
            elif field[5]:
                raw[code] = [int(part, 16) for part in field[5].split()]
            if field[2] == "Nd":
                self.digit[code] = int(field[6])
            if field[13]:
                self.lowercase[code] = int(field[13], 16)

        def expand(code):
            if code not in raw:
                return [code]
            return [part for child in raw[code] for part in expand(child)]

        self.decomposition = {code: expand(code) for code in sorted(raw)}
        # Neither singletons nor what begins with a mark is ever composed again.
        self.composition = sorted(
            (*parts, code) for code, parts in raw.items()
            if len(parts) == 2 and code not in self.excluded and
            code not in self.combining and parts[0] not in self.combining)


def in_ranges(ranges):
    return {code for first, last in ranges for code in range(first, last + 1)}


def split_classes(ucd):
    """One byte for each code point, see SPLIT_CLASSES."""
    later = {"L": in_ranges(LETTERS_AFTER_15_0), "N": in_ranges(NUMBERS_AFTER_15_0)}
    classes = bytearray(CODE_POINTS)
    for code, category in enumerate(ucd.category):
        if code in ucd.white_space:
            classes[code] = SPLIT_CLASSES.index("white_space")
        elif category[0] == "L" or code in later["L"]:
            classes[code] = SPLIT_CLASSES.index("letter")
        elif category[0] == "N" or code in later["N"]:
            classes[code] = SPLIT_CLASSES.index("number")
    return classes


def bert_flags(ucd):
    """One byte for each code point, see FLAGS."""

    def known(code, what):
        return ucd.age[code] is not None and ucd.age[code] <= AS_OF[what]

    cjk = in_ranges(CJK)
    word_later = in_ranges(WORD_AFTER_15_0)
    lower_later = in_ranges((first, last) for first, last, _ in LOWERCASE_AFTER_15_0)
    flags = bytearray(CODE_POINTS)
    for code in range(CODE_POINTS):
        category = ucd.category[code]
        old = CATEGORY_IN_8_0.get(code, category) if known(code, "category") else "Cn"
        hangul = HANGUL_FIRST <= code <= HANGUL_LAST
        ascii_symbol = 0x21 <= code <= 0x7E and not chr(code).isalnum()
        word = (code in ucd.alphabetic or code in ucd.join_control or code in word_later or
                category in ("Mn", "Mc", "Me", "Nd", "Pc"))
        has = {
            # The crate's "other" leaves unassigned code points out. U+FFFD goes with them.
            "dropped": (old in ("Cc", "Cf", "Cs", "Co") and code not in (0x09, 0x0A, 0x0D)) or
                       code == 0xFFFD,
            "white_space": code in ucd.white_space,
            "punctuation": old[0] == "P" or ascii_symbol,
            "cjk": code in cjk,
            "nonspacing_mark": old == "Mn",
            "normalizes": known(code, "normalization") and
                          (code in ucd.decomposition or code in ucd.combining or hangul),
            "has_lowercase": code in ucd.lowercase or code in lower_later,
            "word": word,
        }
        flags[code] = sum(FLAGS[name] for name, value in has.items() if value)
    return flags


class Words:
    """How the words of BM25 are folded and cut: `kinds`, one byte for each code point (WORD_KINDS
    and WORD_FLAGS), and `foldings`, the code points that stand for one."""

    def __init__(self, ucd):
        self.ucd = ucd
        self.composed = {(first, second): code for first, second, code in ucd.composition}
        word_later = in_ranges(WORD_AFTER_15_0)
        self.lower_later = {code: [target + code - first]
                            for first, last, target in LOWERCASE_AFTER_15_0
                            for code in range(first, last + 1)}
        self.is_word = [code in ucd.alphabetic or code in word_later or
                        ucd.category[code] in ("Mn", "Mc", "Me", "Nd")
                        for code in range(CODE_POINTS)]
        self.scripts_of_sa = {ucd.script[code] for code, value in ucd.line_break.items()
                              if value == "SA" and code in ucd.script} | SPACELESS
        plain = [self.plain_kind(code) for code in range(CODE_POINTS)]
        self.kinds, self.foldings = bytearray(CODE_POINTS), {}
        for code in range(CODE_POINTS):
            folded = self.fold(code, plain)
            if folded == [code]:
                self.kinds[code] = WORD_KINDS.index(plain[code])
            elif folded == []:
                self.kinds[code] = WORD_KINDS.index("dropped")
            elif all(plain[part] == "separator" for part in folded):
                self.kinds[code] = WORD_KINDS.index("separator")
            else:
                self.foldings[code] = folded
                self.kinds[code] = WORD_FLAGS["folds"] + self.flags(code)

    def plain_kind(self, code):
        """The kind of a code point that stands for itself."""
        ucd = self.ucd
        category, script = ucd.category[code], ucd.script.get(code)
        extensions = set(ucd.script_extensions.get(code, "").split())
        if code in ucd.ignorable or code == TATWEEL or category == "Me":
            return "dropped"
        if code in (0x3099, 0x309A):
            return "mark"
        if category in ("Mn", "Mc") and script in self.scripts_of_sa:
            return "mark"
        if category == "Mn" or (category == "Mc" and script in ("Common", "Inherited")):
            return "dropped"
        if not self.is_word[code]:
            return "separator"
        if script in IDEOGRAPHIC or 0x2EBF0 <= code <= 0x2EE5D or "Hani" in extensions:
            return "han"
        if extensions and extensions <= {"Hira", "Kana"}:
            return "prolonged"
        if script in ("Hiragana", "Katakana", "Hangul"):
            return script.lower()
        spaceless = ucd.line_break.get(code) == "SA" or script in SPACELESS
        return "spaceless" if spaceless and category != "Nd" else "letter"

    def decompose(self, code):
        ucd = self.ucd
        if code in ucd.compatibility:
            return [part for child in ucd.compatibility[code][1] for part in self.decompose(child)]
        if code in ucd.decomposition and ucd.decomposition[code] != [code]:
            return [part for child in ucd.decomposition[code] for part in self.decompose(child)]
        return [code]

    def fold_case(self, code):
        if self.ucd.category[code] == "Mn":  # a Greek iota subscript is an accent here
            return [code]
        return self.ucd.casefold.get(code, self.lower_later.get(code, [code]))

    def fold(self, code, plain):
        ucd = self.ucd
        if code in FOLDED_OTHERWISE:
            return FOLDED_OTHERWISE[code]
        before, codes = None, [code]
        while codes != before:
            before = codes
            codes = [part for each in codes for part in self.decompose(each)]
            codes = [part for each in codes for part in self.fold_case(each)]
        folded = []
        for each in codes:
            if each in (0x3099, 0x309A) and folded and (folded[-1], each) in self.composed:
                folded[-1] = self.composed[folded[-1], each]
            elif plain[each] == "separator" and codes != [code]:
                folded += [0x20] if folded[-1:] != [0x20] else []
            elif plain[each] != "dropped":
                folded.append(0x30 + ucd.digit[each] if each in ucd.digit else each)
        return folded

    def flags(self, code):
        """Circled numbers and fractions are words of their own; raised ones end a word."""
        tag = self.ucd.compatibility.get(code, ("",))[0]
        if self.is_word[code]:
            return 0
        return (WORD_FLAGS["alone"] if tag in ("<circle>", "<fraction>") else
                WORD_FLAGS["raised"] if tag == "<super>" else 0)

    def runs(self):
        """[first, last, stride, step, target]: every stride-th code of the range stands for the
        next code after step more."""
        runs = []
        for code, folded in sorted(self.foldings.items()):
            if len(folded) > 1:
                continue
            target = folded[0]
            if runs:
                first, last, stride, step, start = runs[-1]
                count = (last - first) // stride
                gap, change = code - last, target - (start + count * step)
                if gap in (1, 2) and change in (0, 1, 2) and \
                        (first == last or (gap, change) == (stride, step)):
                    runs[-1][1:4] = [code, gap, change]
                    continue
            runs.append([code, code, 1, 0, target])
        return runs

    def sequences(self):
        """(code, offset, length) and the pool that offsets count in; texts that lie in others are
        not written again."""
        pool, entries = [], []
        several = {code: folded for code, folded in self.foldings.items() if len(folded) > 1}
        text = ""
        for folded in sorted(several.values(), key=lambda each: -len(each)):
            part = "".join(map(chr, folded))
            if part not in text:
                text += part
        for code, folded in sorted(several.items()):
            entries.append((code, text.index("".join(map(chr, folded))), len(folded)))
        return entries, [ord(each) for each in text]


def two_stage(flags):
    blocks, index = {}, []
    for start in range(0, CODE_POINTS, BLOCK):
        index.append(blocks.setdefault(bytes(flags[start:start + BLOCK]), len(blocks)))
    if len(blocks) > 256:
        sys.exit("a table needs more than 256 blocks; widen the index")
    return index, b"".join(blocks)


def category_runs(ucd):
    """first code << 5 | category, one entry where the category changes."""
    runs, previous = [], None
    for code, name in enumerate(ucd.category):
        if name != previous:
            runs.append(code << 5 | CATEGORIES.index(name))
            previous = name
    return runs


def combining_runs(ucd):
    runs = []
    for code in sorted(ucd.combining):
        value = ucd.combining[code]
        if runs and runs[-1][1] == code - 1 and runs[-1][2] == value:
            runs[-1][1] = code
        else:
            runs.append([code, code, value])
    return runs


def lowercase_runs(pairs):
    """[first, last, stride, lowercase of first]: every stride-th code of the range maps."""
    runs = []
    for code, lower in pairs:
        if runs:
            first, last, stride, target = runs[-1]
            step = code - last
            if step in (1, 2) and (first == last or step == stride) and \
                    lower - code == target - first:
                runs[-1][1:3] = [code, step]
                continue
        runs.append([code, code, 1, lower])
    return runs


def lines(items):
    """Items joined by commas, at most 100 columns, four spaces in."""
    out, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 100:
            out.append(line)
            line = "   "
        line += f" {item},"
    return "\n".join(out + [line])


def array(kind, name, items, comment):
    items = list(items)
    return (f"/// {comment}\ninline constexpr std::array<{kind}, {len(items)}> {name}{{{{\n"
            f"{lines(items)}\n}}}};\n")


def pieces(escapes, prefix=""):
    """A string literal of escape sequences, in pieces of at most 100 columns."""
    out, piece = [], ""
    for escape in escapes:
        if len(prefix) + len(piece) + len(escape) + 7 > 100:
            out.append(piece)
            piece = ""
        piece += escape
    return "\n".join(f'    {prefix}"{piece}"' for piece in out + [piece])


# Large tables are string literals: compilers keep a node of their syntax tree for every number.

def byte_table(name, items, comment):
    literal = pieces(f"\\{item:o}" for item in items)
    return f"/// {comment}\ninline constexpr std::uint8_t {name}[] =\n{literal};\n"


def code_table(name, items, comment):
    items = list(items)
    literal = pieces((f"\\x{item:X}" for item in items), "U")
    return (f"/// {comment}\ninline constexpr std::u32string_view {name}(\n"
            f"{literal},\n    {len(items)});\n")


def sequence_tables(name, entries, comment):
    """Of entries (code, offset, length)."""
    return (code_table(f"{name}_codes", (code for code, _, _ in entries), comment)
            + code_table(f"{name}_places", (offset << 8 | length for _, offset, length in entries),
                         "Of each: its first element in the pool << 8 | its length."))


def header(ucd):
    simple = [(code, lower) for code, lower in sorted(ucd.lowercase.items())
              if isinstance(lower, int)]
    special = [(code, lower) for code, lower in sorted(ucd.lowercase.items())
               if not isinstance(lower, int)]
    if special != [(0x130, [0x69, 0x307])]:
        sys.exit(f"U+0130 should be the only one-to-many lowercase, found {special}")
    later = [(code, target + code - first) for first, last, target in LOWERCASE_AFTER_15_0
             for code in range(first, last + 1)]
    pool, entries = [], []
    for code, parts in ucd.decomposition.items():
        entries.append((code, len(pool), len(parts)))
        pool += parts
    index, blocks = two_stage(bert_flags(ucd))
    split_index, split_blocks = two_stage(split_classes(ucd))
    words = Words(ucd)
    word_index, word_blocks = two_stage(words.kinds)
    word_flag_lines = "\n".join(f"    {name} = {value}," for name, value in WORD_FLAGS.items())
    sequences, sequence_pool = words.sequences()
    foldings = list(words.runs())
    flag_lines = "\n".join(f"    {name} = {value}," for name, value in FLAGS.items())
    categories = lines(name.lower() for name in CATEGORIES)

    def ranges(runs):
        return (f"{{0x{a:X}, 0x{b:X}, {stride}, 0x{target:X}}}" for a, b, stride, target in runs)

    return f"""// SPDX-License-Identifier: Apache-2.0
// Generated by tools/unicode/generate.py from the Unicode Character Database, version 15.0
// (c) Unicode, Inc., used under the Unicode License, https://www.unicode.org/license.txt
// Do not edit: change the generator and run it again.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <mice/config.hpp>

// clang-format off
MICE_NAMESPACE_BEGIN
namespace text {{

/// General category of a code point (Unicode 15.0); cn is unassigned.
enum class category : std::uint8_t {{
{categories}
}};

/// What Hugging Face's BERT steps see in a code point, each property as of the Unicode version that
/// its library uses (tools/unicode/generate.py says which).
enum class bert_flag : std::uint8_t {{
{flag_lines}
}};

/// What the split rule of byte-level BPE sees in a code point (Unicode 16.0).
enum class split_class : std::uint8_t {{
{lines(SPLIT_CLASSES)}
}};

/// What a code point is to the words of BM25 (Unicode 15.0).
enum class word_kind : std::uint8_t {{
{lines(WORD_KINDS)}
}};

/// Flags beside a word_kind.
enum class word_flag : std::uint8_t {{
{word_flag_lines}
}};

/// The tables behind unicode.hpp and words.hpp.
namespace data {{

struct combining_run {{
    std::uint32_t first, last;
    std::uint8_t combining_class;
}};

struct lowercase_run {{
    std::uint32_t first, last, stride, target;
}};

inline constexpr std::uint32_t flag_block = {BLOCK};

{code_table("category_runs", category_runs(ucd),
            "first code << 5 | category, one entry where the category changes.")}
{array("combining_run", "combining_runs",
       (f"{{0x{a:X}, 0x{b:X}, {v}}}" for a, b, v in combining_runs(ucd)),
       "Code points with a canonical combining class other than 0.")}
{sequence_tables("decomposition", entries, "What decomposes canonically; Hangul is computed.")}
{code_table("decomposition_pool", pool, "Full canonical decompositions, in canonical order.")}
{code_table("composition_firsts", (first for first, _, _ in ucd.composition),
            "Primary composites (Hangul is computed), in the order of first, then second.")}
{code_table("composition_seconds", (second for _, second, _ in ucd.composition),
            "What follows each.")}
{code_table("composites", (composite for _, _, composite in ucd.composition), "What each becomes.")}
{array("lowercase_run", "lowercase_runs", ranges(lowercase_runs(simple)),
       "Every stride-th code of a range maps to target + (code - first). U+0130 is not here.")}
{array("lowercase_run", "lowercase_runs_after_15_0", ranges(lowercase_runs(later)),
       "What Unicode 16.0 and 17.0 added.")}
{byte_table("flag_index", index, "Block of 128 code points -> block of flag_blocks.")}
{byte_table("flag_blocks", blocks, "bert_flag bits.")}
{byte_table("split_index", split_index, "Block of 128 code points -> block of split_blocks.")}
{byte_table("split_blocks", split_blocks, "split_class values.")}
{byte_table("word_index", word_index, "Block of 128 code points -> block of word_blocks.")}
{byte_table("word_blocks", word_blocks, "A word_kind and word_flag bits.")}
{code_table("folding_lasts", (run[1] for run in foldings),
            "Code i * stride of a range stands for target + i * step: the last codes of ranges.")}
{code_table("folding_firsts", (run[0] for run in foldings), "The first codes.")}
{code_table("folding_steps", (run[2] << 8 | run[3] for run in foldings), "stride << 8 | step.")}
{code_table("folding_targets", (run[4] for run in foldings), "What stands for the first codes.")}
{sequence_tables("sequence", sequences, "What several code points stand for.")}
{code_table("sequence_pool", sequence_pool, "Those code points.")}
}} // namespace data
}} // namespace text
MICE_NAMESPACE_END
// clang-format on
"""


def write_or_check(description, default, table_of):
    """The command line of a generator: table_of(folder of the UCD) is the text of its file."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--ucd", type=pathlib.Path, default=pathlib.Path("/usr/share/unicode"))
    parser.add_argument("--check", action="store_true")
    root = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("output", nargs="?", type=pathlib.Path, default=root / default)
    options = parser.parse_args()
    text = table_of(options.ucd)
    if options.check:
        if options.output.read_text(encoding="utf-8") != text:
            sys.exit(f"{options.output} is not what this generator writes; run it again")
        return
    options.output.write_text(text, encoding="utf-8")
    print(f"{options.output}: {len(text)} bytes")


if __name__ == "__main__":
    write_or_check("writes the Unicode tables of mice",
                   "include/mice/text/unicode/unicode_data.hpp", lambda ucd: header(Ucd(ucd)))
