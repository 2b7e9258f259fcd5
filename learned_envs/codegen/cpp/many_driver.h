// Cut a batch into tiles, each of rows that `which` gives the same set of constants, or none.
inline std::vector<Tile> tiles(int64_t count, const int64_t* which, int sets) {
  std::vector<Tile> all;
  std::vector<int64_t> last(sets, -1);
  for (int64_t row = 0; row < count; ++row) {
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

// Run the step of a native program, which comes before this, over a batch.
//
// Returns 1, and computes nothing, where `which` holds what is no index of a set of constants.
extern "C" int run(int64_t count, int threads, const void* const* in, void* const* out,
                   const int64_t* which, int sets, const float* const* c,
                   const uint16_t* const* h) {
  for (int64_t row = 0; which && row < count; ++row)
    if (which[row] < 0 || which[row] >= sets) return 1;
  const std::vector<Tile> all = tiles(count, which, sets);
#pragma omp parallel num_threads(threads) if (all.size() > 1)
  {
    static thread_local std::vector<V> scratch(SCRATCH);
    begin_thread();
#pragma omp for schedule(dynamic)
    for (size_t i = 0; i < all.size(); ++i)
      step(all[i], in, out, c[all[i].weights], h[all[i].weights], scratch.data());
    end_thread();
  }
  return 0;
}
