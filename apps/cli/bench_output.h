// What the bench commands read and print alike.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "pipeline/bench/gemm_probe.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux::cli {

using Json = nlohmann::ordered_json;

// 10^9 floating-point operations a second.
double gflops(double flops, double seconds);

// "1024x3072x768" or "1024x3072x768*19". Throws Error(kInvalidArgument) for anything else.
bench::GemmShape parse_gemm_shape(const std::string& text);

// Throws Error(kInvalidArgument) for int8 products, for measurements that have none.
void refuse_int8(const EngineOptions& options);

// The type of activations that is asked for, bf16 if none is: for measurements that no model gives one. Refuses int8.
DType activations_of(const EngineOptions& options);

// [{m, n, k, count, seconds, gflops}], seconds being the median of one product.
Json shapes_json(const bench::GemmProbe& probe);
void print_shapes(const bench::GemmProbe& probe);

void print(const Json& json);

}  // namespace steadyflux::cli
