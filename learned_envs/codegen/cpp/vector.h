// Vectors of float32 numbers, in the terms of GCC and Clang, so that no library is needed.
//
// WIDTH, which the compiler is told, is how many numbers a register of the processor holds.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

// A function of its own: within a large one, compilers run out of registers.
#define ALONE __attribute__((noinline))

typedef float Register __attribute__((vector_size(4 * WIDTH)));
typedef int32_t Integers __attribute__((vector_size(4 * WIDTH)));

// Vectors may be read as the numbers that they hold.
using Number __attribute__((may_alias)) = float;
using Bits __attribute__((may_alias)) = int32_t;

inline Register load(const float* from) {
  Register x;
  std::memcpy(&x, from, sizeof(x));
  return x;
}

// The same bits as another type.
template <typename To, typename From>
inline To as(From x) {
  static_assert(sizeof(To) == sizeof(From));
  To y;
  std::memcpy(&y, &x, sizeof(y));
  return y;
}

// All that follows is written for a number, F = float, and for a register of them alike.
template <typename F>
struct Kind {
  using I = int32_t;
};
template <>
struct Kind<Register> {
  using I = Integers;
};
template <typename F>
using Int = typename Kind<F>::I;

// A number in all places: compilers take it for what it is in arithmetic, and not in choices.
template <typename F>
inline F all(float x) { return F{} + x; }

// exp(x), to 2e-7 of it, for x from -87.3 to 88.7; that of the nearer end for others, and nothing
// of use for what is not a number. The polynomial is that of Cephes.
template <typename F>
inline F bounded_exponential(F x) {
  x = x > 88.7f ? all<F>(88.7f) : x;
  x = x < -87.3f ? all<F>(-87.3f) : x;
  const F shifted = x * 1.44269504f + 12582912.0f, whole = shifted - 12582912.0f;
  const F r = (x - whole * 0.693359375f) - whole * -2.12194440e-4f;
  F y = r * 1.9875691500e-4f + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * (r * r) + (r + 1.0f);
  return as<F>(as<Int<F>>(y) + (as<Int<F>>(shifted) << 23));
}

template <typename F>
inline F exponential(F x) {
  F y = bounded_exponential(x);
  y = x > 88.7f ? all<F>(INFINITY) : y;
  y = x < -87.3f ? all<F>(0.0f) : y;
  return x == x ? y : x;
}

// The sine of x + quarter pi / 2 for |x| below 8192, to 1e-7; as Cephes.
template <typename F>
inline F wave(F x, int quarter) {
  const F shifted = x * 0.63661977f + 12582912.0f, whole = shifted - 12582912.0f;
  const Int<F> turns = as<Int<F>>(shifted) + quarter;
  const F r = ((x - whole * 1.5703125f) - whole * 4.837512969970703125e-4f) -
              whole * 7.54978995489188216e-8f;
  const F z = r * r;
  F sine = z * -1.9515295891e-4f + 8.3321608736e-3f;
  sine = (sine * z - 1.6666654611e-1f) * (z * r) + r;
  F cosine = z * 2.443315711809948e-5f - 1.388731625493765e-3f;
  cosine = (cosine * z + 4.166664568298827e-2f) * (z * z) - z * 0.5f + 1.0f;
  const F y = (turns & 1) != 0 ? cosine : sine;
  return as<F>(as<Int<F>>(y) ^ ((turns & 2) << 30));
}

// What only the standard library has, number by number.
template <typename F, typename Function>
inline F each(Function function, F x, F y = F{}) {
  constexpr int COUNT = sizeof(F) / sizeof(float);
  Number in[COUNT], other[COUNT], out[COUNT];
  std::memcpy(in, &x, sizeof(x));
  std::memcpy(other, &y, sizeof(y));
  for (int i = 0; i < COUNT; ++i) out[i] = function(in[i], other[i]);
  std::memcpy(&x, out, sizeof(x));
  return x;
}

template <typename F>
inline bool small(F x) {
  Number numbers[sizeof(F) / sizeof(float)];
  std::memcpy(numbers, &x, sizeof(x));
  bool yes = true;
  for (float number : numbers) yes &= std::fabs(number) < 8192.0f;
  return yes;
}

// COUNT of them side by side. True is all bits set, false is none.
template <typename F, int COUNT>
struct Vector {
  using I = Int<F>;
  F part[COUNT];

  Vector() = default;
  explicit Vector(float x) {
    for (F& own : part) own = all<F>(x);
  }

  template <typename Function>
  static Vector of(Function function) {
    Vector result;
    for (int i = 0; i < COUNT; ++i) result.part[i] = function(i);
    return result;
  }

#define EACH(expression) Vector::of([&](int i) { return expression; })
#define MASK(expression) EACH(as<F>((expression) ? I{} - 1 : I{}))
  friend Vector operator+(const Vector& a, const Vector& b) { return EACH(a.part[i] + b.part[i]); }
  friend Vector operator-(const Vector& a, const Vector& b) { return EACH(a.part[i] - b.part[i]); }
  friend Vector operator*(const Vector& a, const Vector& b) { return EACH(a.part[i] * b.part[i]); }
  friend Vector operator/(const Vector& a, const Vector& b) { return EACH(a.part[i] / b.part[i]); }
  friend Vector operator<(const Vector& a, const Vector& b) { return MASK(a.part[i] < b.part[i]); }
  friend Vector operator<=(const Vector& a, const Vector& b) {
    return MASK(a.part[i] <= b.part[i]);
  }
  friend Vector operator>(const Vector& a, const Vector& b) { return b < a; }
  friend Vector operator>=(const Vector& a, const Vector& b) { return b <= a; }
  friend Vector operator==(const Vector& a, const Vector& b) {
    return MASK(a.part[i] == b.part[i]);
  }
  friend Vector operator!=(const Vector& a, const Vector& b) {
    return MASK(a.part[i] != b.part[i]);
  }
  friend Vector operator&(const Vector& a, const Vector& b) {
    return EACH(as<F>(as<I>(a.part[i]) & as<I>(b.part[i])));
  }
  friend Vector operator|(const Vector& a, const Vector& b) {
    return EACH(as<F>(as<I>(a.part[i]) | as<I>(b.part[i])));
  }
  Vector operator~() const { return EACH(as<F>(~as<I>(part[i]))); }

  Vector neg() const { return EACH(-part[i]); }
  Vector abs() const { return EACH(as<F>(as<I>(part[i]) & 0x7FFFFFFF)); }
  Vector exp() const { return EACH(exponential(part[i])); }
  Vector sin() const {
    return EACH(small(part[i]) ? wave(part[i], 0)
                               : each([](float x, float) { return std::sin(x); }, part[i]));
  }
  Vector cos() const {
    return EACH(small(part[i]) ? wave(part[i], 1)
                               : each([](float x, float) { return std::cos(x); }, part[i]));
  }
#define ONE_BY_ONE(name, expression) \
  Vector name() const { return EACH(each([](float x, float) { return expression; }, part[i])); }
  ONE_BY_ONE(sqrt, std::sqrt(x))
  ONE_BY_ONE(log, std::log(x))
  ONE_BY_ONE(tan, std::tan(x))
  ONE_BY_ONE(asin, std::asin(x))
  ONE_BY_ONE(acos, std::acos(x))
  ONE_BY_ONE(atan, std::atan(x))
  ONE_BY_ONE(sinh, std::sinh(x))
  ONE_BY_ONE(cosh, std::cosh(x))
  ONE_BY_ONE(floor, std::floor(x))
  ONE_BY_ONE(ceil, std::ceil(x))
  // To the even one of two neighbours, as torch.
  ONE_BY_ONE(round, std::nearbyint(x))
  ONE_BY_ONE(sign, float(x > 0.0f) - float(x < 0.0f))
#undef ONE_BY_ONE
  // With the sign of the divisor, as torch.
  Vector remainder(const Vector& y) const {
    return EACH(each(
        [](float a, float b) {
          const float rest = std::fmod(a, b);
          return rest != 0.0f && (rest < 0.0f) != (b < 0.0f) ? rest + b : rest;
        },
        part[i], y.part[i]));
  }
  Vector pow(const Vector& y) const {
    return EACH(each([](float x, float e) { return std::pow(x, e); }, part[i], y.part[i]));
  }
  Vector atan2(const Vector& x) const {
    return EACH(each([](float a, float b) { return std::atan2(a, b); }, part[i], x.part[i]));
  }

  // What is not a number stays that, as in torch.
  friend Vector maximum(const Vector& a, const Vector& b) {
    return EACH((a.part[i] > b.part[i]) | (a.part[i] != a.part[i]) ? a.part[i] : b.part[i]);
  }
  friend Vector minimum(const Vector& a, const Vector& b) {
    return EACH((a.part[i] < b.part[i]) | (a.part[i] != a.part[i]) ? a.part[i] : b.part[i]);
  }
  friend Vector where(const Vector& mask, const Vector& yes, const Vector& no) {
    return EACH(as<I>(mask.part[i]) != 0 ? yes.part[i] : no.part[i]);
  }
  friend Vector silu(const Vector& x) {
    return EACH(x.part[i] / (bounded_exponential(-x.part[i]) + 1.0f));
  }
  // To 1e-7 of one.
  friend Vector tanh(const Vector& x) {
    return EACH(1.0f - 2.0f / (exponential(x.part[i] + x.part[i]) + 1.0f));
  }
  friend Vector fmadd(const Vector& a, const Vector& b, const Vector& c) {
    return EACH(a.part[i] * b.part[i] + c.part[i]);
  }
#undef MASK
#undef EACH
};
