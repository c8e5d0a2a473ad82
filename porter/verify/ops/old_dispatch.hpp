// mmcv before 1.3 hands AT_DISPATCH_* a tensor's type() where PyTorch has come to take its
// scalar_type(). PyTorch itself took both for years, by way of this overload.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>

namespace detail {
inline at::ScalarType scalar_type(const at::DeprecatedTypeProperties& type) {
  return type.scalarType();
}
}  // namespace detail
