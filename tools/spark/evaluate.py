"""Draws the 200 fixed prompts and says, by category, how often everything in the picture is what was asked for.

Pictures come from the steadyflux command, from diffusers, or from a folder; judge.py looks at them.
"""

import argparse
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import judge
from sheet import contact_sheet

ROOT = Path(__file__).resolve().parents[2]
PROMPTS = Path(__file__).parent / "prompts.json"
COMMAND = ROOT / "build/release/apps/cli/steadyflux"
NUMBERS = ["", "one object", "two objects", "three objects"]


def draw_with_command(entries, folder, args):
    """000.png, 001.png, … as the product makes them, one run of the command each."""
    extra = [f"--{name}={value}" for name in ("steps", "dtype", "compute", "size") if (value := getattr(args, name))]
    for index, entry in enumerate(entries):
        out = ["--seed", str(entry["seed"]), "--out", str(folder / f"{index:03}.png")]
        prompt = ["--model", str(args.model), "--prompt", entry["text"]]
        command = [args.command, "generate", "--quiet", *prompt, *out, *extra]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def draw_with_diffusers(entries, folder, args):
    """The same files by the reference pipeline; the same seeds give the same noise."""
    from diffusers import FluxPipeline

    settings = json.loads((args.model / "steadyflux.json").read_text())
    width, height = map(int, args.size.split("x")) if args.size else (settings["width"], settings["height"])
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[args.dtype or "bf16"]
    pipeline = FluxPipeline.from_pretrained(args.model, dtype=dtype).to(args.device)
    pipeline.set_progress_bar_config(disable=True)
    if args.shift:
        pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config, shift=args.shift)
    for start in range(0, len(entries), args.batch):
        some = entries[start : start + args.batch]
        images = pipeline(
            [entry["text"] for entry in some],
            width=width,
            height=height,
            num_inference_steps=args.steps or settings["steps"],
            guidance_scale=settings["guidance"],
            max_sequence_length=settings["max_sequence_length"],
            generator=[torch.Generator().manual_seed(entry["seed"]) for entry in some],
        ).images
        for index, image in enumerate(images, start):
            image.save(folder / f"{index:03}.png")


def as_pictures(images, device):
    """[n, 3, h, w] in [-1, 1]"""
    pixels = torch.from_numpy(np.stack([np.asarray(image.convert("RGB")) for image in images])).to(device)
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def judged(entries, images, model, device, batch=16):
    """For every picture what is wrong with it, and how many of its finishes are right, of how many."""
    verdicts = []
    for start in range(0, len(images), batch):
        found = judge.look(model, as_pictures(images[start : start + batch], device))
        for entry, (objects, ground, sky) in zip(entries[start:], found):
            verdicts.append((judge.faults(entry, objects, ground, sky), judge.finishes_right(entry, objects)))
    return verdicts


def categories(entry):
    """The rows of the table that an entry counts in."""
    yield "all"
    yield NUMBERS[len(entry["objects"])]
    for tag in entry["tags"]:
        yield f"tag: {tag}"
    for relation in sorted({name for _, name, _ in entry["relations"]}):
        yield f"relation: {relation}"
    for what in ("ground", "sky"):
        yield f"{what}: {entry.get(what, 'left open')}"


def tally(entries, verdicts):
    """{category: (right, of)}, in the order of the table."""
    right, total = Counter(), Counter()
    for entry, (wrong, _) in zip(entries, verdicts):
        for category in categories(entry):
            total[category] += 1
            right[category] += not wrong
    first = ["all", *NUMBERS[1:]]
    names = [name for name in first if name in total] + sorted(set(total) - set(first))
    return {name: (right[name], total[name]) for name in names}


def report(entries, verdicts):
    for number, (entry, (wrong, _)) in enumerate(zip(entries, verdicts)):
        if wrong:
            print(f"  {number:03} {entry['text']!r}: {', '.join(wrong)}")
    table = tally(entries, verdicts)
    print("| category | right | of | share |\n| --- | ---: | ---: | ---: |")
    for name, (right, total) in table.items():
        print(f"| {name} | {right} | {total} | {right / total:.1%} |")
    faults = Counter(name for wrong, _ in verdicts for name in set(wrong))
    print("pictures with a fault in: " + ", ".join(f"{name} {count}" for name, count in faults.most_common()))
    right, named = (sum(pair[i] for _, pair in verdicts) for i in (0, 1))
    print(f"finishes named: {right} of {named} right (not part of the shares above)")
    return table


def size(text):
    if not re.fullmatch(r"[1-9][0-9]*x[1-9][0-9]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT")
    return text


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--command", type=Path, default=COMMAND, help="the steadyflux command")
    source.add_argument("--diffusers", action="store_true", help="draw with diffusers instead")
    source.add_argument("--judge-only", action="store_true", help="judge what is in --pictures already")
    parser.add_argument("--pictures", type=Path, default=Path("/tmp/spark-pictures"), help="folder of the pictures")
    parser.add_argument("--model", type=Path, default=ROOT / "models/spark")
    parser.add_argument("--weights", type=Path, default=judge.WEIGHTS, help="the judge's")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=["f32", "bf16"])
    parser.add_argument("--compute", help="the command's --compute")
    parser.add_argument("--prompts", type=Path, default=PROMPTS, help="a file of make_prompts.py")
    parser.add_argument("--size", type=size, metavar="WIDTHxHEIGHT", help="default: the model's own")
    parser.add_argument("--steps", type=int, help="default: the model's own")
    parser.add_argument("--shift", type=float, help="with diffusers; default: the model's own")
    parser.add_argument("--batch", type=int, default=50, help="with diffusers")
    parser.add_argument("--limit", type=int, help="only the first prompts")
    parser.add_argument("--sheet", type=Path, help="write the first 32 pictures with their prompts to this file")
    parser.add_argument(
        "--least", type=float, nargs=3, default=(0, 0, 0), metavar="SHARE", help="exit 1 below these, by objects"
    )
    return parser.parse_args()


def main():
    args = parse_arguments()
    entries = json.loads(args.prompts.read_text())[: args.limit]
    args.pictures.mkdir(parents=True, exist_ok=True)
    if not args.judge_only:
        (draw_with_diffusers if args.diffusers else draw_with_command)(entries, args.pictures, args)
    images = [Image.open(args.pictures / f"{index:03}.png") for index in range(len(entries))]
    verdicts = judged(entries, images, judge.load(args.weights, args.device), args.device)
    table = report(entries, verdicts)
    if args.sheet:
        first = list(zip(entries, images, verdicts))[:32]
        shown = [(entry["text"], image, wrong) for entry, image, (wrong, _) in first]
        contact_sheet(shown).save(args.sheet, quality=90)
    shares = [right / total for right, total in (table.get(name, (1, 1)) for name in NUMBERS[1:])]
    raise SystemExit(any(share < least for share, least in zip(shares, args.least)))


if __name__ == "__main__":
    main()
