"""Compares our tokenizers with the reference's, string by string, and writes the small goldens that the tests read.

    tokenizer_parity.py compare --dump build/release/src/text/tokenizer_dump --model DIR --work DIR
        DIR of --model is a FLUX.1 directory (tokenizer/, tokenizer_2/). Thousands of strings go through transformers and
        through tokenizer_dump; the first differences are shown and the exit status is 1 when there is any.
    tokenizer_parity.py compare-small --dump ... --golden tests/golden/tokenizers --work DIR
        The same for the small tokenizers of the goldens.
    tokenizer_parity.py goldens --out tests/golden/tokenizers
        Trains the small tokenizers and writes them with a few hundred strings and their ids.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import unicodedata

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import CLIPTokenizer, PreTrainedTokenizerFast, T5Tokenizer

# With \\x, \\u, \\t, \\n and \\r as in Python; unescape() reads them.
SENTENCES = r"""
A cat holding a sign that says hello world
a photo of an astronaut riding a horse on mars, 35mm, f/1.4, bokeh -- highly detailed!!!
It's they're we've I'm he'll she'd don't DON'T 'tis rock'n'roll ''quoted'' "double"
The quick brown fox jumps over the lazy dog 0123456789 1,234.56 50% $100 #tag @user a_b c-d e/f
Ein schöner Garten mit Bäumen, Größe 10 m², Straße, ÄÖÜ äöü ß ẞ
Une forêt d'été où l'œuvre naïve côtoie l'hôtel à côté du château Élysée
El niño comió una piña, ¿qué tal? ¡Olé! coração português ação
Прекрасный закат над горами, снег и лес Ёлка ещё
Ένα όμορφο ηλιοβασίλεμα πάνω από τη θάλασσα ΟΔΟΣ Σίσυφος
一只在月光下的猫，背景是富士山。水墨画风格！
夜の東京、ネオンの光、雨に濡れた道路。ｶﾀｶﾅ カタカナ が ガ
아름다운 한국의 가을 풍경, 단풍과 호수 각 ᄀᆞ
غروب جميل فوق الصحراء العربية ١٢٣ لا إله
שקיעה יפה מעל הים שָׁלוֹם
हिन्दी में एक सुंदर चित्र क़ ज़ ड़ श्री
พระอาทิตย์ตกที่สวยงามเหนือทะเล กำลัง ๑๒๓
বাংলা ভাষায় একটি ছবি ো ৌ
தமிழ் மொழியில் ஒரு படம் கொ
Tiếng Việt: một bức tranh đẹp về Hà Nội ở phía Bắc
Čeština: příliš žluťoučký kůň úpěl ďábelské ódy Łódź İstanbul ığüşöç
ℌ𝔢𝔩𝔩𝔬 𝓦𝓸𝓻𝓵𝓭 ＦＵＬＬ　ＷＩＤＴＨ ½ ⅓ ² ³ ① ㍿ ﬁ ﬂ ﷺ ㌔ ™ © ® № ℃ Å Ω Å
👨‍👩‍👧‍👦 family 👩🏽‍🚀 🏳️‍🌈 🇩🇪🇫🇷 ❤️‍🔥 👍🏿 ☃️ 1️⃣ ©️ 🫠🫨
e\u0301 a\u030a o\u0302\u0323 u\u0308\u0304 Ａ\u0301 ½\u0301 n\u0303\u0303\u0303 Z\u0351\u036b\u0343
<|startoftext|> <|endoftext|> <|STARTOFTEXT|> <|EndOfText|> a<|endoftext|>b <|endoftext|>!! <|startoftext
</s> <pad> <unk> <s> <extra_id_0> <extra_id_99> <extra_id_100> a<extra_id_5>b </S> <Extra_id_1> </w> hello</w>
▁ ▁▁ a▁b ▁a ▁ b a ▁ _ __ Ġ Ġhello Ċ
\u200b\u200c\u200d\u2060\ufeff zero\u200bwidth soft\u00adhyphen \u202eltr\u202c \ufffd \ufffc
tab\there new\nline carriage\r\nreturn vertical\x0bform\x0cfeed nel\x85 nbsp\u00a0 ogham\u1680 em\u2003 ls\u2028 ps\u2029 ideo\u3000
\x00 \x01 \x07 \x08 \x1b[31mred\x1b[0m \x7f \x80 \x9f a\x00b
C++ code: int main() { return x ? y : z; } // <html>&amp;</html> https://example.com/a?b=c&d=%20
supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis
(masterpiece:1.2), [best quality], {ultra|hyper} detailed, BREAK, <lora:style:0.8>, --ar 16:9 --v 6
𐐀𐐨 Ꭰꭰ ᲀ Ა ა Ⴀ ꟲ 𞤀 Ɤ Ᲊ 𐵐 𖺠 ɐɑɒ ǅ ǈ ŉ ǰ ΐ ﬃ ſ K
"""


def base_strings():
    lines = [unescape(line) for line in SENTENCES.strip("\n").split("\n")]
    edge = ["", " ", "  ", "\t", "\n", " a", "a ", "  a  b  ", "\u00a0", "\u3000a\u3000", "a\u2581b", "'", "''s", "'s's",
            "<", "<|", "<|endoftext|", "<extra_id_", "</s", "a" * 3000, "ab " * 900, "\u4e00" * 700, "!" * 2000,
            "\U0001F600" * 300, " " * 500 + "x", "x" + "\n" * 400 + "y", "1" * 500, "e" + "\u0301" * 200,
            "<|endoftext|>" * 90, "</s>" * 90, "<extra_id_7> " * 60, "\u0301", "\u200d", "\u0e33", "\ud7a4"]
    return lines + [word for line in lines for word in line.split(" ") if word] + edge


def unescape(line):
    out, i = [], 0
    while i < len(line):
        if line[i] == "\\" and i + 1 < len(line) and line[i + 1] in "uxtnr":
            kind = line[i + 1]
            size = {"u": 4, "x": 2}.get(kind, 0)
            out.append(chr(int(line[i + 2:i + 2 + size], 16)) if size else {"t": "\t", "n": "\n", "r": "\r"}[kind])
            i += 2 + size
        else:
            out.append(line[i])
            i += 1
    return "".join(out)


def random_char(rng, pools):
    kind = rng.random()
    if kind < 0.35:
        return rng.choice(pools["common"])
    if kind < 0.5:
        return rng.choice(pools["marks"])
    if kind < 0.58:
        return rng.choice(pools["spaces"])
    if kind < 0.64:
        return rng.choice(pools["special"])
    if kind < 0.72:
        return rng.choice(pools["ascii"])
    if kind < 0.9:
        return chr(rng.choice([rng.randrange(0x80, 0xD800), rng.randrange(0xE000, 0x10000)]))
    return chr(rng.randrange(0x10000, 0x32000))


def make_pools(lines):
    return {
        "common": sorted(set("".join(lines))),
        "marks": [chr(c) for c in range(0x32000) if not 0xD800 <= c < 0xE000
                  and unicodedata.category(chr(c)).startswith("M")] + ["\u200d", "\ufe0f"],
        "spaces": list(" \t\n\r\x0b\x0c\x85\u00a0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000\u200b") + [" "] * 20,
        "special": ["<|startoftext|>", "<|endoftext|>", "</s>", "<pad>", "<unk>", "<extra_id_3>", "'s", "'ll", "\u2581", "</w>",
                    "<|", "|>", "<|ENDOFTEXT|>"],
        "ascii": [chr(c) for c in range(128)],
    }


def make_strings(count, seed=1):
    rng = random.Random(seed)
    strings = base_strings()
    lines = strings[:len(SENTENCES.splitlines()) - 1]
    pools = make_pools(lines)
    words = [word for line in lines for word in line.split()]
    while len(strings) < count:
        kind = rng.random()
        if kind < 0.3:
            strings.append("".join(random_char(rng, pools) for _ in range(rng.randrange(1, 60))))
        elif kind < 0.6:
            strings.append("".join(rng.choice(words) + rng.choice([" ", "  ", "", ", ", "\n", rng.choice(pools["spaces"])])
                                   for _ in range(rng.randrange(1, 120))))
        elif kind < 0.75:
            base, marks = rng.choice(pools["common"]), rng.choices(pools["marks"], k=rng.randrange(0, 4))
            strings.append(" ".join([base + "".join(marks)] + [random_char(rng, pools) + rng.choice(pools["marks"])
                                                               for _ in range(rng.randrange(0, 12))]))
        else:
            line = list(rng.choice(lines))
            for _ in range(rng.randrange(1, 8)):
                at = rng.randrange(len(line) + 1)
                line[at:at + rng.randrange(0, 2)] = random_char(rng, pools)
            strings.append("".join(line))
    return strings


def reference_ids(tokenizer, strings, max_length):
    return tokenizer(strings, padding="max_length", max_length=max_length, truncation=True).input_ids


def our_ids(dump, kind, directory, strings_file, max_length):
    result = subprocess.run([dump, kind, directory, strings_file, str(max_length)], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stderr)
    print("   ", "; ".join(result.stderr.strip().split("\n")))
    return [json.loads(line) for line in result.stdout.strip().split("\n")]


def compare(dump, kind, tokenizer, directory, strings, max_length, work):
    """Prints the figure and the first differences; returns how many strings differ."""
    strings_file = os.path.join(work, "strings.json")
    with open(strings_file, "w", encoding="utf-8") as file:
        json.dump(strings, file)
    ours = our_ids(dump, kind, directory, strings_file, max_length)
    theirs = reference_ids(tokenizer, strings, max_length)
    wrong = [i for i in range(len(strings)) if ours[i].get("ids") != theirs[i]]
    print(f"{kind:10} {directory}: {len(strings) - len(wrong)} of {len(strings)} strings equal, {max_length} ids each")
    for i in wrong[:8]:
        mine = ours[i].get("ids") or ours[i]
        first = next((k for k in range(max_length) if "error" not in ours[i] and mine[k] != theirs[i][k]), 0)
        print("   differs:", ascii(strings[i])[:200], "\n      at", first, "ours", mine[first:first + 8] if first or "error" not in ours[i] else mine,
              "reference", theirs[i][first:first + 8])
    return len(wrong)


def copy_only(source, names, folder):
    """A folder that holds nothing but `names` of `source`."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name in names:
        shutil.copyfile(os.path.join(source, name), os.path.join(folder, name))
    return folder


def compare_model(args):
    strings = make_strings(args.count, args.seed)
    clip, t5 = os.path.join(args.model, "tokenizer"), os.path.join(args.model, "tokenizer_2")
    has = lambda *path: os.path.exists(os.path.join(*path))
    resaved = os.path.join(args.work, "clip_resaved")
    CLIPTokenizer.from_pretrained(clip).save_pretrained(resaved)
    cases = [("clip-json", CLIPTokenizer, resaved, 77),
             ("clip" if has(clip, "vocab.json") else "clip-json", CLIPTokenizer, clip, 77),
             ("t5" if has(t5, "tokenizer.json") else "t5-spiece", T5Tokenizer, t5, 512)]
    if has(t5, "tokenizer.json"):
        cases.append(("t5-file", PreTrainedTokenizerFast, t5, 512))
    if has(t5, "spiece.model"):
        cases.append(("t5-spiece", T5Tokenizer, copy_only(t5, ["spiece.model"], os.path.join(args.work, "spiece_only")), 512))
    return sum(compare(args.dump, kind, tokenizer_class.from_pretrained(folder), folder, strings, length, args.work)
               for kind, tokenizer_class, folder, length in cases)


SMALL = {"clip": ("clip", CLIPTokenizer, 77), "t5": ("t5", T5Tokenizer, 64), "unigram": ("t5-file", PreTrainedTokenizerFast, 64),
         "unigram_nmt": ("t5-file", PreTrainedTokenizerFast, 64)}


def compare_small(args):
    # The one known difference: characters whose compatibility form begins with a mark (see docs/numerics.md).
    strings = [s for s in make_strings(args.count, args.seed) if not s.startswith(("\u0e33", "\u0eb3"))]
    wrong = 0
    for name, (kind, tokenizer_class, max_length) in SMALL.items():
        directory = os.path.join(args.golden, name)
        wrong += compare(args.dump, kind, tokenizer_class.from_pretrained(directory), directory, strings, max_length, args.work)
    return wrong


def train_clip(directory):
    tokenizer = CLIPTokenizer()
    backend = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    backend.normalizer = tokenizer.backend_tokenizer.normalizer
    backend.pre_tokenizer = tokenizer.backend_tokenizer.pre_tokenizer
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(training_text(), trainers.BpeTrainer(
        vocab_size=900, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False))
    model = json.loads(backend.to_str())["model"]
    # As in CLIP: every byte alone and at the end of a word, the merges, then the two special tokens.
    ordered = sorted(alphabet) + [c + "</w>" for c in sorted(alphabet)]
    pairs = [merge if isinstance(merge, list) else merge.split(" ") for merge in model["merges"]]
    ordered += [a + b for a, b in pairs] + ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: i for i, token in enumerate(dict.fromkeys(ordered))}
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "vocab.json"), "w", encoding="utf-8") as file:
        json.dump(vocab, file, ensure_ascii=False)
    with open(os.path.join(directory, "merges.txt"), "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in pairs))
    flags = {"lstrip": False, "rstrip": False, "single_word": False, "special": True}
    decoder = {str(vocab[t]): {"content": t, "normalized": t == "<|startoftext|>", **flags} for t in ("<|startoftext|>", "<|endoftext|>")}
    with open(os.path.join(directory, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump({"added_tokens_decoder": decoder, "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
                   "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "tokenizer_class": "CLIPTokenizer"}, file, indent=1)


def training_text():
    return [unescape(line) for line in SENTENCES.strip("\n").split("\n")] * 4


def train_unigram(directory, normalizer, pre_tokenizer, tokenizer_class, vocab_size):
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizer
    backend.train_from_iterator(training_text(), trainers.UnigramTrainer(
        vocab_size=vocab_size, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer_class(tokenizer_object=backend, eos_token="</s>", pad_token="<pad>", unk_token="<unk>").save_pretrained(directory)
    path = os.path.join(directory, "tokenizer.json")
    with open(path, encoding="utf-8") as file:
        compact = json.dumps(json.load(file), ensure_ascii=False, separators=(",", ":"))
    with open(path, "w", encoding="utf-8") as file:
        file.write(compact)


def write_goldens(args):
    shutil.rmtree(args.out, ignore_errors=True)
    train_clip(os.path.join(args.out, "clip"))
    t5_cut = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    train_unigram(os.path.join(args.out, "t5"), None, t5_cut, T5Tokenizer, 500)
    folding = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.StripAccents(), normalizers.Strip(),
                                    normalizers.Replace(Regex(r"\s+"), " ")])
    train_unigram(os.path.join(args.out, "unigram"), folding, pre_tokenizers.Metaspace(prepend_scheme="first"),
                  PreTrainedTokenizerFast, 400)
    nmt = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    train_unigram(os.path.join(args.out, "unigram_nmt"), nmt, pre_tokenizers.Metaspace(), PreTrainedTokenizerFast, 480)
    strings = [s for s in make_strings(1500) if len(s) < 160 and not s.startswith(("\u0e33", "\u0eb3"))]
    strings = base_strings()[:len(SENTENCES.splitlines()) - 1] + random.Random(2).sample(strings, 80)
    for name, (_, tokenizer_class, max_length) in SMALL.items():
        tokenizer = tokenizer_class.from_pretrained(os.path.join(args.out, name))
        pad = tokenizer.pad_token_id
        with open(os.path.join(args.out, name, "ids.txt"), "w", encoding="utf-8") as file:
            for string, ids in zip(strings, reference_ids(tokenizer, strings, max_length)):
                end = len(ids)
                while end > 1 and ids[end - 1] == pad and ids[end - 2] == pad:
                    end -= 1
                file.write(json.dumps([string, ids[:end]], separators=(",", ":")) + "\n")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in (("compare", compare_model), ("compare-small", compare_small)):
        command = commands.add_parser(name)
        command.set_defaults(run=function)
        command.add_argument("--dump", required=True)
        command.add_argument("--work", required=True)
        command.add_argument("--count", type=int, default=8000)
        command.add_argument("--seed", type=int, default=1)
        command.add_argument(*(["--model"] if name == "compare" else ["--golden"]), required=True)
    command = commands.add_parser("goldens")
    command.set_defaults(run=write_goldens)
    command.add_argument("--out", required=True)
    args = parser.parse_args()
    if hasattr(args, "work"):
        os.makedirs(args.work, exist_ok=True)
    sys.exit(1 if args.run(args) else 0)


if __name__ == "__main__":
    main()
