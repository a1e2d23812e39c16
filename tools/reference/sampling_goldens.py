"""Writes schedule.txt, timestep.txt, euler.txt and noise_stream.txt of src/sampling/testdata/ from diffusers and torch.

Wide sweeps are kept as CRC-32 values over the bytes of the float32 results, in the order the lines say.
Run in the environment of requirements.txt.
"""

import argparse
import itertools
import pathlib
import zlib

import diffusers
import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.pipelines.flux.pipeline_flux import calculate_shift, retrieve_timesteps

STEPS = range(1, 101)
NUM_TOKENS = [1, 16, 256, 1024, 2304, 3952, 4096, 6144, 16384]
DEV = {"shift": 3.0, "use_dynamic_shifting": True}
CONFIGS = {
    "dev": DEV,
    "schnell": {},
    "static_3": {"shift": 3.0},
    "static_1.15": {"shift": 1.15},
    "linear": {**DEV, "time_shift_type": "linear"},
    "terminal_0.1": {**DEV, "shift_terminal": 0.1},
    "static_3_terminal_0.02": {"shift": 3.0, "shift_terminal": 0.02},
    "invert": {**DEV, "invert_sigmas": True},
    "other_line": {
        "use_dynamic_shifting": True,
        "base_shift": 0.3,
        "max_shift": 0.97,
        "base_image_seq_len": 100,
        "max_image_seq_len": 1700,
    },
    "train_500": {**DEV, "num_train_timesteps": 500},
}
CUSTOM_SIGMAS = [[1.0], [0.7], [1.0, 0.75, 0.5, 0.25], [1.0, 0.9, 0.33333, 0.1, 0.0123456789], [0.95, 0.95, 1e-4]]


def crc_of(array, crc=0):
    return zlib.crc32(np.ascontiguousarray(array).tobytes(), crc)


def schedule(config, num_tokens, sigmas):
    """Steps 5 of FluxPipeline.__call__: the scheduler as the denoising loop finds it, and mu."""
    scheduler = FlowMatchEulerDiscreteScheduler(**config)
    keys = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
    mu = calculate_shift(num_tokens, *(scheduler.config[key] for key in keys))
    retrieve_timesteps(scheduler, len(sigmas), "cpu", sigmas=sigmas, mu=mu)
    return scheduler, mu


def default_sigmas(num_steps):
    return np.linspace(1.0, 1 / num_steps, num_steps)


def write_schedules(out):
    print("# config tokens crc(sigmas, timesteps of each number of steps, 1 (2 with a terminal) to 100)", file=out)
    for (name, config), num_tokens in itertools.product(CONFIGS.items(), NUM_TOKENS):
        crc = 0
        for num_steps in STEPS:
            if "shift_terminal" in config and num_steps == 1:
                continue
            scheduler, _ = schedule(config, num_tokens, default_sigmas(num_steps))
            crc = crc_of(scheduler.timesteps.numpy(), crc_of(scheduler.sigmas.numpy(), crc))
        print("sweep", name, num_tokens, f"{crc:08x}", file=out)
    print("# tokens mu", file=out)
    for num_tokens in NUM_TOKENS:
        print("mu", num_tokens, repr(calculate_shift(num_tokens)), file=out)
    print("# config crc(sigmas, timesteps) num_sigmas sigmas, at 4096 tokens", file=out)
    for name, sigmas in itertools.product(("dev", "schnell", "static_3", "linear"), CUSTOM_SIGMAS):
        scheduler, _ = schedule(CONFIGS[name], 4096, sigmas)
        crc = crc_of(scheduler.timesteps.numpy(), crc_of(scheduler.sigmas.numpy()))
        print("custom", name, f"{crc:08x}", len(sigmas), *sigmas, file=out)


def write_timesteps(out):
    print("# crc of tau over i * 0.01f (timesteps, i <= 100000) and i * 0.01 (guidance, i <= 10000)", file=out)
    timesteps = torch.from_numpy(np.arange(100001, dtype=np.float32) * np.float32(0.01))
    guidance = torch.cat([torch.full([1], i * 0.01, dtype=torch.float32) for i in range(10001)])
    for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16), ("f16", torch.float16)):
        tau = (timesteps.to(dtype) / 1000).to(dtype) * 1000
        scaled = guidance.to(dtype) * 1000
        print("tau", name, f"{crc_of(tau.float().numpy()):08x} {crc_of(scaled.float().numpy()):08x}", file=out)
    print("# tau, then its embedding as float32 bits", file=out)
    for tau in (0.0, 104.5, 752.0, 999.9995, 1000.0, 3504.0, 29952.0):
        row = get_timestep_embedding(torch.tensor([tau]), 256, flip_sin_to_cos=True, downscale_freq_shift=0)
        print("embedding", tau, *(f"{bits:x}" for bits in row[0].numpy().view(np.uint32)), file=out)


def noise(seed, dtype):
    return torch.randn(4096, generator=torch.Generator("cpu").manual_seed(seed), dtype=dtype)


def denoise_crc(dtype, num_steps, true_cfg):
    """A denoising loop whose model answers noise: seed 0 starts, 1000 + i is the velocity, 2000 + i the negative."""
    scheduler, _ = schedule(DEV, 4096, default_sigmas(num_steps))
    scheduler.set_begin_index(0)
    latents = noise(0, dtype)
    for i, t in enumerate(scheduler.timesteps):
        velocity, negative = noise(1000 + i, dtype), noise(2000 + i, dtype)
        if true_cfg > 1:
            velocity = negative + true_cfg * (velocity - negative)
        latents = scheduler.step(velocity, t, latents, return_dict=False)[0]
    return zlib.crc32(latents.view(torch.uint8).numpy().tobytes())


def write_euler(out):
    print("# steps true_cfg crc(latents in f32) crc(latents in bf16)", file=out)
    for num_steps, true_cfg in itertools.product((1, 2, 4, 8, 20, 28, 50), (1.0, 1.5, 3.3, 4.0)):
        crcs = (denoise_crc(dtype, num_steps, true_cfg) for dtype in (torch.float32, torch.bfloat16))
        print(num_steps, true_cfg, *(f"{crc:08x}" for crc in crcs), file=out)


def write_noise_stream(out):
    print("# seed crc(draws of sizes 1 to 40 from one generator, f32 for odd sizes, bf16 for even)", file=out)
    for seed in (0, 1, 42, 2**32 - 1, 2**63 + 5):
        source = torch.Generator("cpu").manual_seed(seed)
        crc = 0
        for size in range(1, 41):
            draw = torch.randn(size, generator=source, dtype=torch.float32 if size % 2 else torch.bfloat16)
            crc = zlib.crc32(draw.view(torch.uint8).numpy().tobytes(), crc)
        print(seed, f"{crc:08x}", file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("src/sampling/testdata"))
    args = parser.parse_args()
    versions = f"# diffusers {diffusers.__version__}, torch {torch.__version__}; tools/reference/sampling_goldens.py"
    files = {
        "schedule": write_schedules,
        "timestep": write_timesteps,
        "euler": write_euler,
        "noise_stream": write_noise_stream,
    }
    for name, write in files.items():
        with open(args.out / f"{name}.txt", "w") as out:
            print(versions, file=out)
            write(out)


if __name__ == "__main__":
    main()
