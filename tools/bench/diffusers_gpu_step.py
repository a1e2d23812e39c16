#!/usr/bin/env python3
"""Milliseconds of one denoising step of FLUX.1's transformer in diffusers on a GPU, beside PyTorch's own products.

    diffusers_gpu_step.py --config FLUX.1-dev/transformer/config.json [--side 1024] [--text 512] [--repeat 10]

Weights are random, in bf16, and never touch a disk. Prints medians: eager, with each block compiled, and with the whole
model compiled. Needs diffusers and PyTorch with CUDA; --device cpu --layers 1 2 --side 128 rehearses it.

With --serve nothing is measured until a line on stdin names a form (eager, blocks, whole); the answer is a line of JSON.
So another program's runs can take turns with it.
"""

import argparse
import json
import sys
import time

import torch
from diffusers import FluxTransformer2DModel

FORMS = {"eager": "eager", "blocks": "each block compiled", "whole": "the whole model compiled"}
PRODUCTS = ((8192, 8192, 8192), (4608, 3072, 3072), (4608, 12288, 3072), (4608, 3072, 15360))  # rows, to, from


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, help="the transformer's config.json")
    parser.add_argument("--side", type=int, default=1024, help="of the picture, in pixels, a multiple of 16")
    parser.add_argument("--text", type=int, default=512, help="tokens")
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS), help="what to measure")
    parser.add_argument("--serve", action="store_true", help="measure what stdin asks for")
    parser.add_argument("--layers", type=int, nargs=2, metavar=("DOUBLE", "SINGLE"), help="instead of the config's")
    args = parser.parse_args()
    if args.side % 16 or args.side <= 0 or args.repeat < 1 or args.text < 1:
        parser.error("--side is a positive multiple of 16, --text and --repeat are positive")
    return args


def seconds_of(function, args, warm_up=2):
    """Median, least and most."""
    seconds = []
    for run in range(warm_up + args.repeat):
        begin = time.perf_counter()
        function()
        if args.device == "cuda":
            torch.cuda.synchronize()
        if run >= warm_up:
            seconds.append(time.perf_counter() - begin)
    seconds.sort()
    return seconds[len(seconds) // 2], seconds[0], seconds[-1]


def measure_products(args):
    for rows, to, width in PRODUCTS:
        x = torch.randn(rows, width, device=args.device, dtype=torch.bfloat16)
        weight = torch.randn(to, width, device=args.device, dtype=torch.bfloat16)
        median = seconds_of(lambda: torch.nn.functional.linear(x, weight), args)[0]
        print(f"{rows} x {width} to {to}: {median * 1e3:.3f} ms, {2e-12 * rows * to * width / median:.1f} TFLOP/s")


def make_transformer(args):
    with open(args.config) as file:
        config = {key: value for key, value in json.load(file).items() if not key.startswith("_")}
    if args.layers:
        config["num_layers"], config["num_single_layers"] = args.layers
    with torch.device("meta"):
        model = FluxTransformer2DModel(**config)
    model = model.to(torch.bfloat16).to_empty(device=args.device).eval().requires_grad_(False)
    for name, values in model.named_parameters():
        if values.dim() > 1:
            values.normal_(0, values.shape[-1] ** -0.5)
        elif "norm" in name and name.endswith("weight"):
            values.fill_(1)
        else:
            values.normal_(0, 0.02)
    return model


def make_inputs(model, args):
    cells = args.side // 16
    ids = torch.zeros(cells, cells, 3)
    ids[..., 1] = torch.arange(cells)[:, None]
    ids[..., 2] = torch.arange(cells)

    def normal(*shape):
        return torch.randn(*shape, device=args.device, dtype=torch.bfloat16)

    return {
        "hidden_states": normal(1, cells * cells, model.config.in_channels),
        "encoder_hidden_states": normal(1, args.text, model.config.joint_attention_dim) * 0.2,
        "pooled_projections": normal(1, model.config.pooled_projection_dim),
        "timestep": torch.tensor([0.7], device=args.device, dtype=torch.bfloat16),
        "guidance": torch.tensor([3.5], device=args.device) if model.config.guidance_embeds else None,
        "img_ids": ids.view(-1, 3).to(args.device, torch.bfloat16),
        "txt_ids": torch.zeros(args.text, 3, device=args.device, dtype=torch.bfloat16),
    }


class Forms:
    """One model's ways to be called."""

    def __init__(self, model):
        self.model = model
        self.blocks = {}  # what compiling put in place of calling them

    def call(self, form):
        """The function that computes a step in that form."""
        if form == "blocks" and not self.blocks:
            self.model.compile_repeated_blocks(fullgraph=True)
            self.blocks = {block: block._compiled_call_impl for block in self.model.modules()
                           if block._compiled_call_impl is not None}
        for block, compiled in self.blocks.items():
            block._compiled_call_impl = compiled if form == "blocks" else None
        if form != "whole":
            return self.model
        if not hasattr(self, "whole"):
            # Blocks are one piece of code that was compiled before, for some of the shapes.
            torch._dynamo.reset()
            self.whole = torch.compile(self.model, fullgraph=True)
        return self.whole


def serve(forms, inputs, args):
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        form = line.strip()
        if form not in FORMS:
            sys.exit(f"there is no form {form!r}; there are {', '.join(FORMS)}")
        function = forms.call(form)
        median, least, most = seconds_of(lambda: function(**inputs), args)
        print(json.dumps({"form": form, "median": median, "least": least, "most": most}), flush=True)


@torch.no_grad()
def main():
    args = parse_arguments()
    if args.device == "cuda" and not args.serve:
        print(torch.cuda.get_device_name(), torch.__version__)
        measure_products(args)
    model = make_transformer(args)
    inputs = make_inputs(model, args)
    forms = Forms(model)
    if args.serve:
        serve(forms, inputs, args)
        return
    for form in args.forms:
        function = forms.call(form)
        median, least, most = seconds_of(lambda: function(**inputs), args)
        print(f"diffusers, {FORMS[form]}: {median * 1e3:.2f} ms a step ({least * 1e3:.2f} to {most * 1e3:.2f})", flush=True)


if __name__ == "__main__":
    main()
