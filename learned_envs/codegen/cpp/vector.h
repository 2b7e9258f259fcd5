// Torch's vectors, which the code of a native program computes with.

#include <ATen/cpu/vec/vec.h>

#include <algorithm>
#include <cstdint>
#include <vector>

using Half = at::vec::Vectorized<float>;

// Vectors may be read as the numbers that they hold.
using Number __attribute__((may_alias)) = float;
using Bits __attribute__((may_alias)) = int32_t;
