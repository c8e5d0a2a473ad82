// The simulated chip: a PrivateUse1 device whose memory is the host's and whose kernels are
// the CPU's own.
//
// Every aten operator that has a CPU kernel gets one boxed kernel here. It consults the
// target's profile, replaces device tensors by CPU tensors over the same bytes ("aliases"),
// runs the CPU kernel, and turns the results back: an alias becomes the tensor it stands for,
// a view of an alias a view of that tensor, and fresh memory is adopted by the device.
//
// Written for torch 2.1 to 2.13. Where a virtual function appeared, or changed between const
// and not, both forms are defined and none says `override`. PORTER_TORCH is 100 * major + minor.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/Tensor.h>
#include <ATen/core/GeneratorForPrivateuseone.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <unordered_set>

namespace at::autocast {  // its header costs four seconds of parsing
TORCH_API Tensor cached_cast(ScalarType to, const Tensor& tensor, DeviceType device);
#if PORTER_TORCH >= 204
TORCH_API ScalarType get_autocast_dtype(DeviceType device);
#else
TORCH_API ScalarType get_autocast_privateuseone_dtype();
#endif
}  // namespace at::autocast

namespace {

using at::IValue;
using at::Tensor;
using c10::DataPtr;
using c10::Device;
using c10::DeviceIndex;
using c10::DispatchKey;
using c10::DispatchKeySet;
using c10::OperatorHandle;
using c10::Storage;
using c10::StorageImpl;
using c10::Stream;
using c10::TensorImpl;
using torch::jit::Stack;

#if PORTER_TORCH >= 204
template <class T>
using maybe = std::optional<T>;
constexpr auto nothing = std::nullopt;
#else
template <class T>
using maybe = c10::optional<T>;
constexpr auto nothing = c10::nullopt;
#endif

constexpr auto kChip = c10::DeviceType::PrivateUse1;

bool on_chip(const Tensor& tensor) { return tensor.device().type() == kChip; }

constexpr int kMostDevices = 64;

// ---------------------------------------------------------------- devices and streams

int g_devices = 1;
bool g_shared_generator = true;
thread_local DeviceIndex t_device = 0;
thread_local std::array<c10::StreamId, kMostDevices> t_streams{};
std::atomic<c10::StreamId> g_next_stream{1};

struct Event {
  std::chrono::steady_clock::time_point at;
};

void check_device(DeviceIndex index) {
  TORCH_CHECK(
      index >= 0 && index < g_devices, "invalid device ordinal ", static_cast<int>(index),
      ": the simulated ", c10::get_privateuse1_backend(), " has ", g_devices, " device(s)");
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
  static Stream stream(DeviceIndex index, c10::StreamId id) {
    return Stream(Stream::UNSAFE, Device(kChip, index), id);
  }
  static DeviceIndex index_of(Device device) {
    return device.has_index() ? device.index() : t_device;
  }

  c10::DeviceType type() const { return kChip; }
  Device exchangeDevice(Device device) const {
    auto before = getDevice();
    setDevice(device);
    return before;
  }
  Device getDevice() const { return Device(kChip, t_device); }
  void setDevice(Device device) const {
    check_device(index_of(device));
    t_device = index_of(device);
  }
  void uncheckedSetDevice(Device device) const noexcept { t_device = index_of(device); }
  DeviceIndex deviceCount() const noexcept { return static_cast<DeviceIndex>(g_devices); }

  Stream getStream(Device device) const noexcept {
    return stream(index_of(device), t_streams[index_of(device)]);
  }
  Stream getDefaultStream(Device device) const { return stream(index_of(device), 0); }
  Stream getStreamFromGlobalPool(Device device, bool = false) const {
    return stream(index_of(device), g_next_stream++);
  }
  Stream getNewStream(Device device, int = 0) const {
    return stream(index_of(device), g_next_stream++);
  }
  Stream exchangeStream(Stream next) const noexcept {
    auto before = getStream(next.device());
    t_streams[next.device_index()] = next.id();
    return before;
  }
  bool queryStream(const Stream&) const { return true; }
  void synchronizeStream(const Stream&) const {}
  void synchronizeDevice(const DeviceIndex) const {}
  void recordDataPtrOnStream(const DataPtr&, const Stream&) const {}

  // Work is done when it is queued, so an event has happened once it is recorded.
  void record(void** event, const Stream&, const DeviceIndex, const c10::EventFlag) const {
    if (!*event) *event = new Event();
    static_cast<Event*>(*event)->at = std::chrono::steady_clock::now();
  }
  void block(void*, const Stream&) const {}
  bool queryEvent(void*) const { return true; }
  void synchronizeEvent(void*) const {}
  void destroyEvent(void* event, const DeviceIndex) const noexcept {
    delete static_cast<Event*>(event);
  }
  double elapsedTime(void* first, void* second) const {
    auto span = static_cast<Event*>(second)->at - static_cast<Event*>(first)->at;
    return std::chrono::duration<double, std::milli>(span).count();
  }
  double elapsedTime(void* first, void* second, const DeviceIndex) const {
    return elapsedTime(first, second);
  }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

// ---------------------------------------------------------------- memory

struct Memory {
  std::atomic<int64_t> now{0}, peak{0}, taken{0};
};
std::array<Memory, kMostDevices> g_memory;
std::atomic<int64_t> g_limit{0};  // bytes a device; 0 for none

void take(DeviceIndex device, int64_t bytes) {
  auto& memory = g_memory[device];
  auto now = memory.now += bytes;
  auto limit = g_limit.load();
  if (limit && now > limit) {
    memory.now -= bytes;
    TORCH_CHECK_WITH(
        OutOfMemoryError, false, c10::get_privateuse1_backend(), " out of memory. Tried to allocate ",
        bytes, " bytes. Device ", static_cast<int>(device), " is simulated with ", limit,
        " bytes, of which ", now - bytes, " are allocated.");
  }
  memory.taken++;
  auto peak = memory.peak.load();
  while (peak < now && !memory.peak.compare_exchange_weak(peak, now)) {
  }
}

// What a device's data pointer owns: CPU memory, and the bytes it counts for.
struct Owned {
  Storage host;
  DeviceIndex device;
  int64_t bytes;
};

void give_back(void* context) {
  auto owned = static_cast<Owned*>(context);
  g_memory[owned->device].now -= owned->bytes;
  delete owned;
}

DataPtr adopt_bytes(const Storage& host, DeviceIndex device) {
  auto bytes = static_cast<int64_t>(host.nbytes());
  take(device, bytes);
  auto data = const_cast<void*>(host.data());
  return DataPtr(data, new Owned{host, device, bytes}, &give_back, Device(kChip, device));
}

Storage host_storage(size_t bytes) {
  auto allocator = c10::GetCPUAllocator();
  return Storage(Storage::use_byte_size_t{}, bytes, allocator->allocate(bytes), allocator, true);
}

struct ChipAllocator final : c10::Allocator {
  DataPtr make(size_t bytes) const {
    check_device(t_device);
    take(t_device, static_cast<int64_t>(bytes));  // before the host is asked for the bytes
    g_memory[t_device].now -= static_cast<int64_t>(bytes);
    return adopt_bytes(host_storage(bytes), t_device);
  }
#if PORTER_TORCH >= 203
  DataPtr allocate(size_t bytes) { return make(bytes); }
#else
  DataPtr allocate(size_t bytes) const { return make(bytes); }
#endif
  void copy_data(void* to, const void* from, std::size_t bytes) const { memcpy(to, from, bytes); }
};

ChipAllocator g_allocator;

Storage adopt(const Storage& host, DeviceIndex device) {
  return Storage(
      Storage::use_byte_size_t{}, host.nbytes(), adopt_bytes(host, device), &g_allocator, true);
}

// Pinned memory is host memory that is remembered as pinned.
std::mutex g_pinned_lock;
std::map<const char*, size_t> g_pinned;

struct Pinned {
  Storage host;
};

struct PinnedAllocator final : c10::Allocator {
  DataPtr make(size_t bytes) const {
    auto host = host_storage(bytes);
    auto data = const_cast<void*>(host.data());
    std::lock_guard<std::mutex> lock(g_pinned_lock);
    g_pinned[static_cast<const char*>(data)] = bytes;
    return DataPtr(data, new Pinned{host}, &unpin, Device(c10::DeviceType::CPU));
  }
  static void unpin(void* context) {
    auto pinned = static_cast<Pinned*>(context);
    std::lock_guard<std::mutex> lock(g_pinned_lock);
    g_pinned.erase(static_cast<const char*>(pinned->host.data()));
    delete pinned;
  }
#if PORTER_TORCH >= 203
  DataPtr allocate(size_t bytes) { return make(bytes); }
#else
  DataPtr allocate(size_t bytes) const { return make(bytes); }
#endif
  void copy_data(void* to, const void* from, std::size_t bytes) const { memcpy(to, from, bytes); }
};

bool is_pinned(const void* data) {
  std::lock_guard<std::mutex> lock(g_pinned_lock);
  auto after = g_pinned.upper_bound(static_cast<const char*>(data));
  if (after == g_pinned.begin()) return false;
  auto& [start, bytes] = *std::prev(after);
  return data < start + bytes;
}

// ---------------------------------------------------------------- generators

struct ChipGenerator final : c10::GeneratorImpl {
  at::Generator host;  // what the CPU kernels draw from

  ChipGenerator(DeviceIndex index, at::Generator host)
      : GeneratorImpl(Device(kChip, index), DispatchKeySet(DispatchKey::PrivateUse1)),
        host(std::move(host)) {}

  void set_current_seed(uint64_t seed) { host.set_current_seed(seed); }
  uint64_t current_seed() const { return host.current_seed(); }
  uint64_t seed() { return const_cast<at::Generator&>(host).seed(); }
  void set_offset(uint64_t) { TORCH_CHECK(false, "the simulated chip's generators have no offset"); }
  uint64_t get_offset() const { TORCH_CHECK(false, "the simulated chip's generators have no offset"); }
  void set_state(const TensorImpl& state) { host.unsafeGetGeneratorImpl()->set_state(state); }
  c10::intrusive_ptr<TensorImpl> get_state() const { return host.unsafeGetGeneratorImpl()->get_state(); }
  ChipGenerator* clone_impl() const { return new ChipGenerator(device().index(), host.clone()); }
};

at::Generator new_generator(DeviceIndex index, bool shared = false) {
  auto host = shared ? at::detail::getDefaultCPUGenerator() : at::detail::createCPUGenerator();
  return at::make_generator<ChipGenerator>(index < 0 ? t_device : index, std::move(host));
}

const at::Generator& default_generator(DeviceIndex index) {
  static std::array<at::Generator, kMostDevices> generators;
  static std::mutex lock;
  std::lock_guard<std::mutex> held(lock);
  auto& generator = generators[index < 0 ? t_device : index];
  if (!generator.defined()) {
    generator = new_generator(index, g_shared_generator);
  }
  return generator;
}

at::Generator& host_generator(const at::Generator& generator) {
  return static_cast<ChipGenerator*>(generator.unsafeGetGeneratorImpl())->host;
}

// ---------------------------------------------------------------- hooks

PinnedAllocator g_pinned_allocator;

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const { return true; }
  bool isAvailable() const { return g_devices > 0; }
  bool hasPrimaryContext(DeviceIndex) const { return true; }
  void init() const {}
  void initPrivateUse1() const {}
  DeviceIndex deviceCount() const { return static_cast<DeviceIndex>(g_devices); }
  DeviceIndex getCurrentDevice() const { return t_device; }
  void setCurrentDevice(DeviceIndex index) const { Guard().setDevice(Device(kChip, index)); }
  DeviceIndex exchangeDevice(DeviceIndex index) const {
    return Guard().exchangeDevice(Device(kChip, index)).index();
  }
  DeviceIndex maybeExchangeDevice(DeviceIndex index) const {
    return index < 0 ? t_device : exchangeDevice(index);
  }
  const at::Generator& getDefaultGenerator(DeviceIndex index) { return default_generator(index); }
  const at::Generator& getDefaultGenerator(DeviceIndex index) const {
    return default_generator(index);
  }
  at::Generator getNewGenerator(DeviceIndex index = -1) const { return new_generator(index); }
  Device getDeviceFromPtr(void*) const { return Device(kChip, t_device); }
  bool isPinnedPtr(const void* data) const { return is_pinned(data); }
  c10::Allocator* getPinnedMemoryAllocator() const { return &g_pinned_allocator; }
  void resizePrivateUse1Bytes(const Storage& storage, size_t bytes) const {
    auto host = host_storage(bytes);
    memcpy(const_cast<void*>(host.data()), storage.data(), std::min(bytes, storage.nbytes()));
    auto owner = storage.unsafeGetStorageImpl();
    owner->set_data_ptr_noswap(adopt_bytes(host, storage.device().index()));
    owner->set_nbytes(bytes);
  }
};

// ---------------------------------------------------------------- operators and their profile

enum class Kind : uint8_t { other, tensor, tensors, optional_tensors, device, generator, storage };
enum Flag : uint32_t { kDenied = 1, kContiguous = 2, kDynamic = 4, kSync = 8 };
// How a kernel departs from "the CPU kernel of the same operator".
enum class Route : uint8_t { same, convolution, convolution_backward, copy, packed };

struct Op {
  std::string name, full, base;
  std::vector<Kind> kinds;
  std::vector<bool> writes;
  int generator = -1;
  Route route = Route::same;
  bool mixes = false;           // takes CPU tensors of any size beside device tensors
  bool masks = false;           // of dynamic shape only when an index is a mask
  std::atomic<uint32_t> flags{0};
  std::atomic<uint64_t> denied_dtypes{0};
  std::atomic<uint64_t> calls{0};
  uint64_t number = 0;
};

std::vector<std::unique_ptr<Op>> g_ops;
std::atomic<uint64_t> g_calls{0}, g_dynamic{0}, g_syncs{0}, g_new_signatures{0};
std::mutex g_signature_lock;
std::unordered_set<uint64_t> g_signatures;

Kind kind_of(const c10::TypePtr& type) {
  if (auto inner = type->cast<c10::OptionalType>()) return kind_of(inner->getElementType());
  if (auto list = type->cast<c10::ListType>()) {
    auto item = list->getElementType();
    if (item->kind() == c10::TypeKind::TensorType) return Kind::tensors;
    return kind_of(item) == Kind::tensor ? Kind::optional_tensors : Kind::other;
  }
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return Kind::tensor;
    case c10::TypeKind::DeviceObjType: return Kind::device;
    case c10::TypeKind::GeneratorType: return Kind::generator;
    case c10::TypeKind::StorageType: return Kind::storage;
    default: return Kind::other;
  }
}

std::string base_of(const std::string& name) {
  bool in_place = name.size() > 1 && name.back() == '_' && name[name.size() - 2] != '_';
  return in_place ? name.substr(0, name.size() - 1) : name;
}

Op* add_op(const OperatorHandle& handle, Route route) {
  auto op = std::make_unique<Op>();
  const auto& name = handle.operator_name();
  op->name = name.name;
  op->full = name.overload_name.empty() ? name.name : name.name + "." + name.overload_name;
  op->base = base_of(name.name);
  op->route = route;
  op->number = g_ops.size();
  for (const auto& argument : handle.schema().arguments()) {
    op->kinds.push_back(kind_of(argument.type()));
    op->writes.push_back(argument.alias_info() && argument.alias_info()->isWrite());
    if (op->kinds.back() == Kind::generator) op->generator = static_cast<int>(op->kinds.size()) - 1;
  }
  static const std::unordered_set<std::string> mixing{
      "aten::index", "aten::index_put", "aten::_index_put_impl", "aten::_copy_from",
      "aten::_copy_from_and_resize", "aten::_pack_padded_sequence", "aten::set", "aten::is_set_to"};
  op->mixes = mixing.count(op->base) > 0;
  op->masks = op->base == "aten::index" || op->base == "aten::_index_put_impl" ||
      op->base == "aten::index_put";
  g_ops.push_back(std::move(op));
  return g_ops.back().get();
}

bool matches(const Op& op, const std::string& pattern) {
  if (pattern.find('.') != std::string::npos) return op.full == pattern;
  if (op.base == pattern || op.name == pattern) return true;
  return op.base == pattern + "_overrideable";  // what aten::convolution becomes on a plugin's device
}

// The first time an operator meets these shapes and dtypes, a compiling chip compiles.
struct Signature {
  uint64_t value;
  explicit Signature(uint64_t number) : value(number * 0x9E3779B97F4A7C15ull) {}
  void mix(uint64_t word) { value = (value ^ word) * 0x100000001B3ull + (value >> 29); }
  void mix(const Tensor& tensor) {
    mix(static_cast<uint64_t>(tensor.scalar_type()) + 1000);
    for (auto size : tensor.sizes()) mix(static_cast<uint64_t>(size));
  }
};

void note_signature(uint64_t signature) {
  std::lock_guard<std::mutex> lock(g_signature_lock);
  if (g_signatures.insert(signature).second) g_new_signatures++;
}

[[noreturn]] void fail_no_kernel(const Op& op) {
  C10_THROW_ERROR(
      NotImplementedError,
      c10::str(
          "Could not run '", op.full, "' with arguments from the '", c10::get_privateuse1_backend(),
          "' backend. The [simulate] table of the target lists it among the operators that the "
          "chip has no kernel for."));
}

void check_tensor(const Op& op, const Tensor& tensor, uint32_t flags) {
  auto denied = op.denied_dtypes.load(std::memory_order_relaxed);
  if (denied && (denied >> static_cast<int>(tensor.scalar_type()) & 1)) {
    C10_THROW_ERROR(
        NotImplementedError,
        c10::str(
            "\"", op.full, "\" not implemented for '", c10::toString(tensor.scalar_type()),
            "' on '", c10::get_privateuse1_backend(), "' (the target's [simulate] table)"));
  }
  if (flags & kContiguous) {
    TORCH_CHECK(
        tensor.is_contiguous(), op.full, " needs contiguous tensors on '",
        c10::get_privateuse1_backend(), "' (the target's [simulate] table), not strides ",
        tensor.strides());
  }
}

// ---------------------------------------------------------------- aliases

TensorImpl* shape_like(TensorImpl* impl, const Tensor& tensor) {
  impl->set_storage_offset(tensor.storage_offset());
  impl->set_sizes_and_strides(tensor.sizes(), tensor.strides());
  if (tensor.is_conj()) impl->_set_conj(true);
  if (tensor.is_neg()) impl->_set_neg(true);
  return impl;
}

struct Alias {
  Tensor device, host;
  bool written;
};

struct StorageAlias {
  Storage device, host;
};

// One call's device tensors, and the CPU tensors that stand for them.
class Call {
 public:
  explicit Call(Op& op) : op_(op), signature_(op.number) {}

  IValue in(const IValue& value, Kind kind, bool written) {
    switch (kind) {
      case Kind::tensor: return value.isTensor() ? IValue(in(value.toTensor(), written)) : value;
      case Kind::tensors: return tensors_in(value, written);
      case Kind::optional_tensors: return optional_tensors_in(value);
      case Kind::device: return device_in(value);
      case Kind::storage: return value.isStorage() ? IValue(in(value.toStorage())) : value;
      default: return value;
    }
  }

  Tensor in(const Tensor& tensor, bool written) {
    if (!tensor.defined()) return tensor;
    signature_.mix(tensor);
    if (!on_chip(tensor)) return foreign_in(tensor, written);
    if (index_ < 0) index_ = tensor.device().index();
    if (tensor.device().index() != index_ && op_.route != Route::copy) fail_mixed(tensor.device());
    check_tensor(op_, tensor, op_.flags.load(std::memory_order_relaxed));
    auto impl = c10::make_intrusive<TensorImpl>(
        in(tensor.storage()), DispatchKeySet(DispatchKey::CPU), tensor.dtype());
    shape_like(impl.get(), tensor);
    auto host = Tensor(std::move(impl));
    aliases_.push_back({tensor, host, written});
    return host;
  }

  Storage in(const Storage& storage) {
    if (storage.device_type() != kChip) return storage;
    for (auto& known : storages_) {
      if (known.device.unsafeGetStorageImpl() == storage.unsafeGetStorageImpl()) return known.host;
    }
    auto data = const_cast<void*>(storage.data());
    auto host = Storage(
        Storage::use_byte_size_t{}, storage.nbytes(), DataPtr(data, Device(c10::DeviceType::CPU)),
        c10::GetCPUAllocator(), true);
    storages_.push_back({storage, host});
    return host;
  }

  // Mixing is decided when all arguments are known: a device tensor may come last.
  void close_arguments() const {
    if (index_ >= 0 && !op_.mixes && foreign_) fail_mixed(*foreign_);
    bool index_of_cpu = op_.mixes && op_.masks && !aliases_.empty() && first_is_foreign_;
    TORCH_CHECK(
        !index_of_cpu, "indices should be either on cpu or on the same device as the indexed tensor (cpu)");
  }

  Tensor out(const Tensor& result) {
    if (!result.defined()) return result;
    for (auto& alias : aliases_) {
      if (alias.host.is_same(result)) return alias.device;
    }
    for (auto& tensor : foreigners_) {
      if (tensor.is_same(result)) return tensor;
    }
    TORCH_CHECK_NOT_IMPLEMENTED(
        result.has_storage() && result.layout() == at::kStrided, op_.full,
        ": the simulated chip has strided tensors only, not ", result.layout());
    if (auto* known = storage_of(result.storage())) return view(result, *known);
    for (auto& tensor : foreigners_) {
      if (tensor.storage().is_alias_of(result.storage())) return result;
    }
    return fresh(result, out(result.storage()));
  }

  Storage out(const Storage& host) {
    if (auto* known = storage_of(host)) return known->device;
    auto device = adopt(host, device_index());
    storages_.push_back({device, host});
    return device;
  }

  // What the kernel did to the shape, the memory or the storage of tensors it may write to.
  void write_back() {
    for (auto& alias : aliases_) {
      if (!alias.written) continue;
      auto* known = storage_of(alias.host.storage());
      auto* device = alias.device.unsafeGetTensorImpl();
      if (!known) {
        device->set_storage_keep_dtype(out(alias.host.storage()));
      } else if (known->device.unsafeGetStorageImpl() != alias.device.storage().unsafeGetStorageImpl()) {
        device->set_storage_keep_dtype(known->device);
      } else if (known->host.data() != known->device.data() || known->host.nbytes() != known->device.nbytes()) {
        grow(*known);
      }
      bool same = alias.host.sizes() == alias.device.sizes() &&
          alias.host.strides() == alias.device.strides() &&
          alias.host.storage_offset() == alias.device.storage_offset();
      if (!same) {
        device->set_storage_offset(alias.host.storage_offset());
        device->set_sizes_and_strides(alias.host.sizes(), alias.host.strides());
      }
    }
  }

  DeviceIndex device_index() const { return index_ < 0 ? t_device : index_; }
  bool mask() const { return mask_; }
  uint64_t signature() const { return signature_.value; }

 private:
  Tensor foreign_in(const Tensor& tensor, bool written) {
    if (aliases_.empty() && foreigners_.empty()) first_is_foreign_ = tensor.dim() > 0;
    if (!foreign_ && (tensor.dim() > 0 || written || !tensor.device().is_cpu())) foreign_ = tensor.device();
    foreigners_.push_back(tensor);
    return tensor;
  }

  IValue tensors_in(const IValue& value, bool written) {
    if (!value.isTensorList()) return value;
    auto tensors = value.toTensorVector();
    for (auto& tensor : tensors) tensor = in(tensor, written);
    return IValue(std::move(tensors));
  }

  IValue optional_tensors_in(const IValue& value) {
    if (!value.isList()) return value;
    auto items = value.toList().copy();
    for (size_t i = 0; i < items.size(); i++) {
      IValue item = items.get(i);
      if (!item.isTensor()) continue;
      const auto type = item.toTensor().scalar_type();
      if (type == at::kBool || type == at::kByte) mask_ = true;  // what is indexed may be of any type
      items.set(i, IValue(in(item.toTensor(), false)));
    }
    return IValue(std::move(items));
  }

  IValue device_in(const IValue& value) {
    if (!value.isDevice() || value.toDevice().type() != kChip) return value;
    if (index_ < 0) index_ = Guard::index_of(value.toDevice());
    check_device(index_);
    return IValue(Device(c10::DeviceType::CPU));
  }

  StorageAlias* storage_of(const Storage& host) {
    for (auto& known : storages_) {
      if (known.host.unsafeGetStorageImpl() == host.unsafeGetStorageImpl()) return &known;
    }
    return nullptr;
  }

  Tensor view(const Tensor& result, const StorageAlias& known) {
    auto keys = DispatchKeySet(DispatchKey::PrivateUse1);
    for (auto& alias : aliases_) {
      if (!alias.device.storage().is_alias_of(known.device)) continue;
      keys = alias.device.key_set().remove(DispatchKey::Conjugate).remove(DispatchKey::Negative);
      auto impl = c10::make_intrusive<TensorImpl>(
          TensorImpl::VIEW, Storage(known.device), keys, result.dtype());
      shape_like(impl.get(), result);
      return Tensor(std::move(impl));
    }
    return fresh(result, known.device);
  }

  static Tensor fresh(const Tensor& result, Storage device) {
    auto impl = c10::make_intrusive<TensorImpl>(
        std::move(device), DispatchKeySet(DispatchKey::PrivateUse1), result.dtype());
    shape_like(impl.get(), result);
    return Tensor(std::move(impl));
  }

  static void grow(StorageAlias& known) {
    auto* device = known.device.unsafeGetStorageImpl();
    device->set_data_ptr_noswap(adopt_bytes(known.host, known.device.device().index()));
    device->set_nbytes(known.host.nbytes());
  }

  [[noreturn]] void fail_mixed(Device other) const {
    TORCH_CHECK(
        false, "Expected all tensors to be on the same device, but found at least two devices, ",
        Device(kChip, index_), " and ", other, "! (when checking the arguments of ", op_.full, ")");
  }

  Op& op_;
  Signature signature_;
  DeviceIndex index_ = -1;
  bool mask_ = false, first_is_foreign_ = false;
  maybe<Device> foreign_;
  c10::SmallVector<Alias, 6> aliases_;
  c10::SmallVector<StorageAlias, 6> storages_;
  c10::SmallVector<Tensor, 2> foreigners_;
};

// ---------------------------------------------------------------- kernels

const DispatchKeySet kExcluded = c10::autograd_dispatch_keyset_with_ADInplaceOrView |
    DispatchKeySet({DispatchKey::AutocastCPU, DispatchKey::AutocastPrivateUse1});

OperatorHandle handle_of(const char* name, const char* overload) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload);
}

// CPU convolutions in half precision are ten times slower than in float: compute in float, round.
void convolve(Stack* stack, size_t first, size_t count, bool backward) {
  static const auto forward_op = handle_of("aten::convolution", "");
  static const auto backward_op = handle_of("aten::convolution_backward", "");
  auto& grad = (*stack)[first];
  bool half = grad.toTensor().scalar_type() == at::kHalf;
  if (backward) {  // aten::convolution_backward wants the bias's shape after the weight
    auto channels = grad.toTensor().size(1);
    bool with_bias = (*stack)[first + count - 1].toBoolList().get(2);
    auto sizes = with_bias ? IValue(std::vector<int64_t>{channels}) : IValue();
    stack->insert(stack->begin() + static_cast<int64_t>(first) + 3, sizes);
  }
  for (size_t i = first; half && i < first + 3; i++) {
    auto& value = (*stack)[i];
    if (value.isTensor() && value.toTensor().defined()) value = value.toTensor().to(at::kFloat);
  }
  (backward ? backward_op : forward_op).callBoxed(stack);
  for (size_t i = first; half && i < stack->size(); i++) {
    auto& value = (*stack)[i];
    if (value.isTensor() && value.toTensor().defined()) value = value.toTensor().to(at::kHalf);
  }
}

void copy(Stack* stack, bool resize) {
  auto to = (*stack)[stack->size() - (resize ? 1 : 2)].toTensor();
  auto from = (*stack)[stack->size() - (resize ? 2 : 3)].toTensor();
  if (resize) to.resize_(from.sizes());
  to.copy_(from);
  stack->resize(stack->size() - (resize ? 2 : 3));
  stack->emplace_back(to);
}

struct Kernel final : c10::OperatorKernel {
  Op* op;
  explicit Kernel(Op* op) : op(op) {}

  void operator()(const OperatorHandle& handle, DispatchKeySet, Stack* stack) {
    auto flags = op->flags.load(std::memory_order_relaxed);
    if (flags & kDenied) fail_no_kernel(*op);
    const auto count = op->kinds.size();
    const auto first = stack->size() - count;
    Call call(*op);
    bool to_host = false, across = false;
    if (op->route == Route::copy) {
      to_host = (*stack)[first + 1].toTensor().device().is_cpu();
      across = to_host || (*stack)[first].toTensor().device().is_cpu();
    }
    for (size_t i = 0; i < count; i++) {
      if (op->kinds[i] == Kind::other) continue;
      auto& value = (*stack)[first + i];
      value = call.in(value, op->kinds[i], op->writes[i]);
    }
    call.close_arguments();
    if (op->generator >= 0) choose_generator((*stack)[first + op->generator], call.device_index());
    note(flags, call, to_host, across);
    run(handle, stack, first, count);
    call.write_back();
    for (size_t i = first; i < stack->size(); i++) {
      if (op->route == Route::packed && i > first) break;  // batch_sizes stay with the host
      result((*stack)[i], call);
    }
  }

  void run(const OperatorHandle& handle, Stack* stack, size_t first, size_t count) {
    c10::impl::ExcludeDispatchKeyGuard guard(kExcluded);
    switch (op->route) {
      case Route::convolution: return convolve(stack, first, count, false);
      case Route::convolution_backward: return convolve(stack, first, count, true);
      case Route::copy: return copy(stack, count == 2);
      default: handle.redispatchBoxed(DispatchKeySet(DispatchKey::CPU), stack);
    }
  }

  static void choose_generator(IValue& value, DeviceIndex device) {
    if (value.isGenerator() && value.toGenerator().device().type() == kChip) {
      value = host_generator(value.toGenerator());
    } else if (value.isNone() && !g_shared_generator) {
      value = host_generator(default_generator(device));
    }
  }

  void note(uint32_t flags, const Call& call, bool to_host, bool across) {
    g_calls.fetch_add(1, std::memory_order_relaxed);
    op->calls.fetch_add(1, std::memory_order_relaxed);
    bool dynamic = (flags & kDynamic) && (!op->masks || call.mask());
    if (dynamic) g_dynamic++;
    if (((flags & kSync) && (!op->masks || call.mask())) || to_host) g_syncs++;
    if (!across) note_signature(call.signature());  // a transfer compiles nothing
  }

  static void result(IValue& value, Call& call) {
    if (value.isTensor()) {
      value = call.out(value.toTensor());
    } else if (value.isTensorList()) {
      auto tensors = value.toTensorVector();
      for (auto& tensor : tensors) tensor = call.out(tensor);
      value = IValue(std::move(tensors));
    }
  }
};

Tensor empty(
    c10::IntArrayRef size, maybe<at::ScalarType> dtype, maybe<at::Layout>,
    maybe<Device> device, maybe<bool>, maybe<at::MemoryFormat> format) {
  c10::DeviceGuard guard(device.value_or(Device(kChip)));
  return at::detail::empty_generic(
      size, &g_allocator, DispatchKeySet(DispatchKey::PrivateUse1), c10::dtype_or_default(dtype), format);
}

Tensor empty_strided(
    c10::IntArrayRef size, c10::IntArrayRef stride, maybe<at::ScalarType> dtype,
    maybe<at::Layout>, maybe<Device> device, maybe<bool>) {
  c10::DeviceGuard guard(device.value_or(Device(kChip)));
  return at::detail::empty_strided_generic(
      size, stride, &g_allocator, DispatchKeySet(DispatchKey::PrivateUse1), c10::dtype_or_default(dtype));
}

// A tensor without memory would need kernels that know it; plain zeros mean the same.
Tensor zeros(
    c10::IntArrayRef size, maybe<at::ScalarType> dtype, maybe<at::Layout> layout,
    maybe<Device> device, maybe<bool> pin) {
  return empty(size, dtype, layout, device, pin, nothing).zero_();
}

void record_stream(Tensor&, Stream) {}

// torch takes the fused cells on a plugin's device; these are the same cells, unfused.
Tensor plus(const Tensor& tensor, const maybe<Tensor>& bias) {
  return bias && bias->defined() ? tensor.add(*bias) : tensor;
}

std::tuple<Tensor, Tensor, Tensor> lstm_cell(
    const Tensor& from_input, const Tensor& from_hidden, const Tensor& cell,
    const maybe<Tensor>& input_bias, const maybe<Tensor>& hidden_bias) {
  auto gates = plus(plus(from_input.add(from_hidden), input_bias), hidden_bias);
  auto part = gates.chunk(4, 1);
  auto next = part[1].sigmoid().mul(cell).add(part[0].sigmoid().mul(part[2].tanh()));
  return {part[3].sigmoid().mul(next.tanh()), next, gates};
}

std::tuple<Tensor, Tensor> gru_cell(
    const Tensor& from_input, const Tensor& from_hidden, const Tensor& hidden,
    const maybe<Tensor>& input_bias, const maybe<Tensor>& hidden_bias) {
  auto input = plus(from_input, input_bias).chunk(3, 1);
  auto state = plus(from_hidden, hidden_bias).chunk(3, 1);
  auto reset = input[0].add(state[0]).sigmoid();
  auto update = input[1].add(state[1]).sigmoid();
  auto next = input[2].add(reset.mul(state[2])).tanh();
  return {hidden.sub(next).mul(update).add(next), update};
}

// ---------------------------------------------------------------- autocast

enum class Policy : int { lower, full, full_by_dtype, promote, banned };

at::ScalarType lower_dtype() {
#if PORTER_TORCH >= 204
  return at::autocast::get_autocast_dtype(kChip);
#else
  return at::autocast::get_autocast_privateuseone_dtype();
#endif
}

bool eligible(const Tensor& tensor) {
  return tensor.defined() && on_chip(tensor) && tensor.is_floating_point() &&
      tensor.scalar_type() != at::kDouble;
}

struct Autocast final : c10::OperatorKernel {
  Policy policy;
  explicit Autocast(Policy policy) : policy(policy) {}

  void operator()(const OperatorHandle& handle, DispatchKeySet, Stack* stack) {
    TORCH_CHECK(
        policy != Policy::banned, handle.schema().name(),
        " is unsafe to autocast. Use binary_cross_entropy_with_logits or BCEWithLogitsLoss.");
    c10::impl::ExcludeDispatchKeyGuard guard{DispatchKeySet(DispatchKey::AutocastPrivateUse1)};
    auto& arguments = handle.schema().arguments();
    const auto first = stack->size() - arguments.size();
    if (policy == Policy::full_by_dtype) {
      set_dtype(handle, stack, first);
    } else {
      auto to = policy == Policy::full ? at::kFloat : lower_dtype();
      for (size_t i = first; policy == Policy::promote && i < stack->size(); i++) widen((*stack)[i], to);
      for (size_t i = first; i < stack->size(); i++) cast((*stack)[i], to);
    }
    handle.callBoxed(stack);
  }

  static void set_dtype(const OperatorHandle& handle, Stack* stack, size_t first) {
    auto& input = (*stack)[first];
    if (!input.isTensor() || !eligible(input.toTensor())) return;
    auto place = handle.schema().argumentIndexWithName("dtype");
    if (!place) {
      cast(input, at::kFloat);
    } else if ((*stack)[first + *place].isNone()) {
      (*stack)[first + *place] = static_cast<int64_t>(at::kFloat);
    }
  }

  static void widen(const IValue& value, at::ScalarType& to) {
    if (value.isTensor() && eligible(value.toTensor()) && value.toTensor().scalar_type() == at::kFloat) {
      to = at::kFloat;
    } else if (value.isTensorList()) {
      for (const auto& tensor : value.toTensorVector()) widen(IValue(tensor), to);
    }
  }

  static void cast(IValue& value, at::ScalarType to) {
    if (value.isTensor()) {
      value = at::autocast::cached_cast(to, value.toTensor(), kChip);
    } else if (value.isTensorList()) {
      auto tensors = value.toTensorVector();
      for (auto& tensor : tensors) tensor = at::autocast::cached_cast(to, tensor, kChip);
      value = IValue(std::move(tensors));
    }
  }
};

// ---------------------------------------------------------------- registration

// A CPU tensor over the bytes of a device tensor, which it keeps alive.
Tensor host(const Tensor& tensor) {
  if (!on_chip(tensor)) return tensor;
  auto kept = new Storage(tensor.storage());
  auto free = [](void* context) { delete static_cast<Storage*>(context); };
  auto data = DataPtr(const_cast<void*>(kept->data()), kept, free, Device(c10::DeviceType::CPU));
  auto storage = Storage(
      Storage::use_byte_size_t{}, kept->nbytes(), std::move(data), c10::GetCPUAllocator(), false);
  auto impl = c10::make_intrusive<TensorImpl>(
      std::move(storage), DispatchKeySet(DispatchKey::CPU), tensor.dtype());
  shape_like(impl.get(), tensor);
  return Tensor(std::move(impl));
}

Tensor get_state(int64_t device) {
  return default_generator(static_cast<DeviceIndex>(device)).get_state();
}

void set_state(int64_t device, const Tensor& state) {
  auto generator = default_generator(static_cast<DeviceIndex>(device));
  generator.set_state(state);
}

torch::Library& library(const char* name, DispatchKey key) {
  return *new torch::Library(torch::Library::IMPL, name, key, __FILE__, __LINE__);
}

void register_kernel(torch::Library& aten, const c10::OperatorName& name, Route route) {
  auto handle = c10::Dispatcher::singleton().findSchema(name);
  if (!handle) return;
  auto op = add_op(*handle, route);
  aten.impl(op->full.c_str(), torch::CppFunction::makeFromBoxedFunctor(std::make_unique<Kernel>(op)));
}

void register_kernels() {
  static const std::unordered_set<std::string> own{
      "aten::empty", "aten::empty_strided", "aten::_efficientzerotensor"};
  auto& aten = library("aten", DispatchKey::PrivateUse1);
  for (const auto& name : c10::Dispatcher::singleton().getRegistrationsForDispatchKey(DispatchKey::CPU)) {
    if (name.name.rfind("aten::", 0) != 0 || own.count(name.name)) continue;
    auto packed = name.name == "aten::_pack_padded_sequence";
    register_kernel(aten, name, packed ? Route::packed : Route::same);
  }
  register_kernel(aten, {"aten::convolution_overrideable", ""}, Route::convolution);
  register_kernel(aten, {"aten::convolution_backward_overrideable", ""}, Route::convolution_backward);
  register_kernel(aten, {"aten::_copy_from", ""}, Route::copy);
  register_kernel(aten, {"aten::_copy_from_and_resize", ""}, Route::copy);
  aten.impl("empty.memory_format", &empty);
  aten.impl("empty_strided", &empty_strided);
  aten.impl("_efficientzerotensor", &zeros);
  aten.impl("record_stream", &record_stream);
  // Else torch resolves a conjugate by a clone, which is a copy from a conjugate, and so on.
  for (auto key : {DispatchKey::Conjugate, DispatchKey::Negative}) {
    auto& lazy = library("aten", key);
    lazy.impl("_copy_from", torch::CppFunction::makeFallthrough());
    lazy.impl("_copy_from_and_resize", torch::CppFunction::makeFallthrough());
  }
  for (auto key : {DispatchKey::PrivateUse1, DispatchKey::AutogradPrivateUse1}) {
    auto& cells = library("aten", key);
    cells.impl("_thnn_fused_lstm_cell", &lstm_cell);
    cells.impl("_thnn_fused_gru_cell", &gru_cell);
  }
  library("_", DispatchKey::AutocastPrivateUse1).fallback(torch::CppFunction::makeFallthrough());
  auto& own_ops = *new torch::Library(torch::Library::DEF, "porter_sim", nothing, __FILE__, __LINE__);
  own_ops.def("host(Tensor self) -> Tensor", torch::dispatch(DispatchKey::CompositeExplicitAutograd, &host));
  // Older releases of torch refuse a leaf's autograd key that nobody serves.
  library("porter_sim", DispatchKey::AutogradPrivateUse1).impl("host", torch::CppFunction::makeFallthrough());
  own_ops.def("get_state(int device) -> Tensor", torch::dispatch(DispatchKey::CompositeExplicitAutograd, &get_state));
  own_ops.def(
      "set_state(int device, Tensor state) -> ()",
      torch::dispatch(DispatchKey::CompositeExplicitAutograd, &set_state));
}

std::string g_error;

template <class Body>
int guarded(Body body) noexcept {
  try {
    return body();
  } catch (const std::exception& problem) {
    g_error = problem.what();
    return -1;
  }
}

}  // namespace

// ---------------------------------------------------------------- what Python calls

extern "C" {

const char* porter_sim_error() { return g_error.c_str(); }

int porter_sim_start(int devices, int64_t limit, int shared_generator) {
  return guarded([&] {
    TORCH_CHECK(devices >= 0 && devices <= kMostDevices, "at most ", kMostDevices, " devices");
    g_devices = devices;
    g_limit = limit;
    g_shared_generator = shared_generator != 0;
    c10::SetAllocator(kChip, &g_allocator);
    at::RegisterPrivateUse1HooksInterface(new Hooks());
#if PORTER_TORCH < 207
    static at::_GeneratorRegister registered([](DeviceIndex index) { return new_generator(index); });
#endif
    register_kernels();
    return 0;
  });
}

int porter_sim_autocast(int policy, const char* name) {
  return guarded([&] {
    static auto& aten = library("aten", DispatchKey::AutocastPrivateUse1);
    auto text = std::string(name);
    auto dot = text.find('.');
    auto overload = dot == std::string::npos ? "" : text.substr(dot + 1);
    if (!c10::Dispatcher::singleton().findSchema({text.substr(0, dot), overload})) return 0;
    auto kernel = std::make_unique<Autocast>(static_cast<Policy>(policy));
    aten.impl(name, torch::CppFunction::makeFromBoxedFunctor(std::move(kernel)));
    return 1;
  });
}

// How many operators the pattern matches; each gets the flag.
int porter_sim_mark(const char* pattern, unsigned flag) {
  int found = 0;
  for (auto& op : g_ops) {
    if (!matches(*op, pattern)) continue;
    op->flags |= flag;
    found++;
  }
  return found;
}

int porter_sim_deny_dtype(const char* pattern, int dtype) {
  int found = 0;
  for (auto& op : g_ops) {
    if (!matches(*op, pattern)) continue;
    op->denied_dtypes |= uint64_t(1) << dtype;
    found++;
  }
  return found;
}

int porter_sim_device() { return t_device; }
int porter_sim_set_device(int device) {
  return guarded([&] { return Guard().setDevice(Device(kChip, static_cast<DeviceIndex>(device))), 0; });
}

int64_t porter_sim_memory(int device) { return g_memory[device].now; }
int64_t porter_sim_peak(int device) { return g_memory[device].peak; }
int64_t porter_sim_allocations(int device) { return g_memory[device].taken; }
void porter_sim_reset_peak(int device) { g_memory[device].peak = g_memory[device].now.load(); }
void porter_sim_set_limit(int64_t limit) { g_limit = limit; }

void porter_sim_seed(int device, uint64_t seed) {
  auto generator = default_generator(static_cast<DeviceIndex>(device));
  std::lock_guard<std::mutex> lock(host_generator(generator).mutex());
  generator.set_current_seed(seed);
}
uint64_t porter_sim_initial_seed(int device) {
  return default_generator(static_cast<DeviceIndex>(device)).current_seed();
}

void porter_sim_counters(uint64_t* out) {
  out[0] = g_calls;
  out[1] = g_dynamic;
  out[2] = g_syncs;
  out[3] = g_new_signatures;
}
void porter_sim_reset_counters() {
  g_calls = g_dynamic = g_syncs = g_new_signatures = 0;
  for (auto& op : g_ops) op->calls = 0;
}
void porter_sim_count_foreign(int dynamic, int sync) {  // for a vendor's operators outside aten
  g_calls++;
  g_dynamic += dynamic;
  g_syncs += sync;
}

int porter_sim_op_count() { return static_cast<int>(g_ops.size()); }
const char* porter_sim_op_name(int number) { return g_ops[number]->full.c_str(); }
uint64_t porter_sim_op_calls(int number) { return g_ops[number]->calls; }

}  // extern "C"
