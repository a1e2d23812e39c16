#!/usr/bin/env python3
"""Generates a picture in a control group of exactly the budget, without swap, and sets what happened beside the bound.

    tools/bench/budget_run.py --model DIR --ram 8G [-- flags of generate]

As root, on Linux with control groups (v1 or v2). Rates are measured by `steadyflux doctor` for the same model before
the run and after it; the better ones count, since other work on the machine only ever takes from them. A phase can be
no faster than its bytes over the disk's rate, nor than its operations over the rate of matrix products; the bound is
the larger of the two, since reading goes on behind computing.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from control_group import ControlGroup

MIB = 1 << 20


def parse_size(text):
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return int(float(text[:-1]) * units[text[-1].upper()]) if text[-1].upper() in units else int(text)


def read_json(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def better(a, b):
    """The larger of every figure of two results of the same form."""
    if isinstance(a, dict):
        return {key: better(value, b[key]) for key, value in a.items()}
    return max(a, b)


def compute_seconds(phase, rates):
    rate = rates["conv_flops"] if phase["name"] == "decode" else rates["linear_flops"]
    return phase["flops"] / rate


def print_table(report, rates, dtype):
    print(f"{'phase':10} {'planned MiB':>12} {'actual MiB':>11} {'read MiB':>9} {'major faults':>12} {'seconds':>8} "
          f"{'read bound s':>12} {'compute bound s':>15} {'of the bound':>12}")
    for phase in report["phases"]:
        read = phase["actual_read_bytes"] / rates["disk_bytes"]
        compute = compute_seconds(phase, rates[dtype])
        print(f"{phase['name']:10} {phase['planned_peak_bytes'] / MIB:12.1f} {phase['actual_peak_bytes'] / MIB:11.1f} "
              f"{phase['actual_read_bytes'] / MIB:9.0f} {phase['major_faults']:12} {phase['seconds']:8.1f} "
              f"{read:12.1f} "
              f"{compute:15.1f} {max(read, compute) / phase['seconds']:12.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--ram", required=True, help="the budget, and the control group's limit")
    parser.add_argument("--dtype", default="bf16", choices=["bf16", "f32"], help="of the activations, for the bound")
    parser.add_argument("--steadyflux", default=pathlib.Path(__file__).parents[2] / "build/release/apps/cli/steadyflux")
    parser.add_argument("flags", nargs="*", help="flags of generate")
    args = parser.parse_args()

    doctor = [args.steadyflux, "doctor", "--model", args.model, "--json"]
    rates = read_json(doctor)["rates"]
    group = ControlGroup(parse_size(args.ram))
    try:
        with tempfile.TemporaryDirectory() as directory:
            report_file = pathlib.Path(directory) / "report.json"
            command = [args.steadyflux, "generate", "--model", args.model, "--ram", args.ram,
                       "--prompt", "a lighthouse at dusk", "--seed", "7", "--prompt-cache", "off",
                       "--report", report_file,
                       "--out", pathlib.Path(directory) / "picture.png", *args.flags]
            status = subprocess.run(command, preexec_fn=group.enter, check=False).returncode
            kills = group.oom_kills()
            if status != 0:
                sys.exit(f"generate ended with {status}; processes that the group had killed: {kills}")
            report = json.loads(report_file.read_text())
    finally:
        group.close()
    rates = better(rates, read_json(doctor)["rates"])
    print(f"disk {rates['disk_bytes'] / 1e9:.2f} GB/s, "
          f"matrix products {rates[args.dtype]['linear_flops'] / 1e9:.0f} GFLOP/s, "
          f"convolutions {rates[args.dtype]['conv_flops'] / 1e9:.0f} GFLOP/s ({args.dtype})")
    print_table(report, rates, args.dtype)
    print("steps:", " ".join(f"{step['seconds']:.1f}" for step in report["steps"]), "s")
    print("processes killed for memory:", kills)


if __name__ == "__main__":
    main()
