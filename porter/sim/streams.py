"""Streams and events. All work is done when it is queued, so waiting never takes time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from porter.sim.native import Native


def stream_members(device: str, native: Native) -> dict[str, Any]:
    """``Stream``, ``Event``, ``stream`` and their like, for the device's module."""
    streams = _Streams(device, native)
    return {
        "Stream": streams.Stream,
        "Event": event_factory(device),
        "ExternalStream": None,
        "current_stream": streams.current,
        "default_stream": streams.default,
        "set_stream": streams.use,
        "stream": streams.within,
    }


class _Streams:
    def __init__(self, device: str, native: Native) -> None:
        self._device, self._native = device, native
        self._current: dict[int, Any] = {}

        class Stream(torch.Stream):
            """A queue of work on one device."""

            def __new__(cls, device: Any = None, priority: int = 0, **known: Any) -> Any:
                if known:
                    return super().__new__(cls, priority=priority, **known)
                return super().__new__(cls, torch.device(streams.name(device)), priority=priority)

            def wait_stream(self, stream: Any) -> None:
                """Do nothing: that stream has finished."""

            def wait_event(self, event: Any) -> None:
                """Do nothing: the event has happened."""

            def record_event(self, event: Any = None) -> Any:
                """An event that has happened on this stream."""
                event = event or event_factory(self.device.type)()
                event.record(self)
                return event

            def synchronize(self) -> None:
                """Do nothing: the stream has finished."""

            def query(self) -> bool:
                """Whether the stream has finished: yes."""
                return True

        streams = self
        self.Stream = Stream

    def name(self, device: Any) -> str:
        """``sdaa:1`` for whatever names that device."""
        if device is None or device == self._device:
            return f"{self._device}:{self._native.device()}"
        if isinstance(device, int):
            return f"{self._device}:{device}"
        return str(device)

    def default(self, device: Any = None) -> Any:
        """The stream that work goes to unless told otherwise."""
        place = torch.device(self.name(device))
        kind = torch._C._autograd.DeviceType.PrivateUse1
        return self.Stream(stream_id=0, device_index=place.index, device_type=int(kind))

    def current(self, device: Any = None) -> Any:
        """The stream that work goes to now."""
        index = torch.device(self.name(device)).index
        return self._current.get(index) or self.default(device)

    def use(self, stream: Any) -> None:
        """Send work to a stream from now on."""
        if stream is not None:
            self._current[stream.device_index] = stream

    @contextmanager
    def within(self, stream: Any) -> Iterator[None]:
        """Send work to a stream inside a ``with`` block."""
        if stream is None:
            yield
            return
        before = self.current(stream.device_index)
        self.use(stream)
        try:
            yield
        finally:
            self.use(before)


def event_factory(device: str) -> Callable[..., Any]:
    """``Event`` as a function: ``torch.Event`` refuses its own subclasses in ``elapsed_time``."""

    def Event(
        enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> Any:
        """A point in a stream's work; ``elapsed_time`` is in milliseconds."""
        if interprocess:
            raise RuntimeError("the simulated device's events stay in their process")
        return torch.Event(device, enable_timing=enable_timing, blocking=blocking)

    return Event
