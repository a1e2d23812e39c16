"""Writes blocks of every quantised type with what the gguf and bitsandbytes packages make of them.

    make_codec_goldens.py --out src/tensor/testdata/codecs.txt

Needs gguf, bitsandbytes and torch (the CPU build). Each line is a kind, a type, and byte strings in hexadecimal, numbers
being little-endian f32:

    decode TYPE blocks values        gguf.quants.dequantize
    encode TYPE values blocks        gguf.quants.quantize
    decode TYPE codes scales values  bitsandbytes.functional.dequantize_4bit
    encode TYPE values codes scales  bitsandbytes.functional.quantize_4bit
    nest - scales offset codes nested    the scales of nested quantisation, encoded
    unnest - codes nested offset scales  and decoded
    table TYPE values                what the codes stand for

bitsandbytes' CPU library looks the code of a nested scale up in 65536 steps, which now and then gives the neighbour of
the nearest one. The goldens are those of the package's PyTorch kernel, which gives the nearest.
The table of nested scales is computed by torch, and its last bits depend on the processor: run this where torch has
AVX2.
"""

import argparse
import pathlib

import gguf
import numpy as np
import torch
from bitsandbytes.functional import (
    QuantState,
    create_dynamic_map,
    dequantize_4bit,
    dequantize_blockwise,
    get_4bit_type,
    quantize_4bit,
)

# Where the f16 numbers of a block lie.
HALVES = {
    "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}
ENCODED = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]
SMALLEST_NORMAL_HALF = 2.0**-14


def hexadecimal(array):
    return np.ascontiguousarray(array).tobytes().hex()


def random_blocks(rng, block_bytes, halves, count):
    """Random bytes with scales of both signs; that of the second block is subnormal."""
    blocks = rng.integers(0, 256, (count, block_bytes), dtype=np.uint8)
    for offset in halves:
        scales = (rng.normal(size=(count, 1)) * 0.02).astype(np.float16)
        scales[1] = np.float16(SMALLEST_NORMAL_HALF * 0.37)
        blocks[:, offset : offset + 2] = scales.view(np.uint8)
    return blocks


def values_to_encode(rng):
    """Blocks of 64: a normal distribution, an outlier, zeros, multiples of a scale (ties), one sign, nearly equal."""
    normal = rng.normal(size=(7, 64)) * 0.05
    normal[1, 17] = -3.5
    normal[2] = 0
    normal[3] = np.arange(-32, 32) * 0.25
    normal[4] = np.abs(normal[4])
    normal[5] = -1 + normal[5] * 1e-3
    return normal.astype(np.float32).reshape(1, -1)


def gguf_lines(rng):
    for name, halves in HALVES.items():
        kind = gguf.GGMLQuantizationType[name]
        elements, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        blocks = random_blocks(rng, block_bytes, halves, 4 if elements == 32 else 2)
        values = gguf.quants.dequantize(blocks.reshape(1, -1), kind)
        yield f"decode {name.lower()} {hexadecimal(blocks)} {hexadecimal(values)}"
    values = values_to_encode(rng)
    for name in ENCODED:
        blocks = gguf.quants.quantize(values, gguf.GGMLQuantizationType[name])
        yield f"encode {name.lower()} {hexadecimal(values)} {hexadecimal(blocks)}"


def four_bit_lines(rng):
    values = torch.from_numpy(values_to_encode(rng))
    for name in ["nf4", "fp4"]:
        yield f"table {name} {hexadecimal(get_4bit_type(name, 'cpu').numpy())}"
        codes, state = quantize_4bit(values, blocksize=64, quant_type=name)
        yield f"encode {name} {hexadecimal(values)} {hexadecimal(codes)} {hexadecimal(state.absmax)}"
        # Every code, so that each is decoded.
        every = torch.arange(256, dtype=torch.uint8)[torch.from_numpy(rng.permutation(256))][: codes.numel()].view(-1, 1)
        decoded = dequantize_4bit(every, state)
        yield f"decode {name} {hexadecimal(every)} {hexadecimal(state.absmax)} {hexadecimal(decoded)}"


def nested_lines(rng):
    table = create_dynamic_map()
    yield f"table nested {hexadecimal(table)}"
    scales = torch.from_numpy(np.abs(rng.normal(size=300) * 0.02 + 0.1).astype(np.float32))
    offset = scales.mean()
    portable = torch._C.DispatchKeySet(torch._C.DispatchKey.CompositeExplicitAutograd)
    codes, nested = torch.ops.bitsandbytes.quantize_blockwise.default.redispatch(portable, scales - offset, table, 256)
    yield f"nest - {hexadecimal(scales)} {hexadecimal(offset)} {hexadecimal(codes)} {hexadecimal(nested)}"
    state = QuantState(absmax=nested, code=table, blocksize=256, dtype=torch.float32)
    decoded = dequantize_blockwise(codes, state) + offset
    yield f"unnest - {hexadecimal(codes)} {hexadecimal(nested)} {hexadecimal(offset)} {hexadecimal(decoded)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    rng = np.random.default_rng(5)
    lines = [*gguf_lines(rng), *four_bit_lines(rng), *nested_lines(rng)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("# By tools/reference/make_codec_goldens.py.\n" + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} lines, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
