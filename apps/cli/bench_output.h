// What the bench commands print alike.
#pragma once

#include <nlohmann/json.hpp>

#include "pipeline/bench/gemm_probe.h"

namespace steadyflux::cli {

using Json = nlohmann::ordered_json;

// 10^9 floating-point operations a second.
double gflops(double flops, double seconds);

// [{m, n, k, count, seconds, gflops}], seconds being the median of one product.
Json shapes_json(const bench::GemmProbe& probe);
void print_shapes(const bench::GemmProbe& probe);

void print(const Json& json);

}  // namespace steadyflux::cli
