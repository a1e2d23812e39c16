"""A memory control group (v1 or v2) of exactly a budget, without swap, in which a command can be run."""

import errno
import os
import pathlib
import sys
import time

ROOT = pathlib.Path("/sys/fs/cgroup")
CLOSING_TRIES = 100  # what was killed takes a moment to give its memory back


def swap_bytes():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("SwapTotal:"):
            return int(line.split()[1]) * 1024
    return 0


class ControlGroup:
    """Removed by close(), when nothing runs in it any more."""

    def __init__(self, limit_bytes):
        self.v2 = (ROOT / "cgroup.controllers").exists()
        parent = ROOT if self.v2 else ROOT / "memory"
        if self.v2 and "memory" not in (ROOT / "cgroup.subtree_control").read_text().split():
            (ROOT / "cgroup.subtree_control").write_text("+memory")
        self.path = parent / f"steadyflux_budget.{os.getpid()}"
        self.path.mkdir()
        try:
            self.limit(limit_bytes)
        except OSError:
            self.close()
            raise

    def limit(self, limit_bytes):
        self.write("memory.max" if self.v2 else "memory.limit_in_bytes", limit_bytes)
        swap = "memory.swap.max" if self.v2 else "memory.memsw.limit_in_bytes"
        if (self.path / swap).exists():
            self.write(swap, 0 if self.v2 else limit_bytes)
        elif swap_bytes() > 0:
            raise OSError(f"this machine has swap, and its control groups have no {swap} to forbid it")

    def write(self, name, value):
        (self.path / name).write_text(str(value))

    def enter(self):
        self.write("cgroup.procs", os.getpid())

    def value(self, file, key):
        for line in (self.path / file).read_text().splitlines():
            if line.startswith(key + " "):
                return int(line.split()[1])
        return None

    def oom_kills(self):
        return self.value("memory.events" if self.v2 else "memory.oom_control", "oom_kill")

    def major_faults(self):
        return self.value("memory.stat", "pgmajfault")

    def private_bytes(self):
        """Memory in it that is no file's on a disk."""
        return self.value("memory.stat", "anon" if self.v2 else "rss") + (self.value("memory.stat", "shmem") or 0)

    def processes(self):
        return [int(line) for line in (self.path / "cgroup.procs").read_text().split()]

    def peak_bytes(self):
        """With the pages of files that it read first, so at the limit after much reading; None where the kernel keeps none."""
        peak = self.path / ("memory.peak" if self.v2 else "memory.max_usage_in_bytes")
        return int(peak.read_text()) if peak.exists() else None

    def close(self):
        for _ in range(CLOSING_TRIES):
            try:
                self.path.rmdir()
                return
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
            time.sleep(0.1)
        print(f"{self.path} is left: processes still run in it", file=sys.stderr)
