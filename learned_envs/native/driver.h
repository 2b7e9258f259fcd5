// Run the step of a native program, which comes before this, over a batch.
extern "C" void run(int64_t batch, int threads, const void* const* in, void* const* out,
                    const int64_t* which, int sets, const float* const* c,
                    const uint16_t* const* h) {
  const std::vector<Tile> all = tiles(batch, which, sets);
#pragma omp parallel num_threads(threads) if (all.size() > 1)
  {
    static thread_local std::vector<V> scratch(SCRATCH);
#ifdef __AMX_BF16__
    const TileRegisters registers;
    _tile_loadconfig(&registers);
#endif
#pragma omp for schedule(dynamic)
    for (size_t i = 0; i < all.size(); ++i)
      step(all[i], in, out, c[all[i].weights], h[all[i].weights], scratch.data());
#ifdef __AMX_BF16__
    _tile_release();
#endif
  }
}
