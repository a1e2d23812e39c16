"""Measures how often the pipeline draws what was asked: shape, colour and ground, from the pixels alone."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import FluxPipeline
from PIL import Image

import shapes

FORMS = [
    "a {colour} {shape} on a {ground} ground",
    "{colour} {shape}, {ground} background",
    "a {colour} {shape} on {ground}",
    "a {ground} background with a {colour} {shape}",
]
# The least overlap with a drawing of the shape that still counts as it: 0.12 below the worst of 160 drawings that
# had been through the autoencoder and back. Thin shapes lose more to a blurred edge.
LEAST_OVERLAP = {"star": 0.68, "triangle": 0.70, "cross": 0.76}
LEAST_OVERLAP_OTHERS = 0.79


def fixed_prompts():
    """Every shape in every colour, once on a named ground and once in two words: (category, prompt, expected)."""
    prompts = []
    for s, shape in enumerate(shapes.SHAPES):
        for c, colour in enumerate(shapes.COLOUR_NAMES):
            ground = shapes.COLOUR_NAMES[(c + 1 + (3 * s + c) % 9) % 10]
            text = FORMS[(s + c) % 4].format(shape=shape, colour=colour, ground=ground)
            text = text.replace("a orange", "an orange")
            kind = "unseen pair" if (shape, colour) in shapes.HELD_OUT else "seen pair"
            prompts.append((kind + ", ground named", text, (shape, colour, ground)))
            prompts.append((kind + ", short", f"{colour} {shape}", (shape, colour, None)))
    return prompts


def nearest_colour(rgb):
    return min(shapes.COLOURS, key=lambda name: float(((rgb - torch.tensor(shapes.COLOURS[name])) ** 2).sum()))


def templates():
    """Every shape, upright and turned, in a picture of its own: the scenes and their masks, cut to their outlines."""
    turns = torch.linspace(-0.2, 0.2, 9)
    grid = torch.cartesian_prod(torch.arange(len(shapes.SHAPES)).float(), turns)
    count = len(grid)
    half, zero = torch.full((count,), 0.5), torch.zeros(count, dtype=torch.long)
    scenes = shapes.Scenes(
        shape=grid[:, 0].long(),
        colour=zero,
        ground=zero,
        x=half,
        y=half,
        radius=0.9 * half,
        angle=grid[:, 1],
        tint=torch.zeros(count, 2, 3),
    )
    names = [shapes.SHAPES[s] for s in scenes.shape.tolist()]
    return names, torch.stack([cut_out(mask) for mask in shapes.coverage(scenes, 128) > 0.5])


def cut_out(mask, side=48):
    """The part of the mask inside its bounding box, stretched to a square."""
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return torch.nn.functional.interpolate(box[None, None].float(), size=(side, side), mode="bilinear")[0, 0] > 0.5


def recognise(picture, known):
    """(shape, colour, ground, overlap) of a picture [3, h, w] in [0, 1]; shape is None when nothing fits."""
    frame = torch.cat([picture[:, 0], picture[:, -1], picture[:, :, 0], picture[:, :, -1]], dim=1)
    ground = frame.median(dim=1).values
    distance = (picture - ground[:, None, None]).norm(dim=0)
    mask = distance > max(0.5 * torch.quantile(distance.flatten(), 0.98).item(), 0.08)
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    if mask.sum() < 60 or len(rows) < 12 or len(columns) < 12:
        return None, None, nearest_colour(ground), 0.0
    colour = picture[:, distance >= distance[mask].median()].median(dim=1).values
    names, masks = known
    stretch = len(rows) / len(columns)
    found = cut_out(mask)
    overlap = (masks & found).sum((1, 2)) / (masks | found).sum((1, 2))
    best = int(overlap.argmax())
    name, score = names[best], overlap[best].item()
    # Stretching made a diamond of a tipped square and the reverse; the outline's proportions tell.
    if score < LEAST_OVERLAP.get(name, LEAST_OVERLAP_OTHERS) or (name == "diamond") != (stretch > 1.3):
        name = None
    return name, nearest_colour(colour), nearest_colour(ground), score


def as_tensor(image):
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1)


def judge(picture, expected, known):
    found = recognise(picture, known)
    return all(want is None or want == have for want, have in zip(expected, found)), found


def check_judge(known, count=400):
    """The judge against drawings whose content is known."""
    scenes = shapes.sample_scenes(count, torch.Generator().manual_seed(99), held_out=[])
    pictures = (shapes.draw(scenes, 128) + 1) / 2
    names = zip(scenes.shape.tolist(), scenes.colour.tolist(), scenes.ground.tolist())
    expected = [(shapes.SHAPES[s], shapes.COLOUR_NAMES[c], shapes.COLOUR_NAMES[g]) for s, c, g in names]
    return sum(judge(p, e, known)[0] for p, e in zip(pictures, expected)) / count


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/spark"))
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, help="default: the model's own")
    parser.add_argument("--shift", type=float, help="default: the model's own")
    parser.add_argument("--limit", type=int, help="only every n-th prompt, so that about this many are drawn")
    parser.add_argument("--sheet", type=Path, help="write all pictures to this PNG")
    args = parser.parse_args()

    settings = json.loads((args.model / "steadyflux.json").read_text())
    pipeline = FluxPipeline.from_pretrained(args.model, dtype=getattr(torch, args.dtype)).to(args.device)
    pipeline.set_progress_bar_config(disable=True)
    if args.shift:
        pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config, shift=args.shift)
    prompts = fixed_prompts()
    if args.limit:
        prompts = prompts[:: max(1, len(prompts) // args.limit)]
    known = templates()
    print(f"judge on drawings: {check_judge(known):.1%} right")

    images = []
    for start in range(0, len(prompts), 32):
        batch = [text for _, text, _ in prompts[start : start + 32]]
        images += pipeline(
            batch,
            width=settings["width"],
            height=settings["height"],
            num_inference_steps=args.steps or settings["steps"],
            max_sequence_length=settings["max_sequence_length"],
            generator=[torch.Generator().manual_seed(start + i) for i in range(len(batch))],
        ).images

    tally = {}
    for (kind, text, expected), image in zip(prompts, images):
        right, found = judge(as_tensor(image), expected, known)
        for key in (kind, "all"):
            tally.setdefault(key, []).append(right)
        if not right:
            print(f"  wrong: {text!r} looks like {found}")
    for key, results in tally.items():
        print(f"{key:28} {sum(results):4} of {len(results):4}  {np.mean(results):.1%}")
    if args.sheet:
        columns, side = 16, images[0].width
        sheet = Image.new("RGB", (columns * side, -(-len(images) // columns) * images[0].height))
        for i, image in enumerate(images):
            sheet.paste(image, (i % columns * side, i // columns * image.height))
        sheet.save(args.sheet)


if __name__ == "__main__":
    main()
