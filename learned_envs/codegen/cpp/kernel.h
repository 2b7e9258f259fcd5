// What the code of a native program calls.
//
// A batch is computed in tiles of rows. A `V` holds one number of each row of a tile, so that code
// for one row is code for all.

// A part of a step, which other units call.
#define PART __attribute__((visibility("hidden"), noinline))

struct Tile {
  int64_t rows[LANES];  // of the batch; the last of them fills the tile up
  int count;            // of rows that are its own
  int weights;          // which of several sets of constants it is computed with
};

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

// Set `count` numbers of z to sums of weights times what x has at places; a sum ends where `ends`
// says, and the next begins there.
inline void sums(const float* weights, const V* x, const int* places, const int* ends, V* z,
                 int count) {
  for (int i = 0, at = 0; i < count; ++i) {
    V sum(0.0f);
    for (; at < ends[i]; ++at) sum = fmadd(V(weights[at]), x[places[at]], sum);
    z[i] = sum;
  }
}

// Set `count` numbers of z to sums of `terms` products, of what x and y have at places.
inline void products(const V* x, const int* left, const V* y, const int* right, V* z, int count,
                     int terms) {
  for (int i = 0; i < count; ++i, left += terms, right += terms) {
    V sum(0.0f);
    for (int j = 0; j < terms; ++j) sum = fmadd(x[left[j]], y[right[j]], sum);
    z[i] = sum;
  }
}
