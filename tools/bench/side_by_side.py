#!/usr/bin/env python3
"""Draws one picture with Steadyflux, stable-diffusion.cpp and diffusers in turns, and sets their times side by side.

    tools/bench/side_by_side.py --rounds 3 --size 512x512 --steps 4 --threads 2 \\
        --variant "bf16=--model DIR" --variant "int8=--compute int8 --model DIR" \\
        --sdcpp PATH/sd-cli --sdcpp-variant "q8_0=--diffusion-model F --vae F --clip_l F --t5xxl F" \\
        --diffusers PYTHON --diffusers-variant "bf16=--dtype bf16 --model DIR"

The peers are programs that are already built or installed; a contender is NAME=FLAGS, its flags beyond those that all
share. In every round each contender draws once, in an order that shifts from round to round, so that a slow spell of
the machine meets all of them. Counted are the steps after the first (loading, compiling and first touches of memory
fall into the first) and each program's own time for decoding. A ratio is the median over rounds of two contenders'
times in the same round: above 1, the row is slower than Steadyflux's column. GFLOP/s count the operations of
Steadyflux's plan for everyone. With --add the rounds of an earlier --json count too, so that a long comparison can be
made in parts; a part needs a variant of Steadyflux to be compared with. The last column says how much of the
processors' time other processes took in the worst round: where it is not near zero, measure again.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shlex
import statistics
import sys
import tempfile

from contenders import Run, run_diffusers, run_sdcpp, run_steadyflux

ROOT = pathlib.Path(__file__).resolve().parents[2]
GIB = 1 << 30
OURS = "steadyflux "  # begins the names of Steadyflux's contenders


def contenders(args):
    """Name of every contender, with the function that runs it and its flags."""
    found = {}
    for label, runner, variants in (("steadyflux", run_steadyflux, args.variant),
                                    ("sd.cpp", run_sdcpp, args.sdcpp_variant),
                                    ("diffusers", run_diffusers, args.diffusers_variant)):
        for variant in variants:
            name, separator, flags = variant.partition("=")
            if not separator or not name:
                sys.exit(f"expected NAME=FLAGS, found '{variant}'")
            if f"{label} {name}" in found:
                sys.exit(f"two variants of {label} are called '{name}'")
            found[f"{label} {name}"] = (runner, shlex.split(flags))
    return found


def measure_round(args, field, turn):
    """Every contender's run."""
    names = list(field)
    first = turn % len(names)
    runs = {}
    with tempfile.TemporaryDirectory() as directory:
        for name in names[first:] + names[:first]:
            runner, flags = field[name]
            run = runs[name] = runner(args, flags, pathlib.Path(directory))
            print(f"{name}: steps {' '.join(f'{seconds:.2f}' for seconds in run.steps)} s, decode {run.decode:.2f} s, "
                  f"encode {run.encode:.2f} s, {run.rss_bytes / GIB:.2f} GiB, others {run.others:.0%}",
                  file=sys.stderr, flush=True)
    return {name: runs[name] for name in names}


def settings(args):
    """What must be the same for runs to be compared."""
    return {name: getattr(args, name) for name in ("size", "steps", "threads", "text_tokens")}


def earlier_rounds(args):
    if not args.add or not pathlib.Path(args.json).exists():
        return []
    stored = json.loads(pathlib.Path(args.json).read_text())
    if stored["settings"] != settings(args):
        sys.exit(f"{args.json} holds rounds of {stored['settings']}, not of {settings(args)}: give another file")
    return [{name: Run(**run) for name, run in runs.items()} for runs in stored["rounds"]]


def store(path, table):
    """Whole or not at all."""
    beside = pathlib.Path(f"{path}.part")
    beside.write_text(json.dumps(table, indent=2, default=dataclasses.asdict) + "\n")
    beside.replace(path)


def ratio(rounds, name, base, value):
    """Of the rounds that both took part in; None when there are none."""
    both = [value(runs[name]) / value(runs[base]) for runs in rounds if name in runs and base in runs]
    return statistics.median(both) if both else None


def decode_seconds(run):
    return run.decode


def summarise(rounds):
    names = sorted({name: None for runs in rounds for name in runs}, key=lambda name: not name.startswith(OURS))
    ours = [name for name in names if name.startswith(OURS)]
    some = next(runs[ours[0]] for runs in rounds if ours[0] in runs)
    rows = {}
    for name in names:
        runs = [runs[name] for runs in rounds if name in runs]
        steps = [step for run in runs for step in run.counted()]
        step, decode = statistics.median(map(Run.step, runs)), statistics.median(map(decode_seconds, runs))
        rows[name] = {
            "rounds": len(runs), "step_seconds": step, "step_seconds_least": min(steps),
            "step_seconds_most": max(steps), "step_gflops": some.step_flops / step * 1e-9,
            "step_ratios": {base: ratio(rounds, name, base, Run.step) for base in ours},
            "decode_seconds": decode, "decode_gflops": some.decode_flops / decode * 1e-9,
            "decode_ratio": ratio(rounds, name, ours[0], decode_seconds),
            "encode_seconds": statistics.median(run.encode for run in runs),
            "rss_bytes": max(run.rss_bytes for run in runs), "others": max(run.others for run in runs)}
    return rows


def ratio_text(value):
    return "" if value is None else f"{value:.2f}"


def print_table(rows, args):
    ours = [name for name in rows if name.startswith(OURS)]
    ratios = [f"÷ {base.removeprefix(OURS)}" for base in ours]
    heads = ["contender", "rounds", "s/step", "least–most", "GFLOP/s", *ratios, "decode s", "GFLOP/s", ratios[0],
             "encode s", "peak RSS GiB", "others"]
    print(f"{args.size}, {args.steps} steps, {args.text_tokens} text tokens, {args.threads} threads\n")
    print("| " + " | ".join(heads) + " |")
    print("| --- |" + " ---: |" * (len(heads) - 1))
    for name, row in rows.items():
        cells = [name, str(row["rounds"]), f"{row['step_seconds']:.2f}",
                 f"{row['step_seconds_least']:.2f}–{row['step_seconds_most']:.2f}",
                 f"{row['step_gflops']:.0f}", *(ratio_text(row["step_ratios"][base]) for base in ours),
                 f"{row['decode_seconds']:.2f}", f"{row['decode_gflops']:.0f}", ratio_text(row["decode_ratio"]),
                 f"{row['encode_seconds']:.2f}", f"{row['rss_bytes'] / GIB:.2f}",
                 f"{row['others']:.0%}"]
        print("| " + " | ".join(cells) + " |")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", default="512x512", help="WIDTHxHEIGHT")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--text-tokens", type=int, default=256)
    parser.add_argument("--steadyflux", default=ROOT / "build/release/apps/cli/steadyflux")
    parser.add_argument("--variant", action="append", required=True, metavar="NAME=FLAGS", help="flags of generate")
    parser.add_argument("--sdcpp", metavar="SD-CLI", help="stable-diffusion.cpp's program")
    parser.add_argument("--sdcpp-variant", action="append", default=[], metavar="NAME=FLAGS", help="its flags")
    parser.add_argument("--diffusers", metavar="PYTHON", help="an interpreter that has diffusers")
    parser.add_argument("--diffusers-variant", action="append", default=[], metavar="NAME=FLAGS",
                        help="flags of diffusers_steps.py")
    parser.add_argument("--under", default="", metavar="COMMAND", help="run every contender under it: 'taskset -c 0,1'")
    parser.add_argument("--json", metavar="FILE", help="write all figures, every run's too")
    parser.add_argument("--add", action="store_true", help="to the rounds that are in the --json file")
    args = parser.parse_args()
    if args.add and not args.json:
        parser.error("--add needs --json")
    for peer in ("sdcpp", "diffusers"):
        if bool(getattr(args, peer)) != bool(getattr(args, f"{peer}_variant")):
            parser.error(f"--{peer} and --{peer}-variant need each other")
    if args.sdcpp and args.text_tokens != 256:
        parser.error("stable-diffusion.cpp takes 256 text tokens, no other number")
    return args


def main():
    args = parse_arguments()
    field = contenders(args)
    rounds = earlier_rounds(args)
    for _ in range(args.rounds):
        rounds.append(measure_round(args, field, len(rounds)))
        if args.json:
            store(args.json, {"settings": settings(args), "table": summarise(rounds), "rounds": rounds})
    print_table(summarise(rounds), args)


if __name__ == "__main__":
    main()
