"""What a step's gradients and update were, however the tree's hook computed them.

mmcv's optimizer hook may call ``backward`` of the loss, of the loss scaled by mmcv's, torch's or
apex's scaler; it may clip; it may leave the update out. So what is watched is what all of them
end in: ``Tensor.backward``, and the optimizer's ``step``.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from porter.training.evidence import (
    ChipCounters,
    gradient_norms,
    gradient_sketches,
)
from porter.training.mm2.common import model_of


class Update:
    """The gradients of a step, and what the optimizer made of them.

    Attributes:
        norms: Parameter -> L2 norm of its gradient, unscaled and before clipping.
        applied: L2 norm over all gradients as the optimizer took them; 0 where it took none.
        sketches: The first gradients' directions; None before there are any.
        scale: By how much the loss was scaled; 1 where it was not.
        skipped: Whether the optimizer's step was left out.
    """

    def __init__(self, runner: Any, counters: ChipCounters) -> None:
        self._model, self._optimizer = model_of(runner.model), runner.optimizer
        self._counters = counters
        self._backward, self._step = torch.Tensor.backward, runner.optimizer.step
        runner.optimizer.step = self._update
        self.norms: dict[str, float] = {}
        self.sketches: dict[str, tuple[float, float]] | None = None
        self.applied, self.scale, self.skipped = 0.0, 1.0, False

    def begin(self, loss: Any) -> None:
        """Watch the gradients of a loss being computed."""
        scales: list[torch.Tensor] = []
        self.applied, self.scale, self.skipped = 0.0, 1.0, True
        if isinstance(loss, torch.Tensor) and loss.requires_grad:
            loss.register_hook(lambda grad: scales.append(grad.detach()))
        inner, update = self._backward, self

        def backward(tensor: torch.Tensor, *arguments: Any, **options: Any) -> None:
            inner(tensor, *arguments, **options)
            update._see(float(scales[-1]) if scales else 1.0)

        torch.Tensor.backward = backward

    def _see(self, scale: float) -> None:
        self._counters.pause()
        self.scale = scale
        self.norms = gradient_norms(self._model, scale)
        if self.sketches is None:
            self.sketches = gradient_sketches(self._model, scale)
        self._counters.start()

    def _update(self, *arguments: Any, **options: Any) -> Any:
        self.skipped = False
        self._counters.pause()
        # Of mixed precision the optimizer may hold copies of the model's parameters.
        groups = self._optimizer.param_groups
        grads = [p.grad for g in groups for p in g["params"] if p.grad is not None]
        norms = [float(norm) for norm in torch.stack([g.detach().float().norm() for g in grads])]
        self.applied = math.sqrt(sum(norm * norm for norm in norms))
        self._counters.start()
        return self._step(*arguments, **options)

    def end(self) -> None:
        """The step is over: others may compute gradients."""
        torch.Tensor.backward = self._backward
