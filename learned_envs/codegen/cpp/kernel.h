// What the code of a native program calls.
//
// A batch is computed in tiles of rows. A `V` holds one number of each row of a tile, so that code
// for one row is code for all.

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
