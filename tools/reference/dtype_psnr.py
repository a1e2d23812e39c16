"""How far one type of compute, or of weights, moves pictures from another: same timesteps, same noise.

    dtype_psnr.py --steadyflux build/release/apps/cli/steadyflux --model models/spark [--compute bf16 int8]
    dtype_psnr.py --steadyflux … --model models/spark --other-model CONVERTED --compute bf16 bf16

Draws 64 of spark's prompts (--prompts FILE: one a line) twice, the second time with the second --compute and --other-model, and
prints the median and lowest PSNR of the 8-bit pictures.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

PROMPTS = Path(__file__).resolve().parents[1] / "spark/prompts.json"


def default_prompts():
    return [entry["text"] for entry in json.loads(PROMPTS.read_text())[:64]]


def draw(args, model, prompt, seed, compute, path):
    command = [args.steadyflux, "generate", "--model", model, "--prompt", prompt, "--seed", str(seed), "--quiet",
               "--dtype", "bf16", "--noise", "f32", "--compute", compute, "--out", str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return np.asarray(Image.open(path), dtype=np.float64)


def psnr(a, b):
    error = np.mean((a - b) ** 2)
    return 100.0 if error == 0 else 10 * np.log10(255.0**2 / error)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steadyflux", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--other-model")
    parser.add_argument("--compute", nargs=2, default=["f32", "bf16"])
    parser.add_argument("--prompts", type=Path)
    parser.add_argument("--min-median", type=float, default=35.0)
    args = parser.parse_args()
    prompts = args.prompts.read_text().splitlines() if args.prompts else default_prompts()
    with tempfile.TemporaryDirectory() as folder:
        values = []
        for seed, prompt in enumerate(prompts):
            pictures = [draw(args, model, prompt, seed, compute, Path(folder) / "picture.png")
                        for model, compute in zip((args.model, args.other_model or args.model), args.compute)]
            values.append(psnr(*pictures))
    median = statistics.median(values)
    print(f"{len(values)} prompts: median {median:.1f} dB, lowest {min(values):.1f} dB")
    sys.exit(0 if median >= args.min_median else 1)


if __name__ == "__main__":
    main()
