#!/usr/bin/env python3
"""Seconds that diffusers takes for FLUX.1's steps and one picture on a card, in the ways it has to save memory; as JSON.

    diffusers_gpu_budget.py --model DIR --mode group [--size 1024x1024] [--text 512] [--steps 4]
    diffusers_gpu_budget.py --model DIR --save-nf4 DIR_NF4        then  --mode nf4 --nf4 DIR_NF4

DIR has transformer, vae and scheduler in diffusers' layout; text embeddings are random. Modes: `none` puts everything
on the card; `group` is group offload by blocks with a stream of its own, every weight pinned beforehand; `group-low`
the same with low_cpu_mem_usage, which pins a block when it is needed; `sequential` is sequential CPU offload; `nf4` is
bitsandbytes' NF4, quantised beforehand by --save-nf4, with model offload. Weights that a mode does not copy stay mapped
files. Needs diffusers, accelerate and PyTorch with CUDA, and bitsandbytes for NF4; `--device cpu --mode none` rehearses it.
"""

import argparse
import json
import pathlib
import sys
import time

import torch
from diffusers import FluxPipeline, FluxTransformer2DModel

DTYPE = torch.bfloat16


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--mode", choices=["none", "group", "group-low", "sequential", "nf4"], default="none")
    parser.add_argument("--nf4", metavar="DIR", help="where --save-nf4 wrote")
    parser.add_argument("--save-nf4", metavar="DIR", help="quantise the transformer to NF4, write it, and draw nothing")
    parser.add_argument("--size", default="1024x1024", help="WIDTHxHEIGHT")
    parser.add_argument("--text", type=int, default=512, help="tokens")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    args = parser.parse_args()
    if args.mode == "nf4" and not args.nf4:
        parser.error("--mode nf4 needs --nf4")
    return args


def save_nf4(args):
    from diffusers import BitsAndBytesConfig

    how = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=DTYPE)
    transformer = FluxTransformer2DModel.from_pretrained(args.model, subfolder="transformer", dtype=DTYPE,
                                                         quantization_config=how)
    transformer.save_pretrained(args.save_nf4)


def offload(pipeline, args):
    if args.mode in ("group", "group-low"):
        pipeline.transformer.enable_group_offload(
            onload_device=torch.device("cuda"), offload_device=torch.device("cpu"), offload_type="block_level",
            num_blocks_per_group=1, use_stream=True, record_stream=True, low_cpu_mem_usage=args.mode == "group-low")
        pipeline.vae.to("cuda")
    elif args.mode == "sequential":
        pipeline.enable_sequential_cpu_offload()
    elif args.mode == "nf4":
        pipeline.enable_model_cpu_offload()
    else:
        pipeline.to(args.device)


def open_pipeline(args):
    given = {"transformer": FluxTransformer2DModel.from_pretrained(args.nf4, dtype=DTYPE)} if args.mode == "nf4" else {}
    pipeline = FluxPipeline.from_pretrained(args.model, text_encoder=None, text_encoder_2=None, tokenizer=None,
                                            tokenizer_2=None, dtype=DTYPE, **given)
    pipeline.set_progress_bar_config(disable=True)
    offload(pipeline, args)
    return pipeline


def settled_seconds(args):
    if args.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def draw(pipeline, args):
    """Seconds from the call to the end of each step, and to the picture."""
    width, height = map(int, args.size.split("x"))
    config = pipeline.transformer.config
    marks = [settled_seconds(args)]

    def mark(_pipeline, _step, _timestep, tensors):
        marks.append(settled_seconds(args))
        return tensors

    pipeline(prompt_embeds=torch.randn(1, args.text, config.joint_attention_dim, dtype=DTYPE, device=args.device) * 0.2,
             pooled_prompt_embeds=torch.randn(1, config.pooled_projection_dim, dtype=DTYPE, device=args.device),
             width=width, height=height, num_inference_steps=args.steps, guidance_scale=3.5, output_type="np",
             generator=torch.Generator().manual_seed(7), callback_on_step_end=mark)
    return [*marks, settled_seconds(args)]


def resident_peak_bytes():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main():
    args = parse_arguments()
    if args.save_nf4:
        save_nf4(args)
        return
    begin = time.perf_counter()
    with torch.no_grad():
        pipeline = open_pipeline(args)
        opened = settled_seconds(args)
        marks = draw(pipeline, args)
    spans = [later - earlier for earlier, later in zip(marks, marks[1:])]
    json.dump({"mode": args.mode, "torch": torch.__version__, "open": opened - begin, "steps": spans[:-1],
               "decode": spans[-1], "picture": marks[-1] - marks[0],
               "torch_device_bytes": torch.cuda.max_memory_reserved() if args.device == "cuda" else 0,
               "resident_peak_bytes": resident_peak_bytes()}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
