"""Runs diffusers' FluxPipeline on a model directory, to compare with `steadyflux generate`.

    run_pipeline.py --model DIR --prompt TEXT --out image.png --tensors stages.safetensors

The options are those of `steadyflux generate`. The image goes to --out; --tensors keeps every stage (capture.py lists the
names); --latents-out keeps the packed latents as `latents` [1, S, C], which --latents of either program takes back as
the starting noise.
"""

import argparse

import torch
from diffusers import FluxPipeline
from safetensors.torch import load_file, save_file

import capture


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--prompt-2")
    parser.add_argument("--negative")
    parser.add_argument("--negative-2")
    parser.add_argument("--true-cfg", type=float, default=1.0)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--height", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=28)
    parser.add_argument("--sigmas", help="comma-separated")
    parser.add_argument("--guidance", type=float, default=3.5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-sequence-length", type=int, default=512)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--latents", help="safetensors file with the starting noise, packed")
    parser.add_argument("--latents-out")
    parser.add_argument("--tensors")
    parser.add_argument("--out")
    return parser.parse_args()


def request_of(options):
    sigmas = [float(s) for s in options.sigmas.split(",")] if options.sigmas else None
    return {
        "prompt": options.prompt, "prompt_2": options.prompt_2,
        "negative_prompt": options.negative, "negative_prompt_2": options.negative_2,
        "true_cfg_scale": options.true_cfg, "width": options.width, "height": options.height,
        "num_inference_steps": len(sigmas) if sigmas else options.steps, "sigmas": sigmas,
        "guidance_scale": options.guidance, "max_sequence_length": options.max_sequence_length,
        "latents": load_file(options.latents)["latents"] if options.latents else None,
        "generator": torch.Generator("cpu").manual_seed(options.seed),
    }


def main():
    options = parse()
    torch.set_num_threads(options.threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[options.dtype]
    pipe = FluxPipeline.from_pretrained(options.model, dtype=dtype)
    image, tensors = capture.run(pipe, request_of(options))
    last = max(int(name.split(".")[1]) for name in tensors if name.startswith("velocity."))
    if options.out:
        image.save(options.out)
    if options.tensors:
        save_file(tensors, options.tensors)
    if options.latents_out:
        save_file({"latents": tensors[f"latents.{last}"][None]}, options.latents_out)


if __name__ == "__main__":
    main()
