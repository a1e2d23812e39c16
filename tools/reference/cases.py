"""The table of small FLUX pipelines that the goldens are made from. Sizes are odd on purpose."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Transformer:
    heads: int = 2
    head_dim: int = 16
    axes: tuple = (4, 6, 6)
    double: int = 1
    single: int = 1
    guidance: bool = True
    write_axes: bool = True  # False leaves axes_dims_rope out of config.json, as the published models do


@dataclass(frozen=True)
class Vae:
    channels: tuple = (8, 16)
    layers: int = 1
    groups: int = 4
    latent_channels: int = 4
    mid_attention: bool = True
    quant_conv: bool = False
    post_quant_conv: bool = False
    scaling: float = 0.3611
    shift: float = 0.1159


@dataclass(frozen=True)
class Clip:
    width: int = 24
    heads: int = 2
    mlp: int = 40
    layers: int = 2
    length: int = 16
    legacy_eos: bool = True  # config eos_token_id 2: pool at the largest id
    specials_first: bool = False  # start and end tokens at ids 0 and 1 instead of the two largest
    layout: str = "published"  # files and tensor names as published, or as transformers 5 saves ("v5")


@dataclass(frozen=True)
class T5:
    width: int = 20
    heads: int = 3
    d_kv: int = 8
    mlp: int = 36
    layers: int = 2
    buckets: int = 32
    max_distance: int = 128
    vocab: int = 96
    charsmap: str = "small"  # none | small | nmt_nfkc
    files: tuple = ("spiece.model", "tokenizer.json")


@dataclass(frozen=True)
class Scheduler:
    dynamic: bool = True
    shift: float = 3.0
    base_shift: float = 0.5
    max_shift: float = 1.15


@dataclass(frozen=True)
class Request:
    prompt: str = "a red fox"
    prompt_2: str | None = None
    negative: str | None = None
    negative_2: str | None = None
    width: int = 32
    height: int = 32
    steps: int = 2
    sigmas: tuple | None = None
    guidance: float = 3.5
    true_cfg: float = 1.0
    max_sequence_length: int = 16
    seed: int = 0


@dataclass(frozen=True)
class Case:
    name: str
    transformer: Transformer = field(default_factory=Transformer)
    vae: Vae = field(default_factory=Vae)
    clip: Clip = field(default_factory=Clip)
    t5: T5 = field(default_factory=T5)
    scheduler: Scheduler = field(default_factory=Scheduler)
    request: Request = field(default_factory=Request)
    shard_sizes: dict = field(default_factory=dict)  # component -> largest shard; others are one file
    weights: str = "f32"  # stored dtype; "bf16" also makes expected_bf16.safetensors
    tiles: tuple = ()  # (pixels a side of a tile, latent height, latent width): decodes in tiles, to tiled.safetensors
    committed: bool = False  # part of tests/golden/data


LONG_PROMPT = "a small red fox sleeps under the old bridge while seven white birds circle over the cold river, " * 4

# Strings for tokens.json: what the tokenizers do with them, whole and without padding.
TEXTS = [
    "", " ", "\t\n", "a", "A", " a", "a ", "  a  b  ", "a\tb\nc\r\nd", "a red fox", "A Red FOX", "redfox", "foxes' bridge's",
    "don't I'll you've we're he'd it's i'm", "DON'T", "o'clock 'tis ''s", "1 22 333 4a a4", "3.14, 1,000; -5%", "!?...--", "a!b?c",
    "#hash @at $5 & <tag> {x} [y] (z)", "snake_case and-hyphen", "<|startoftext|>", "a<|endoftext|>b", "<|ENDOFTEXT|>",
    "< |endoftext|>", "</s>", "a</s>b", "a </s> b", "<pad>", "x<pad>y", "<unk>", "a <unk> b", "<extra_id_0>", "a<extra_id_99> b",
    "<extra_id_100>", "</w>", "fox</w>", "▁", "▁a▁b", "a▁ b", "läuft über die Brücke", "LÄUFT ÜBER", "e\u0301 E\u0301 é É", "n\u0303o",
    "ﬁne ﬂow", "Ｆｕｌｌ　width", "½ ² ① Ⅳ", "日本語のテキスト", "漢字 kanji 漢字", "한국어", "한", "русский текст", "ΑΒΓ αβγς ΣΑΣ", "İI ıi",
    "ß ẞ straße", "العربية ١٢٣", "हिन्दी", "😀", "🦊 fox 🦊🦊", "👩\u200d👩\u200d👧", "a\u00a0b", "a\u2003b\u3000c", "a\u200bb", "a\u200db", "a\u00adb",
    "a\ufeffb", "\ufeffa", "a\u2028b\u2029c", "a\u0085b", "a\u180eb", "a\x1bb\x7fc", "a\u0301\u0301", "\u0301a", "–—…“”‘’", "𝐛𝐨𝐥𝐝 𝟙", "\U0010ffff",
    "ǅ ǆ Ǆ", "ŉ ʼn", "…", "a" * 60, "fox " * 30,
]

CASES = [
    Case(
        "guided_cfg_sharded",
        Transformer(heads=3, head_dim=12, axes=(4, 2, 6), double=2, single=2, guidance=True),
        Vae(channels=(4, 8, 12), layers=1, groups=2, latent_channels=4),
        Clip(width=24, heads=3, length=20),
        T5(width=20, heads=3, d_kv=8),
        Scheduler(dynamic=True),
        Request(prompt="A red Fox, don't run!", negative="blurry  photo", true_cfg=2.5, width=56, height=40, steps=3,
                guidance=3.5, max_sequence_length=24, seed=42),
        shard_sizes={"transformer": "250KB", "text_encoder_2": "30KB"},
        tiles=((32, 14, 20), (48, 10, 8)),
        committed=True,
    ),
    Case(
        "bf16_weights",
        Transformer(heads=2, head_dim=24, axes=(8, 8, 8), double=1, single=1, guidance=False),
        Vae(channels=(8, 8, 16, 16), layers=1, groups=4, latent_channels=8),
        Clip(width=32, heads=2, length=77),
        T5(width=32, heads=2, d_kv=16, buckets=16, max_distance=40, charsmap="none"),
        Scheduler(dynamic=False, shift=1.0),
        Request(prompt="", width=48, height=64, steps=4, max_sequence_length=30, seed=7),
        weights="bf16",
        committed=True,
    ),
    Case(
        "single_only",
        Transformer(heads=1, head_dim=20, axes=(4, 8, 8), double=0, single=3, guidance=True),
        Vae(channels=(6, 12), layers=1, groups=3, latent_channels=3, mid_attention=False, quant_conv=True,
            post_quant_conv=True, scaling=0.7, shift=-0.2),
        Clip(width=18, heads=1, length=77, legacy_eos=False, specials_first=True, layout="v5"),
        T5(width=28, heads=5, d_kv=6, layers=3, buckets=8, max_distance=20, files=("spiece.model",)),
        Scheduler(dynamic=True, base_shift=0.3, max_shift=1.9),
        Request(prompt="Ein Fuchs läuft über die Brücke – 7 ﬁsh\u00a0日本", width=22, height=36, steps=3,
                sigmas=(1.0, 0.6, 0.15), guidance=2.0, max_sequence_length=40, seed=123456789),
        committed=True,
    ),
    Case(
        "double_only",
        Transformer(heads=5, head_dim=8, axes=(4, 2, 2), double=1, single=0, guidance=True),
        Vae(channels=(4, 6, 8), layers=2, groups=2, latent_channels=5, mid_attention=True, post_quant_conv=True),
        Clip(width=20, heads=2, length=16, legacy_eos=False),
        T5(width=24, heads=2, d_kv=20, files=("tokenizer.json",)),
        Scheduler(dynamic=False, shift=3.0),
        Request(prompt=LONG_PROMPT, prompt_2="the  river </s>and <extra_id_3>bridge " + LONG_PROMPT, width=32, height=24,
                steps=2, guidance=7.0, max_sequence_length=33, seed=2**33 + 5),
        tiles=((48, 22, 10),),
        committed=True,
    ),
    Case(
        "wide_heads",
        Transformer(heads=2, head_dim=64, axes=(8, 28, 28), double=3, single=3),
        Vae(channels=(16, 16, 32, 32), layers=2, groups=8, latent_channels=16),
        t5=T5(width=64, heads=4, d_kv=16, mlp=100, layers=4, charsmap="nmt_nfkc"),
        request=Request(prompt="Ｆｕｌｌ width, ½ cup & ﬁne ①", width=112, height=64, steps=5, max_sequence_length=64, seed=1),
    ),
    Case(
        "head_dim_128",
        Transformer(heads=1, head_dim=128, axes=(16, 56, 56), double=1, single=1, write_axes=False),
        Vae(channels=(16, 32, 32, 32), layers=1, groups=4, latent_channels=16),
        request=Request(width=80, height=144, steps=2, max_sequence_length=40, seed=3),
    ),
    Case(
        "width_84",
        Transformer(heads=3, head_dim=28, axes=(12, 10, 6), double=2, single=1, guidance=False),
        Vae(channels=(5, 10, 15), layers=1, groups=5, latent_channels=7),
        Clip(width=33, heads=3, mlp=50, layers=3),
        T5(width=45, heads=5, d_kv=9, mlp=31, layers=1),
        Scheduler(dynamic=False, shift=2.3),
        Request(prompt="one", width=40, height=24, steps=6, max_sequence_length=5, seed=11),
    ),
    Case(
        "one_step",
        Transformer(heads=5, head_dim=16, axes=(6, 6, 4), double=1, single=2),
        request=Request(prompt="x", width=16, height=12, steps=1, max_sequence_length=3, guidance=0.0, seed=2),
    ),
    Case(
        "legacy_eos_odd_vocab",
        clip=Clip(legacy_eos=True, specials_first=True, layout="v5"),
        request=Request(prompt="the zebra over a bridge", width=24, height=24, seed=5),
    ),
    Case(
        "cfg_without_guidance",
        Transformer(heads=3, head_dim=32, axes=(8, 12, 12), double=2, single=2, guidance=False),
        Vae(channels=(8, 16, 24, 32), layers=1, groups=4, latent_channels=8, quant_conv=True),
        request=Request(prompt="white birds", prompt_2="cold river", negative="", negative_2="old bridge", true_cfg=4.0,
                        width=64, height=48, steps=4, max_sequence_length=20, seed=9),
    ),
    Case(
        "size_not_multiple",
        vae=Vae(channels=(8, 8, 8, 16), layers=1, groups=4, latent_channels=4),
        request=Request(prompt="a  spaced\tprompt\nhere ", width=71, height=50, steps=2, seed=2**32 - 1),
    ),
    Case(
        "long_text",
        Transformer(heads=2, head_dim=32, axes=(2, 14, 16), double=1, single=1),
        t5=T5(width=24, heads=3, d_kv=8, charsmap="none"),
        clip=Clip(length=77),
        request=Request(prompt=LONG_PROMPT * 3, width=48, height=16, steps=2, max_sequence_length=512, seed=4),
    ),
    Case(
        "many_steps_wide_image",
        Transformer(heads=1, head_dim=48, axes=(16, 16, 16), double=1, single=1),
        Vae(channels=(8, 16), layers=2, groups=4, latent_channels=16),
        request=Request(prompt="🦊 fox \u200b and e\u0301", width=128, height=8, steps=28, max_sequence_length=12, seed=6),
    ),
    Case(
        "bf16_guided",
        Transformer(heads=3, head_dim=40, axes=(8, 16, 16), double=2, single=3),
        Vae(channels=(8, 16, 16), layers=1, groups=4, latent_channels=8),
        request=Request(prompt="seven birds", negative="river", true_cfg=1.7, width=48, height=32, steps=5, seed=8),
        weights="bf16",
        shard_sizes={"transformer": "200KB"},
    ),
]
