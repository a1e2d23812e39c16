"""Writes what torch.randn draws from a seeded CPU generator, for the test of Steadyflux's noise.

    make_noise_goldens.py --out DIR

DIR/noise.safetensors holds whole tensors, named DTYPE.SEED.SIZE (f32 or bf16). DIR/noise_crc.json covers many more:
`sizes`, and for each dtype and seed `crc32`, the CRC-32 (IEEE, as zlib's) of the raw little-endian bytes of the tensors of
all those sizes, one after another, each drawn from a freshly seeded generator. `by_size` has the CRC-32 of each size
alone, for one seed, to find where a difference begins.

The bits are those of the AVX2 and AVX-512 kernels, which agree; without AVX2 torch calls libm and about two values in
five differ in the last places.
"""

import argparse
import json
import pathlib
import zlib

import torch
from safetensors.torch import save_file

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
LADDER = [256, 300, 511, 777, 1024, 1615, 2049, 4096, 6007, 9984, 16384, 25013, 40960, 65536, 100000]
SIZES = [*range(1, 201), *LADDER]
SEEDS = [*range(90), 12345, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**40 + 3, 2**53 + 1, 2**63, 2**64 - 1]
WHOLE_SIZES = [1, 2, 7, 15, 16, 17, 31, 32, 33, 100, 4096]
WHOLE_SEEDS = [0, 1, 42, 2**32 + 5]


def randn(dtype, seed, size):
    return torch.randn(size, dtype=DTYPES[dtype], generator=torch.Generator("cpu").manual_seed(seed))


def raw(tensor):
    return tensor.view(torch.uint8).numpy().tobytes()


def crc_of_all(dtype, seed):
    crc = 0
    for size in SIZES:
        crc = zlib.crc32(raw(randn(dtype, seed, size)), crc)
    return crc


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        raise SystemExit("these goldens need a machine with AVX2")

    out.mkdir(parents=True, exist_ok=True)
    whole = {f"{d}.{seed}.{n}": randn(d, seed, n) for d in DTYPES for seed in WHOLE_SEEDS for n in WHOLE_SIZES}
    save_file(whole, out / "noise.safetensors", metadata={"reference": f"torch=={torch.__version__}"})
    table = {
        "torch": torch.__version__,
        "sizes": SIZES,
        "runs": [{"dtype": d, "seed": seed, "crc32": crc_of_all(d, seed)} for d in DTYPES for seed in SEEDS],
        "by_size": [{"dtype": d, "seed": 42, "crc32": [zlib.crc32(raw(randn(d, 42, n))) for n in SIZES]} for d in DTYPES],
    }
    lines = json.dumps(table).replace("}, {", "},\n{").replace("], \"", "],\n\"")
    (out / "noise_crc.json").write_text(lines + "\n")


if __name__ == "__main__":
    main()
