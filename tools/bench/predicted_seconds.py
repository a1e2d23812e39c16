#!/usr/bin/env python3
"""How near a plan's predicted seconds come: random requests on made-up models, each planned, run and compared.

  tools/bench/predicted_seconds.py --work DIR [--first N] [--runs N]     makes runs N, N+1, …
  tools/bench/predicted_seconds.py --work DIR --summary                  of all runs made so far in DIR

A run is a function of its number: a model of FLUX.1's shapes with random widths, depths and weight type, a size, a count
and a budget that streams or not, and as many steps as the plan says take --seconds. Rates are measured by
`steadyflux doctor --save` before the first run of each call and again after every --rates-every runs, in a cache of
the tool's own, and the model's files are put out of the page cache before every run. Results are kept in DIR/runs.jsonl; a run that is there is not made again.
Runs of less than --least seconds are shown and left out of the summary. Needs Python's standard library and, in DIR,
some 12 GB; nothing else should compute meanwhile.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZES = ["256x256", "384x256", "384x384", "512x384", "512x512", "768x512", "640x640"]
HEADS = [8, 12, 16, 24]  # of 128, as FLUX.1's 24
DECODERS = [[128, 256, 512, 512], [64, 128, 256, 256], [64, 128, 128, 128]]  # channels; the first are FLUX.1's
DTYPES = ["bf16", "bf16", "f32"]
PHASES = ["encode", "modulate", "denoise", "decode"]
MIB = 1 << 20


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="directory for models, rates and results")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/apps/cli/steadyflux")
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--runs", type=int, default=8, help="how many")
    parser.add_argument("--seconds", type=float, default=16, help="that a run should take")
    parser.add_argument("--least", type=float, default=10, help="seconds from which a run counts")
    parser.add_argument("--threads", type=int, default=0, help="worker threads; 0: one per processor")
    parser.add_argument("--rates-every", type=int, default=4, help="runs from one measuring of rates to the next")
    parser.add_argument("--summary", action="store_true", help="only print what DIR/runs.jsonl says")
    return parser.parse_args()


def edit_json(path, **changes):
    values = json.loads(path.read_text())
    values.update(changes)
    path.write_text(json.dumps(values, indent=2))


def make_pattern(directory, heads, channels):
    """Configurations of FLUX.1's shapes, for make-checkpoint to imitate, with the tokenizers of the model in the box."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(ROOT / "models/spark", directory,
                    ignore=shutil.ignore_patterns("*.safetensors", "*.safetensors.index.json", "steadyflux.json"))
    edit_json(directory / "transformer/config.json", attention_head_dim=128, axes_dims_rope=[16, 56, 56],
              num_attention_heads=heads, joint_attention_dim=4096, pooled_projection_dim=768)
    edit_json(directory / "text_encoder/config.json", hidden_size=768, intermediate_size=3072, num_attention_heads=12,
              num_hidden_layers=12)
    edit_json(directory / "text_encoder_2/config.json", d_model=4096, d_ff=10240, num_heads=64)
    edit_json(directory / "vae/config.json", block_out_channels=channels, layers_per_block=2,
              norm_num_groups=32)


class Bench:
    def __init__(self, options):
        self.options = options
        self.model = options.work / "model"
        self.pattern = options.work / "pattern"
        self.results = options.work / "runs.jsonl"
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(options.work / "cache")}
        self.runs_with_rates = 0
        options.work.mkdir(parents=True, exist_ok=True)

    def run(self, *arguments, accepted=(0,)):
        command = [str(self.options.program), *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode not in accepted:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def known(self):
        if not self.results.exists():
            return []
        return [json.loads(line) for line in self.results.read_text().splitlines()]

    def make_model(self, dice):
        widths = {"heads": dice.choice(HEADS), "channels": dice.choice(DECODERS)}
        make_pattern(self.pattern, **widths)
        shutil.rmtree(self.model, ignore_errors=True)
        shape = {"double": dice.randint(0, 4), "single": dice.randint(1, 8), "t5-layers": dice.randint(1, 6),
                 "dtype": dice.choice(DTYPES)}
        flags = [text for name, value in shape.items() for text in (f"--{name}", value)]
        self.run("bench", "make-checkpoint", "--like", self.pattern, "--out", self.model, *flags)
        return {**widths, **shape}

    def put_out_of_page_cache(self):
        for path in self.model.rglob("*.safetensors"):
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def request_flags(self, request):
        flags = ["--model", self.model, "--prompt", "a red cube", "--threads", self.options.threads]
        for name, value in request.items():
            flags += [f"--{name}", value]
        return flags

    def plan(self, request, accepted=(0,)):
        return json.loads(self.run("plan", "--json", *self.request_flags(request), accepted=accepted))

    def predicted(self, request):
        return sum(phase["predicted_seconds"] for phase in self.plan(request)["phases"])

    def draw_budget(self, dice, request):
        """None; or one between the smallest that fits and everything in memory."""
        if dice.random() < 0.4:
            return {}
        smallest = self.plan({**request, "ram": "1M"}, accepted=(3,))["does_not_fit"]["needed_bytes"]
        largest = self.plan(request)["peak_bytes"]
        least = -(-smallest // MIB)
        most = max(least, largest // MIB)
        return {"ram": f"{round(least + dice.random() ** 2 * (most - least))}M"}

    def draw_request(self, dice):
        """Several steps if possible, so that no phase is always the longest."""
        wanted = self.options.seconds * dice.uniform(0.8, 1.4)
        for _ in range(20):
            request = {"size": dice.choice(SIZES), "count": dice.choice([1, 1, 1, 2, 3]), "steps": 1, "seed": 1}
            request.update(self.draw_budget(dice, request))
            first, second = self.predicted(request), self.predicted({**request, "steps": 2})
            if first < wanted * dice.uniform(0.2, 1):
                break
        request["steps"] = max(1, min(60, round(1 + (wanted - first) / max(second - first, 1e-3))))
        return request

    def one(self, number):
        dice = random.Random(number)
        model = self.make_model(dice)
        if self.runs_with_rates % self.options.rates_every == 0:
            self.run("doctor", "--save", "--model", self.model, "--threads", self.options.threads)
        self.runs_with_rates += 1
        request = self.draw_request(dice)
        self.put_out_of_page_cache()
        report_path = self.options.work / "report.json"
        self.run("generate", *self.request_flags(request), "--prompt-cache", "off", "--quiet", "--out",
                 self.options.work / "picture-%i.png", "--report", report_path)
        report = json.loads(report_path.read_text())
        phases = {phase["name"]: [phase["predicted_seconds"], phase["seconds"]] for phase in report["phases"]}
        streamed = sum(stage["pass_read_bytes"] * stage["passes"] for phase in report["phases"]
                       for stage in phase["stages"])
        run = {"run": number, "model": model, "request": request, "streamed_bytes": streamed, "phases": phases}
        with open(self.results, "a", encoding="utf-8") as file:
            file.write(json.dumps(run) + "\n")
        return run


def total(run, index):
    return sum(pair[index] for pair in run["phases"].values())


def error_of(run):
    return total(run, 0) / total(run, 1) - 1


def describe(run):
    phases = "  ".join(f"{name} {run['phases'][name][0]:.1f}/{run['phases'][name][1]:.1f}" for name in PHASES)
    model, request = run["model"], run["request"]
    what = (f"{model['heads']}h {model['double']}+{model['single']} t5 {model['t5-layers']} vae {model['channels'][-1]} "
            f"{model['dtype']}  {request['size']} "
            f"{request['steps']}x{request['count']} ram {request.get('ram', '-')}")
    print(f"{run['run']:4}  {total(run, 0):6.1f} predicted {total(run, 1):6.1f} s  {100 * error_of(run):+6.1f} %  "
          f"[{phases}]  {run['streamed_bytes'] / 1e9:.1f} GB streamed  {what}", flush=True)


def quantile(values, share):
    """The smallest value that at least `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-round(1e6 * share * len(ordered)) // 1_000_000) - 1)]


def summarise(runs, least):
    counted = [run for run in runs if total(run, 1) >= least]
    if not counted:
        sys.exit(f"no run of at least {least} s")
    errors = [abs(error_of(run)) for run in counted]
    print(f"{len(counted)} runs of at least {least:g} s: error median {100 * quantile(errors, 0.5):.1f} %, "
          f"90th percentile {100 * quantile(errors, 0.9):.1f} %, largest {100 * max(errors):.1f} %")
    for name in PHASES:
        ratios = [run["phases"][name][0] / run["phases"][name][1] for run in counted if run["phases"][name][1] > 0.5]
        if ratios:
            print(f"  {name}: predicted / actual {quantile(ratios, 0.1):.2f} {quantile(ratios, 0.5):.2f} "
                  f"{quantile(ratios, 0.9):.2f} (10th, 50th, 90th percentile of {len(ratios)})")


def main():
    options = parse_arguments()
    bench = Bench(options)
    runs = bench.known()
    if options.summary:
        for run in runs:
            describe(run)
    else:
        made = {run["run"] for run in runs}
        for number in range(options.first, options.first + options.runs):
            if number not in made:
                runs.append(bench.one(number))
                describe(runs[-1])
        shutil.rmtree(bench.model, ignore_errors=True)
    summarise(runs, options.least)


if __name__ == "__main__":
    main()
