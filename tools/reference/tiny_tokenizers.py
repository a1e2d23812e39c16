"""Tiny CLIP and T5 tokenizers, trained on a few sentences and written in the files of the published models."""

import io
import json
import pathlib
from collections import Counter

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from transformers import CLIPTokenizer, T5Tokenizer

CORPUS = [
    "a small red fox sleeps under the old bridge while the river is cold",
    "seven white birds circle over the river and the fox runs home",
    "the photo of a fox, a bird and a bridge is blurry; don't look",
    "an old fox of the cold river: home is under the white bridge",
    "Ein Fuchs läuft über die Brücke und sieht den Fluss",
    "fishes and foxes, birds and bridges. 1 2 3 4 5 6 7 8 9 0!",
    "over the bridges and under the rivers the foxes and the birds are running, sleeping, looking, circling",
    "whiter than the whitest bird, redder than the reddest fox, older than the oldest river, colder than the cold",
    "while the photographer is looking for the seventh sleeping fishes, seventeen foxes are running home",
    "a zebra quickly jumps: quiet, vexing, exact; a small full cup of width and height",
]
START, END = "<|startoftext|>", "<|endoftext|>"
NUM_MERGES = 60
# A ligature, a no-break space, a full-width letter and a composed accent: enough to use every branch of a charsmap.
SMALL_CHARSMAP = "FB01\t66 69\nA0\t20\nFF26\t46\n65 301\tE9\n9\t20\nA\t20\n2013\t2D\n"


def byte_symbols():
    """The printable stand-in for each byte that byte-level BPE uses."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def train_merges(num_merges):
    """Byte-pair merges of the corpus; ties go to the pair that sorts first."""
    symbols = byte_symbols()
    words = Counter(word for line in CORPUS for word in line.lower().split())
    split = {w: [symbols[b] for b in w.encode()] for w in words}
    split = {w: [*parts[:-1], parts[-1] + "</w>"] for w, parts in split.items()}
    merges = []
    for _ in range(num_merges):
        pairs = Counter()
        for word, parts in split.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += words[word]
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        split = {w: merge_pair(parts, best) for w, parts in split.items()}
    return merges


def merge_pair(parts, pair):
    merged, i = [], 0
    while i < len(parts):
        joined = tuple(parts[i : i + 2]) == pair
        merged.append("".join(pair) if joined else parts[i])
        i += 2 if joined else 1
    return merged


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_clip(folder: pathlib.Path, clip):
    """Returns the tokenizer as transformers loads it from the written files."""
    folder.mkdir(parents=True)
    bytes_ = list(byte_symbols().values())
    merges = train_merges(NUM_MERGES)
    pieces = [*bytes_, *(b + "</w>" for b in bytes_), *("".join(m) for m in merges)]
    pieces = [START, END, *pieces] if clip.specials_first else [*pieces, START, END]
    write_json(folder / "vocab.json", {piece: i for i, piece in enumerate(pieces)})
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *(" ".join(m) for m in merges)]) + "\n")
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    write_json(folder / "special_tokens_map.json", special)
    write_json(folder / "tokenizer_config.json",
               {**special, "tokenizer_class": "CLIPTokenizer", "model_max_length": clip.length, "do_lower_case": True})
    if clip.layout == "v5":
        CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)
        for name in ("vocab.json", "merges.txt", "special_tokens_map.json"):
            (folder / name).unlink()
    return CLIPTokenizer.from_pretrained(folder)


def train_spiece(t5, scratch: pathlib.Path):
    rules = scratch / "charsmap.tsv"
    rules.write_text(SMALL_CHARSMAP)
    normalization = {
        "none": {"normalization_rule_name": "identity"},
        "small": {"normalization_rule_tsv": str(rules)},
        "nmt_nfkc": {"normalization_rule_name": "nmt_nfkc"},
    }[t5.charsmap]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, model_type="unigram", vocab_size=t5.vocab,
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, character_coverage=1.0, num_threads=1, minloglevel=2, **normalization)
    rules.unlink()
    return without_paths(model.getvalue())


def without_paths(model):
    """The model without the trainer's record of its inputs, which names temporary files."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    proto.normalizer_spec.ClearField("normalization_rule_tsv")
    return proto.SerializeToString(deterministic=True)


def published_pipeline(tokenizer_json):
    """The normalizer and pre-tokenizer that T5's published tokenizer.json holds. transformers 5 ignores both."""
    precompiled = tokenizer_json["normalizer"]
    steps = [precompiled] if precompiled else []
    tokenizer_json["normalizer"] = {"type": "Sequence", "normalizers": [
        *steps,
        {"type": "Strip", "strip_left": False, "strip_right": True},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}]}
    metaspace = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    tokenizer_json["pre_tokenizer"] = {**metaspace, "prepend_scheme": "first"}
    tokenizer_json["decoder"] = {**metaspace, "prepend_scheme": "always"}
    return tokenizer_json


def write_t5(folder: pathlib.Path, t5):
    """Returns the tokenizer as transformers loads it from the written files."""
    folder.mkdir(parents=True)
    (folder / "spiece.model").write_bytes(train_spiece(t5, folder))
    T5Tokenizer.from_pretrained(folder, model_max_length=512).save_pretrained(folder)
    path = folder / "tokenizer.json"
    write_json(path, published_pipeline(json.loads(path.read_text())))
    for name in {"spiece.model", "tokenizer.json"} - set(t5.files):
        (folder / name).unlink()
    return T5Tokenizer.from_pretrained(folder)
