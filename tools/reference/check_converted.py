#!/usr/bin/env python3
"""Reads what `steadyflux convert` writes with the packages that the formats come from.

    check_converted.py --program build/release/apps/cli/steadyflux --model models/spark

Needs gguf, bitsandbytes and what requirements.txt lists. Of every type: the transformer is converted, the result is
converted to f32 by steadyflux and decoded by the package, and both must have the same numbers. Then diffusers loads the
nf4 directory and a GGUF file, and its velocities are compared with those of the f32 weights that steadyflux decoded.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import bitsandbytes.functional
import diffusers
import gguf
import numpy
import torch
import transformers
from safetensors.torch import load_file

GGUF_TYPES = ["q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k", "bf16", "f16"]
FOUR_BIT_TYPES = ["nf4", "fp4"]
STATE = ".quant_state.bitsandbytes__"


def convert(program, *arguments):
    subprocess.run([program, "convert", "--quiet", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def read_gguf(path):
    """Name → f32 tensor, dequantised by the gguf package."""
    result = {}
    for tensor in gguf.GGUFReader(path).tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        shape = [int(n) for n in reversed(tensor.shape)]
        result[tensor.name] = torch.from_numpy(numpy.array(values, dtype=numpy.float32).reshape(shape))
    return result


def read_four_bit(path):
    """Name → f32 tensor, dequantised by bitsandbytes."""
    stored = load_file(path)
    result = {}
    for name, tensor in stored.items():
        parts = {key: stored[key] for key in stored if key.startswith(name + ".")}
        if any(STATE in key for key in parts):
            state = bitsandbytes.functional.QuantState.from_dict(parts, device=torch.device("cpu"))
            state.dtype = torch.float32  # as it is before it is rounded
            result[name] = bitsandbytes.functional.dequantize_4bit(tensor, quant_state=state)
        elif not any(name.startswith(other + ".") for other in stored if other != name):
            result[name] = tensor.float()
    return result


def compare(what, ours, theirs):
    """Both name → tensor; exits when a number differs."""
    if set(ours) != set(theirs):
        sys.exit(f"{what}: other tensors: {sorted(set(ours) ^ set(theirs))[:5]}")
    differing = [name for name in ours if not torch.equal(ours[name], theirs[name].reshape(ours[name].shape))]
    worst = max((float((ours[n] - theirs[n].reshape(ours[n].shape)).abs().max()) for n in differing), default=0.0)
    print(f"{what}: {len(ours)} tensors, {len(differing)} differ, by at most {worst:.3g}")
    return not differing


def velocity(model):
    """Of made-up inputs, the same every time."""
    random = torch.Generator().manual_seed(3)
    config = model.config
    draw = lambda *shape: torch.randn(*shape, generator=random)
    ids = torch.zeros(16, 3)
    ids[:, 1], ids[:, 2] = torch.arange(16) // 4, torch.arange(16) % 4
    guidance = torch.ones(1) if config.guidance_embeds else None
    with torch.no_grad():
        return model(hidden_states=draw(1, 16, config.in_channels), encoder_hidden_states=draw(1, 8, config.joint_attention_dim),
                     pooled_projections=draw(1, config.pooled_projection_dim), timestep=torch.tensor([0.5]), img_ids=ids,
                     txt_ids=torch.zeros(8, 3), guidance=guidance, return_dict=False)[0].float()


def allow_processor():
    """diffusers wants to see a GPU before it loads what bitsandbytes can compute on a processor."""
    quantizer = diffusers.quantizers.bitsandbytes.bnb_quantizer.BnB4BitDiffusersQuantizer
    quantizer.validate_environment = lambda self, *args, **kwargs: None
    quantizer.update_device_map = lambda self, device_map: {"": "cpu"}


def check_diffusers(program, model, folder):
    allow_processor()
    kind = diffusers.FluxTransformer2DModel
    fine = True
    for name, to in (("nf4", "nf4"), ("gguf", "q4_k")):
        quantised = folder / f"diffusers-{name}"
        convert(program, "--model", model, "--to", to, "--out", quantised)
        plain = folder / f"diffusers-{name}-f32"
        convert(program, "--model", quantised, "--to", "f32", "--out", plain)
        expected = velocity(kind.from_pretrained(plain / "transformer"))
        if name == "nf4":
            found = velocity(kind.from_pretrained(quantised / "transformer", torch_dtype=torch.float32))
        else:
            config = diffusers.GGUFQuantizationConfig(compute_dtype=torch.float32)
            file = quantised / "transformer/diffusion_pytorch_model.gguf"
            found = velocity(kind.from_single_file(str(file), quantization_config=config, config=str(quantised),
                                                   subfolder="transformer", torch_dtype=torch.float32))
        error = float((found - expected).abs().max() / expected.abs().max())
        print(f"diffusers with {name}: velocity differs by {error:.2e} of its largest")
        fine = fine and error < 2e-2  # it rounds weights to the types named in the files
    t5 = transformers.T5EncoderModel.from_pretrained(folder / "diffusers-nf4/text_encoder_2")
    linear = [m for m in t5.modules() if type(m).__name__ == "Linear4bit"]
    print(f"transformers: T5 with {len(linear)} layers in nf4")
    return fine and bool(linear)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    options = parser.parse_args()
    program, model = options.program.resolve(), options.model
    fine = True
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for to in GGUF_TYPES + FOUR_BIT_TYPES:
            in_gguf = to in GGUF_TYPES
            file = folder / f"{to}.{'gguf' if in_gguf else 'safetensors'}"
            convert(program, "--model", model, "--to", to, "--out", file)
            plain = folder / f"{to}-f32.{'gguf' if in_gguf else 'safetensors'}"
            convert(program, "--model", model, "--transformer", file, "--to", "f32", "--out", plain)
            ours = read_gguf(plain) if in_gguf else load_file(plain)
            fine = compare(to, ours, read_gguf(file) if in_gguf else read_four_bit(file)) and fine
        fine = check_diffusers(program, model, folder) and fine
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
