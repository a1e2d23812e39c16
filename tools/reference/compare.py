"""Compares two safetensors files tensor by tensor; exit code 1 when they disagree.

    compare.py GOT.safetensors EXPECTED.safetensors [--tol 1e-4] [--all]

A tensor agrees when max|got - expected| <= tol * max|expected|. Integer tensors must be equal. The table shows that
ratio, and beside it rms(got - expected) / rms(expected). Tensors of one file only are counted; --all makes a
tensor that GOT lacks a failure.
"""

import argparse
import fnmatch
import sys

import numpy as np
from safetensors import safe_open


def load(path, pattern):
    """{name: numpy array in float64, or int64}; torch reads bf16, numpy does not."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys() if fnmatch.fnmatch(name, pattern)}
    return {name: (t.double() if t.is_floating_point() else t.long()).numpy() for name, t in tensors.items()}


def ratio(difference, reference):
    return 0.0 if difference == 0 else (difference / reference if reference > 0 else np.inf)


def compare(got, expected, tol):
    """(agrees, maximum ratio, RMS ratio, remark)"""
    if got.shape != expected.shape:
        return False, np.inf, np.inf, f"shape {list(got.shape)}, expected {list(expected.shape)}"
    if not np.isfinite(got).all():
        return False, np.inf, np.inf, "not finite"
    if got.size == 0:
        return True, 0.0, 0.0, "empty"
    exact = expected.dtype == np.int64
    difference = (got - expected).astype(np.float64)
    reference = expected.astype(np.float64)
    largest = ratio(np.abs(difference).max(), np.abs(reference).max())
    rms = ratio(np.sqrt(np.square(difference).mean()), np.sqrt(np.square(reference).mean()))
    return largest <= (0 if exact else tol), largest, rms, "must be equal" if exact and largest else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("got")
    parser.add_argument("expected")
    parser.add_argument("--tol", type=float, default=1e-4)
    parser.add_argument("--names", default="*", help="compare only the tensors that this pattern matches")
    parser.add_argument("--all", action="store_true", help="a tensor missing from GOT is a failure")
    options = parser.parse_args()

    got, expected = load(options.got, options.names), load(options.expected, options.names)
    common, missing, extra = (sorted(names) for names in (got.keys() & expected, expected.keys() - got, got.keys() - expected))
    failures = len(missing) if options.all else 0
    print(f"{'tensor':32} {'shape':18} {'max ratio':>10} {'rms ratio':>10}")
    for name in common:
        agrees, largest, rms, remark = compare(got[name], expected[name], options.tol)
        failures += not agrees
        print(f"{name:32} {str(list(expected[name].shape)):18} {largest:10.2e} {rms:10.2e}  {'' if agrees else 'FAIL '}{remark}")
    print(f"{len(common)} compared, {failures} failed, tolerance {options.tol:g}")
    if missing:
        print(f"not in {options.got}: {' '.join(missing)}")
    if extra:
        print(f"not in {options.expected}: {' '.join(extra)}")
    sys.exit(1 if failures or not common else 0)


if __name__ == "__main__":
    main()
