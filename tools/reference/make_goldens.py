"""Makes the golden cases: small random FLUX pipelines and what diffusers computes with them at every stage.

    make_goldens.py --out DIR              every case of cases.py
    make_goldens.py --out DIR --committed  those that the repository keeps in tests/golden/data
    make_goldens.py --out DIR --only NAME

For each case DIR/NAME holds model/ (a model directory), case.json (the request), tokens.json (strings and their ids),
expected.safetensors (capture.py lists the names) and, where the weights are stored in bf16, expected_bf16.safetensors:
the same run with the pipeline in bf16. tiled.safetensors: latents decoded in tiles.
"""

import argparse
import dataclasses
import json
import pathlib
import shutil
import zlib

import diffusers
import torch
import transformers
from diffusers import FluxPipeline
from safetensors.torch import save_file

import capture
from cases import CASES, TEXTS
from tiny_models import write_model
from tiny_tokenizers import write_json

VERSIONS = {"torch": "2.13.0", "diffusers": "0.42.1", "transformers": "5.23.0"}
REFERENCE = {"reference": " ".join(f"{k}=={v}" for k, v in VERSIONS.items())}


def quiet():
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


def check_versions():
    found = {"torch": torch.__version__.split("+")[0], "diffusers": diffusers.__version__,
             "transformers": transformers.__version__}
    if found != VERSIONS:
        raise SystemExit(f"the goldens are defined by {VERSIONS}, this is {found}")


def pipeline_arguments(request):
    """FluxPipeline's arguments for a request of cases.py."""
    return {
        "prompt": request.prompt, "prompt_2": request.prompt_2,
        "negative_prompt": request.negative, "negative_prompt_2": request.negative_2,
        "true_cfg_scale": request.true_cfg, "width": request.width, "height": request.height,
        "num_inference_steps": request.steps, "sigmas": list(request.sigmas) if request.sigmas else None,
        "guidance_scale": request.guidance, "max_sequence_length": request.max_sequence_length,
        "generator": torch.Generator("cpu").manual_seed(request.seed),
    }


def encode_image(pipe, shape, seed):
    """A random image and its latents, as the pipelines that start from an image compute them (without sampling)."""
    image = torch.rand(shape, generator=torch.Generator("cpu").manual_seed(seed)) * 2 - 1
    with torch.no_grad():
        mean = pipe.vae.encode(image[None].to(pipe.vae.dtype)).latent_dist.mode()
        latents = (mean - pipe.vae.config.shift_factor) * pipe.vae.config.scaling_factor
    return {name: capture.stored(t) for name, t in
            {"encode.input": image, "encode.mean": mean[0], "encode.latents": latents[0]}.items()}


def decode_tiled(pipe, tiles, seed):
    """Random latents decoded by the autoencoder's tiling, named by size of tile and of latents."""
    vae, tensors = pipe.vae, {}
    vae.enable_tiling()
    for tile, height, width in tiles:
        vae.tile_sample_min_size, vae.tile_latent_min_size = tile, tile // pipe.vae_scale_factor
        latents = torch.randn(vae.config.latent_channels, height, width, generator=torch.Generator("cpu").manual_seed(seed))
        with torch.no_grad():
            image = vae.decode(latents[None] / vae.config.scaling_factor + vae.config.shift_factor).sample[0]
        name = f"{tile}.{height}x{width}"
        tensors |= {f"{name}.latents": latents, f"{name}.image": capture.stored(image)}
    vae.disable_tiling()
    return tensors


def load(model, dtype):
    pipe = FluxPipeline.from_pretrained(model, dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def expected(pipe, case, seed):
    _, tensors = capture.run(pipe, pipeline_arguments(case.request))
    return {**tensors, **encode_image(pipe, tensors["image"].shape, seed)}


def write_tokens(path: pathlib.Path, pipe):
    rows = [{"text": text, "clip": pipe.tokenizer(text).input_ids, "t5": pipe.tokenizer_2(text).input_ids} for text in TEXTS]
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


def describe(tensors):
    """Prints the range of every stage: all should be near one, none constant."""
    for name, tensor in sorted(tensors.items()):
        values = tensor.double()
        rms, largest = values.square().mean().sqrt(), values.abs().max()
        print(f"  {name:28} {str(list(tensor.shape)):16} rms {rms:10.4f} max {largest:10.4f}")
        if not values.isfinite().all():
            raise SystemExit(f"{name} is not finite")


def make_case(case, folder: pathlib.Path, verbose):
    if folder.exists():
        shutil.rmtree(folder)
    seed = zlib.crc32(case.name.encode()) % 10000
    write_model(folder / "model", case, seed)
    write_json(folder / "case.json", {"name": case.name, **dataclasses.asdict(case.request)})
    runs = {"expected": torch.float32}
    if case.weights == "bf16":
        runs["expected_bf16"] = torch.bfloat16
    for name, dtype in runs.items():
        pipe = load(folder / "model", dtype)
        tensors = expected(pipe, case, seed)
        save_file(tensors, folder / f"{name}.safetensors", metadata=REFERENCE)
        if verbose:
            describe(tensors)
    if case.tiles:
        save_file(decode_tiled(load(folder / "model", torch.float32), case.tiles, seed), folder / "tiled.safetensors", metadata=REFERENCE)
    write_tokens(folder / "tokens.json", pipe)
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{case.name}: {size / 1024:.0f} KiB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--only")
    parser.add_argument("--committed", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="print the range of every tensor")
    options = parser.parse_args()
    check_versions()
    quiet()
    torch.set_num_threads(1)
    cases = [c for c in CASES if (options.only in (None, c.name)) and (c.committed or not options.committed)]
    if not cases:
        raise SystemExit(f"no case is called {options.only}; there are {', '.join(c.name for c in CASES)}")
    for case in cases:
        make_case(case, options.out / case.name, options.verbose)


if __name__ == "__main__":
    main()
