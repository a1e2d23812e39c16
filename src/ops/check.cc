#include "ops/ops.h"

#include "base/error.h"

namespace steadyflux::ops {
namespace {

// What a tensor may hold.
enum class Kind : std::uint8_t { kActivation, kWeight, kMatrix, kF32, kI32, kU8 };

bool allows(Kind kind, DType dtype) {
  switch (kind) {
    case Kind::kActivation:
      return dtype == DType::kF32 || dtype == DType::kBF16;
    case Kind::kWeight:
      return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
    case Kind::kMatrix:
      return allows(Kind::kWeight, dtype) || is_quantised(dtype) || dtype == DType::kI8;
    case Kind::kF32:
      return dtype == DType::kF32;
    case Kind::kI32:
      return dtype == DType::kI32;
    case Kind::kU8:
      return dtype == DType::kU8;
  }
  return false;
}

const char* expected_dtypes(Kind kind) {
  switch (kind) {
    case Kind::kActivation:
      return "f32 or bf16";
    case Kind::kWeight:
      return "f32, f16 or bf16";
    case Kind::kMatrix:
      return "f32, f16, bf16, i8 with scales or a quantised type";
    case Kind::kF32:
      return "f32";
    case Kind::kI32:
      return "i32";
    case Kind::kU8:
      return "u8";
  }
  return "";
}

// The last dimension and every middle one contiguous, rows not overlapping; rank 1 and 4 contiguous as a whole.
bool strides_allowed(const Tensor& tensor) {
  std::int64_t inner = 1;
  for (int i = tensor.rank() - 1; i >= 0; --i) {
    const std::int64_t stride = tensor.strides[static_cast<std::size_t>(i)];
    const bool may_be_strided = i == 0 && (tensor.rank() == 2 || tensor.rank() == 3);
    const bool right = may_be_strided ? stride >= inner : stride == inner;
    if (tensor.dim(i) != 1 && !right) return false;
    inner *= tensor.dim(i);
  }
  return true;
}

// Checks the tensors of one operation. Builds text only when it throws: this runs in the step loop.
class Contract {
 public:
  explicit Contract(const char* op) : op_(op) {}
  // For the operations that take a list.
  Contract(const char* op, std::size_t part) : op_(op), part_(static_cast<std::int64_t>(part)) {}

  // A tensor that must be there, of a rank that is checked before its dimensions are used.
  void rank(const char* name, const Tensor& tensor, int expected) const {
    if (tensor.empty()) violated(name, "is missing");
    if (tensor.rank() != expected) violated(name, "expected rank ", expected, ", got ", tensor.shape.to_string());
    for (int i = 0; i < expected; ++i) {
      if (tensor.dim(i) < 1) violated(name, "has no elements: ", tensor.shape.to_string());
    }
  }

  void tensor(const char* name, const Tensor& tensor, Kind kind, const Shape& expected) const {
    if (tensor.empty()) violated(name, "is missing");
    if (tensor.shape != expected) {
      violated(name, "expected shape ", expected.to_string(), ", got ", tensor.shape.to_string());
    }
    if (!allows(kind, tensor.dtype)) {
      violated(name, "expected ", expected_dtypes(kind), ", got ", dtype_name(tensor.dtype));
    }
    if (!strides_allowed(tensor)) {
      violated(name, "expected a contiguous last dimension and rows apart, got row stride ", tensor.row_stride(),
               " for shape ", tensor.shape.to_string());
    }
  }

  // The weight of a linear layer or a table of rows, [rows, row_length].
  void matrix(const char* name, const Tensor& given, const Shape& expected) const {
    tensor(name, given, Kind::kMatrix, expected);
    const std::int64_t block = block_shape(given.dtype).elements;
    if (given.dim(1) % block != 0 || given.row_stride() % block != 0) {
      violated(name, "expected rows of whole blocks of ", block, " elements, got ", given.shape.to_string());
    }
    if (has_scales_apart(given.dtype) != (given.scales.values != nullptr)) {
      violated(name, "expected scales with i8, nf4 and fp4 and with no other type, got ", dtype_name(given.dtype));
    }
  }

  void optional(const char* name, const Tensor& given, Kind kind, const Shape& expected) const {
    if (!given.empty()) tensor(name, given, kind, expected);
  }

  void contiguous(const char* name, const Tensor& tensor) const {
    if (!tensor.is_contiguous()) violated(name, "expected a contiguous tensor, got row stride ", tensor.row_stride());
  }

  // A condition on `name`, a tensor or a scalar; `parts` say what was expected and what was given.
  template <typename... Parts>
  void require(bool condition, const char* name, const Parts&... parts) const {
    if (!condition) violated(name, parts...);
  }

 private:
  template <typename... Parts>
  [[noreturn]] void violated(const char* name, const Parts&... parts) const {
    if (part_ >= 0) fail(ErrorCode::kInternal, op_, ": ", name, " of part ", part_, ": ", parts...);
    fail(ErrorCode::kInternal, op_, ": ", name, ": ", parts...);
  }

  const char* op_;
  std::int64_t part_ = -1;
};

const char* name_of(const LinearMany&) { return "linear_many"; }
const char* name_of(const LayerNorm&) { return "layer_norm"; }
const char* name_of(const RmsNorm&) { return "rms_norm"; }
const char* name_of(const QkNormRope&) { return "qk_norm_rope"; }
const char* name_of(const Attention&) { return "attention"; }
const char* name_of(const GroupNormRows&) { return "group_norm_rows"; }
const char* name_of(const GroupNormStats&) { return "group_norm_stats"; }
const char* name_of(const GroupNormApply&) { return "group_norm_apply"; }
const char* name_of(const Conv2d&) { return "conv2d"; }
const char* name_of(const EmbedRows&) { return "embed_rows"; }
const char* name_of(const Glu&) { return "glu"; }
const char* name_of(const Add&) { return "add"; }
const char* name_of(const EulerStep&) { return "euler_step"; }
const char* name_of(const TrueCfg&) { return "true_cfg"; }
const char* name_of(const UnpackLatents&) { return "unpack_latents"; }
const char* name_of(const PackLatents&) { return "pack_latents"; }
const char* name_of(const ToRgb8&) { return "to_rgb8"; }

void check_op(const LinearMany& op) {
  const Contract list(name_of(op));
  list.rank("x", op.x, 2);
  const std::int64_t rows = op.x.dim(0);
  const std::int64_t in_features = op.x.dim(1);
  list.tensor("x", op.x, Kind::kActivation, {rows, in_features});
  list.require(!op.parts.empty(), "parts", "expected at least one");
  for (std::size_t i = 0; i < op.parts.size(); ++i) {
    const LinearPart& part = op.parts[i];
    const Contract contract(name_of(op), i);
    contract.rank("out", part.out, 2);
    const std::int64_t out_features = part.out.dim(1);
    contract.tensor("out", part.out, Kind::kActivation, {rows, out_features});
    contract.matrix("weight", part.linear.weight, {out_features, in_features});
    contract.optional("bias", part.linear.bias, Kind::kWeight, {out_features});
    contract.optional("gate", part.gate, Kind::kWeight, {out_features});
    contract.require(part.gate.empty() || part.accumulate, "gate", "is only allowed with accumulate");
    contract.require(part.compute == Compute::kFloat || in_features <= kMaxInt8Features, "weight", "expected at most ",
                     kMaxInt8Features, " in_features for sums of integers, got ", in_features);
  }
}

void check_op(const LayerNorm& op) {
  const Contract contract(name_of(op));
  contract.rank("x", op.x, 2);
  const std::int64_t width = op.x.dim(1);
  contract.tensor("x", op.x, Kind::kActivation, op.x.shape);
  contract.tensor("scale", op.scale, Kind::kWeight, {width});
  contract.tensor("shift", op.shift, Kind::kWeight, {width});
  contract.tensor("out", op.out, Kind::kActivation, op.x.shape);
}

void check_op(const RmsNorm& op) {
  const Contract contract(name_of(op));
  contract.rank("x", op.x, 2);
  contract.tensor("x", op.x, Kind::kActivation, op.x.shape);
  contract.tensor("weight", op.weight, Kind::kWeight, {op.x.dim(1)});
  contract.tensor("out", op.out, Kind::kActivation, op.x.shape);
}

void check_op(const QkNormRope& op) {
  const Contract contract(name_of(op));
  contract.rank("x", op.x, 3);
  const std::int64_t head_dim = op.x.dim(2);
  contract.tensor("x", op.x, Kind::kActivation, op.x.shape);
  contract.tensor("weight", op.weight, Kind::kWeight, {head_dim});
  contract.optional("pe", op.pe, Kind::kF32, {op.x.dim(0), head_dim});
  contract.require(op.pe.empty() || head_dim % 2 == 0, "x", "expected an even head_dim to rotate, got ", head_dim);
}

void check_op(const Attention& op) {
  const Contract contract(name_of(op));
  contract.rank("q", op.q, 3);
  contract.rank("k", op.k, 3);
  const std::int64_t q_rows = op.q.dim(0);
  const std::int64_t kv_rows = op.k.dim(0);
  const std::int64_t heads = op.q.dim(1);
  const std::int64_t head_dim = op.q.dim(2);
  contract.tensor("q", op.q, Kind::kActivation, op.q.shape);
  contract.tensor("k", op.k, Kind::kActivation, {kv_rows, heads, head_dim});
  contract.tensor("v", op.v, Kind::kActivation, {kv_rows, heads, head_dim});
  contract.optional("relative_bias", op.relative_bias, Kind::kF32, {heads, q_rows + kv_rows - 1});
  contract.tensor("out", op.out, Kind::kActivation, op.q.shape);
}

void check_op(const GroupNormRows& op) {
  const Contract contract(name_of(op));
  contract.rank("x", op.x, 3);
  const std::int64_t channels = op.x.dim(2);
  contract.tensor("x", op.x, Kind::kActivation, op.x.shape);
  contract.require(op.groups >= 1 && channels % op.groups == 0, "groups", "expected a divisor of ", channels,
                   " channels, got ", op.groups);
  contract.tensor("moments", op.moments, Kind::kF32, {op.x.dim(0), op.groups, 2});
  contract.contiguous("moments", op.moments);
}

void check_op(const GroupNormStats& op) {
  const Contract contract(name_of(op));
  contract.rank("moments", op.moments, 3);
  contract.tensor("moments", op.moments, Kind::kF32, {op.moments.dim(0), op.moments.dim(1), 2});
  contract.contiguous("moments", op.moments);
  contract.tensor("stats", op.stats, Kind::kF32, {op.moments.dim(1), 2});
}

void check_op(const GroupNormApply& op) {
  const Contract contract(name_of(op));
  contract.rank("x", op.x, 3);
  contract.rank("stats", op.stats, 2);
  const std::int64_t channels = op.x.dim(2);
  const std::int64_t groups = op.stats.dim(0);
  contract.tensor("x", op.x, Kind::kActivation, op.x.shape);
  contract.require(channels % groups == 0, "stats", "expected a divisor of ", channels, " channels, got ", groups,
                   " groups");
  contract.tensor("stats", op.stats, Kind::kF32, {groups, 2});
  contract.tensor("weight", op.weight, Kind::kWeight, {channels});
  contract.tensor("bias", op.bias, Kind::kWeight, {channels});
  contract.tensor("out", op.out, Kind::kActivation, op.x.shape);
}

std::int64_t conv_extent(std::int64_t extent, std::int64_t kernel, std::int64_t stride) {
  return extent < kernel ? 0 : (extent - kernel) / stride + 1;
}

void check_op(const Conv2d& op) {
  const Contract contract(name_of(op));
  contract.rank("x", op.x, 3);
  contract.rank("weight", op.weight, 4);
  contract.require(op.stride >= 1, "stride", "expected at least 1, got ", op.stride);
  contract.require(op.upsample == 1 || op.upsample == 2, "upsample", "expected 1 or 2, got ", op.upsample);
  contract.require(op.pad_top >= 0 && op.pad_left >= 0 && op.pad_bottom >= 0 && op.pad_right >= 0, "pad",
                   "expected no negative padding");
  contract.require(op.first_row >= 0, "first_row", "expected no negative row, got ", op.first_row);
  const std::int64_t in_channels = op.x.dim(2);
  const std::int64_t out_channels = op.weight.dim(0);
  const std::int64_t kernel = op.weight.dim(2);
  const std::int64_t padded_height = op.upsample * op.x.dim(0) + op.pad_top + op.pad_bottom;
  const std::int64_t padded_width = op.upsample * op.x.dim(1) + op.pad_left + op.pad_right;
  contract.require(padded_height >= kernel && padded_width >= kernel, "weight", "kernel ", kernel,
                   " is larger than the padded input, ", padded_height, " x ", padded_width);
  contract.tensor("x", op.x, Kind::kActivation, op.x.shape);
  contract.contiguous("x", op.x);
  contract.tensor("weight", op.weight, Kind::kWeight, {out_channels, in_channels, kernel, kernel});
  contract.optional("bias", op.bias, Kind::kWeight, {out_channels});
  contract.tensor(
      "out", op.out, Kind::kActivation,
      {conv_extent(padded_height, kernel, op.stride), conv_extent(padded_width, kernel, op.stride), out_channels});
  contract.contiguous("out", op.out);
}

void check_op(const EmbedRows& op) {
  const Contract contract(name_of(op));
  contract.rank("table", op.table, 2);
  contract.rank("ids", op.ids, 1);
  const std::int64_t rows = op.ids.dim(0);
  const std::int64_t width = op.table.dim(1);
  contract.matrix("table", op.table, op.table.shape);
  contract.tensor("ids", op.ids, Kind::kI32, {rows});
  if (!op.positions.empty()) {
    contract.rank("positions", op.positions, 2);
    contract.require(op.positions.dim(0) >= rows, "positions", "expected at least ", rows, " rows, got ",
                     op.positions.dim(0));
    contract.tensor("positions", op.positions, Kind::kWeight, {op.positions.dim(0), width});
  }
  contract.tensor("out", op.out, Kind::kActivation, {rows, width});
}

void check_op(const Glu& op) {
  const Contract contract(name_of(op));
  contract.rank("gate", op.gate, 2);
  contract.tensor("gate", op.gate, Kind::kActivation, op.gate.shape);
  contract.tensor("up", op.up, Kind::kActivation, op.gate.shape);
  contract.tensor("out", op.out, Kind::kActivation, op.gate.shape);
}

void check_op(const Add& op) {
  const Contract contract(name_of(op));
  contract.rank("a", op.a, 2);
  contract.tensor("a", op.a, Kind::kActivation, op.a.shape);
  if (!op.b.empty()) {
    contract.rank("b", op.b, 2);
    contract.tensor("b", op.b, Kind::kActivation, {op.b.dim(0) == 1 ? 1 : op.a.dim(0), op.a.dim(1)});
  }
  contract.tensor("out", op.out, Kind::kActivation, op.a.shape);
}

void check_op(const EulerStep& op) {
  const Contract contract(name_of(op));
  contract.rank("latents", op.latents, 2);
  contract.tensor("latents", op.latents, Kind::kF32, op.latents.shape);
  contract.tensor("velocity", op.velocity, Kind::kActivation, op.latents.shape);
}

void check_op(const TrueCfg& op) {
  const Contract contract(name_of(op));
  contract.rank("positive", op.positive, 2);
  contract.tensor("positive", op.positive, Kind::kActivation, op.positive.shape);
  contract.tensor("negative", op.negative, Kind::kActivation, op.positive.shape);
  contract.tensor("out", op.out, Kind::kActivation, op.positive.shape);
}

void check_packing(const Contract& contract, const Tensor& image, const Tensor& packed) {
  contract.rank("image", image, 3);
  const std::int64_t height = image.dim(0);
  const std::int64_t width = image.dim(1);
  contract.require(height % 2 == 0 && width % 2 == 0, "image", "expected an even height and width, got ", height, " x ",
                   width);
  contract.tensor("image", image, Kind::kActivation, image.shape);
  contract.contiguous("image", image);
  contract.tensor("packed", packed, Kind::kActivation, {height / 2 * (width / 2), 4 * image.dim(2)});
}

void check_op(const UnpackLatents& op) { check_packing(Contract(name_of(op)), op.image, op.packed); }

void check_op(const PackLatents& op) { check_packing(Contract(name_of(op)), op.image, op.packed); }

void check_op(const ToRgb8& op) {
  const Contract contract(name_of(op));
  contract.rank("x", op.x, 3);
  contract.tensor("x", op.x, Kind::kActivation, {op.x.dim(0), op.x.dim(1), 3});
  contract.tensor("out", op.out, Kind::kU8, op.x.shape);
}

}  // namespace

const char* op_name(const Op& op) {
  return std::visit([](const auto& each) { return name_of(each); }, op);
}

void check(const Op& op) {
  std::visit([](const auto& each) { check_op(each); }, op);
}

}  // namespace steadyflux::ops
