#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes include/mice/text/unicode/normalizer_data.hpp from the Unicode Character Database.

    tools/unicode/generate_normalizers.py [--ucd /usr/share/unicode] [--check] [OUTPUT]

Needs what generate.py needs, and HangulSyllableType.txt, IndicSyllabicCategory.txt,
auxiliary/GraphemeBreakProperty.txt and emoji/emoji-data.txt of the same version, 15.0.

The tables are what the normalizers of Hugging Face's tokenizers library see (text/unigram):

* compatibility decompositions as of Unicode 9.0, the age of its NFKC and NFKD,
* the marks that its StripAccents drops, as of Unicode 9.0,
* where grapheme clusters end, as of Unicode 17.0: the database's, and what is listed below.
"""

from generate import AS_OF, Ucd, array, code_table, records, sequence_tables, write_or_check

# Marks that were none in Unicode 9.0, and those that were.
MARKS_IN_9_0 = {0x1CF2: True, 0x1CF3: True, 0x111C9: False}

# What Unicode 15.1, 16.0 and 17.0 added to those that extend a cluster.
EXTEND_AFTER_15_0 = [
    (0x0897, 0x0897), (0x1ACF, 0x1ADD), (0x1AE0, 0x1AEB), (0x10D69, 0x10D6D), (0x10EFA, 0x10EFC),
    (0x113B8, 0x113C0), (0x113C2, 0x113C2), (0x113C5, 0x113C5), (0x113C7, 0x113CA),
    (0x113CC, 0x113D0), (0x113D2, 0x113D2), (0x113E1, 0x113E2), (0x11B60, 0x11B67),
    (0x11F5A, 0x11F5A), (0x1611E, 0x1612F), (0x1E5EE, 0x1E5EF), (0x1E6E3, 0x1E6E3),
    (0x1E6E6, 0x1E6E6), (0x1E6EE, 0x1E6EF), (0x1E6F5, 0x1E6F5),
]
PREPEND_AFTER_15_0 = [(0x113D1, 0x113D1)]

# The scripts in whose words a virama joins two clusters.
CONJUNCT_SCRIPTS = {"Devanagari", "Bengali", "Gujarati", "Oriya", "Telugu", "Malayalam"}

CLASSES = ("other cr lf control extend linker zwj regional_indicator prepend spacing_mark l v t lv "
           "lvt pictographic consonant").split()
NAMES = {"CR": "cr", "LF": "lf", "Control": "control", "Extend": "extend", "ZWJ": "zwj",
         "Regional_Indicator": "regional_indicator", "Prepend": "prepend",
         "SpacingMark": "spacing_mark", "L": "l", "V": "v", "T": "t"}


def cluster_classes(ucd, folder):
    """A class for each code point that has one. LV and LVT are computed."""
    classes = {}

    def put(ranges, name):
        for first, last in ranges:
            classes.update({code: name for code in range(first, last + 1)})

    def those(path, wanted, column=0):
        return [(first, last) for first, last, fields in records(folder / path)
                if fields[column] == wanted]

    put(those("emoji/emoji-data.txt", "Extended_Pictographic"), "pictographic")
    for name, short in NAMES.items():
        put(those("auxiliary/GraphemeBreakProperty.txt", name), short)
    put(EXTEND_AFTER_15_0, "extend")
    put(PREPEND_AFTER_15_0, "prepend")
    for category, name in (("Virama", "linker"), ("Consonant", "consonant")):
        for first, last in those("IndicSyllabicCategory.txt", category):
            put([(code, code) for code in range(first, last + 1)
                 if ucd.script.get(code) in CONJUNCT_SCRIPTS], name)
    return classes


def class_runs(classes):
    runs = []
    for code, name in sorted(classes.items()):
        if runs and runs[-1][1] == code - 1 and runs[-1][2] == name:
            runs[-1][1] = code
        else:
            runs.append([code, code, name])
    return runs


def known(ucd, code):
    return ucd.age[code] is not None and ucd.age[code] <= AS_OF["normalization"]


def accent_runs(ucd):
    runs = []
    for code, category in enumerate(ucd.category):
        if MARKS_IN_9_0.get(code, category[0] == "M" and known(ucd, code)):
            if runs and runs[-1][1] == code - 1:
                runs[-1][1] = code
            else:
                runs.append([code, code])
    return runs


def compatibility(ucd):
    """(code, offset, length) and the pool that offsets count in."""

    def decompose(code):
        parts = ucd.compatibility[code][1] if code in ucd.compatibility else \
            ucd.decomposition.get(code, [code])
        return parts if parts == [code] else [p for child in parts for p in decompose(child)]

    text, entries = "", []
    several = {code: "".join(map(chr, decompose(code))) for code in sorted(ucd.compatibility)
               if known(ucd, code)}
    # A canonical decomposition can have parts that decompose further.
    for code in ucd.decomposition:
        if known(ucd, code) and decompose(code) != ucd.decomposition[code]:
            several[code] = "".join(map(chr, decompose(code)))
    for part in sorted(several.values(), key=lambda each: -len(each)):
        if part not in text:
            text += part
    for code, part in sorted(several.items()):
        entries.append((code, text.index(part), len(part)))
    return entries, [ord(each) for each in text]


def header(ucd, folder):
    entries, pool = compatibility(ucd)
    clusters = list(class_runs(cluster_classes(ucd, folder)))
    names = "\n".join(f"    {name}," for name in CLASSES)
    return f"""// SPDX-License-Identifier: Apache-2.0
// Generated by tools/unicode/generate_normalizers.py from the Unicode Character Database, version
// 15.0, (c) Unicode, Inc., used under the Unicode License, https://www.unicode.org/license.txt
// Do not edit: change the generator and run it again.
#pragma once

#include <array>
#include <cstdint>

#include <mice/text/unicode/unicode_data.hpp>

// clang-format off
MICE_NAMESPACE_BEGIN
namespace text {{

/// What a code point is to the ends of grapheme clusters (UAX #29 of Unicode 17.0).
enum class cluster_class : std::uint8_t {{
{names}
}};

/// The tables behind graphemes.hpp and hf_normalizers.hpp.
namespace data {{

struct code_run {{
    std::uint32_t first, last;
}};

{code_table("cluster_lasts", (last for _, last, _ in clusters),
            "Ranges of a class other than other (lv and lvt are computed): their last codes.")}
{code_table("cluster_firsts", (first << 8 | CLASSES.index(name) for first, _, name in clusters),
            "Their first codes << 8 | cluster_class.")}
{array("code_run", "accent_runs", (f"{{0x{a:X}, 0x{b:X}}}" for a, b in accent_runs(ucd)),
       "Marks of Unicode 9.0.")}
{sequence_tables("compatibility", entries,
                 "What Unicode 9.0 decomposes in another way for compatibility than canonically.")}
{code_table("compatibility_pool", pool, "Those decompositions, in full.")}
}} // namespace data
}} // namespace text
MICE_NAMESPACE_END
// clang-format on
"""


if __name__ == "__main__":
    write_or_check("writes the tables of mice's normalizers",
                   "include/mice/text/unicode/normalizer_data.hpp",
                   lambda ucd: header(Ucd(ucd), ucd))
