// What the code of a native program calls, on top of torch's own vectors.
//
// A batch is computed in tiles of LANES rows. A `V` holds one number of each row of a tile, so that
// code for one row is code for all; true is a vector with all bits set, false one with none.

#include <ATen/cpu/vec/vec.h>
#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <vector>

using Half = at::vec::Vectorized<float>;
using V = at::vec::VectorizedN<float, 2>;
constexpr int LANES = V::size();

// Vectors may be read as the numbers that they hold.
using Number __attribute__((may_alias)) = float;
using Bits __attribute__((may_alias)) = int32_t;

struct Tile {
  int64_t rows[LANES];  // of the batch; the last of them fills the tile up
  int count;            // of rows that are its own
  int weights;          // which of several sets of constants it is computed with
};

inline V silu(const V& x) { return x / (V(1.0f) + x.neg().exp_u20()); }

inline V where(const V& mask, const V& yes, const V& no) { return V::blendv(no, yes, mask); }

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

// Set n numbers of y to the product of k of x with weights in blocks of columns.
template <int BLOCK>
inline void product(const float* weights, const V* x, V* y, int k, int n) {
  for (int first = 0; first < n; first += BLOCK) {
    Half low[BLOCK], high[BLOCK];
#pragma GCC unroll 16
    for (int j = 0; j < BLOCK; ++j) low[j] = high[j] = Half(0.0f);
    for (int i = 0; i < k; ++i, weights += BLOCK) {
      const Half a = x[i][0], b = x[i][1];
#pragma GCC unroll 16
      for (int j = 0; j < BLOCK; ++j) {
        const Half weight(weights[j]);
        low[j] = fmadd(weight, a, low[j]);
        high[j] = fmadd(weight, b, high[j]);
      }
    }
#pragma GCC unroll 16
    for (int j = 0; j < BLOCK; ++j) {
      y[first + j][0] = low[j];
      y[first + j][1] = high[j];
    }
  }
}

#ifdef __AMX_BF16__
struct alignas(64) TileRegisters {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// The same for N numbers and K, rounded to bfloat16, with weights in tiles; sums are in float32.
template <int K, int N>
inline void product16(const uint16_t* weights, const V* x, V* y) {
  constexpr int DEPTH = (K + 31) / 32, TILES = (N + 15) / 16, SIZE = 16 * 32;
  // Pairs of numbers, as the registers multiply them: (half of a vector, pair, lane, one of two).
  alignas(64) uint16_t pairs[2][DEPTH * 16][32];
  alignas(64) constexpr uint16_t ORDER[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,
                                              21, 6, 22, 7, 23, 8,  24, 9,  25, 10, 26,
                                              11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i order = _mm512_load_si512(ORDER);
  for (int half = 0; half < 2; ++half)
    for (int i = 0; i < DEPTH * 16; ++i) {
      const __m512 even = 2 * i < K ? __m512(x[2 * i][half]) : _mm512_setzero_ps();
      const __m512 odd = 2 * i + 1 < K ? __m512(x[2 * i + 1][half]) : _mm512_setzero_ps();
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
#endif

// Read the columns of a tile's rows.
template <typename T>
inline void load(V* x, const T* from, int columns, const Tile& tile) {
  Number* to = reinterpret_cast<Number*>(x);
  for (int lane = 0; lane < LANES; ++lane)
    for (int i = 0; i < columns; ++i)
      to[i * LANES + lane] = from[tile.rows[lane] * columns + i];
}

// Write the columns of a tile's own rows.
inline void store(const V* x, float* to, int columns, const Tile& tile) {
  const Number* from = reinterpret_cast<const Number*>(x);
  for (int lane = 0; lane < tile.count; ++lane)
    for (int i = 0; i < columns; ++i)
      to[tile.rows[lane] * columns + i] = from[i * LANES + lane];
}

inline void store(const V* x, bool* to, int columns, const Tile& tile) {
  const Bits* from = reinterpret_cast<const Bits*>(x);
  for (int lane = 0; lane < tile.count; ++lane)
    for (int i = 0; i < columns; ++i)
      to[tile.rows[lane] * columns + i] = from[i * LANES + lane] != 0;
}

// Cut a batch into tiles, each of rows that `which` gives the same set of constants, or none.
inline std::vector<Tile> tiles(int64_t batch, const int64_t* which, int sets) {
  std::vector<Tile> all;
  std::vector<int64_t> last(sets, -1);
  for (int64_t row = 0; row < batch; ++row) {
    const int own = which ? which[row] : 0;
    if (last[own] < 0 || all[last[own]].count == LANES) {
      last[own] = all.size();
      all.push_back({{}, 0, own});
    }
    Tile& tile = all[last[own]];
    tile.rows[tile.count++] = row;
  }
  for (Tile& tile : all)
    std::fill(tile.rows + tile.count, tile.rows + LANES, tile.rows[tile.count - 1]);
  return all;
}
