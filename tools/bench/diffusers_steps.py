#!/usr/bin/env python3
"""Seconds that diffusers takes for one picture on the processor, as JSON on stdout: encode, each step, decode.

    diffusers_steps.py --model DIR --size 512x512 --steps 4 --threads 2 --dtype bf16 [--compile] [--channels-last]

Runs in an environment with the packages of tools/reference/requirements.txt; side_by_side.py starts it. A compiled
decoder decodes twice and the second time counts, so that compiling is left out, as it is for the steps by leaving out
the first.
"""

import argparse
import json
import sys
import time

import torch
from diffusers import FluxPipeline


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="model directory in the diffusers layout")
    parser.add_argument("--size", required=True, help="WIDTHxHEIGHT")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--prompt", default="x")
    parser.add_argument("--max-sequence-length", type=int, default=256)
    parser.add_argument("--dtype", choices=["bf16", "f32"], default="bf16")
    parser.add_argument("--compile", action="store_true", help="torch.compile for transformer and decoder")
    parser.add_argument("--freeze", action="store_true", help="compile with weights as constants, packed once")
    parser.add_argument("--channels-last", action="store_true", help="the autoencoder in channels-last layout")
    return parser.parse_args()


def open_pipeline(args):
    torch.set_num_threads(args.threads)
    dtype = {"bf16": torch.bfloat16, "f32": torch.float32}[args.dtype]
    pipeline = FluxPipeline.from_pretrained(args.model, torch_dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)
    if args.channels_last:
        pipeline.vae.to(memory_format=torch.channels_last)
    if args.compile or args.freeze:
        torch._inductor.config.freezing = args.freeze
        pipeline.transformer.compile()
        pipeline.vae.decoder.compile()
    return pipeline


def timed(function):
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def denoise(pipeline, args, embeds):
    """Packed latents, and the seconds of every step; those of the first count from the call."""
    width, height = map(int, args.size.split("x"))
    marks = [time.perf_counter()]

    def mark(_pipeline, _step, _timestep, tensors):
        marks.append(time.perf_counter())
        return tensors

    latents = pipeline(prompt_embeds=embeds[0], pooled_prompt_embeds=embeds[1], width=width, height=height,
                       num_inference_steps=args.steps, guidance_scale=0.0, output_type="latent",
                       generator=torch.Generator().manual_seed(7), callback_on_step_end=mark).images
    latents = pipeline._unpack_latents(latents, height, width, pipeline.vae_scale_factor)
    return latents, [later - earlier for earlier, later in zip(marks, marks[1:])]


def decode(pipeline, latents):
    config = pipeline.vae.config
    return pipeline.vae.decode(latents / config.scaling_factor + config.shift_factor, return_dict=False)[0]


def main():
    args = parse_arguments()
    pipeline = open_pipeline(args)
    with torch.no_grad():
        embeds, encode_seconds = timed(lambda: pipeline.encode_prompt(
            args.prompt, args.prompt, max_sequence_length=args.max_sequence_length))
        latents, steps = denoise(pipeline, args, embeds)
        if args.compile or args.freeze:
            decode(pipeline, latents)
        _, decode_seconds = timed(lambda: decode(pipeline, latents))
    json.dump({"torch": torch.__version__, "encode": encode_seconds, "steps": steps, "decode": decode_seconds},
              sys.stdout)
    print()


if __name__ == "__main__":
    main()
