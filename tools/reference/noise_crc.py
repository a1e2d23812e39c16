"""Writes src/sampling/testdata/noise_crc.txt: checksums of torch.randn for the test of the noise generator.

Each line is a seed, then CRC-32 values over the bytes of all draws in order: one fresh generator per size in f32, the
same in bf16, and one generator that draws the sizes 1 to 40 one after the other, f32 and bf16 in turn.
Run in the environment of requirements.txt on x86 with AVX2 or better.
"""

import argparse
import zlib

import torch

SIZES = [*range(1, 301), 320, 511, 512, 1000, 1023, 2048, 3333, 4096, 10007, 16384, 65536, 65543, 99999, 100000]
STREAM_SIZES = range(1, 41)
SEEDS = [*range(90), 12345, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 7, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]


def generator(seed):
    return torch.Generator("cpu").manual_seed(seed)


def draw_bytes(size, source, dtype):
    return torch.randn(size, generator=source, dtype=dtype).view(torch.uint8).numpy().tobytes()


def fresh_crc(seed, dtype):
    crc = 0
    for size in SIZES:
        crc = zlib.crc32(draw_bytes(size, generator(seed), dtype), crc)
    return crc


def stream_crc(seed):
    source = generator(seed)
    crc = 0
    for size in STREAM_SIZES:
        dtype = torch.float32 if size % 2 else torch.bfloat16
        crc = zlib.crc32(draw_bytes(size, source, dtype), crc)
    return crc


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="src/sampling/testdata/noise_crc.txt")
    args = parser.parse_args()
    capability = torch.backends.cpu.get_cpu_capability()
    if capability not in ("AVX2", "AVX512"):
        raise SystemExit(f"needs torch's AVX2 or AVX512 kernels, this machine gives {capability}")
    with open(args.out, "w") as out:
        print(f"# torch.randn of torch {torch.__version__}; written by tools/reference/noise_crc.py", file=out)
        print("# seed f32 bf16 stream", file=out)
        print("sizes", len(SIZES), *SIZES, file=out)
        for seed in SEEDS:
            crcs = (fresh_crc(seed, torch.float32), fresh_crc(seed, torch.bfloat16), stream_crc(seed))
            print(seed, *(f"{crc:08x}" for crc in crcs), file=out)


if __name__ == "__main__":
    main()
