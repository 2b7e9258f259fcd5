// Many rows side by side: two registers are a number in as many rows as they have places.

using V = Vector<Register, 2>;
constexpr int LANES = 2 * WIDTH;

// Set n numbers of y to the product of k of x with weights in blocks of columns.
template <int BLOCK>
ALONE void product(const float* weights, const V* x, V* y, int k, int n) {
  for (int first = 0; first < n; first += BLOCK) {
    Register low[BLOCK], high[BLOCK];
#pragma GCC unroll 16
    for (int j = 0; j < BLOCK; ++j) low[j] = high[j] = Register{};
    for (int i = 0; i < k; ++i, weights += BLOCK) {
      const Register a = x[i].part[0], b = x[i].part[1];
#pragma GCC unroll 16
      for (int j = 0; j < BLOCK; ++j) {
        low[j] += weights[j] * a;
        high[j] += weights[j] * b;
      }
    }
#pragma GCC unroll 16
    for (int j = 0; j < BLOCK; ++j) {
      y[first + j].part[0] = low[j];
      y[first + j].part[1] = high[j];
    }
  }
}

// Set SIZE numbers of y, from START on, to those of a term: less their mean, over their spread.
template <int START, int SIZE, typename Term>
inline void standardise(V* y, float eps, Term term) {
  const V share(1.0f / SIZE);
  V sum(0.0f), squares(0.0f);
  for (int i = START; i < START + SIZE; ++i) sum = sum + (y[i] = term(i));
  const V mean = sum * share;
  for (int i = START; i < START + SIZE; ++i) {
    y[i] = y[i] - mean;
    squares = fmadd(y[i], y[i], squares);
  }
  const V scale = V(1.0f) / (squares * share + V(eps)).sqrt();
  for (int i = START; i < START + SIZE; ++i) y[i] = y[i] * scale;
}

#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && WIDTH == 16
#include <immintrin.h>

struct alignas(64) TileRegisters {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// The same for N numbers and K, rounded to bfloat16, with weights in tiles; sums are in float32.
template <int K, int N>
ALONE void product16(const uint16_t* weights, const V* x, V* y) {
  constexpr int DEPTH = (K + 31) / 32, TILES = (N + 15) / 16, SIZE = 16 * 32;
  // Pairs of numbers, as the registers multiply them: (half of a vector, pair, lane, one of two).
  alignas(64) uint16_t pairs[2][DEPTH * 16][32];
  alignas(64) constexpr uint16_t ORDER[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,
                                              21, 6, 22, 7, 23, 8,  24, 9,  25, 10, 26,
                                              11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i order = _mm512_load_si512(ORDER);
  for (int half = 0; half < 2; ++half)
    for (int i = 0; i < DEPTH * 16; ++i) {
      const __m512 even = 2 * i < K ? (__m512)x[2 * i].part[half] : _mm512_setzero_ps();
      const __m512 odd = 2 * i + 1 < K ? (__m512)x[2 * i + 1].part[half] : _mm512_setzero_ps();
      const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
      _mm512_store_si512(pairs[half][i], _mm512_permutexvar_epi16(order, both));
    }
  for (int tile = 0; tile < TILES; tile += 2) {
    const bool two = tile + 1 < TILES;
    const uint16_t* own = weights + tile * DEPTH * SIZE;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int depth = 0; depth < DEPTH; ++depth) {
      _tile_loadd(4, own + depth * SIZE, 64);
      _tile_loadd(6, pairs[0][depth * 16], 64);
      _tile_loadd(7, pairs[1][depth * 16], 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if (two) {
        _tile_loadd(5, own + (DEPTH + depth) * SIZE, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
    Number* to = reinterpret_cast<Number*>(y + tile * 16);
    _tile_stored(0, to, sizeof(V));
    _tile_stored(1, to + 16, sizeof(V));
    if (two) {
      _tile_stored(2, to + 16 * LANES, sizeof(V));
      _tile_stored(3, to + 16 * LANES + 16, sizeof(V));
    }
  }
}

inline void begin_thread() {
  const TileRegisters registers;
  _tile_loadconfig(&registers);
}

inline void end_thread() { _tile_release(); }
#else
inline void begin_thread() {}
inline void end_thread() {}
#endif
