"""The programs that side_by_side.py compares: how each is asked for one picture, and where it says what it took."""

import dataclasses
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

PROMPT = "a lighthouse at dusk"
OUTPUT_SHOWN = 4000  # characters, of a contender that failed


@dataclasses.dataclass
class Run:
    """What one contender took for one picture."""

    steps: list  # seconds of each step
    decode: float
    encode: float
    step_flops: float = 0  # only Steadyflux says
    decode_flops: float = 0
    rss_bytes: int = 0
    others: float = 0  # share of the processors' time that other processes took meanwhile

    def counted(self):
        return self.steps[1:] or self.steps

    def step(self):
        return statistics.median(self.counted())


@dataclasses.dataclass
class Finished:
    """What a command said, both streams as they came, and what it took of the machine with its children."""

    text: str
    rss_bytes: int
    others: float

    def costs(self):
        return {"rss_bytes": self.rss_bytes, "others": self.others}


def busy_seconds():
    """Of all processors since boot."""
    user, nice, system, _, _, irq, softirq = map(int, pathlib.Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def launch(command, args):
    environment = dict(os.environ, OMP_NUM_THREADS=str(args.threads))
    with tempfile.TemporaryFile() as output:
        start, busy = time.monotonic(), busy_seconds()
        process = subprocess.Popen([*shlex.split(args.under), *map(str, command)], stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        elapsed, busy = time.monotonic() - start, busy_seconds() - busy
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode != 0:
        sys.exit(f"{shlex.join(map(str, command))}\nended with {process.returncode}:\n{text[-OUTPUT_SHOWN:]}")
    others = (busy - usage.ru_utime - usage.ru_stime) / (elapsed * os.cpu_count())
    return Finished(text, usage.ru_maxrss * 1024, min(max(others, 0), 1))


def need(found, what, text):
    if not found:
        sys.exit(f"no {what} in the output:\n{text[-OUTPUT_SHOWN:]}")
    return found


def run_steadyflux(args, flags, directory):
    report_file = directory / "report.json"
    done = launch([args.steadyflux, "generate", "--size", args.size, "--steps", args.steps, "--threads", args.threads,
                   "--prompt", PROMPT, "--seed", 7, "--max-sequence-length", args.text_tokens, "--prompt-cache", "off",
                   "--quiet", "--report", report_file, "--out", directory / "steadyflux.png", *flags], args)
    report = json.loads(report_file.read_text())
    phases = {phase["name"]: phase for phase in report["phases"]}
    return Run(steps=[step["seconds"] for step in report["steps"]], decode=phases["decode"]["seconds"],
               encode=phases["encode"]["seconds"], step_flops=phases["denoise"]["flops"] / args.steps,
               decode_flops=phases["decode"]["flops"], **done.costs())


def sdcpp_steps(text):
    """Seconds of the steps of the one picture that stable-diffusion.cpp says it drew; none if it drew none."""
    sampling = re.search(r"generating image:.*?sampling completed", text, re.DOTALL)
    # The bar of loading the weights counts tensors: only the sampler's counts to its end here.
    found = re.findall(r"(\d+)/(\d+) - ([\d.]+)(s/it|it/s)", sampling[0]) if sampling else []
    count = found[-1][1] if found else ""
    return [float(value) if unit == "s/it" else 1 / float(value) for _, total, value, unit in found if total == count]


def run_sdcpp(args, flags, directory):
    """Its text is always cut and padded to 256 tokens for FLUX."""
    width, height = args.size.split("x")
    done = launch([args.sdcpp, "-W", width, "-H", height, "--steps", args.steps, "-t", args.threads, "--cfg-scale", 1,
                   "--sampling-method", "euler", "-p", PROMPT, "--seed", 7, "-o", directory / "sdcpp.png", *flags],
                  args)
    text = done.text
    decode = need(re.search(r"decode_first_stage completed, taking ([\d.]+)s", text), "decoding time", text)
    encode = need(re.search(r"get_learned_condition completed, taking ([\d.]+)s", text), "encoding time", text)
    return Run(steps=need(sdcpp_steps(text), "step times", text), decode=float(decode[1]), encode=float(encode[1]),
               **done.costs())


def run_diffusers(args, flags, _directory):
    runner = pathlib.Path(__file__).with_name("diffusers_steps.py")
    done = launch([args.diffusers, runner, "--size", args.size, "--steps", args.steps, "--threads", args.threads,
                   "--prompt", PROMPT, "--max-sequence-length", args.text_tokens, *flags], args)
    figures = json.loads(need(re.search(r"^{.*}$", done.text, re.MULTILINE), "JSON", done.text)[0])
    return Run(steps=figures["steps"], decode=figures["decode"], encode=figures["encode"], **done.costs())
