# SPDX-License-Identifier: Apache-2.0
"""The table of contents of a mice model file, for the benchmark's Python half (docs/format.md)."""
import json
import struct


def read_header(file):
    """Entries by tensor name ("__metadata__" among them); leaves the file where the data starts."""
    (length,) = struct.unpack("<Q", file.read(8))
    return json.loads(file.read(length))
