#include "pipeline/convert/report.h"

#include <algorithm>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/bytes.h"

namespace steadyflux::convert {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kNumWorst = 5;

// Tensors that have become one type.
struct TypeTotal {
  std::size_t tensors = 0;
  std::uint64_t elements = 0;
  std::uint64_t bytes = 0;
  ErrorSums errors;
};

std::map<DType, TypeTotal> totals(const std::vector<TensorResult>& tensors) {
  std::map<DType, TypeTotal> result;
  for (const TensorResult& tensor : tensors) {
    TypeTotal& total = result[tensor.dtype];
    ++total.tensors;
    total.elements += tensor.num_elements;
    total.bytes += tensor.num_bytes;
    total.errors.add(tensor.errors);
  }
  return result;
}

std::vector<const TensorResult*> worst(const std::vector<TensorResult>& tensors) {
  std::vector<const TensorResult*> sorted;
  for (const TensorResult& tensor : tensors) {
    if (tensor.errors.squared_error > 0) sorted.push_back(&tensor);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const TensorResult* a, const TensorResult* b) {
    return a->errors.relative_rms() > b->errors.relative_rms();
  });
  sorted.resize(std::min(sorted.size(), kNumWorst));
  return sorted;
}

Json tensor_json(const TensorResult& tensor) {
  return {{"component", tensor.component},
          {"name", tensor.name},
          {"from", dtype_name(tensor.from)},
          {"dtype", dtype_name(tensor.dtype)},
          {"bytes", tensor.num_bytes},
          {"fell_back", tensor.fell_back},
          {"relative_rms_error", tensor.errors.relative_rms()},
          {"max_error", tensor.errors.max_error}};
}

void print_errors(std::ostream& out, const ErrorSums& errors) {
  out << std::scientific << std::setprecision(2) << errors.relative_rms() << "  " << errors.max_error << '\n';
}

}  // namespace

std::string Report::to_text() const {
  std::ostringstream text;
  text << "type     tensors  bits/weight      bytes  RMS error/RMS  largest error\n";
  for (const auto& [dtype, total] : totals(tensors)) {
    const double bits =
        8 * static_cast<double>(total.bytes) / static_cast<double>(std::max<std::uint64_t>(total.elements, 1));
    text << std::left << std::setw(8) << dtype_name(dtype) << std::right << std::setw(8) << total.tensors
         << std::setw(13) << std::fixed << std::setprecision(2) << bits << std::setw(11) << format_bytes(total.bytes)
         << "       ";
    print_errors(text, total.errors);
  }
  if (const auto largest = worst(tensors); !largest.empty()) {
    text << "largest errors:\n";
    for (const TensorResult* tensor : largest) {
      text << "  " << tensor->component << ' ' << tensor->name << ' ' << dtype_name(tensor->dtype) << "  ";
      print_errors(text, tensor->errors);
    }
  }
  for (const TensorResult& tensor : tensors) {
    if (!tensor.fell_back) continue;
    text << tensor.component << ' ' << tensor.name << " is " << dtype_name(tensor.dtype)
         << ": its rows are not whole blocks of the type asked for\n";
  }
  return text.str();
}

std::string Report::to_json() const {
  Json json = {{"types", Json::object()}, {"worst", Json::array()}, {"tensors", Json::array()}};
  for (const auto& [dtype, total] : totals(tensors)) {
    json["types"][std::string(dtype_name(dtype))] = {{"tensors", total.tensors},
                                                     {"elements", total.elements},
                                                     {"bytes", total.bytes},
                                                     {"relative_rms_error", total.errors.relative_rms()},
                                                     {"max_error", total.errors.max_error}};
  }
  for (const TensorResult* tensor : worst(tensors)) json["worst"].push_back(tensor_json(*tensor));
  for (const TensorResult& tensor : tensors) json["tensors"].push_back(tensor_json(tensor));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace steadyflux::convert
