"""Refreshes tests/spark/thumbnails.json, and measures the bound that the test uses.

The file holds prompts and, of the picture that each gave, the mean colours of 8 x 8 cells: enough to tell one prompt's
picture from another's, too coarse to notice in which type it was computed. Run this when the model has changed on
purpose, look at the pictures, and compare the distances that it prints with the bound in prompts_test.cc.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
STORE = ROOT / "tests/spark/thumbnails.json"
CELLS = 8
SAME_PICTURE = [["--compute", "f32"], ["--compute", "bf16"], ["--dtype", "f32"], ["--dtype", "bf16", "--threads", "1"]]


def draw(command, prompt, seed, extra=()):
    """The thumbnail of the picture that the command makes, [CELLS, CELLS, 3] from 0 to 255."""
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/picture.png"
        request = ["generate", "--quiet", "--prompt", prompt, "--seed", str(seed), "--out", out]
        subprocess.run([command, *request, *extra], check=True, stdout=subprocess.DEVNULL)
        pixels = np.asarray(Image.open(out).convert("RGB"), dtype=np.float64)
    height, width = pixels.shape[:2]
    cells = pixels.reshape(CELLS, height // CELLS, CELLS, width // CELLS, 3).mean((1, 3))
    return np.floor(cells + 0.5)


def distance(a, b):
    return np.sqrt(((a - b) ** 2).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--command", type=Path, default=ROOT / "build/release/apps/cli/steadyflux")
    args = parser.parse_args()
    entries = json.loads(STORE.read_text())
    usual = [draw(args.command, entry["prompt"], entry["seed"]) for entry in entries]
    same = []
    for entry, cells in zip(entries, usual):
        same += [distance(cells, draw(args.command, entry["prompt"], entry["seed"], extra)) for extra in SAME_PICTURE]
        entry["thumbnail"] = bytes(cells.astype(np.uint8).flatten()).hex()
    # One word changed, the seed kept: the nearest that a wrong picture comes.
    changed = [distance(draw(args.command, e["one_word_off"], e["seed"]), cells) for e, cells in zip(entries, usual)]
    others = [distance(a, b) for i, a in enumerate(usual) for b in usual[:i]]
    print(f"the same prompt, computed otherwise: at most {max(same):.2f}")
    print(f"one word of the prompt changed: at least {min(changed):.2f}, median {np.median(changed):.2f}")
    print(f"another prompt of the file: at least {min(others):.2f}")
    STORE.write_text("[\n" + ",\n".join(" " + json.dumps(entry) for entry in entries) + "\n]\n")


if __name__ == "__main__":
    main()
