"""What two processes of a simulated chip do together; run by torchrun or by spawn."""

from __future__ import annotations

import os
import sys
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn


def collectives(rank: int, device: str) -> None:
    """Every collective gives what it should."""
    x = torch.full((3,), rank + 1.0, device=device)
    dist.all_reduce(x)
    assert x.tolist() == [3, 3, 3]
    dist.all_reduce(x, op=dist.ReduceOp.MAX)
    mean = torch.tensor([rank * 2.0], device=device)
    dist.all_reduce(mean, op=dist.ReduceOp.AVG)
    assert mean.item() == 1
    parts = [torch.zeros(2, device=device) for _ in range(2)]
    dist.all_gather(parts, torch.full((2,), float(rank), device=device))
    assert [part[0].item() for part in parts] == [0, 1]
    whole = torch.zeros(4, device=device)
    dist.all_gather_into_tensor(whole, torch.full((2,), float(rank), device=device))
    assert whole.tolist() == [0, 0, 1, 1]
    mine = torch.zeros(1, device=device)
    dist.reduce_scatter_tensor(mine, torch.arange(2.0, device=device))
    assert mine.item() == 2 * rank
    dist.reduce_scatter(mine, [torch.ones(1, device=device)] * 2)
    assert mine.item() == 2
    given = torch.tensor([rank * 7.0], device=device)
    dist.broadcast(given, 1)
    assert given.item() == 7
    dist.reduce(given, 0)
    assert rank == 1 or given.item() == 14
    dist.scatter(
        mine, [torch.full((1,), 5.0 + i, device=device) for i in range(2)] if rank == 0 else None, 0
    )
    assert mine.item() == 5 + rank
    gathered = [torch.zeros(1, device=device) for _ in range(2)] if rank == 0 else None
    dist.gather(mine, gathered, 0)
    assert gathered is None or [g.item() for g in gathered] == [5, 6]
    swapped = torch.zeros(2, device=device)
    dist.all_to_all_single(swapped, torch.tensor([rank * 2.0, rank * 2 + 1.0], device=device))
    assert swapped.tolist() == [rank, rank + 2]


def messages(rank: int, device: str) -> None:
    """Point to point, objects, subgroups, and the refusal of CPU tensors."""
    note = torch.full((1,), float(rank), device=device)
    dist.send(note, 1) if rank == 0 else dist.recv(note, 0)
    assert note.item() == 0
    objects: list[Any] = [None, None]
    dist.all_gather_object(objects, {"rank": rank})
    assert objects == [{"rank": 0}, {"rank": 1}]
    said = [f"from {rank}"]
    dist.broadcast_object_list(said, 0)
    assert said == ["from 0"]
    work = dist.all_reduce(
        torch.ones(1, device=device), group=dist.new_group([0, 1]), async_op=True
    )
    assert work is not None
    work.wait()
    dist.all_reduce(torch.ones(1), group=dist.new_group(backend="gloo"))
    dist.barrier()
    with pytest.raises(RuntimeError, match="No backend type associated with device type cpu"):
        dist.all_reduce(torch.ones(1))


def train(wrap: Any, batches: list[torch.Tensor]) -> list[torch.Tensor]:
    """Parameters after a step a batch."""
    optimizer = torch.optim.SGD(wrap.parameters(), 0.1, momentum=0.9)
    for batch in batches:
        optimizer.zero_grad()
        wrap(batch).square().mean().backward()
        optimizer.step()
    return [parameter.detach().cpu() for parameter in wrap.parameters()]


def data_parallel(rank: int, device: str, **options: Any) -> None:
    """Two ranks with half a batch each end where one process with the whole batch ends."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    batches = [torch.randn(4, 3, 8, 8) for _ in range(3)]
    alone = train(deepcopy(net), batches)
    ddp = nn.parallel.DistributedDataParallel(net.to(device), device_ids=[rank], **options)
    together = train(ddp, [batch.chunk(2)[rank].to(device) for batch in batches])
    for expected, found in zip(alone, together):
        torch.testing.assert_close(found, expected)


def main() -> None:
    """Join the group, do everything, leave."""
    rank = int(os.environ["RANK"])
    torch.sdaa.set_device(rank)
    dist.init_process_group(sys.argv[1])
    device = f"sdaa:{rank}"
    collectives(rank, device)
    messages(rank, device)
    data_parallel(rank, device)
    data_parallel(rank, device, gradient_as_bucket_view=True)
    data_parallel(rank, device, find_unused_parameters=True, bucket_cap_mb=1)
    dist.destroy_process_group()
    print(f"rank {rank} is done", flush=True)


if __name__ == "__main__":
    main()
