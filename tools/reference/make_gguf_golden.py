#!/usr/bin/env python3
"""Writes a GGUF file of every type with the gguf package, and what is in it as JSON.

    make_gguf_golden.py --out tests/golden/data/gguf

Needs gguf and numpy. The bytes of blocks are random: what they stand for is of no concern to a container.
"""
import argparse
import json
import pathlib

import gguf
import numpy

TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL",
         "IQ4_XS"]
ROWS, ROW = 3, 256


def write(path):
    writer = gguf.GGUFWriter(path, "flux")
    writer.add_quantization_version(2)
    writer.add_string("test.words", "Straße, 日本")
    writer.add_array("test.lengths", [3, 1, 2])
    writer.add_array("test.tokens", [f"token {i}" for i in range(1000)])
    writer.add_float32("test.share", 0.5)
    writer.add_bool("test.flag", False)
    writer.add_uint64("test.large", 1 << 40)
    writer.add_array("comfy.gguf.orig_shape.conv.weight", [2, 3, 1, 2])
    random = numpy.random.default_rng(7)
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        elements, num_bytes = gguf.GGML_QUANT_SIZES[kind]
        data = random.integers(0, 256, (ROWS, ROW // elements * num_bytes), dtype=numpy.uint8)
        if name in ("F32", "F16"):
            data = data.view(numpy.float32 if name == "F32" else numpy.float16)
            writer.add_tensor(f"blocks.{name.lower()}.weight", data)
        else:
            writer.add_tensor(f"blocks.{name.lower()}.weight", data, raw_dtype=kind)
    writer.add_tensor("blocks.bias", numpy.arange(5, dtype=numpy.float32))
    writer.add_tensor("conv.weight", numpy.arange(12, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def describe(path):
    tensors = {}
    for tensor in gguf.GGUFReader(path).tensors:
        shape = [int(n) for n in reversed(tensor.shape)]
        content = tensor.data.tobytes()
        tensors[tensor.name] = {"dtype": tensor.tensor_type.name.lower(), "shape": shape,
                                "offset": int(tensor.data_offset), "bytes": len(content), "begins": content[:8].hex()}
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    write(out / "types.gguf")
    text = json.dumps(describe(out / "types.gguf"), indent=1, sort_keys=True)
    (out / "types.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
