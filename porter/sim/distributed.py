"""The target's communication backend: gloo over the device's memory.

``torch.distributed`` cannot subclass a backend in Python, but accepts a whole process group.
This one hands gloo CPU tensors that share the memory of the device tensors, waits, and gives
back work that is done. As on a real chip, CPU tensors are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import distributed_c10d as c10d

from porter.sim.spec import Spec

Tensors = Sequence[torch.Tensor]


def register_backend(spec: Spec) -> None:
    """Make ``init_process_group(backend=...)`` know the target's backend."""
    if not dist.is_available():
        return
    kind = _group_class(spec)
    dist.Backend.register_backend(spec.backend, kind, devices=[spec.device])


def _group_class(spec: Spec) -> type:
    from torch._C._distributed_c10d import ProcessGroupGloo, _create_work_from_future

    class ChipProcessGroup(dist.ProcessGroup):
        """Collectives between devices of one kind, one process a device."""

        def __init__(self, store: Any, rank: int, size: int, timeout: timedelta) -> None:
            super().__init__(rank, size)
            self._gloo = ProcessGroupGloo(store, rank, size, timeout)
            self._ranks = (rank, size)

        @property
        def _device_types(self) -> list[torch.device]:
            return [torch.device(spec.device)]

        def getBackendName(self) -> str:
            """The backend's name."""
            return spec.backend

        def rank(self) -> int:
            """This process's number in the group."""
            return self._ranks[0]

        def size(self) -> int:
            """How many processes the group has."""
            return self._ranks[1]

        def broadcast(self, tensors: Tensors, opts: Any = None, *more: Any) -> Any:
            """Give every process the tensors of one."""
            opts = opts or c10d.BroadcastOptions()
            return self._done(self._gloo.broadcast(self._host(tensors), opts), tensors)

        def allreduce(self, tensors: Tensors, opts: Any = None, *more: Any) -> Any:
            """Reduce over all processes, in place."""
            opts = opts or c10d.AllreduceOptions()
            average = self._sum_for_average(opts)
            work = self._gloo.allreduce(self._host(tensors), opts)
            return self._done(work, tensors, average)

        def allreduce_coalesced(self, tensors: Tensors, opts: Any = None, *more: Any) -> Any:
            """As ``allreduce``, of several tensors."""
            plain = c10d.AllreduceOptions()
            if opts is not None:
                plain.reduceOp = opts.reduceOp
            for tensor in tensors:
                self.allreduce([tensor], plain)
            return self._finished(list(tensors))

        def reduce(self, tensors: Tensors, opts: Any = None, *more: Any) -> Any:
            """Reduce to one process."""
            opts = opts or c10d.ReduceOptions()
            average = self._sum_for_average(opts)
            return self._done(self._gloo.reduce(self._host(tensors), opts), tensors, average)

        def allgather(self, outputs: Sequence[Tensors], inputs: Tensors, opts: Any = None) -> Any:
            """Give every process the tensors of all."""
            opts = opts or c10d.AllgatherOptions()
            work = self._gloo.allgather([self._host(o) for o in outputs], self._host(inputs), opts)
            return self._done(work, list(outputs))

        def _allgather_base(
            self, output: torch.Tensor, input: torch.Tensor, opts: Any = None
        ) -> Any:
            parts = list(output.view(-1).chunk(self.size()))
            self.allgather([[part.view(input.shape) for part in parts]], [input])
            return self._finished(output)

        all_gather_single = _allgather_base

        def allgather_into_tensor_coalesced(
            self, outputs: Tensors, inputs: Tensors, opts: Any = None
        ) -> Any:
            """As ``all_gather_single``, of several tensors."""
            for output, input in zip(outputs, inputs):
                self._allgather_base(output, input)
            return self._finished(list(outputs))

        all_gather_single_coalesced = allgather_into_tensor_coalesced

        def allgather_coalesced(
            self, outputs: Sequence[Tensors], inputs: Tensors, opts: Any = None
        ) -> Any:
            """As ``allgather``, of several tensors."""
            for place, input in enumerate(inputs):
                self.allgather([[output[place] for output in outputs]], [input])
            return self._finished(list(outputs))

        def gather(self, outputs: Sequence[Tensors], inputs: Tensors, opts: Any = None) -> Any:
            """Give one process the tensors of all."""
            opts = opts or c10d.GatherOptions()
            work = self._gloo.gather([self._host(o) for o in outputs], self._host(inputs), opts)
            return self._done(work, list(outputs))

        def scatter(self, outputs: Tensors, inputs: Sequence[Tensors], opts: Any = None) -> Any:
            """Give every process its part of one's tensors."""
            opts = opts or c10d.ScatterOptions()
            work = self._gloo.scatter(self._host(outputs), [self._host(i) for i in inputs], opts)
            return self._done(work, list(outputs))

        def reduce_scatter(
            self, outputs: Tensors, inputs: Sequence[Tensors], opts: Any = None
        ) -> Any:
            """Reduce, and give every process its part."""
            for output, parts in zip(outputs, inputs):
                self._reduce_scatter_base(
                    output, torch.cat([part.reshape(-1) for part in parts]), opts
                )
            return self._finished(list(outputs))

        def _reduce_scatter_base(
            self, output: torch.Tensor, input: torch.Tensor, opts: Any = None
        ) -> Any:
            plain = c10d.AllreduceOptions()
            if opts is not None:
                plain.reduceOp = opts.reduceOp
            whole = input.clone()
            self.allreduce([whole], plain)
            output.copy_(whole.view(-1).chunk(self.size())[self.rank()].view(output.shape))
            return self._finished(output)

        reduce_scatter_single = _reduce_scatter_base

        def reduce_scatter_tensor_coalesced(
            self, outputs: Tensors, inputs: Tensors, opts: Any = None
        ) -> Any:
            """As ``reduce_scatter_single``, of several tensors."""
            for output, input in zip(outputs, inputs):
                self._reduce_scatter_base(output, input, opts)
            return self._finished(list(outputs))

        reduce_scatter_single_coalesced = reduce_scatter_tensor_coalesced

        def alltoall(self, outputs: Tensors, inputs: Tensors, opts: Any = None) -> Any:
            """Every process sends every other one a tensor."""
            works = [
                self.send([t], rank, 0, wait=False)
                for rank, t in enumerate(inputs)
                if rank != self.rank()
            ]
            for rank, output in enumerate(outputs):
                if rank == self.rank():
                    output.copy_(inputs[rank])
                else:
                    self.recv([output], rank, 0)
            for work in works:
                work.wait()
            return self._finished(list(outputs))

        def alltoall_base(
            self,
            output: torch.Tensor,
            input: torch.Tensor,
            output_sizes: Any,
            input_sizes: Any,
            opts: Any = None,
        ) -> Any:
            """Every process sends every other one rows of a tensor."""
            outputs, inputs = self._rows(output, output_sizes), self._rows(input, input_sizes)
            self.alltoall(outputs, inputs)
            return self._finished(output)

        all_to_all_single = alltoall_base

        def _rows(self, tensor: torch.Tensor, sizes: Sequence[int]) -> Tensors:
            return tensor.split(list(sizes)) if sizes else tensor.chunk(self.size())

        def send(self, tensors: Tensors, rank: int, tag: int = 0, *, wait: bool = True) -> Any:
            """Send tensors to one process."""
            work = self._gloo.send(self._host(tensors), rank, tag)
            return self._done(work, list(tensors)) if wait else work

        def recv(self, tensors: Tensors, rank: int, tag: int = 0) -> Any:
            """Receive tensors from one process."""
            return self._done(self._gloo.recv(self._host(tensors), rank, tag), list(tensors))

        def recv_anysource(self, tensors: Tensors, tag: int = 0) -> Any:
            """Receive tensors from whichever process sends them."""
            return self._gloo.recv_anysource(self._host(tensors), tag)

        def barrier(self, opts: Any = None) -> Any:
            """Wait until every process is here."""
            self._gloo.barrier().wait()
            return self._finished([])

        def _host(self, tensors: Tensors) -> list[torch.Tensor]:
            for tensor in tensors:
                if tensor.device.type != spec.device:
                    raise RuntimeError(
                        f"No backend type associated with device type {tensor.device.type}: "
                        f"{spec.backend} moves {spec.device} tensors"
                    )
            return [torch.ops.porter_sim.host(tensor.detach()) for tensor in tensors]

        def _sum_for_average(self, opts: Any) -> bool:
            average = opts.reduceOp == dist.ReduceOp.AVG
            if average:
                opts.reduceOp = dist.ReduceOp.SUM
            return bool(average)

        def _done(self, work: Any, tensors: Any, average: bool = False) -> Any:
            work.wait()
            for tensor in tensors if average else ():
                tensor.div_(self.size())
            return self._finished(tensors)

        def _finished(self, value: Any) -> Any:
            devices = [torch.device(spec.device, i) for i in range(spec.profile.device_count)]
            future: Any = torch.futures.Future(devices=devices)
            future.set_result(value)
            return _create_work_from_future(future)

    return ChipProcessGroup
