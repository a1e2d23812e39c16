// With d, g and m a tile's input, a filter and their products at the points, each side by itself:
//
//            | 1  0 -1  0 |         | 1    0    0  |           | 1 1  1  0 |
//   B^T d =  | 0  1  1  0 | d   G = | 1/2  1/2 1/2 |   A^T m = | 0 1 -1 -1 | m
//            | 0 -1  1  0 |         | 1/2 -1/2 1/2 |
//            | 0  1  0 -1 |         | 0    0    1  |
//
// With d = (s0, s1, s1, s2), doubled, the third point is zero, and the others are s0 - s1, 2 s1 and s1 - s2.
#include "backend/cpu/winograd_transforms.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/winograd_transforms.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "backend/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::cpu::HWY_NAMESPACE {
namespace {

using Vector = hn::Vec<Floats>;

// A side of a tile, of a filter or of points.
template <std::size_t kCount>
struct Line {
  Vector at[kCount];
};

HWY_INLINE Line<4> input_points(const Line<4>& d) {
  return {{hn::Sub(d.at[0], d.at[2]), hn::Add(d.at[1], d.at[2]), hn::Sub(d.at[2], d.at[1]), hn::Sub(d.at[1], d.at[3])}};
}
HWY_INLINE Line<3> input_points(const Line<3>& s) {
  return {{hn::Sub(s.at[0], s.at[1]), hn::Add(s.at[1], s.at[1]), hn::Sub(s.at[1], s.at[2])}};
}

template <std::size_t kPoints>
HWY_INLINE Line<kPoints> filter_points(const Line<3>& g) {
  const auto half = hn::Set(Floats(), 0.5f);
  const auto outer = hn::Add(g.at[0], g.at[2]);
  const auto sum = hn::Mul(half, hn::Add(outer, g.at[1]));
  if constexpr (kPoints == 3) {
    return {{g.at[0], sum, g.at[2]}};
  } else {
    return {{g.at[0], sum, hn::Mul(half, hn::Sub(outer, g.at[1])), g.at[2]}};
  }
}

HWY_INLINE Line<2> result_of(const Line<4>& m) {
  return {{hn::Add(hn::Add(m.at[0], m.at[1]), m.at[2]), hn::Sub(hn::Sub(m.at[1], m.at[2]), m.at[3])}};
}
HWY_INLINE Line<2> result_of(const Line<3>& m) { return {{hn::Add(m.at[0], m.at[1]), hn::Sub(m.at[1], m.at[2])}}; }

// The transform `side`, of kFrom values to kTo, down the columns, then along the rows. load(y, x) gives the vectors,
// store(y, x, vector) takes them.
template <std::size_t kFrom, std::size_t kTo, class Load, class Side, class Store>
HWY_INLINE void both_sides(const Load& load, const Side& side, const Store& store) {
  Vector columns[kTo][kFrom];
  for (std::size_t x = 0; x < kFrom; ++x) {
    Line<kFrom> line;
    for (std::size_t y = 0; y < kFrom; ++y) line.at[y] = load(y, x);
    const Line<kTo> result = side(line);
    for (std::size_t y = 0; y < kTo; ++y) columns[y][x] = result.at[y];
  }
  for (std::size_t y = 0; y < kTo; ++y) {
    Line<kFrom> line;
    for (std::size_t x = 0; x < kFrom; ++x) line.at[x] = columns[y][x];
    const Line<kTo> result = side(line);
    for (std::size_t x = 0; x < kTo; ++x) store(y, x, result.at[x]);
  }
}

// Calls body(c) for the first channel of each vector.
template <class Body>
HWY_INLINE void for_channels(std::int64_t channels, const Body& body) {
  for (std::int64_t c = 0; c < channels; c += static_cast<std::int64_t>(hn::Lanes(Floats()))) body(c);
}

template <std::size_t kSide, class Element>
HWY_INLINE void input_of(const std::byte* const* pixels, std::int64_t channels, AtPoints out) {
  const Floats d;
  for_channels(channels, [&](std::int64_t c) HWY_ATTR {
    both_sides<kSide, kSide>(
        [&](std::size_t y, std::size_t x)
            HWY_ATTR { return load_element(d, reinterpret_cast<const Element*>(pixels[y * kSide + x]) + c); },
        [](const Line<kSide>& line) HWY_ATTR { return input_points(line); },
        [&](std::size_t y, std::size_t x, Vector v)
            HWY_ATTR { hn::StoreU(v, d, out.data + static_cast<std::int64_t>(y * kSide + x) * out.step + c); });
  });
}

template <std::size_t kSide>
HWY_INLINE void filter_of(const float* taps, std::int64_t in_channels, AtPoints out) {
  const Floats d;
  for_channels(in_channels, [&](std::int64_t c) HWY_ATTR {
    both_sides<3, kSide>(
        [&](std::size_t y, std::size_t x)
            HWY_ATTR { return hn::LoadU(d, taps + static_cast<std::int64_t>(y * 3 + x) * in_channels + c); },
        [](const Line<3>& line) HWY_ATTR { return filter_points<kSide>(line); },
        [&](std::size_t y, std::size_t x, Vector v)
            HWY_ATTR { hn::StoreU(v, d, out.data + static_cast<std::int64_t>(y * kSide + x) * out.step + c); });
  });
}

template <std::size_t kSide>
HWY_INLINE void output_of(AtPoints products, std::int64_t channels, float* out) {
  const Floats d;
  for_channels(channels, [&](std::int64_t c) HWY_ATTR {
    both_sides<kSide, 2>(
        [&](std::size_t y, std::size_t x) HWY_ATTR {
          return hn::LoadU(d, products.data + static_cast<std::int64_t>(y * kSide + x) * products.step + c);
        },
        [](const Line<kSide>& line) HWY_ATTR { return result_of(line); },
        [&](std::size_t y, std::size_t x, Vector v)
            HWY_ATTR { hn::StoreU(v, d, out + static_cast<std::int64_t>(y * 2 + x) * channels + c); });
  });
}

void input(bool doubled, bool bf16, const std::byte* const* pixels, std::int64_t channels, AtPoints out) {
  if (doubled) {
    bf16 ? input_of<3, std::uint16_t>(pixels, channels, out) : input_of<3, float>(pixels, channels, out);
  } else {
    bf16 ? input_of<4, std::uint16_t>(pixels, channels, out) : input_of<4, float>(pixels, channels, out);
  }
}

void filter(bool doubled, const float* taps, std::int64_t in_channels, AtPoints out) {
  doubled ? filter_of<3>(taps, in_channels, out) : filter_of<4>(taps, in_channels, out);
}

void output(bool doubled, AtPoints products, std::int64_t channels, float* out) {
  doubled ? output_of<3>(products, channels, out) : output_of<4>(products, channels, out);
}

}  // namespace
}  // namespace steadyflux::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace steadyflux::cpu {
namespace {
HWY_EXPORT(input);
HWY_EXPORT(filter);
HWY_EXPORT(output);
}  // namespace

void winograd_input(WinogradSide side, std::span<const std::byte* const> pixels, DType dtype, std::int64_t channels,
                    AtPoints out) {
  HWY_DYNAMIC_DISPATCH(input)
  (side == WinogradSide::kDoubled, dtype == DType::kBF16, pixels.data(), channels, out);
}

void winograd_filter(WinogradSide side, const float* taps, std::int64_t in_channels, AtPoints out) {
  HWY_DYNAMIC_DISPATCH(filter)(side == WinogradSide::kDoubled, taps, in_channels, out);
}

void winograd_output(WinogradSide side, AtPoints products, std::int64_t channels, float* out) {
  HWY_DYNAMIC_DISPATCH(output)(side == WinogradSide::kDoubled, products, channels, out);
}

}  // namespace steadyflux::cpu
#endif
