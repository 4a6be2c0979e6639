# SPDX-License-Identifier: Apache-2.0
"""What the tests share: models, and the passages and queries of the example."""

import json
import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["MICE_BUILD"])
SMALL = ROOT / "models" / "mice-minilm-l2x2-int8.safetensors"
EXAMPLES = ROOT / "examples" / "data"

# Before Haystack is imported: it reports to its makers otherwise.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"


def lines(name):
    return [json.loads(line) for line in (EXAMPLES / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def small():
    """The small model in f32."""
    import mice

    return mice.Reranker(SMALL, precision="f32")


@pytest.fixture(scope="session")
def passages():
    return [line["text"] for line in lines("corpus.jsonl")]


@pytest.fixture(scope="session")
def queries():
    return [line["text"] for line in lines("queries.jsonl")]
