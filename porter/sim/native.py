"""The compiled chip as Python sees it: plain functions over ctypes."""

from __future__ import annotations

import ctypes
from pathlib import Path

from porter.errors import CouldNotRun

DENIED, CONTIGUOUS, DYNAMIC, SYNC = 1, 2, 4, 8
LOWER, FULL, FULL_BY_DTYPE, PROMOTE, BANNED = range(5)

#: Function -> (result type, argument types); all that chip.cpp exports.
SIGNATURES: dict[str, tuple[object, tuple[object, ...]]] = {
    "error": (ctypes.c_char_p, ()),
    "start": (ctypes.c_int, (ctypes.c_int, ctypes.c_int64, ctypes.c_int)),
    "autocast": (ctypes.c_int, (ctypes.c_int, ctypes.c_char_p)),
    "mark": (ctypes.c_int, (ctypes.c_char_p, ctypes.c_uint)),
    "deny_dtype": (ctypes.c_int, (ctypes.c_char_p, ctypes.c_int)),
    "device": (ctypes.c_int, ()),
    "set_device": (ctypes.c_int, (ctypes.c_int,)),
    "memory": (ctypes.c_int64, (ctypes.c_int,)),
    "peak": (ctypes.c_int64, (ctypes.c_int,)),
    "allocations": (ctypes.c_int64, (ctypes.c_int,)),
    "reset_peak": (None, (ctypes.c_int,)),
    "set_limit": (None, (ctypes.c_int64,)),
    "seed": (None, (ctypes.c_int, ctypes.c_uint64)),
    "initial_seed": (ctypes.c_uint64, (ctypes.c_int,)),
    "counters": (None, (ctypes.POINTER(ctypes.c_uint64),)),
    "reset_counters": (None, ()),
    "count_foreign": (None, (ctypes.c_int, ctypes.c_int)),
    "op_count": (ctypes.c_int, ()),
    "op_name": (ctypes.c_char_p, (ctypes.c_int,)),
    "op_calls": (ctypes.c_uint64, (ctypes.c_int,)),
}


class Native:
    """The loaded library. One a process: it registers kernels with torch's dispatcher.

    Raises:
        CouldNotRun: If the library cannot be loaded or refuses to start.
    """

    def __init__(self, library: Path) -> None:
        try:
            self._library = ctypes.CDLL(str(library))
        except OSError as problem:
            raise CouldNotRun(
                f"the simulated chip cannot be loaded: {problem}",
                hint=f"Remove {library} to have it built again.",
            ) from problem
        for name, (result, arguments) in SIGNATURES.items():
            function = getattr(self._library, f"porter_sim_{name}")
            function.restype, function.argtypes = result, arguments

    def start(self, devices: int, limit: int, shared_generator: bool) -> None:
        """Register the device and all its kernels.

        Args:
            devices: How many devices there are.
            limit: Bytes of memory a device; 0 for no limit.
            shared_generator: Draw random numbers from the CPU's generator.
        """
        self._checked("start", devices, limit, int(shared_generator))

    def autocast(self, policy: int, op: str) -> bool:
        """Make autocast treat an operator by a policy; False if this torch has no such one."""
        return self._checked("autocast", policy, op.encode()) > 0

    def mark(self, pattern: str, flag: int) -> int:
        """Set a flag on the operators that a pattern matches; how many those are."""
        return int(self._library.porter_sim_mark(pattern.encode(), flag))

    def deny_dtype(self, pattern: str, dtype: int) -> int:
        """Take a dtype from the operators that a pattern matches; how many those are."""
        return int(self._library.porter_sim_deny_dtype(pattern.encode(), dtype))

    def device(self) -> int:
        """The calling thread's current device."""
        return int(self._library.porter_sim_device())

    def set_device(self, index: int) -> None:
        """Make a device the calling thread's current one."""
        if self._library.porter_sim_set_device(index) < 0:
            raise RuntimeError(self._message())

    def memory(self, index: int) -> int:
        """Bytes allocated on a device."""
        return int(self._library.porter_sim_memory(index))

    def peak(self, index: int) -> int:
        """Most bytes that were allocated on a device since the last reset."""
        return int(self._library.porter_sim_peak(index))

    def allocations(self, index: int) -> int:
        """How many allocations a device has made."""
        return int(self._library.porter_sim_allocations(index))

    def reset_peak(self, index: int) -> None:
        """Start the peak again at what is allocated now."""
        self._library.porter_sim_reset_peak(index)

    def set_limit(self, limit: int) -> None:
        """Change the bytes of memory a device; 0 for no limit."""
        self._library.porter_sim_set_limit(limit)

    def seed(self, index: int, seed: int) -> None:
        """Seed a device's generator."""
        self._library.porter_sim_seed(index, seed % 2**64)

    def initial_seed(self, index: int) -> int:
        """The seed of a device's generator."""
        return int(self._library.porter_sim_initial_seed(index))

    def counters(self) -> tuple[int, int, int, int]:
        """Calls, dynamic shapes, host synchronizations and new signatures since the reset."""
        values = (ctypes.c_uint64 * 4)()
        self._library.porter_sim_counters(values)
        return (values[0], values[1], values[2], values[3])

    def reset_counters(self) -> None:
        """Start all counters again; signatures that were seen stay seen."""
        self._library.porter_sim_reset_counters()

    def count_foreign(self, dynamic: bool = False, sync: bool = False) -> None:
        """Count a vendor's operator that is none of aten's."""
        self._library.porter_sim_count_foreign(int(dynamic), int(sync))

    def op_names(self) -> list[str]:
        """Every operator with a kernel, in the order of their numbers."""
        count = self._library.porter_sim_op_count()
        return [self._library.porter_sim_op_name(number).decode() for number in range(count)]

    def op_calls(self) -> dict[str, int]:
        """Operator -> calls since the reset, of those that were called."""
        calls = self._library.porter_sim_op_calls
        found = {name: int(calls(number)) for number, name in enumerate(self.op_names())}
        return {name: count for name, count in found.items() if count}

    def _checked(self, name: str, *arguments: object) -> int:
        value = int(getattr(self._library, f"porter_sim_{name}")(*arguments))
        if value < 0:
            raise CouldNotRun(f"the simulated chip does not start: {self._message()}")
        return value

    def _message(self) -> str:
        text: bytes = self._library.porter_sim_error()
        return text.decode(errors="replace").splitlines()[0]
