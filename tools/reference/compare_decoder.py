"""Decodes the latents of one `steadyflux generate` run in f32 with diffusers' AutoencoderKL, and compares the pictures.

    compare_decoder.py --steadyflux build/release/apps/cli/steadyflux --model DIR [--size 192x128]

Takes any model in the diffusers layout, one of `steadyflux bench make-checkpoint` too: it has FLUX.1's autoencoder with
random weights. Pictures must agree to 1 of 255.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import load_file

MAX_PIXEL_ERROR = 1


def generate(args, directory):
    latents, picture = directory / "latents.safetensors", directory / "picture.png"
    subprocess.run(
        [args.steadyflux, "generate", "--model", args.model, "--compute", "f32", "--prompt", "x", "--steps", "1",
         "--size", args.size, "--prompt-cache", "off", "--latents-out", latents, "--out", picture, "--quiet"],
        check=True, stdout=subprocess.DEVNULL)
    packed = next(iter(load_file(latents).values())).float()
    return packed, np.array(Image.open(picture)).astype(int)


def unpacked(packed, width, height, channels):
    rows, columns = height // 16, width // 16
    return packed.reshape(rows, columns, channels, 2, 2).permute(2, 0, 3, 1, 4).reshape(1, channels, 2 * rows,
                                                                                       2 * columns)


def decode(args, packed):
    vae = AutoencoderKL.from_pretrained(Path(args.model) / "vae", torch_dtype=torch.float32)
    width, height = map(int, args.size.split("x"))
    latents = unpacked(packed, width, height, vae.config.latent_channels)
    with torch.no_grad():
        image = vae.decode(latents / vae.config.scaling_factor + vae.config.shift_factor).sample[0]
    return (255 * (image / 2 + 0.5).clamp(0, 1)).round().permute(1, 2, 0).numpy().astype(int)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steadyflux", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", default="192x128", help="WIDTHxHEIGHT")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        packed, picture = generate(args, Path(directory))
    difference = np.abs(picture - decode(args, packed))
    print(f"largest difference {difference.max()} of 255; {100 * (difference > 0).mean():.4f} % of the values differ")
    return 0 if difference.max() <= MAX_PIXEL_ERROR else 1


if __name__ == "__main__":
    sys.exit(main())
