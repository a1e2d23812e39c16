"""What training draws from: pictures of many scenes in several formats, and tokens of several captions for each."""

import functools
import json
import math
import multiprocessing
import os
import time
from dataclasses import fields
from pathlib import Path

import torch
from transformers import CLIPTokenizer, T5TokenizerFast

import raytrace
import solid_captions
from solids import Solids, boxes, is_held_out, sample_solids

MAX_TOKENS = 48
# Width and height, the share of training steps, and how many scenes for each one of the first format.
FORMATS = [
    ((256, 256), 0.64, 1.0),
    ((320, 192), 0.11, 0.18),
    ((192, 320), 0.11, 0.18),
    ((384, 384), 0.05, 0.08),
    ((128, 128), 0.09, 0.18),
]
SQUARE, SMALL = FORMATS[0][0], FORMATS[4][0]
ROUND = 8192  # squares, and the other formats' shares of it, drawn in turns


def sample_scenes(count, seed):
    """Scenes for every format, {(width, height): Solids}; none shows what is held out."""
    scenes = {}
    for i, (size, _, portion) in enumerate(FORMATS):
        scenes[size] = sample_solids(max(1, int(count * portion)), torch.Generator().manual_seed(seed + i))
    return scenes


def sample_held_out(count, seed):
    """Scenes that show what training does not: for judges alone, which must know it."""
    scenes = sample_solids(count * 5, torch.Generator().manual_seed(seed), held_out=True)
    return scenes[is_held_out(scenes)][slice(count)]


def shrunk(sizes, factor):
    """The formats at 1/factor of the size, for rehearsals: multiples of 16, as FLUX wants them."""
    return {size: tuple(max(16, side // factor // 16 * 16) for side in size) for size in sizes}


@torch.no_grad()
def draw(scenes, width, height, device, samples=2, compiled=False):
    """Pictures as bytes on the device, [n, 3, height, width]."""
    batch = raytrace.batch_size(width, height, samples) if compiled else 8
    parts = []
    for start in range(0, len(scenes), batch):
        rows = torch.arange(start, start + batch).clamp(max=len(scenes) - 1)  # whole batches: compiled for one shape
        picture = raytrace.render(scenes[rows].to(device), width, height, samples, compiled=compiled)
        parts.append(((picture + 1) * 127.5).round().byte()[: len(scenes) - start])
    return torch.cat(parts)


def nearest_objects(scenes, rows, columns):
    """The object in whose box each of the picture's rows x columns cells lies, the nearest if several: [n, rows,
    columns], -1 where none."""
    left, right, bottom, top = boxes(scenes)[..., None, None].unbind(2)
    unit = min(columns, rows)
    x = ((torch.arange(columns) + 0.5) * 2 - columns) / unit
    y = (rows - (torch.arange(rows) + 0.5) * 2)[:, None] / unit
    inside = (x > left) & (x < right) & (y > bottom) & (y < top) & scenes.present[..., None, None]
    depth = torch.where(inside, scenes.z[..., None, None], math.inf)
    nearest, owner = depth.min(1)
    return torch.where(nearest < math.inf, owner, -1)


def save_pictures(path, scenes, pictures):
    """Keeps pictures, as bytes, and what they show: the first of `scenes`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {f.name: getattr(scenes, f.name)[: len(pictures)].clone() for f in fields(scenes)}
    part = path.with_suffix(".part")
    torch.save({"scenes": columns, "pictures": pictures.cpu()}, part)
    part.rename(path)


def load_pictures(path):
    """What save_pictures kept: (scenes, pictures)."""
    kept = torch.load(path, map_location="cpu")
    return Solids(**kept["scenes"]), kept["pictures"]


def draw_pool(options, device):
    """Draws every format's scenes in rounds of some of each, until all are drawn or `options.render_seconds` over.

    Each round's pictures are a file for each format; "unseen.pt" holds pictures of what training does not show, for
    judges. The file "ready" says that no more will come.
    """
    scenes = sample_scenes(options.scenes, options.seed + 1)
    sizes = shrunk(scenes, options.shrink)
    unseen = sample_held_out(max(1, min(2500, options.scenes // 8)), options.seed + 77)
    started = time.time()
    for number in range(math.ceil(options.scenes / ROUND)):
        for (size, _, portion) in FORMATS:
            each = max(1, int(ROUND * portion))
            some = scenes[size][slice(number * each, (number + 1) * each)]
            if len(some):
                drawn = draw(some, *sizes[size], device, compiled=options.compile)
                save_pictures(options.pool / f"pictures/{name_of(size)}-{number:03}.pt", some, drawn)
        print(f"pictures: round {number + 1} kept, {time.time() - started:.0f} s", flush=True)
        if number == 0:
            drawn = draw(unseen, *sizes[SQUARE], device, compiled=options.compile)
            save_pictures(options.pool / "pictures/unseen.pt", unseen, drawn)
        if time.time() - started > options.render_seconds:
            break
    (options.pool / "pictures/ready").touch()


def name_of(size):
    return f"{size[0]}x{size[1]}"


def pool_files(folder, size):
    """The files with the format's pictures that are there, in the order of their scenes."""
    return sorted((folder / "pictures").glob(f"{name_of(size)}-???.pt"))


def wait_for(there, what, seconds=1500):
    """Waits until `there()` is true: another process makes what this one needs."""
    end = time.time() + seconds
    while not there():
        if time.time() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(1)


@functools.cache
def evaluation_prompts():
    """The fixed prompts, which training must not see."""
    prompts = json.loads((Path(__file__).parent / "prompts.json").read_text())
    return {solid_captions.same(prompt["text"]) for prompt in prompts}


@functools.cache
def _tokenizers(folder):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    return CLIPTokenizer.from_pretrained(folder / "tokenizer"), T5TokenizerFast.from_pretrained(folder / "tokenizer_2")


def tokenise(folder, texts):
    """CLIP's and T5's ids, [texts, 2, MAX_TOKENS]. Longer padding for CLIP could not change its pooled vector."""
    ids = [
        tokenizer(texts, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt").input_ids
        for tokenizer in _tokenizers(folder)
    ]
    return torch.stack(ids, dim=1).to(torch.int16)


def _caption_tokens(folder, scenes, seed, each):
    torch.set_num_threads(1)
    texts = solid_captions.captions(scenes, seed, each, evaluation_prompts())
    ids = tokenise(folder, texts)
    return ids.view(len(scenes), each, *ids.shape[1:]).numpy()


class CaptionTokens:
    """Writes and tokenises captions in processes beside this one, which must not have touched the GPU yet."""

    CHUNK = 1024

    def __init__(self, folder, scenes, seed, each):
        self.workers = multiprocessing.get_context("fork").Pool(max(1, (os.cpu_count() or 2) - 1))
        self.results = {}
        for size, all_scenes in scenes.items():
            chunks = [all_scenes[slice(i, i + self.CHUNK)] for i in range(0, len(all_scenes), self.CHUNK)]
            work = [(folder, chunk, seed + 7919 * i, each) for i, chunk in enumerate(chunks)]
            self.results[size] = self.workers.starmap_async(_caption_tokens, work, chunksize=1)
        self.workers.close()

    def get(self, size):
        """[scenes, each, 2, MAX_TOKENS] of the format's captions."""
        return torch.cat([torch.from_numpy(part) for part in self.results[size].get()])
