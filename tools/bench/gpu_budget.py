#!/usr/bin/env python3
"""Runs a command with no more of a card and of the machine than a budget, and says what it took.

    tools/bench/gpu_budget.py --vram 8G --ram 8G [--device 0] [--json FILE] -- COMMAND …
    tools/bench/gpu_budget.py --table FILE …

Another process takes the card's memory until exactly --vram is free, the command's own context included, as on a card
of that size (--context leaves what a context takes in addition). The command runs in a memory control group of --ram
without swap, which pages of files and whatever the process itself locked count in. Memory that the driver takes from
the system on a program's behalf (pinned allocations) may not be charged to the group: the column "host" therefore is
what the whole machine had in use beyond the start, pages of files left out, so nothing else should run meanwhile; with
--shared it is the group's memory and what its processes have mapped of the driver's. Either limit may be left out.
Where control groups cannot be made it says so and only measures.

--steps-in FILE names where the command writes the seconds of its steps: a report of `generate`, JSON with "steps", or
stable-diffusion.cpp's output; without it the command's own output is searched. Exit code: the command's.
"""

import argparse
import collections
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from budget_run import parse_size
from card import Ballast, reader
from contenders import sdcpp_steps
from control_group import ControlGroup

MIB = 1 << 20
PERIOD = 0.02  # seconds between two readings
MAPS_EVERY = 25  # readings between two looks at what is mapped, which takes longer
PINNED = "/dev/nvidiactl"  # the file that pinned memory is mapped from
MEASURED = "measured"
OUTPUT_SHOWN = 3000  # characters, of a command that failed


def machine_bytes():
    """In use by everybody, without the pages of files."""
    found = {}
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        name, value = line.split(":")
        found[name] = int(value.split()[0]) * 1024
    return found["MemTotal"] - found["MemFree"] - found["Buffers"] - found["Cached"] - found["SReclaimable"]


def driver_bytes(processes):
    """What they have mapped of the driver's files, by file; pinned memory is there, and a few registers of the card."""
    found = collections.Counter()
    for process in processes:
        try:
            maps = pathlib.Path(f"/proc/{process}/maps").read_text()
        except OSError:
            continue  # it has ended
        for line in maps.splitlines():
            fields = line.split(maxsplit=5)
            if fields[-1].startswith("/dev/nvidia"):
                begin, end = (int(edge, 16) for edge in fields[0].split("-"))
                found[fields[-1]] += end - begin
    return found


class Watch(threading.Thread):
    """Reads what is in use from its start to stop(), and keeps the most."""

    def __init__(self, card, group, shared):
        super().__init__(daemon=True)
        self.card, self.group, self.shared = card, group, shared
        self.process, self.driver = None, collections.Counter()
        self.device_before = card.memory().used
        self.host_before = machine_bytes()
        self.device = self.host = self.machine = self.private = 0
        self.ended = threading.Event()

    def watch(self, process):
        self.process = process
        self.start()

    def run(self):
        readings = 0
        while not self.ended.wait(PERIOD):
            if readings % MAPS_EVERY == 0:
                self.read_maps()
            self.read()
            readings += 1

    def read_maps(self):
        driver = driver_bytes(self.group.processes() if self.group else [self.process.pid])
        self.driver = max(self.driver, driver, key=lambda found: found[PINNED])

    def read(self):
        private = self.group.private_bytes() if self.group else 0
        machine = machine_bytes() - self.host_before
        self.device = max(self.device, self.card.memory().used - self.device_before)
        self.private, self.machine = max(self.private, private), max(self.machine, machine)
        self.host = max(self.host, private + self.driver[PINNED] if self.shared else max(machine, private))

    def stop(self):
        self.ended.set()
        self.join()


def make_group(limit):
    if limit is None:
        return None
    try:
        return ControlGroup(limit)
    except OSError as error:
        print(f"no control group ({error}): the process's memory is measured, not limited", file=sys.stderr, flush=True)
        return None


def enter(group):
    os.setsid()
    if group:
        group.enter()


def end_session(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def launch(args, group, watch, environment, output):
    """Exit code and seconds; 124 when the time was up."""
    begin = time.monotonic()
    process = subprocess.Popen(args.command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                               env=environment, preexec_fn=lambda: enter(group))
    watch.watch(process)
    try:
        code = process.wait(timeout=args.timeout)
    except subprocess.TimeoutExpired:
        code = 124
    finally:
        seconds = time.monotonic() - begin
        watch.stop()
        end_session(process)
        process.wait()
    return code, seconds


def json_steps(text):
    steps = json.loads(text).get("steps", [])
    return [step["seconds"] if isinstance(step, dict) else step for step in steps]


def find_steps(text):
    """Of a report, of the last line of JSON in an output, or of stable-diffusion.cpp's progress."""
    for candidate in (text, *reversed([line for line in text.splitlines() if line.startswith("{")])):
        try:
            return json_steps(candidate)
        except (ValueError, AttributeError):
            pass
    return sdcpp_steps(text)


def context_bytes(args, environment):
    """What a context takes of the card."""
    if args.context is not MEASURED:
        return args.context
    card = reader(args.device)
    before = card.memory().used
    probe = Ballast(None, environment)
    taken = card.memory().used - before
    probe.close()
    return taken


def run(args):
    environment = os.environ | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": str(args.device)}
    card = reader(args.device)
    ballast = group = None
    try:
        if args.vram is not None:
            ballast = Ballast(args.vram + context_bytes(args, environment), environment)
        group = make_group(args.ram)
        watch = Watch(card, group, args.shared)
        free = card.memory().free
        with tempfile.TemporaryFile() as output:
            code, seconds = launch(args, group, watch, environment, output)
            output.seek(0)
            text = output.read().decode(errors="replace")
        row = {"name": args.name, "exit_code": code, "seconds": seconds, "vram": args.vram, "ram": args.ram,
               "ballast_bytes": ballast.bytes if ballast else 0, "free_bytes": free, "device_bytes": watch.device,
               "host_bytes": watch.host, "machine_bytes": watch.machine, "driver_bytes": watch.driver,
               "limited": group is not None}
        if group:
            row |= {"group_bytes": group.peak_bytes(), "private_bytes": watch.private,
                    "major_faults": group.major_faults(), "oom_kills": group.oom_kills()}
    finally:
        if group:
            group.close()
        if ballast:
            ballast.close()
    steps_file = pathlib.Path(args.steps_in) if args.steps_in else None
    row["steps"] = find_steps(steps_file.read_text() if steps_file and steps_file.exists() else text)
    return row, text


HEADS = ["", "seconds", "a step", "least–most", "device MiB", "host MiB", "of it the process's", "control group MiB",
         "major faults", "ended"]


def ended(row):
    if row.get("oom_kills"):
        return "killed for memory"
    if row["exit_code"] == 0 and row["ram"] and row["host_bytes"] > row["ram"]:
        return "right, over --ram"
    return {0: "right", 124: "out of time"}.get(row["exit_code"], f"failed ({row['exit_code']})")


def mib(value):
    return "" if value is None else f"{value / MIB:.0f}"


def cells(row):
    counted = row["steps"][1:] or row["steps"]
    step = f"{statistics.median(counted):.3f}" if counted else ""
    span = f"{min(counted):.3f}–{max(counted):.3f}" if counted else ""
    return [row["name"], f"{row['seconds']:.1f}", step, span, mib(row["device_bytes"]), mib(row["host_bytes"]),
            mib(row.get("private_bytes")), mib(row.get("group_bytes")), str(row.get("major_faults", "")), ended(row)]


def read_row(file):
    try:
        row = json.loads(pathlib.Path(file).read_text())
        cells(row)
        return row
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"{file}: no row that --json wrote ({error})")


def print_table(rows):
    print("| " + " | ".join(HEADS) + " |")
    print("| --- |" + " ---: |" * (len(HEADS) - 2) + " --- |")
    for row in rows:
        print("| " + " | ".join(cells(row)) + " |")


def size_or_none(text):
    return None if text == "none" else parse_size(text)


def context_size(text):
    return MEASURED if text == MEASURED else parse_size(text)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vram", type=size_or_none, help="what the card has left: 8G")
    parser.add_argument("--ram", type=size_or_none, help="the control group's limit: 8G")
    parser.add_argument("--device", type=int, default=0, help="as nvidia-smi counts them")
    parser.add_argument("--context", type=context_size, default="0", metavar="SIZE", help="left in addition: a size, or 'measured'")
    parser.add_argument("--shared", action="store_true", help="other work runs on the machine")
    parser.add_argument("--name", default="", help="of the row")
    parser.add_argument("--json", metavar="FILE", help="write the row")
    parser.add_argument("--log", metavar="FILE", help="write the command's output")
    parser.add_argument("--steps-in", metavar="FILE", help="where the command writes its steps' seconds")
    parser.add_argument("--timeout", type=float, metavar="SECONDS")
    parser.add_argument("--table", nargs="+", metavar="FILE", help="print rows that --json wrote, and run nothing")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    args.command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if bool(args.command) == bool(args.table):
        parser.error("give a command after --, or --table")
    return args


def main():
    args = parse_arguments()
    if args.table:
        print_table([read_row(file) for file in args.table])
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that nothing is left behind
    try:
        row, text = run(args)
    except OSError as error:
        sys.exit(f"not run: {error}")
    for file, content in ((args.json, json.dumps(row, indent=2) + "\n"), (args.log, text)):
        if file:
            pathlib.Path(file).write_text(content)
    if row["exit_code"] != 0:
        print(text[-OUTPUT_SHOWN:], file=sys.stderr, flush=True)
    print_table([row])
    if row["exit_code"] != 0:
        sys.exit(row["exit_code"] if row["exit_code"] > 0 else 128 - row["exit_code"])


if __name__ == "__main__":
    main()
