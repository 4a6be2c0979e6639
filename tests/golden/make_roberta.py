# SPDX-License-Identifier: Apache-2.0
"""Writes data/roberta/: tiny RoBERTa and XLM-RoBERTa checkpoints with seeded weights, and what
transformers computes with them in double precision.

    pip install torch transformers==5.24.0 sentencepiece==0.2.3 protobuf
    python tests/golden/make_roberta.py

Each folder is a checkpoint as people publish them, its tokenizer included. golden.json has texts,
the ids that the tokenizer makes of them, and scores; golden.safetensors the states of each layer.
Masked cross-encoders go through transformers with a mask of their own. MICE and late interaction,
which it does not have, are written out below, from its layers.
"""
import contextlib
import io
import json
import pathlib
import shutil

import sentencepiece
import torch
from safetensors.torch import save_file
from tokenizers import ByteLevelBPETokenizer
from transformers import (AutoTokenizer, RobertaConfig, RobertaForSequenceClassification,
                          XLMRobertaConfig, XLMRobertaForSequenceClassification, XLMRobertaModel)

FOLDER = pathlib.Path(__file__).parent / "data" / "roberta"
PAIRS = [
    ("how tall is the old mill", "The old mill by the river is twelve metres tall."),
    ("Wie hoch ist die Brücke?", "Die steinerne Brücke über den Fluss ist neun Meter hoch."),
    ("où est le moulin", "Le vieux moulin est au bord de la rivière, près du pont de pierre."),
    ("river", "."),
    ("  two   spaces and  more ", "naïve café – “quotes”, 50% & more…"),
    ("橋 は どこ", "古い橋は川の上にある。 🙂 The bridge."),
]
CORPUS = [text for pair in PAIRS for text in pair if text] + [
    "The miller opens the gate of the mill in the morning and closes it at night.",
    "A bridge of stone stands over the river, and a new one of steel is under construction.",
    "Der Müller öffnet das Tor der Mühle am Morgen und schließt es am Abend.",
    "La rivière est large et calme; le pont est étroit et ancien.",
    "Twelve boats lie under the bridge, nine of them are old and three are new.",
    "How high is the water today? It is not as high as it was in the spring.",
]
SHAPE = dict(hidden_size=24, num_attention_heads=2, intermediate_size=40, num_hidden_layers=3,
             attn_implementation="eager")


def train_sentencepiece(path):
    """Without a table of characters to normalise, which would be larger than all the rest."""
    with open(path, "wb") as target:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS * 4), model_writer=target, vocab_size=400, hard_vocab_limit=False,
            normalization_rule_name="identity", character_coverage=1.0, minloglevel=2,
            num_threads=1)


def train_byte_bpe(folder):
    tokenizer = ByteLevelBPETokenizer(add_prefix_space=False)
    with contextlib.redirect_stdout(io.StringIO()):
        tokenizer.train_from_iterator(CORPUS, vocab_size=330, min_frequency=2, show_progress=False,
                                      special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.save_model(str(folder))


def randomise(model, seed):
    """Larger weights than a model starts with, so that every tensor shows in the scores."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            scale = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            value.copy_(scale + 0.25 * torch.randn(value.shape, generator=generator))
    return model.eval()


def write(folder, model, numbers, golden, extra=None, drop=()):
    """The checkpoint in F32, the numbers of its double-precision copy."""
    tensors = {name: value.detach().float().contiguous()
               for name, value in model.state_dict().items()} | (extra or {})
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    config = model.config.to_dict() | {"architectures": [type(model).__name__]}
    for key in ("dtype", "transformers_version", *drop):
        config.pop(key, None)
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    if numbers:
        save_file({name: value.float().contiguous() for name, value in numbers.items()},
                  folder / "golden.safetensors")
    lines = ",\n".join(json.dumps(pair, ensure_ascii=False) for pair in golden["pairs"])
    (folder / "golden.json").write_text('{"pairs": [\n' + lines + "\n]}\n", encoding="utf-8")
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)


def fresh(name):
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


# ---- cross-encoders ----

def group_of(place, second):
    return 0 if place == 0 else 1 if place < second else 2


def masked_score(model, ids, second, seen, restart):
    """`seen[layer][group]` says which groups that one sees; every layer is called with its mask."""
    size = len(ids)
    pad = model.config.pad_token_id
    places = [t - second if restart and t >= second else t for t in range(size)]
    encoder = getattr(model, "roberta")
    x = encoder.embeddings(input_ids=torch.tensor([ids]),
                           position_ids=torch.tensor([places]) + pad + 1)
    for layer, groups in zip(encoder.encoder.layer, seen):
        mask = torch.zeros(1, 1, size, size, dtype=x.dtype)
        for row in range(size):
            for column in range(size):
                if group_of(column, second) not in groups[group_of(row, second)]:
                    mask[0, 0, row, column] = torch.finfo(x.dtype).min
        x = layer(x, mask)
        x = x[0] if isinstance(x, tuple) else x
    return float(model.classifier(x)[0, 0])


DOCUMENT_ALONE = [(0, 1, 2), (0, 1, 2), (2,)]
APART = [(0, 1), (0, 1), (2,)]
MASKS = {
    "masked:document-alone": ([DOCUMENT_ALONE] * 3, False),
    "masked:document-alone,restart": ([DOCUMENT_ALONE] * 3, True),
    "masked:split=2,restart": ([APART] * 2 + [[(0, 1, 2)] * 3], True),
    "masked:query-not-cls,cls-not-document": ([[(0, 1), (1, 2), (0, 1, 2)]] * 3, False),
}


def cross_encoder(model, tokenizer, masks=()):
    model = model.double()
    numbers, pairs = {}, []
    for i, (query, document) in enumerate(PAIRS):
        ids = tokenizer(query, document)["input_ids"]
        second = len(tokenizer(query)["input_ids"])
        with torch.no_grad():
            out = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
            pair = {"query": query, "document": document, "input_ids": ids, "second": second,
                    "query_ids": tokenizer(query)["input_ids"],
                    "document_ids": tokenizer(document)["input_ids"],
                    "score": round(float(out.logits[0, 0]), 9)}
            for name in masks:
                seen, restart = MASKS[name]
                score = masked_score(model, ids, second, seen, restart)
                pair[name] = round(score, 9)
            everything = masked_score(model, ids, second, [[(0, 1, 2)] * 3] * 3, False)
            assert abs(everything - float(out.logits[0, 0])) < 1e-9
        for layer, states in enumerate(out.hidden_states[1:]):
            numbers[f"pair{i}.hidden{layer + 1}"] = states[0]
        pairs.append(pair)
    return numbers, {"pairs": pairs}


# ---- MICE and late interaction, from the layers of a backbone ----

def attention(layer, x, source, mask=None):
    """LN(x + Linear_o(softmax(Q K^T / sqrt(dh) + mask) V)), Q from x, K and V from source."""
    own = layer.attention.self
    heads, width = own.num_attention_heads, own.attention_head_size
    split = lambda y: y.view(-1, heads, width).transpose(0, 1)
    q, k, v = split(own.query(x)), split(own.key(source)), split(own.value(source))
    logits = q @ k.transpose(1, 2) / width ** 0.5
    weights = torch.softmax(logits if mask is None else logits + mask, -1)
    return layer.attention.output((weights @ v).transpose(0, 1).reshape(len(x), -1), x)


def feed_forward(layer, x):
    return layer.output(layer.intermediate(x), x)


def encode(model, ids, layers, seen=None):
    pad = model.config.pad_token_id
    x = model.embeddings(input_ids=torch.tensor([ids]),
                         position_ids=torch.arange(len(ids))[None] + pad + 1)[0]
    mask = None
    if seen is not None:
        mask = torch.full((len(ids),), float("-inf"), dtype=x.dtype)
        mask[:seen] = 0
    for layer in model.encoder.layer[:layers]:
        x = feed_forward(layer, attention(layer, x, x, mask))
    return x


def mice_score(model, query, document, layers, head):
    """--derive lL+1: cross-attention and then self-attention, where only row 0 sees column 0."""
    d = encode(model, document, layers)
    x = encode(model, query, layers)
    for layer in model.encoder.layer[layers:]:
        x = attention(layer, x, d)
        hidden = torch.zeros(len(query), len(query), dtype=x.dtype)
        hidden[1:, 0] = float("-inf")
        x = feed_forward(layer, attention(layer, x, x, hidden))
    return head(x[0])


def late_interaction(folder, tokenizer):
    """ColBERT on XLM-RoBERTa, in PyLate's way: markers are tokens of their own."""
    torch.manual_seed(5)
    query_marker, document_marker = len(tokenizer), len(tokenizer) + 1
    config = XLMRobertaConfig(vocab_size=len(tokenizer) + 2, max_position_embeddings=50,
                              type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1,
                              **SHAPE | {"num_hidden_layers": 2})
    model = randomise(XLMRobertaModel(config, add_pooling_layer=False), 55)
    projection = 0.25 * torch.randn(16, 24)
    double = projection.double()
    model = model.double()
    skipped = sorted(tokenizer.convert_tokens_to_ids(mark) for mark in (".", ","))
    pairs = []
    for query, document in PAIRS:
        query_ids = tokenizer(query)["input_ids"]
        document_ids = tokenizer(document)["input_ids"]
        filled = [query_ids[0], query_marker, *query_ids[1:]]
        seen = len(filled)
        filled += [tokenizer.mask_token_id] * (24 - seen)
        marked = [document_ids[0], document_marker, *document_ids[1:]]
        with torch.no_grad():
            q = torch.nn.functional.normalize(encode(model, filled, 2, seen) @ double.T, dim=-1)
            d = torch.nn.functional.normalize(encode(model, marked, 2) @ double.T, dim=-1)
            whole = model(input_ids=torch.tensor([marked])).last_hidden_state[0]
            assert torch.allclose(whole, encode(model, marked, 2), atol=1e-12)
        kept = [t for t, token in enumerate(marked) if token not in skipped]
        pairs.append({"query_ids": query_ids, "document_ids": document_ids,
                      "score": round(float((q @ d[kept].T).max(1).values.sum()), 9)})
    (folder / "artifact.metadata").write_text(json.dumps(
        {"query_maxlen": 24, "doc_maxlen": 48, "dim": 16, "similarity": "cosine",
         "query_marker_id": query_marker, "document_marker_id": document_marker,
         "mask_token_id": tokenizer.mask_token_id, "mask_punctuation": True,
         "punctuation_token_ids": skipped, "attend_to_mask_tokens": False}, indent=1) + "\n")
    write(folder, model, {}, {"pairs": pairs}, {"linear.weight": projection})
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["HF_ColBERT"]
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def config_of(kind, tokenizer, **changes):
    return kind(**SHAPE | dict(vocab_size=len(tokenizer), max_position_embeddings=66,
                               type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1,
                               num_labels=1) | changes)


def add_mice(model, golden, numbers):
    """What --derive l2+1 makes of the cross-encoder."""
    head = lambda x: model.classifier(x[None, None])[0, 0]
    for i, pair in enumerate(golden["pairs"]):
        with torch.no_grad():
            score = mice_score(model.roberta, pair["query_ids"], pair["document_ids"], 2, head)
            states = model.roberta(input_ids=torch.tensor([pair["document_ids"]]),
                                   output_hidden_states=True).hidden_states[2][0]
        pair["mice"] = round(float(score), 9)
        numbers[f"pair{i}.document"] = states


def make_roberta():
    folder = fresh("roberta")
    train_byte_bpe(folder)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "RobertaTokenizer"}) + "\n")
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    spaced = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
    model = randomise(RobertaForSequenceClassification(config_of(RobertaConfig, tokenizer)), 11)
    numbers, golden = cross_encoder(model, tokenizer)
    for pair in golden["pairs"]:
        pair["input_ids_with_prefix_space"] = spaced(pair["query"], pair["document"])["input_ids"]
    write(folder, model, numbers, golden)


def make_xlmr():
    folder = fresh("xlmr")
    train_sentencepiece(folder / "sentencepiece.bpe.model")
    (folder / "config.json").write_text(json.dumps({"model_type": "xlm-roberta"}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(FOLDER / "xlmr_tokenizer_json")
    config = config_of(XLMRobertaConfig, tokenizer)
    model = randomise(XLMRobertaForSequenceClassification(config), 22)
    numbers, golden = cross_encoder(model, tokenizer, MASKS)
    add_mice(model, golden, numbers)
    write(folder, model, numbers, golden)
    return tokenizer


def make_xlmr_other(tokenizer):
    """Padding behind which positions begin is not 1, types that no text has, a stray pooler."""
    folder = fresh("xlmr_other")
    used = {token for pair in PAIRS for token in tokenizer(*pair)["input_ids"]}
    padding = min(set(range(4, 60)) - used)
    config = config_of(XLMRobertaConfig, tokenizer, pad_token_id=padding, type_vocab_size=2,
                       layer_norm_eps=1e-12, max_position_embeddings=70 + padding)
    model = randomise(XLMRobertaForSequenceClassification(config), 33)
    numbers, golden = cross_encoder(model, tokenizer)
    pooler = {"roberta.pooler.dense.weight": torch.randn(24, 24),
              "roberta.pooler.dense.bias": torch.randn(24)}
    write(folder, model, numbers, golden, pooler, ("layer_norm_eps", "type_vocab_size"))


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    torch.manual_seed(1)
    make_roberta()
    tokenizer = make_xlmr()
    make_xlmr_other(tokenizer)
    late_interaction(fresh("xlmr_colbert"), tokenizer)


if __name__ == "__main__":
    main()
