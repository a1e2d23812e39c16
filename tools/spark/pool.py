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
from solids import boxes, is_held_out, sample_solids

MAX_TOKENS = 48
# Width and height, the share of training steps, and how many scenes for each one of the first format.
FORMATS = [
    ((256, 256), 0.64, 1.0),
    ((320, 192), 0.11, 0.18),
    ((192, 320), 0.11, 0.18),
    ((384, 384), 0.05, 0.08),
    ((128, 128), 0.09, 0.18),
]
SQUARE = FORMATS[0][0]


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
def draw(scenes, width, height, device, seconds=math.inf, samples=2, compiled=False):
    """Pictures as bytes on the device, [n, 3, height, width]; fewer than there are scenes when time is over first.

    The first batch, in which everything is compiled, does not count.
    """
    batch = raytrace.batch_size(width, height, samples) if compiled else 8
    parts = []
    for start in range(0, len(scenes), batch):
        if start == batch:
            began = time.time()
        if start > batch and time.time() - began > seconds:
            break
        rows = torch.arange(start, start + batch).clamp(max=len(scenes) - 1)  # whole batches: compiled for one shape
        picture = raytrace.render(scenes[rows].to(device), width, height, samples, compiled=compiled)
        parts.append(((picture + 1) * 127.5).round().byte()[: len(scenes) - start])
        if device.type == "cuda":
            torch.cuda.synchronize()
    return torch.cat(parts)


def object_masks(scenes, height, width):
    """Which of the picture's height x width cells lie in an object's box, [n, height, width]."""
    left, right, bottom, top = boxes(scenes)[..., None, None].unbind(2)
    unit = min(width, height)
    x = ((torch.arange(width) + 0.5) * 2 - width) / unit
    y = (height - (torch.arange(height) + 0.5) * 2)[:, None] / unit
    inside = (x > left) & (x < right) & (y > bottom) & (y < top)
    return (inside & scenes.present[..., None, None]).any(1)


def save_pictures(folder, scenes, pictures, name=""):
    """Keeps pictures and what they show, for whoever learns to judge them."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = {f.name: getattr(scenes, f.name)[: len(pictures)].clone() for f in fields(scenes)}
    height, width = pictures.shape[-2:]
    path = folder / f"{width}x{height}{name}.pt"
    torch.save({"scenes": columns, "pictures": pictures.cpu()}, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


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
