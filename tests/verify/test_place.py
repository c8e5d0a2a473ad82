"""Where a ported tree trains, and why not elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from porter.errors import CouldNotRun, UsageError
from porter.verify.launch.interpreter import Chip, Interpreter
from porter.verify.launch.place import check_fit, choose_site, site_variables
from tests.helpers import all_targets

NO_CHIP = Interpreter(
    executable=Path("python"),
    python="3.11.4",
    torch="2.13.0",
    torch_folder=Path("torch"),
    torch_problem="",
    python_include=Path("include"),
    ext_suffix=".so",
    cxx11_abi=True,
    cores=2,
    threads=2,
    cuda=False,
    chip=Chip("torch_sdaa", "", "sdaa", problem="No module named 'torch_sdaa'"),
    modules={},
)
WITH_CHIP = replace(NO_CHIP, chip=Chip("torch_sdaa", "1.6", "sdaa", True, 4, "T1"))
WITH_CUDA = replace(NO_CHIP, cuda=True, chip=Chip("", "", "cuda", True, 1, "BI-V150"))


@pytest.mark.parametrize(
    ("target", "asked", "interpreter", "place", "device", "devices"),
    [
        ("sdaa", "auto", WITH_CHIP, "real", "sdaa", 4),
        ("sdaa", "auto", NO_CHIP, "sim", "sdaa", 4),
        ("sdaa", "cpu", WITH_CHIP, "cpu", "cpu", 0),
        ("sdaa", "sim", NO_CHIP, "sim", "sdaa", 4),
        ("bi_v150", "auto", WITH_CUDA, "real", "cuda", 1),
        ("bi_v150", "auto", NO_CHIP, "cpu", "cpu", 0),
        ("xpu", "auto", NO_CHIP, "cpu", "cpu", 0),
    ],
)
def test_the_place(
    target: str, asked: str, interpreter: Interpreter, place: str, device: str, devices: int
) -> None:
    site = choose_site(asked, all_targets()[target], interpreter)  # type: ignore[arg-type]
    assert (site.place, site.device, site.devices) == (place, device, devices)
    assert (site.sim is not None) == (place == "sim")
    assert bool(site.note) == (place != "real")


def test_the_host_is_the_place_of_a_target_that_is_the_host() -> None:
    host = replace(NO_CHIP, chip=Chip("", "", "cpu", True, 1))
    site = choose_site("auto", all_targets()["cpu"], host)
    assert (site.place, site.note) == ("cpu", "")
    with pytest.raises(CouldNotRun, match="it has none but the host"):
        choose_site("real", all_targets()["cpu"], host)


@pytest.mark.parametrize(
    ("target", "asked", "interpreter", "message"),
    [
        ("sdaa", "real", NO_CHIP, "No module named 'torch_sdaa'"),
        ("bi_v150", "real", NO_CHIP, "CUDA is not available"),
        ("sdaa", "sim", WITH_CHIP, "has the plugin of the chip itself"),
        ("bi_v150", "sim", NO_CHIP, "cannot be simulated"),
        (
            "sdaa",
            "real",
            replace(NO_CHIP, chip=Chip("torch_sdaa", "1.6", "sdaa")),
            "there is no sdaa device",
        ),
    ],
    ids=["no plugin", "no cuda", "both", "built in", "a plugin without a device"],
)
def test_what_is_not_to_be_had_is_refused(
    target: str, asked: str, interpreter: Interpreter, message: str
) -> None:
    with pytest.raises(CouldNotRun, match=message):
        choose_site(asked, all_targets()[target], interpreter)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "asked", "interpreter", "hidden", "as_before"),
    [
        ("sdaa", "real", WITH_CHIP, False, False),
        ("sdaa", "sim", NO_CHIP, False, False),
        ("sdaa", "cpu", WITH_CHIP, True, False),
        ("bi_v150", "real", WITH_CUDA, False, False),
        ("bi_v150", "cpu", WITH_CUDA, True, True),
        ("mlu", "sim", NO_CHIP, False, True),
    ],
)
def test_its_environment(
    target: str, asked: str, interpreter: Interpreter, hidden: bool, as_before: bool
) -> None:
    chip = all_targets()[target]
    site = choose_site(asked, chip, interpreter)  # type: ignore[arg-type]
    found = site_variables(site, chip)
    assert (found.get(chip.visible_devices) == "") == hidden
    assert (found.get("CUDA_VISIBLE_DEVICES") == "") == hidden
    assert (found.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD") == "1") == as_before


def test_a_cuda_compatible_chip_keeps_torchs_own_words() -> None:
    site = choose_site("real", all_targets()["bi_v150"], WITH_CUDA)
    assert (site.device, site.backend, site.sim, site.note) == ("cuda", "nccl", None, "")


@pytest.mark.parametrize(
    ("asked", "amp", "nproc", "message"),
    [
        ("cpu", True, 1, "--amp: mmengine has mixed precision on devices only"),
        ("sim", False, 5, "--nproc 5: .* there are 4 on the simulated machine"),
        ("real", False, 5, "--nproc 5: .* there are 4 on this machine"),
    ],
)
def test_what_cannot_work_there_is_refused(asked: str, amp: bool, nproc: int, message: str) -> None:
    site = choose_site(asked, all_targets()["sdaa"], NO_CHIP if asked == "sim" else WITH_CHIP)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=message):
        check_fit(site, amp=amp, nproc=nproc)


@pytest.mark.parametrize(("asked", "amp", "nproc"), [("cpu", False, 8), ("sim", True, 4)])
def test_what_fits_is_let_through(asked: str, amp: bool, nproc: int) -> None:
    check_fit(choose_site(asked, all_targets()["sdaa"], NO_CHIP), amp=amp, nproc=nproc)  # type: ignore[arg-type]
