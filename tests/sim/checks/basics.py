"""What any PyTorch device does: the facts file's checks, on a simulated SDAA of two devices."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from porter.sim import counters

DEVICE = "sdaa"
TORCH = tuple(map(int, torch.__version__.split(".")[:2]))
CPU = torch.device("cpu")


def both(function: Any, *shapes: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """A function of random tensors on the CPU and on the device, as CPU tensors."""
    tensors = [torch.randn(shape) for shape in shapes]
    return function(*tensors), function(*(t.to(DEVICE) for t in tensors)).cpu()


def check_a_tensor_goes_there_and_back_unchanged() -> None:
    tensor = torch.randn(3, 5)
    assert torch.equal(tensor.to(DEVICE).cpu(), tensor)
    assert tensor.to(DEVICE).device == torch.device(DEVICE, 0)
    assert tensor.sdaa(1).device.index == 1
    assert tensor.to(DEVICE).is_sdaa
    assert not tensor.is_sdaa


def check_a_custom_autograd_function_runs_both_ways() -> None:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            (x,) = ctx.saved_tensors
            assert grad.device == x.device
            return 3 * x**2 * grad

    x = torch.tensor([1.0, 2.0], device=DEVICE, requires_grad=True)
    Cube.apply(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 12.0]


def check_gradcheck_agrees_with_finite_differences() -> None:
    x = torch.randn(2, 3, dtype=torch.float64, device=DEVICE, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: (t.sin() @ t.t()).exp(), (x,))


def check_gradgradcheck_agrees_too() -> None:
    x = torch.randn(3, dtype=torch.float64, device=DEVICE, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda t: t.tanh() * t, (x,))


def check_changing_a_saved_tensor_in_place_is_noticed() -> None:
    x = torch.ones(3, device=DEVICE, requires_grad=True)
    y = x * 2
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def check_in_place_on_a_leaf_is_refused() -> None:
    x = torch.ones(3, device=DEVICE, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        x.add_(1)


def check_a_view_shares_its_base() -> None:
    base = torch.zeros(4, 6, device=DEVICE)
    view = base.view(2, 12)[1].narrow(0, 3, 4)
    view.fill_(7)
    assert base.sum().item() == 28
    assert view._base is base
    assert view.data_ptr() == base.data_ptr() + 15 * 4


def check_transposed_and_strided_views_match_the_cpu() -> None:
    for function in (
        lambda t: t.t()[::2, 1:].flip(0) * 2,
        lambda t: t.as_strided((3, 3), (1, 2), 2).sum(0),
        lambda t: t.unfold(0, 2, 1).permute(2, 0, 1).contiguous(),
        lambda t: t.view(torch.int32).double(),
    ):
        expected, found = both(function, (5, 6))
        assert torch.equal(expected, found)


def check_in_place_operators_return_the_same_tensor() -> None:
    x = torch.randn(4, device=DEVICE)
    assert x.add_(1) is x
    assert x.clamp_(0).data_ptr() == x.data_ptr()
    assert x.t_() is x


def check_in_place_shape_changes_stick() -> None:
    x = torch.arange(6.0, device=DEVICE).reshape(2, 3)
    x.transpose_(0, 1)
    assert x.shape == (3, 2)
    assert x.stride() == (1, 3)
    x.unsqueeze_(0).squeeze_(0)
    assert x.flatten().tolist() == [0, 3, 1, 4, 2, 5]


def check_out_is_written_and_resized() -> None:
    x = torch.arange(6.0, device=DEVICE)
    kept = torch.empty(6, device=DEVICE)
    place = kept.data_ptr()
    torch.mul(x, 2, out=kept)
    assert kept.data_ptr() == place
    grown = torch.empty(0, device=DEVICE)
    torch.mul(x, 2, out=grown)
    assert torch.equal(kept, grown)


def check_resize_keeps_the_values_and_counts_the_memory() -> None:
    x = torch.arange(3.0, device=DEVICE)
    before = torch.sdaa.memory_allocated()
    x.resize_(1000)
    assert x[:3].tolist() == [0, 1, 2]
    assert torch.sdaa.memory_allocated() - before == 4 * (1000 - 3)


def check_set_and_data_swap_the_memory() -> None:
    x, y = torch.zeros(2, device=DEVICE), torch.ones(3, device=DEVICE)
    x.set_(y)
    assert x.shape == (3,)
    assert x.data_ptr() == y.data_ptr()
    z = torch.zeros(5, device=DEVICE)
    z.data = y
    assert z.tolist() == [1, 1, 1]


def check_storages_resize_and_convert() -> None:
    x = torch.arange(4, dtype=torch.float32, device=DEVICE)
    storage = x.untyped_storage()
    assert storage.device.type == DEVICE
    assert storage.is_sdaa
    storage.resize_(64)
    assert storage.nbytes() == 64
    assert x.tolist() == [0, 1, 2, 3]
    assert storage.cpu().nbytes() == 64


def check_factories_make_tensors_there() -> None:
    made = [
        torch.zeros(2, device=DEVICE),
        torch.full((2,), 3.0, device=DEVICE),
        torch.arange(5, device=DEVICE),
        torch.linspace(0, 1, 4, device=DEVICE),
        torch.eye(3, device=DEVICE),
        torch.tensor([1, 2], device=DEVICE),
        torch.empty_strided((2, 3), (1, 2), device=DEVICE),
        torch.rand(2, device=DEVICE),
        torch.randperm(7, device=DEVICE),
        torch.tril_indices(3, 3, device=DEVICE),
        torch.zeros(2).new_ones(3, device=DEVICE),
        torch.ones_like(torch.zeros(2, device=DEVICE)),
        torch.as_tensor([1.0], device=DEVICE),
    ]
    assert {tensor.device.type for tensor in made} == {DEVICE}
    with torch.device(DEVICE):
        assert nn.Linear(2, 2).weight.is_sdaa


def check_a_generator_draws_the_same_numbers_again() -> None:
    generator = torch.Generator(device=DEVICE)
    generator.manual_seed(5)
    first = torch.rand(4, generator=generator, device=DEVICE)
    state = generator.get_state()
    second = torch.rand(4, generator=generator, device=DEVICE)
    generator.set_state(state)
    assert torch.equal(second, torch.rand(4, generator=generator, device=DEVICE))
    generator.manual_seed(5)
    assert torch.equal(first, torch.rand(4, generator=generator, device=DEVICE))
    assert generator.device.type == DEVICE


def check_seeds_make_the_device_repeat_itself_and_the_cpu() -> None:
    torch.manual_seed(11)
    first = torch.randn(6, device=DEVICE)
    torch.manual_seed(11)
    assert torch.equal(first.cpu(), torch.randn(6))
    torch.sdaa.manual_seed_all(11)
    assert torch.equal(first, torch.randn(6, device=DEVICE))
    state = torch.sdaa.get_rng_state()
    drawn = torch.randn(3, device=DEVICE)
    torch.sdaa.set_rng_state(state)
    assert torch.equal(drawn, torch.randn(3, device=DEVICE))


def check_dropout_and_fork_rng_follow_the_seed() -> None:
    x = torch.ones(100, device=DEVICE)
    torch.manual_seed(3)
    with torch.random.fork_rng(devices=[0], device_type=DEVICE):
        first = nn.functional.dropout(x)
    assert torch.equal(first, nn.functional.dropout(x))


def check_pinned_memory_is_known_as_such() -> None:
    pinned = torch.randn(3).pin_memory()
    assert pinned.is_pinned()
    assert not torch.randn(3).is_pinned()
    assert torch.equal(pinned.to(DEVICE, non_blocking=True).cpu(), pinned)


class Numbers(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Ten numbers, and whether the worker knows the device."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[float, bool]:
        return float(index), torch.zeros(1, device=DEVICE).is_sdaa


def load(**options: Any) -> None:
    batches = list(torch.utils.data.DataLoader(Numbers(), batch_size=5, num_workers=2, **options))
    assert [batch[0].to(DEVICE).sum().item() for batch in batches] == [10.0, 35.0]
    assert all(batch[1].all() for batch in batches)


def check_loader_workers_that_fork_know_the_device() -> None:
    load(multiprocessing_context="fork")


def check_loader_workers_that_are_spawned_know_the_device() -> None:
    load(multiprocessing_context="spawn")


def check_loaders_pin_memory() -> None:
    (batch,) = torch.utils.data.DataLoader(torch.arange(4.0), batch_size=4, pin_memory=True)
    if TORCH >= (2, 7):  # older loaders pin for CUDA alone, unless they are told a device
        assert batch.is_pinned()


def check_plain_child_processes_know_the_device() -> None:
    script = "import torch; print(torch.ones(2, device='sdaa').sum().item())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "2.0\n", done.stderr


def autocast(dtype: torch.dtype) -> None:
    x, w = torch.randn(4, 4, device=DEVICE), torch.randn(4, 4, device=DEVICE, requires_grad=True)
    with torch.autocast(DEVICE, dtype=dtype):
        assert torch.is_autocast_enabled(DEVICE)
        product = x @ w
        assert product.dtype == dtype
        assert nn.functional.linear(x, w).dtype == dtype
        assert nn.functional.conv2d(x[None, None], w[None, None]).dtype == dtype
        assert product.softmax(0).dtype == torch.float32
        assert product.sum().dtype == torch.float32
        assert torch.addcmul(product, product, x).dtype == torch.float32
        assert (product + product).dtype == dtype
        with torch.autocast(DEVICE, enabled=False):
            assert (x @ w).dtype == torch.float32
    assert (x @ w).dtype == torch.float32
    product.float().sum().backward()
    assert w.grad is not None
    assert w.grad.dtype == torch.float32


def check_autocast_in_float16() -> None:
    autocast(torch.float16)


def check_autocast_in_bfloat16_follows_the_plugin() -> None:
    assert torch.sdaa.is_bf16_supported() is False
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        assert not torch.is_autocast_enabled(DEVICE)


def check_autocast_refuses_binary_cross_entropy() -> None:
    half = torch.full((3,), 0.5, device=DEVICE)
    with torch.sdaa.amp.autocast(), pytest.raises(RuntimeError, match="unsafe to autocast"):
        nn.functional.binary_cross_entropy(half, half)


def check_the_grad_scaler_scales_skips_and_steps() -> None:
    import torch_sdaa.amp

    weight = nn.Parameter(torch.ones(2, device=DEVICE))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scaler = torch_sdaa.amp.GradScaler(init_scale=4.0, growth_interval=1)
    scaler.scale(weight.sum()).backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [4, 4]
    scaler.step(optimizer)
    scaler.update()
    assert weight.tolist() == [0, 0]
    assert scaler.get_scale() == 8.0
    weight.grad = torch.tensor([float("inf"), 0.0], device=DEVICE)
    scaler.step(optimizer)
    scaler.update()
    assert weight.tolist() == [0, 0]
    assert scaler.get_scale() == 4.0


def saved() -> bytes:
    buffer = io.BytesIO()
    torch.save({"w": torch.arange(3.0, device=torch.device(DEVICE, 1))}, buffer)
    return buffer.getvalue()


def loaded(map_location: Any) -> torch.Tensor:
    tensor: torch.Tensor = torch.load(io.BytesIO(saved()), map_location=map_location)["w"]
    assert tensor.tolist() == [0, 1, 2]
    return tensor


def check_loading_without_map_location_returns_to_the_device() -> None:
    assert loaded(None).device == torch.device(DEVICE, 1)


def check_loading_by_string_and_by_device() -> None:
    assert loaded("cpu").device == CPU
    assert loaded(f"{DEVICE}:0").device.index == 0
    assert loaded(torch.device(DEVICE, 0)).device.index == 0


def check_loading_by_table_and_by_function() -> None:
    assert loaded({f"{DEVICE}:1": f"{DEVICE}:0"}).device.index == 0
    assert loaded(lambda storage, _: storage).device == CPU
    assert loaded(lambda storage, _: storage.sdaa(0)).device.index == 0


def check_state_dicts_and_modules_move() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    net.sdaa(1)
    assert {tensor.device.index for tensor in net.state_dict().values()} == {1}
    net.load_state_dict({name: t.cpu() for name, t in net.state_dict().items()})
    assert net.cpu()[0].weight.device == CPU


def check_typed_tensors_are_for_isinstance() -> None:
    x = torch.tensor([1, 2], device=DEVICE)
    assert isinstance(x, torch.sdaa.LongTensor)
    assert not isinstance(x.cpu(), torch.sdaa.LongTensor)
    assert not isinstance(x, (torch.sdaa.BoolTensor, torch.LongTensor, torch.cuda.LongTensor))
    assert isinstance(x > 1, torch.sdaa.BoolTensor)
    assert torch.sdaa.FloatTensor([1, 2]).dtype == torch.float32
    assert torch.sdaa.HalfTensor(2, 3).shape == (2, 3)


def check_streams_can_be_entered_and_waited_for() -> None:
    stream = torch.sdaa.Stream()
    assert stream.device.type == DEVICE
    with torch.sdaa.stream(stream):
        assert torch.sdaa.current_stream() is stream
        x = torch.ones(3, device=DEVICE) + 1
    x.record_stream(stream)
    torch.sdaa.current_stream().wait_stream(stream)
    stream.synchronize()
    torch.sdaa.synchronize()
    assert torch.sdaa.current_stream() == torch.sdaa.default_stream()


def check_events_measure_time() -> None:
    first, second = (torch.sdaa.Event(enable_timing=True) for _ in range(2))
    first.record()
    torch.randn(100, 100, device=DEVICE).sum()
    second.record()
    second.synchronize()
    assert 0 < first.elapsed_time(second) < 1000
    assert second.query()


def check_memory_is_counted_and_returns_to_zero() -> None:
    with torch.sdaa.device(1):
        start = torch.sdaa.memory_allocated()
        torch.sdaa.reset_peak_memory_stats()
        net = nn.Linear(100, 100).to(DEVICE)
        net(torch.randn(7, 100, device=DEVICE)).sum().backward()
        assert torch.sdaa.memory_allocated() >= start + 2 * 4 * 100 * 101
        assert torch.sdaa.max_memory_allocated() > torch.sdaa.memory_allocated()
        del net
        torch.sdaa.empty_cache()
        assert torch.sdaa.memory_allocated() == start
    assert torch.sdaa.memory_stats(1)["allocated_bytes.all.current"] == start


def check_training_leaks_no_memory() -> None:
    def step() -> None:
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)).to(
            DEVICE
        )
        optimizer = torch.optim.Adam(net.parameters())
        net(torch.randn(2, 3, 8, 8, device=DEVICE)).std().backward()
        optimizer.step()

    step()
    before = torch.sdaa.memory_allocated()
    for _ in range(5):
        step()
    assert torch.sdaa.memory_allocated() == before


def check_cuda_is_absent() -> None:
    assert not torch.cuda.is_available()
    # A build with CUDA finds no driver, one without it says so.
    with pytest.raises((AssertionError, RuntimeError), match=r"not compiled with CUDA|no NVIDIA"):
        torch.ones(1, device=DEVICE).cuda()


def check_mixing_host_and_device_tensors_is_refused() -> None:
    x, y = torch.ones(3, device=DEVICE), torch.ones(3)
    for mixed in (lambda: x + y, lambda: y + x, lambda: torch.cat([y, x]), lambda: x.add_(y)):
        with pytest.raises(RuntimeError, match=r"same device.*sdaa:0 and cpu"):
            mixed()
    with pytest.raises(RuntimeError, match="same device"):
        nn.Linear(3, 2).to(DEVICE)(y)
    assert (x + torch.tensor(2.0)).tolist() == [3, 3, 3], "a number on the CPU is allowed"


def check_indexing_the_host_by_the_device_is_refused_and_not_the_reverse() -> None:
    index = torch.tensor([0, 2])
    assert torch.arange(3, device=DEVICE)[index].tolist() == [0, 2]
    with pytest.raises(RuntimeError, match="indices should be either on cpu"):
        torch.arange(3)[index.to(DEVICE)]


def check_two_devices_are_apart() -> None:
    x, y = torch.ones(2, device=f"{DEVICE}:0"), torch.ones(2, device=f"{DEVICE}:1")
    with pytest.raises(RuntimeError, match="sdaa:0 and sdaa:1"):
        x + y
    assert (x.to(y.device) + y).device.index == 1
    assert torch.sdaa.device_count() == 2
    with torch.sdaa.device(1):
        assert torch.sdaa.current_device() == 1
        assert torch.zeros(1, device=DEVICE).device.index == 1
    assert torch.sdaa.current_device() == 0
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.zeros(1, device=f"{DEVICE}:2")
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.sdaa.set_device(2)


def check_each_thread_has_its_current_device() -> None:
    seen = []
    thread = threading.Thread(
        target=lambda: (torch.sdaa.set_device(1), seen.append(torch.sdaa.current_device()))
    )
    thread.start()
    thread.join()
    assert seen == [1]
    assert torch.sdaa.current_device() == 0


def check_the_plugin_has_what_it_has() -> None:
    import torch_sdaa
    import torch_sdaa.amp
    from torch.sdaa.amp import GradScaler

    assert torch_sdaa.amp.GradScaler is GradScaler
    assert not hasattr(torch_sdaa, "npu_one_hot")
    with pytest.raises(ImportError):
        import torch_npu  # noqa: F401
    with pytest.raises(RuntimeError, match="not supported"):
        torch.sdaa.get_device_name(0)
    assert torch.sdaa.get_device_properties(0).total_memory > 0


def check_recurrent_cells_agree_with_the_cpu() -> None:
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        torch.manual_seed(0)
        net, x = kind(3, 4, num_layers=2, bidirectional=True), torch.randn(5, 2, 3)
        expected = net(x)[0]
        expected.square().sum().backward()
        grads = [p.grad.clone() for p in net.parameters()]
        net.zero_grad(set_to_none=True)
        found = net.to(DEVICE)(x.to(DEVICE))[0]
        found.square().sum().backward()
        torch.testing.assert_close(found.cpu(), expected)
        for grad, parameter in zip(grads, net.parameters()):
            torch.testing.assert_close(parameter.grad.cpu(), grad)


def check_packed_sequences_go_through() -> None:
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    x = torch.randn(2, 4, 3, device=DEVICE)
    packed = pack_padded_sequence(x, torch.tensor([4, 2]), batch_first=True)
    assert packed.data.is_sdaa
    assert packed.batch_sizes.device == CPU
    output, lengths = pad_packed_sequence(
        nn.GRU(3, 5, batch_first=True).to(DEVICE)(packed)[0], batch_first=True
    )
    assert output.shape == (2, 4, 5)
    assert lengths.tolist() == [4, 2]


def check_convolutions_are_the_cpus_bit_for_bit() -> None:
    for options in ({}, {"stride": 2, "padding": 1}, {"groups": 2}, {"dilation": 2}):
        net = nn.Conv2d(4, 6, 3, **options)
        x = torch.randn(2, 4, 9, 9, requires_grad=True)
        expected = net(x)
        expected.square().sum().backward()
        kept = [t.grad.clone() for t in (x, net.weight, net.bias)]
        net.zero_grad(set_to_none=True)
        y = x.detach().to(DEVICE).requires_grad_()
        found = net.to(DEVICE)(y)
        found.square().sum().backward()
        assert torch.equal(found.cpu(), expected)
        assert all(map(torch.equal, kept, (t.grad.cpu() for t in (y, net.weight, net.bias))))


def check_half_convolutions_are_float_ones_rounded() -> None:
    x, w = torch.randn(1, 3, 8, 8).half(), torch.randn(2, 3, 3, 3).half()
    expected = nn.functional.conv2d(x.float(), w.float()).half()
    found = nn.functional.conv2d(x.to(DEVICE), w.to(DEVICE).requires_grad_())
    assert torch.equal(found.cpu(), expected)
    found.sum().backward()


def check_attention_agrees_with_the_cpu() -> None:
    torch.manual_seed(0)
    net, x = nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(2, 5, 8)
    expected = net(x, x, x)[0]
    found = net.to(DEVICE)(x.to(DEVICE), x.to(DEVICE), x.to(DEVICE))[0]
    torch.testing.assert_close(found.cpu(), expected)
    found.sum().backward()


def check_inference_mode_and_no_grad() -> None:
    x = torch.randn(3, 3, device=DEVICE)
    with torch.inference_mode():
        y = (x @ x).view(9)[2:5].add_(1)
        assert y.is_inference()
    with torch.no_grad():
        assert not (x @ x).t().requires_grad


def check_complex_views_and_conjugates() -> None:
    expected, found = both(
        lambda t: torch.view_as_real((torch.view_as_complex(t).conj() * 2j).conj().resolve_conj()),
        (4, 2),
    )
    assert torch.equal(expected, found)


def check_printing_and_numpy() -> None:
    x = torch.tensor([1.5], device=DEVICE)
    assert "device='sdaa:0'" in repr(x)
    with pytest.raises(TypeError, match="sdaa"):
        x.numpy()
    assert x.cpu().numpy().tolist() == [1.5]


def check_counters_count_calls_shapes_and_waiting() -> None:
    x = torch.randn(23, 7, device=DEVICE)
    counters(reset=True)
    y = x + x
    assert counters().op_calls == 1
    assert counters().new_signatures == 1
    y = x + x
    assert counters().new_signatures == 1, "the same shapes are no news"
    assert (counters().dynamic_shape_ops, counters().host_syncs) == (0, 0)
    y[y > 0]
    assert counters().dynamic_shape_ops == 1
    y.sum().item()
    y.cpu()
    torch.nonzero(y)
    now = counters(reset=True)
    assert (now.dynamic_shape_ops, now.host_syncs) == (2, 4)
    assert counters().op_calls == 0


def check_a_transfer_is_no_shape_to_compile() -> None:
    counters(reset=True)
    there = torch.randn(29, 31).to(DEVICE)
    there.cpu()
    assert counters().new_signatures == 0
    torch.empty_like(there).copy_(there)
    assert counters().new_signatures >= 1, "a copy on the device is an operator like any other"


def check_only_a_mask_makes_an_index_dynamic() -> None:
    pixels = torch.arange(12, dtype=torch.uint8, device=DEVICE).reshape(3, 4)
    flags = torch.zeros(3, dtype=torch.bool, device=DEVICE)
    order = torch.tensor([2, 0], device=DEVICE)
    counters(reset=True)
    pixels[[2, 1, 0]]
    flags[order] = torch.tensor([True, False], device=DEVICE)
    assert counters().dynamic_shape_ops == 0, "what is indexed is no index"
    pixels[flags]
    assert counters().dynamic_shape_ops == 1


def check_a_checkpoint_on_disk_survives() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pth"
        net = nn.Linear(2, 2).to(DEVICE)
        torch.save(net.state_dict(), path)
        again = nn.Linear(2, 2)
        again.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        assert torch.equal(again.weight, net.weight.cpu())
