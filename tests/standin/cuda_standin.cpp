// A stand-in for a GPU, for machines without one: torch's CUDA device, with its memory on the host and
// every operator computed by its CPU kernel. Like a GPU it refuses tensors of both devices in one
// operator, numpy views of its memory, and, where determinism is asked for, the operators that have
// no deterministic CUDA kernel. It says nothing of speed, memory or streams.
//
// Loaded before torch, for a torch without CUDA: see sitecustomize.py.

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>
#include <torch/script.h>

#include <cstdlib>
#include <set>
#include <string>

namespace {

const c10::Device kDevice(c10::kCUDA, 0);
const c10::DispatchKeySet kKeys(c10::DispatchKey::CUDA);

struct Memory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes ? std::malloc(bytes) : nullptr;
    return {data, data, &std::free, kDevice};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &std::free; }
  void copy_data(void* to, const void* from, size_t count) const override { std::memcpy(to, from, count); }
};
Memory memory;
REGISTER_ALLOCATOR(c10::kCUDA, &memory);

// One device with one stream: autograd's engine asks for both.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  static c10::Stream stream() { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
  c10::Device getDevice() const override { return kDevice; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const override { return stream(); }
  c10::Stream getDefaultStream(c10::Device) const override { return stream(); }
  c10::Stream exchangeStream(c10::Stream) const override { return stream(); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void** event, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override { *event = &memory; }
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, c10::DeviceIndex) const noexcept override {}
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}
  void recordDataPtrOnStream(const c10::DataPtr&, const c10::Stream&) const override {}
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard);

// The same memory, seen as a CPU tensor.
at::Tensor host(const at::Tensor& tensor) {
  if (!tensor.is_cuda()) return tensor;
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), [keep = tensor.storage()](void*) {},
                       tensor.options().device(c10::kCPU).requires_grad(false));
}

// ---- tensors: made, copied, resized

at::Tensor empty(c10::SymIntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), &memory, kKeys, c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(c10::SymIntArrayRef size, c10::SymIntArrayRef stride, std::optional<at::ScalarType> dtype,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), &memory,
                                           kKeys, c10::dtype_or_default(dtype));
}

at::Tensor& copy_(at::Tensor& self, const at::Tensor& from, bool) {
  host(self).copy_(host(from));
  return self;
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  host(to).copy_(host(from));
  return to;
}

const at::Tensor& resize_(const at::Tensor& self, c10::SymIntArrayRef sym_size, std::optional<at::MemoryFormat> format) {
  const auto size = C10_AS_INTARRAYREF_SLOW(sym_size);
  auto* impl = self.unsafeGetTensorImpl();
  auto* storage = impl->unsafe_storage().unsafeGetStorageImpl();
  const size_t bytes = at::detail::computeStorageNbytesContiguous(size, self.element_size(), self.storage_offset());
  if (storage->nbytes() < bytes) {
    auto grown = memory.allocate(bytes);
    if (storage->nbytes()) std::memcpy(grown.get(), storage->data(), storage->nbytes());
    storage->set_data_ptr_noswap(std::move(grown));
    storage->set_nbytes(bytes);
  }
  impl->set_sizes_contiguous(size);
  if (format && *format != at::MemoryFormat::Preserve) impl->empty_tensor_restride(*format);
  return self;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  if (to.sizes() != from.sizes()) resize_(to, from.sym_sizes(), std::nullopt);
  return copy_from(from, to, false);
}

at::Tensor& set_offset(at::Tensor& self, at::Storage storage, c10::SymInt offset, c10::SymIntArrayRef size,
                       c10::SymIntArrayRef stride) {
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(storage));
  impl->set_storage_offset(offset.expect_int());
  if (stride.empty() && !size.empty()) impl->set_sizes_contiguous(C10_AS_INTARRAYREF_SLOW(size));
  else impl->set_sizes_and_strides(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
  return self;
}

at::Tensor& set_storage(at::Tensor& self, at::Storage storage) {
  const auto count = static_cast<int64_t>(storage.nbytes() / self.element_size());
  return set_offset(self, std::move(storage), 0, {c10::SymInt(count)}, {});
}

at::Tensor view(const at::Tensor& self, c10::SymIntArrayRef size) {
  return at::native::view(self, C10_AS_INTARRAYREF_SLOW(size));
}

at::Tensor reshape_alias(const at::Tensor& self, c10::SymIntArrayRef size, c10::SymIntArrayRef stride) {
  return at::native::_reshape_alias(self, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
}

at::Scalar item(const at::Tensor& self) { return at::_local_scalar_dense(host(self)); }

// ---- all the other operators

// A GPU takes an index from the host.
const std::set<std::string> kMayMix = {"aten::index", "aten::index_put_", "aten::_index_put_impl_"};

// As the documentation of torch.use_deterministic_algorithms lists them; kthvalue by its source.
const std::set<std::string> kNotDeterministic = {
    "aten::_adaptive_avg_pool2d_backward", "aten::_adaptive_avg_pool3d_backward", "aten::adaptive_max_pool2d_backward",
    "aten::avg_pool3d_backward", "aten::upsample_linear1d_backward", "aten::upsample_bilinear2d_backward",
    "aten::upsample_bicubic2d_backward", "aten::upsample_trilinear3d_backward", "aten::reflection_pad1d_backward",
    "aten::reflection_pad2d_backward", "aten::reflection_pad3d_backward", "aten::replication_pad1d_backward",
    "aten::replication_pad2d_backward", "aten::replication_pad3d_backward", "aten::nll_loss_forward",
    "aten::nll_loss2d_forward", "aten::put_", "aten::histc", "aten::grid_sampler_2d_backward",
    "aten::grid_sampler_3d_backward", "aten::kthvalue", "aten::cumsum", "aten::cumsum_"};
const std::set<std::string> kWithIndices = {"aten::median", "aten::nanmedian"};
const std::set<std::string> kByCublas = {"aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::mv", "aten::addmv", "aten::dot"};

bool not_deterministic(const c10::FunctionSchema& schema, c10::ArrayRef<c10::IValue> arguments) {
  const auto& name = schema.name();
  if (kWithIndices.count(name)) return !schema.overload_name().empty();
  if (name == "aten::bincount") return arguments[1].isTensor() && arguments[1].toTensor().defined();
  if (name == "aten::cumsum" || name == "aten::cumsum_") return arguments[0].toTensor().is_floating_point();
  return kNotDeterministic.count(name);
}

void refuse(const c10::FunctionSchema& schema, c10::ArrayRef<c10::IValue> arguments) {
  bool on_cpu = false, on_gpu = false;
  const auto look = [&](const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    on_gpu |= tensor.is_cuda();
    on_cpu |= tensor.is_cpu() && tensor.dim() > 0;
  };
  for (const auto& value : arguments) {
    if (value.isTensor()) look(value.toTensor());
    else if (value.isTensorList()) for (const auto& tensor : value.toTensorVector()) look(tensor);
  }
  const auto& name = schema.name();
  TORCH_CHECK(!(on_cpu && on_gpu) || kMayMix.count(name), name, ": tensors on cuda and on cpu");
  if (!at::globalContext().deterministicAlgorithms()) return;
  TORCH_CHECK(!not_deterministic(schema, arguments), name, " is not deterministic on CUDA");
  TORCH_CHECK(!kByCublas.count(name) || std::getenv("CUBLAS_WORKSPACE_CONFIG"), name, " needs CUBLAS_WORKSPACE_CONFIG");
}

void on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  refuse(op.schema(), torch::jit::last(*stack, op.schema().arguments().size()));
  at::native::cpu_fallback(op, stack);
}

// ---- what torch asks about CUDA as a whole; the name is the one under which it looks

struct CUDAHooks final : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex current_device() const override { return 0; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  int getNumGPUs() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
  void deviceSynchronize(c10::DeviceIndex) const override {}
};
using at::CUDAHooksRegistry;
using at::RegistererCUDAHooksRegistry;
REGISTER_CUDA_HOOKS(CUDAHooks);

}  // namespace

// A torch without CUDA fixes its answer when it is compiled; this one is found before it.
namespace at::accelerator {
std::optional<c10::DeviceType> getAccelerator(bool) { return c10::kCUDA; }
}  // namespace at::accelerator

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&on_host>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("copy_", copy_);
  m.impl("_copy_from", copy_from);
  m.impl("_copy_from_and_resize", copy_from_and_resize);
  m.impl("resize_", resize_);
  m.impl("set_.source_Storage", set_storage);
  m.impl("set_.source_Storage_storage_offset", set_offset);
  m.impl("as_strided", at::native::as_strided_tensorimpl);
  m.impl("view", view);
  m.impl("_reshape_alias", reshape_alias);
  m.impl("unfold", at::native::unfold);
  m.impl("_local_scalar_dense", item);
  // Otherwise torch would look for a CUDA kernel of each kind of convolution.
  for (const char* name : {"convolution", "convolution_backward"})
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&on_host>());
}
