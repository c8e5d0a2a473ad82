"""The words of a verification as data: what was asked, what each run recorded, what it means.

Nothing here reads or writes. ``porter.training`` writes the records, in another process and
perhaps another Python; ``porter.verify.records`` reads them into these classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

#: What a check or a whole verification came to. ``unasked``: the run had no need of the check.
Outcome = Literal["pass", "fail", "inconclusive", "unasked"]

#: Where the ported tree trains: on the chip, on the simulated one, or on the host.
Place = Literal["real", "sim", "cpu"]


@dataclass(frozen=True)
class Settings:
    """What both sides of a comparison train by. Upstream's run is cached under all of it.

    Attributes:
        model: The alias or config that the user named.
        config: The config's path relative to the tree's ``configs`` folder.
        steps: Optimizer steps.
        batch_size: Images a step and process.
        image_size: Longest side of an image, in pixels.
        lr: Learning rate; None for the recipe's or, without one, a share of the config's.
        nproc: Processes on this machine.
        nnodes: Machines; ranks are ``nproc * nnodes`` altogether.
        threads: Threads of torch in each process.
        canvas: Whether each batch is put on a canvas of one size.
        eval: Whether to compute COCO mAP after the last step.
        options: Dotted config keys -> values, as mmengine's ``--cfg-options`` takes them.
    """

    model: str
    config: str
    steps: int = 50
    batch_size: int = 2
    image_size: int = 128
    lr: float | None = None
    seed: int = 0
    nproc: int = 1
    nnodes: int = 1
    threads: int = 1
    canvas: bool = False
    eval: bool = False
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Counters:
    """What the simulated chip was asked in one step; see ``porter.sim.Counters``."""

    op_calls: int
    dynamic_shape_ops: int
    host_syncs: int
    new_signatures: int


@dataclass(frozen=True)
class Step:
    """One optimizer step as one rank recorded it.

    Attributes:
        number: Counted from 1.
        losses: Name -> value, as mmdet's ``parse_losses`` gives them; ``loss`` is the total.
        grad_norm: L2 norm over all gradients, unscaled, before clipping.
        lr: Learning rate of each parameter group, in order.
        data: Digest of the batch: image bytes, boxes and labels as the model was given them.
        seconds: Wall time of the step.
        memory: Bytes held on the device after the step, at most so far; 0 where none tells.
        devices: Device of the parameters -> how many parameters are on it.
        low_precision: Convolution and linear modules that gave half-precision outputs.
        modules: Convolution and linear modules that ran.
        loss_scale: AMP's loss scale; None without AMP.
        skipped: Whether AMP's scaler left out the update, as gradients were not finite.
        counters: Of the simulated chip; None elsewhere.
        applied_norm: L2 norm over all gradients as the optimizer took them: unscaled and clipped.
    """

    number: int
    losses: Mapping[str, float]
    grad_norm: float
    lr: tuple[float, ...]
    data: str
    seconds: float
    memory: int
    devices: Mapping[str, int]
    low_precision: int = 0
    modules: int = 0
    loss_scale: float | None = None
    skipped: bool = False
    counters: Counters | None = None
    applied_norm: float | None = None


@dataclass(frozen=True)
class Start:
    """What a rank says before its first step.

    Attributes:
        weights: Digest of the initial weights.
        schedule: Digest of optimizer, schedules and loop, as configured.
        environment: Name -> value: ``python``, ``torch``, ``mmengine``, ..., ``device name``.
        wrapper: Class of the optimizer wrapper, such as ``AmpOptimWrapper``.
        scaler: Whether AMP's gradient scaler is enabled.
        backend: Of ``torch.distributed``; empty without it.
        own: Digest of the weights that the tree itself would start from.
        optimizer: Words such as ``group 0`` -> the settings that the optimizer really has.
    """

    weights: str
    schedule: str
    environment: Mapping[str, str]
    wrapper: str
    scaler: bool = False
    backend: str = ""
    own: str = ""
    optimizer: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """What a rank says after its last step.

    Attributes:
        weights: Digest of the final weights.
        updates: Parameter -> L2 norm of its change since the first step.
        metrics: Name -> value of the evaluation; empty if none was asked for.
        detections: Image -> digestible summary of what was detected on it: boxes kept, sum of
            their scores, mean of their coordinates in pixels; then the mean of each
            coordinate, of the labels, and of the masks' area where there are masks.
        parameters: Digest of the final weights without buffers, such as the statistics that each
            rank's normalization keeps of its own images; empty where it was not taken.
        buffers: Buffer, such as a running mean -> L2 norm of its change since the first step.
        logged_memory: Megabytes in the memory column of the tree's own log; None if there is no
            such column, or no chip.
    """

    weights: str
    updates: Mapping[str, float]
    metrics: Mapping[str, float] = field(default_factory=dict)
    detections: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    parameters: str = ""
    buffers: Mapping[str, float] = field(default_factory=dict)
    logged_memory: float | None = None


@dataclass(frozen=True)
class Failure:
    """How a run ended early.

    Attributes:
        kind: Class of the exception; of a process that could not say it, ``killed`` by a
            signal or ``ended``.
        message: Its text.
        trace: The traceback's last frames, for the report.
    """

    kind: str
    message: str
    trace: str = ""

    @property
    def is_mute(self) -> bool:
        """Whether the process left no word of why; torchrun ends the peers of one that failed."""
        return self.kind in ("killed", "ended")


@dataclass(frozen=True)
class Rank:
    """All that one rank recorded.

    Attributes:
        gradients: Parameter -> L2 norm of its gradient in the first step.
        end: None if the run did not come to its end.
        failure: None if it did.
        sketches: Parameter -> real and imaginary part of the sum of g[k] * exp(1.618j * k) over
            the elements of the same gradient, flattened in row-major order. Two gradients of one
            norm but of other signs or in another order have other sketches.
        predictions: Image -> summary, as in ``End.detections``, of what the initial weights
            detect; None if that was not recorded.
        no_predictions: Why there are none; empty if there are.
    """

    rank: int
    start: Start | None
    steps: tuple[Step, ...]
    gradients: Mapping[str, float]
    end: End | None
    failure: Failure | None = None
    sketches: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    predictions: Mapping[str, tuple[float, ...]] | None = None
    no_predictions: str = ""


def failures(ranks: Sequence[Rank]) -> list[tuple[Rank, Failure]]:
    """The ranks that failed, with how; those first that say why: others may only be their peers."""
    found = [(rank, rank.failure) for rank in ranks if rank.failure]
    return sorted(found, key=lambda pair: pair[1].is_mute)


@dataclass(frozen=True)
class Run:
    """One training: upstream's on the host, or the ported tree's on the device.

    Attributes:
        place: Where it ran.
        device: ``torch.device`` type that was asked for.
        amp: Whether AMP was asked for.
        ranks: In order of rank.
        cached: Whether it was recorded by an earlier verification.
        resumed: After which step it was saved, ended and resumed; 0 for not at all.
    """

    place: Place
    device: str
    amp: bool
    ranks: tuple[Rank, ...]
    cached: bool = False
    resumed: int = 0


@dataclass(frozen=True)
class Thresholds:
    """What the checks allow; fractions, not percents.

    Attributes:
        first_step: Relative difference of the first step's losses.
        mean: Mean over steps of the relative error (of the absolute one near zero).
        bias: Absolute value of the mean signed relative error over the last 50 steps.
        grad_norm: Relative difference of gradient norms.
        near_zero: Absolute error allowed where the baseline is within it of zero.
    """

    first_step: float
    mean: float
    bias: float
    grad_norm: float
    near_zero: float = 0.005


@dataclass(frozen=True)
class Check:
    """One question and its answer.

    Attributes:
        name: Short, in words: ``first step``.
        value: The figure, as shown; empty where there is none.
        limit: What is allowed, as shown.
        detail: Where it was worst, or why it failed; one sentence.
    """

    name: str
    outcome: Outcome
    value: str = ""
    limit: str = ""
    detail: str = ""


@dataclass(frozen=True)
class VendorRule:
    """Tecorigin's own acceptance rule, signed as it is. It decides nothing here.

    Attributes:
        mean_relative: Signed mean relative error.
        mean_absolute: Signed mean absolute error.
    """

    mean_relative: float
    mean_absolute: float
    passes: bool


@dataclass(frozen=True)
class Verdict:
    """What a verification came to, with the figures it rests on.

    Attributes:
        noise: Loss name -> mean relative difference of two baseline runs; empty if there was one.
        loosened: Names of the thresholds that the user changed.
    """

    outcome: Outcome
    checks: tuple[Check, ...]
    vendor: VendorRule | None
    thresholds: Thresholds
    noise: Mapping[str, float] = field(default_factory=dict)
    loosened: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verification:
    """A whole verification, as it is rendered.

    Attributes:
        target: The target's name; likewise ``chip``, ``device`` and ``backend``.
        versions: Package -> version.
        digests: Name -> sha256 of what was compared: each tree, the rules, the target, data.
        baselines: Upstream's runs, one or more.
        counted: Upstream's run on the host whose operators were counted; None without one.
        command: What repeats it.
        notes: Sentences that a reader must know, such as that a simulated chip proves wiring.
    """

    target: str
    chip: str
    device: str
    backend: str
    settings: Settings
    amp: bool
    versions: Mapping[str, str]
    digests: Mapping[str, str]
    baselines: tuple[Run, ...]
    ported: Run
    repeats: tuple[Run, ...]
    verdict: Verdict
    command: str
    notes: tuple[str, ...] = ()
    counted: Run | None = None
