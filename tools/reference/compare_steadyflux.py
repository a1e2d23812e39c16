"""Runs `steadyflux generate` on every golden case and compares final latents and picture with the reference's.

    make_goldens.py --out DIR && compare_steadyflux.py --steadyflux build/release/apps/cli/steadyflux --goldens DIR

Latents must agree to 1e-3 of their largest value, pictures to 1 of 255. Cases of a size that steadyflux refuses (not a
whole number of tokens) are listed as refused.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

MAX_LATENT_ERROR = 1e-3
MAX_PIXEL_ERROR = 1


def flags_of(case, has_guidance):
    flags = ["--prompt", case["prompt"], "--seed", case["seed"], "--width", case["width"], "--height", case["height"],
             "--max-sequence-length", case["max_sequence_length"]]
    if case["sigmas"]:
        flags += ["--sigmas", ",".join(map(str, case["sigmas"]))]
    else:
        flags += ["--steps", case["steps"]]
    if case["prompt_2"]:
        flags += ["--prompt-2", case["prompt_2"]]
    if case["true_cfg"] > 1:
        flags += ["--true-cfg", case["true_cfg"], "--negative", case["negative"] or ""]
        if case["negative_2"]:
            flags += ["--negative-2", case["negative_2"]]
    if has_guidance:
        flags += ["--guidance", case["guidance"]]
    return [str(flag) for flag in flags]


def compare(steadyflux, folder, scratch):
    case = json.loads((folder / "case.json").read_text())
    config = json.loads((folder / "model/transformer/config.json").read_text())
    picture, latents = scratch / "picture.png", scratch / "latents.safetensors"
    command = [steadyflux, "generate", "--model", str(folder / "model"), "--dtype", "f32", "--quiet", "--out",
               str(picture), "--latents-out", str(latents)] + flags_of(case, config.get("guidance_embeds", False))
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode == 2 and "is not a multiple of" in run.stderr:
        print(f"{folder.name:24} refused: {run.stderr.strip()}")
        return True
    if run.returncode != 0:
        print(f"{folder.name:24} failed: {run.stderr.strip()}")
        return False
    expected = load_file(folder / "expected.safetensors")
    last = max((name for name in expected if name.startswith("latents.") and name != "latents.init"),
               key=lambda name: int(name.split(".")[1]))
    want = expected[last].ravel()
    latent_error = np.abs(load_file(latents)["latents"].ravel() - want).max() / np.abs(want).max()
    pixels = np.asarray(Image.open(picture)).astype(int)
    pixel_error = np.abs(pixels - expected["image_u8"].astype(int)).max()
    print(f"{folder.name:24} latents {latent_error:.1e}  picture {pixel_error}/255")
    return latent_error <= MAX_LATENT_ERROR and pixel_error <= MAX_PIXEL_ERROR


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steadyflux", required=True)
    parser.add_argument("--goldens", type=Path, required=True)
    args = parser.parse_args()
    folders = sorted(path.parent for path in args.goldens.glob("*/case.json"))
    with tempfile.TemporaryDirectory() as scratch:
        results = [compare(args.steadyflux, folder, Path(scratch)) for folder in folders]
    sys.exit(0 if results and all(results) else 1)


if __name__ == "__main__":
    main()
