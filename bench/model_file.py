# SPDX-License-Identifier: Apache-2.0
"""How the benchmark's Python half reads a mice model file (docs/format.md)."""
import json
import os
import struct


def read_header(file):
    """Entries by tensor name ("__metadata__" among them); leaves the file where the data starts."""
    (length,) = struct.unpack("<Q", file.read(8))
    return json.loads(file.read(length))


def read_config(path):
    """The model's shape and options."""
    with open(path, "rb") as file:
        return json.loads(read_header(file)["__metadata__"]["mice.config"])


def vocabulary(path):
    """The model's tokens in id order."""
    with open(path, "rb") as file:
        begin, end = read_header(file)["tokenizer.vocabulary"]["data_offsets"]
        file.seek(begin, os.SEEK_CUR)
        return file.read(end - begin).decode("utf-8").split("\0")[:-1]
