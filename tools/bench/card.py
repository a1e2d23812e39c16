"""An NVIDIA card's memory: what is in use, as the driver counts it, and ballast that leaves a given part of it free.

As a program, it is the ballast: `card.py --leave BYTES` holds memory until its input ends; without --leave, a context alone.
"""

import argparse
import ctypes
import subprocess
import sys
import threading

GRAIN = 2 << 20  # the driver gives memory out in such pieces


class Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class Nvml:
    """Reads the memory of one card, numbered as nvidia-smi numbers them."""

    def __init__(self, device):
        self.nvml = ctypes.CDLL("libnvidia-ml.so.1")
        self.handle = ctypes.c_void_p()
        self.check(self.nvml.nvmlInit_v2(), "nvmlInit")
        self.check(self.nvml.nvmlDeviceGetHandleByIndex_v2(device, ctypes.byref(self.handle)), "card")

    @staticmethod
    def check(status, what):
        if status != 0:
            raise OSError(f"NVML, {what}: error {status}")

    def memory(self):
        memory = Memory()
        self.check(self.nvml.nvmlDeviceGetMemoryInfo(self.handle, ctypes.byref(memory)), "memory")
        return memory


class Smi:
    """The same by the program nvidia-smi, which is slower and counts in MiB."""

    def __init__(self, device):
        self.command = ["nvidia-smi", f"--id={device}", "--query-gpu=memory.total,memory.free,memory.used",
                        "--format=csv,noheader,nounits"]
        self.memory()

    def memory(self):
        done = subprocess.run(self.command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise OSError(f"nvidia-smi: {(done.stdout + done.stderr).strip()}")
        text = done.stdout
        return Memory(*(int(part) << 20 for part in text.split(",")))


def reader(device):
    try:
        return Nvml(device)
    except OSError:
        return Smi(device)


class Driver:
    """A context on the one card that this process sees, and plain allocations in it."""

    def __init__(self):
        self.cuda = ctypes.CDLL("libcuda.so.1")
        device, self.context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self.context), device)
        self.call("cuCtxSetCurrent", self.context)

    def call(self, name, *arguments):
        status = getattr(self.cuda, name)(*arguments)
        if status != 0:
            raise OSError(f"{name}: error {status}")

    def free_bytes(self):
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value

    def take(self, size):
        self.call("cuMemAlloc_v2", ctypes.byref(ctypes.c_ulonglong()), ctypes.c_size_t(size))

    def take_all_but(self, leave):
        """In pieces that get smaller, so that what a piece costs beyond its size shows in the next."""
        taken = 0
        while (excess := self.free_bytes() - leave) >= GRAIN:
            piece = max(GRAIN, excess // 2 // GRAIN * GRAIN)
            self.take(piece)
            taken += piece
        return taken


class Ballast:
    """A process that sees one card and holds memory so that `leave` bytes of it are free; None: a context alone."""

    def __init__(self, leave, environment):
        command = [sys.executable, __file__, *([] if leave is None else ["--leave", str(leave)])]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        alarm = threading.Timer(120, self.process.kill)
        alarm.start()
        answer = self.process.stdout.readline()
        alarm.cancel()
        if not answer.startswith("holding "):
            self.close()
            sys.exit("no ballast: the card's memory could not be taken")
        self.bytes = int(answer.split()[1])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leave", type=int, metavar="BYTES")
    args = parser.parse_args()
    driver = Driver()
    taken = 0 if args.leave is None else driver.take_all_but(args.leave)
    if driver.free_bytes() < (args.leave or 0):
        sys.exit(f"the card has only {driver.free_bytes()} bytes free, {args.leave} were to be left")
    print(f"holding {taken} bytes, {driver.free_bytes()} are free", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
