// One operation with its data, laid out in one block of memory that can be placed on any backend.
#pragma once

#include <cstddef>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "ops/ops.h"

namespace steadyflux::conformance {

// How a tensor is filled and laid out.
struct Spec {
  double scale = 1;  // values are uniform in mean ± scale
  double mean = 0;
  std::int64_t gap = 0;  // elements between the rows, never to be read or written; whole blocks of a quantised type
  bool nested = false;   // the scales of an nf4 or fp4 weight
};

struct Problem {
  std::vector<std::byte> image;  // the block's content before the operation
  std::vector<ops::LinearPart> parts;
  ops::Op op;
};

// Lays out the tensors of a problem one after another, a guard on both sides of each. Guards, gaps and outputs hold
// 0xFF bytes, which are NaN in every floating-point type. The same calls give the same layout and values.
class Builder {
 public:
  static constexpr std::size_t kGuardBytes = 256;

  // `base` is where the block will lie; only its address is used.
  Builder(std::byte* base, Problem& problem);

  // Filled with values: read, or changed in place. A matrix of i8 or a quantised type gets its scales; `scale` and
  // `mean` mean nothing then.
  Tensor input(DType dtype, const Shape& shape, const Spec& spec = {});
  // Only written.
  Tensor output(DType dtype, const Shape& shape, const Spec& spec = {});
  Tensor ids(std::int64_t count, std::int64_t vocabulary);
  // A linear's parts; the list lives as long as the problem.
  std::span<const ops::LinearPart> parts(std::vector<ops::LinearPart> list);

 private:
  Tensor place(DType dtype, const Shape& shape, std::int64_t gap);
  void fill(const Tensor& tensor, const Spec& spec);
  void fill_codes(const Tensor& matrix);
  void add_scales(Tensor& matrix, bool nested);
  // The memory of a tensor in the image.
  std::byte* in_image(const Tensor& tensor) { return problem_.image.data() + (tensor.data - base_); }

  std::byte* base_;
  Problem& problem_;
  std::mt19937_64 random_;
};

struct Case {
  std::string name;  // letters, digits and underscores
  std::function<ops::Op(Builder&)> build;
};

// The case with its block at `base`; without one, at an address that means nothing.
Problem build(const Case& each, std::byte* base = nullptr);

// What the operation writes, in the order in which its struct names them.
std::vector<Tensor> outputs_of(const ops::Op& op);

// "f32", "bf16", … for case names.
std::string name_of(DType dtype);

// All types that only a matrix of weights may have.
std::span<const DType> matrix_types();

// One list for each family of operations.
std::vector<Case> linear_cases();
std::vector<Case> joined_cases();
std::vector<Case> quantised_cases();
std::vector<Case> norm_cases();
std::vector<Case> attention_cases();
std::vector<Case> conv_cases();
std::vector<Case> elementwise_cases();
std::vector<Case> all_cases();

}  // namespace steadyflux::conformance
