// One row, number by number: the compiler puts neighbours into one register.

using V = Vector<float, 1>;
constexpr int LANES = 1;
static_assert(sizeof(V) == sizeof(float));

inline const float* numbers(const V* x) { return reinterpret_cast<const float*>(x); }

// Add BLOCKS registers of columns of weights, times x, to sums.
template <int BLOCKS>
inline void add(const float* weights, float x, Register* sums) {
#pragma GCC unroll 16
  for (int j = 0; j < BLOCKS; ++j) sums[j] += load(weights + j * WIDTH) * x;
}

// The same for weights in bfloat16: a word has the upper half of two, of neighbouring registers.
template <int BLOCKS>
inline void add(const uint16_t* weights, float x, Register* sums) {
#pragma GCC unroll 8
  for (int j = 0; j < BLOCKS; j += 2) {
    Integers words;
    std::memcpy(&words, weights + j * WIDTH, sizeof(words));
    sums[j] += as<Register>(words & ~0xFFFF) * x;
    sums[j + 1] += as<Register>(words << 16) * x;
  }
}

// Set BLOCKS registers of y to the product of k of x with as many columns of weights.
//
// A sum takes four cycles, in which others go on: where columns are few, parts of the same sums.
template <int BLOCKS, typename Weight>
ALONE void product(const Weight* weights, const V* x, V* y, int k) {
  constexpr int PARTS = BLOCKS >= 8 ? 1 : BLOCKS >= 4 ? 2 : 4, STRIDE = BLOCKS * WIDTH;
  Register sums[PARTS][BLOCKS] = {};
  int i = 0;
  for (; i + PARTS <= k; i += PARTS, weights += PARTS * STRIDE)
#pragma GCC unroll 4
    for (int part = 0; part < PARTS; ++part)
      add<BLOCKS>(weights + part * STRIDE, x[i + part].part[0], sums[part]);
  for (; i < k; ++i, weights += STRIDE) add<BLOCKS>(weights, x[i].part[0], sums[0]);
#pragma GCC unroll 16
  for (int j = 0; j < BLOCKS; ++j) {
    for (int part = 1; part < PARTS; ++part) sums[0][j] += sums[part][j];
    std::memcpy(y + j * WIDTH, &sums[0][j], sizeof(Register));
  }
}

// The sum of SIZE terms of an index.
template <int SIZE, typename Term>
inline float sum(Term term) {
  constexpr int WHOLE = SIZE / WIDTH * WIDTH;
  Register sums{};
  for (int i = 0; i < WHOLE; i += WIDTH) sums += term(i, Register{});
  float result = 0.0f;
  for (int i = 0; i < WIDTH; ++i) result += sums[i];
  for (int i = WHOLE; i < SIZE; ++i) result += term(i, 0.0f);
  return result;
}

inline void read(const float* from, Register& x) { x = load(from); }
inline void read(const float* from, float& x) { x = *from; }

// Set SIZE numbers of y, from START on, to those of a term: less their mean, over their spread.
template <int START, int SIZE, typename Term>
inline void standardise(V* y, float eps, Term term) {
  for (int i = START; i < START + SIZE; ++i) y[i] = term(i);
  const float* own = numbers(y) + START;
  const float mean = sum<SIZE>([=](int i, auto x) { read(own + i, x); return x; }) / SIZE;
  const float squares = sum<SIZE>([=](int i, auto x) {
    read(own + i, x);
    x -= mean;
    return x * x;
  });
  const float scale = 1.0f / std::sqrt(squares / SIZE + eps);
  for (int i = START; i < START + SIZE; ++i) y[i].part[0] = (y[i].part[0] - mean) * scale;
}
