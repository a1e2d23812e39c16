#include "bench_output.h"

#include <charconv>
#include <cstdio>
#include <iostream>

#include "base/error.h"

namespace steadyflux::cli {

double gflops(double flops, double seconds) { return flops / seconds * 1e-9; }

bench::GemmShape parse_gemm_shape(const std::string& text) {
  constexpr std::int64_t kMaxSide = 1 << 20;
  bench::GemmShape shape;
  const char* at = text.data();
  const char* end = at + text.size();
  for (std::int64_t* value : {&shape.m, &shape.n, &shape.k, &shape.count}) {
    const auto [next, error] = std::from_chars(at, end, *value);
    const bool last = value == &shape.count || (value == &shape.k && next == end);
    const char separator = value == &shape.k ? '*' : 'x';
    const bool well_formed = error == std::errc{} && *value >= 1 && *value <= kMaxSide &&
                             (last ? next == end : next != end && *next == separator);
    if (!well_formed) {
      fail(ErrorCode::kInvalidArgument, "'", text,
           "' is no shape; write MxNxK or MxNxK*COUNT, for example 512x768x768*4");
    }
    if (last) break;
    at = next + 1;
  }
  return shape;
}

void refuse_int8(const EngineOptions& options) {
  if (options.compute == ComputeDType::kInt8) {
    fail(ErrorCode::kInvalidArgument, "int8 has no effect on this; bench step --compute int8 times a step");
  }
}

DType activations_of(const EngineOptions& options) {
  refuse_int8(options);
  const bool f32 = options.compute == ComputeDType::kAuto ? options.dtype == ModelDType::kF32
                                                          : options.compute == ComputeDType::kF32;
  return f32 ? DType::kF32 : DType::kBF16;
}

Json shapes_json(const bench::GemmProbe& probe) {
  Json shapes = Json::array();
  for (std::size_t i = 0; i < probe.shapes().size(); ++i) {
    const bench::GemmShape& shape = probe.shapes()[i];
    const double seconds = probe.seconds(i);
    shapes.push_back({{"m", shape.m},
                      {"n", shape.n},
                      {"k", shape.k},
                      {"count", shape.count},
                      {"seconds", seconds},
                      {"gflops", gflops(shape.flops() / static_cast<double>(shape.count), seconds)}});
  }
  return shapes;
}

void print_shapes(const bench::GemmProbe& probe) {
  std::printf("%8s %8s %8s %6s %12s %10s\n", "M", "N", "K", "count", "ms each", "GFLOP/s");
  for (const Json& shape : shapes_json(probe)) {
    std::printf("%8ld %8ld %8ld %6ld %12.3f %10.1f\n", shape["m"].get<long>(), shape["n"].get<long>(),
                shape["k"].get<long>(), shape["count"].get<long>(), shape["seconds"].get<double>() * 1e3,
                shape["gflops"].get<double>());
  }
}

void print(const Json& json) { std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n'; }

}  // namespace steadyflux::cli
