// What the code of a native program calls.
//
// A batch is computed in tiles of rows. A `V` holds one number of each row of a tile, so that code
// for one row is code for all; true is a vector with all bits set, false one with none.

struct Tile {
  int64_t rows[LANES];  // of the batch; the last of them fills the tile up
  int count;            // of rows that are its own
  int weights;          // which of several sets of constants it is computed with
};

inline V silu(const V& x) { return x / (V(1.0f) + x.neg().exp_u20()); }

// To 1e-7 of one, in a fifth of the time of torch's.
inline V tanh(const V& x) { return V(1.0f) - V(2.0f) / (V(1.0f) + (x + x).exp_u20()); }

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
