# SPDX-License-Identifier: Apache-2.0
"""Single-threaded processes that share every step of a training run."""
import os
import signal
import subprocess
import sys
import time

import torch
import torch.distributed as dist

# glibc gives large blocks back at once and takes them anew for every tensor; kept, a step is a sixth faster.
ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


def run(program, count, folder):
    """Calls program(rank) in `count` processes, which meet in `folder`; with one, here. Does not return when any fails, nor
    when there is more than one."""
    rank = int(os.environ.get("MICE_TRAIN_RANK", "-1"))
    if count == 1:
        program(0)
        return
    if rank < 0:
        os.makedirs(folder, exist_ok=True)
        meeting = os.path.join(os.path.abspath(folder), f"meeting-{os.getpid()}")
        workers = [subprocess.Popen([sys.executable, *sys.argv], env={
            **ALLOCATION, **os.environ, "MICE_TRAIN_RANK": str(number), "MICE_TRAIN_MEETING": meeting}) for number in range(count)]
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda number, _: [each.send_signal(number) for each in workers])
        raise SystemExit(wait_for(workers, meeting))
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method="file://" + os.environ["MICE_TRAIN_MEETING"], rank=rank, world_size=count)
    program(rank)
    dist.destroy_process_group()


def wait_for(workers, meeting):
    """Waits until all have ended; if one fails, ends the others. -> exit status"""
    while any(each.poll() is None for each in workers):
        if any(each.poll() for each in workers):
            for each in workers:
                each.kill()
        time.sleep(0.2)
    if os.path.exists(meeting):
        os.remove(meeting)
    return max(abs(each.returncode) for each in workers)


def share_gradients(parameters, count):
    """Sets every worker's gradients to the mean of all."""
    if count == 1:
        return
    flat = torch.cat([each.grad.view(-1) for each in parameters if each.grad is not None])
    dist.all_reduce(flat)
    flat /= count
    first = 0
    for each in parameters:
        if each.grad is not None:
            each.grad.copy_(flat[first:first + each.numel()].view_as(each))
            first += each.numel()
