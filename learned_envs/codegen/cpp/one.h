// One row, in every lane of a vector: for a batch of one, where products go along the columns.

using V = at::vec::VectorizedN<float, 1>;
constexpr int LANES = V::size();

// Several blocks abreast: a sum takes four cycles, in which the others go on.
template <int BLOCK, int ABREAST>
inline void columns(const float* weights, const V* x, V* y, int k) {
  static_assert(BLOCK == LANES);
  Half sums[ABREAST];
#pragma GCC unroll 4
  for (int j = 0; j < ABREAST; ++j) sums[j] = Half(0.0f);
  for (int i = 0; i < k; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < ABREAST; ++j)
      sums[j] = fmadd(x[i][0], Half::loadu(weights + (j * k + i) * BLOCK), sums[j]);
  for (int j = 0; j < ABREAST; ++j) {
    float numbers[BLOCK];
    sums[j].store(numbers);
    for (int i = 0; i < BLOCK; ++i) y[j * BLOCK + i] = V(numbers[i]);
  }
}

// Set n numbers of y to the product of k of x with weights in blocks of columns.
template <int BLOCK>
inline void product(const float* weights, const V* x, V* y, int k, int n) {
  int first = 0;
  for (; first + 4 * BLOCK <= n; first += 4 * BLOCK)
    columns<BLOCK, 4>(weights + first * k, x, y + first, k);
  for (; first < n; first += BLOCK) columns<BLOCK, 1>(weights + first * k, x, y + first, k);
}

inline void begin_thread() {}
inline void end_thread() {}
