"""The two tokenizers: a CLIP byte-level BPE and a T5 unigram, trained on captions and common words."""

import base64
import io
import json
import os
import string
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

CLIP_MERGES = 600
T5_PIECES = 1500
T5_SENTINELS = 100
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def common_words():
    return (Path(__file__).parent / "words.txt").read_text().split()


def _write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def byte_symbols():
    """The 256 printable stand-ins for bytes, in the order of CLIP's vocabulary."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = len([b for b in range(256) if b not in printable])
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(rest)]


def write_clip(folder, texts):
    """Writes vocab.json, merges.txt and the two configurations."""
    trainee = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    words = pre_tokenizers.Split(Regex(CLIP_WORDS), "removed", invert=True)
    trainee.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        min_frequency=1,
        initial_alphabet=byte_symbols(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    trainee.train_from_iterator((text.lower() for text in texts), trainer)
    merges = [tuple(pair) for pair in json.loads(trainee.to_str())["model"]["merges"]][:CLIP_MERGES]

    symbols = byte_symbols()
    tokens = symbols + [s + "</w>" for s in symbols] + ["".join(pair) for pair in merges]
    tokens = list(dict.fromkeys(tokens)) + ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "vocab.json", {token: i for i, token in enumerate(tokens)})
    lines = ["#version: 0.2"] + [" ".join(pair) for pair in merges]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def special(content, normalized):
        return {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False}

    start, end = special("<|startoftext|>", True), special("<|endoftext|>", False)
    _write_json(
        folder / "special_tokens_map.json",
        {"bos_token": start, "eos_token": end, "pad_token": end, "unk_token": end},
    )
    _write_json(
        folder / "tokenizer_config.json",
        {
            "add_prefix_space": False,
            "added_tokens_decoder": {
                str(len(tokens) - 2): {**start, "special": True},
                str(len(tokens) - 1): {**end, "special": True},
            },
            "bos_token": "<|startoftext|>",
            "clean_up_tokenization_spaces": True,
            "do_lower_case": True,
            "eos_token": "<|endoftext|>",
            "errors": "replace",
            "model_max_length": 77,
            "pad_token": "<|endoftext|>",
            "tokenizer_class": "CLIPTokenizer",
            "unk_token": "<|endoftext|>",
        },
    )


def write_t5(folder, texts, max_length):
    """Writes spiece.model, tokenizer.json and the two configurations."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        model_type="unigram",
        vocab_size=T5_PIECES,
        hard_vocab_limit=False,
        character_coverage=1.0,
        required_chars="".join(c for c in string.printable if not c.isspace()),
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    pieces = [[piece.piece, piece.score] for piece in proto.pieces]
    pieces[2][0] = proto.pieces[2].piece = "<unk>"
    sentinels = [f"<extra_id_{i}>" for i in reversed(range(T5_SENTINELS))]

    def special(content):
        return {
            "content": content,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }

    added = {0: special("<pad>"), 1: special("</s>"), 2: special("<unk>")}
    added.update({len(pieces) + i: special(name) for i, name in enumerate(sentinels)})
    vocab = pieces + [[name, 0.0] for name in sentinels]
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    first, second = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}
    metaspace = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    charsmap = base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(proto.SerializeToString())
    _write_json(
        folder / "tokenizer.json",
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [{"id": i, **token} for i, token in added.items()],
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    {"type": "Precompiled", "precompiled_charsmap": charsmap},
                    {"type": "Strip", "strip_left": False, "strip_right": True},
                    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"},
                ],
            },
            "pre_tokenizer": {**metaspace, "prepend_scheme": "first"},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [first, end],
                "pair": [first, end, second, end],
                "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
            },
            "decoder": {**metaspace, "prepend_scheme": "always"},
            "model": {"type": "Unigram", "unk_id": 2, "vocab": vocab, "byte_fallback": False},
        },
    )
    names = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    extra = list(reversed(sentinels))
    _write_json(folder / "special_tokens_map.json", {"additional_special_tokens": extra, **names})
    _write_json(
        folder / "tokenizer_config.json",
        {
            "added_tokens_decoder": {str(i): token for i, token in added.items()},
            "additional_special_tokens": extra,
            "clean_up_tokenization_spaces": True,
            **names,
            "extra_ids": T5_SENTINELS,
            "legacy": False,
            "model_max_length": max_length,
            "sp_model_kwargs": {},
            "tokenizer_class": "T5Tokenizer",
        },
    )


def write_tokenizers(out, captions, max_length):
    """Writes out/tokenizer and out/tokenizer_2."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    texts = list(captions) + common_words() * 4
    write_clip(out / "tokenizer", texts)
    write_t5(out / "tokenizer_2", texts, max_length)


def sizes(out):
    """How many tokens each of the two knows."""
    clip = json.loads((out / "tokenizer" / "vocab.json").read_text())
    t5 = json.loads((out / "tokenizer_2" / "tokenizer.json").read_text())
    return len(clip), len(t5["model"]["vocab"])
