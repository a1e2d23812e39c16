"""Processes that train one model together, one for each GPU. torchrun starts them; alone, a process is a team of one."""

import os

import torch
import torch.distributed as dist


def join(device):
    """Joins the team, if torchrun started one, and returns this process's own device."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def size():
    return dist.get_world_size() if dist.is_initialized() else 1


def rank():
    return dist.get_rank() if dist.is_initialized() else 0


def add_up(tensor):
    """In place, the sum of what all processes hold."""
    if size() > 1:
        dist.all_reduce(tensor)


def follow(tensor):
    """In place, what the first process holds."""
    if size() > 1:
        dist.broadcast(tensor, 0)
    return tensor


def wait_for_all():
    if size() > 1:
        dist.barrier()


def say(words):
    """Prints `words` once for the whole team."""
    if rank() == 0:
        print(words, flush=True)


def leave():
    if dist.is_initialized():
        dist.destroy_process_group()
