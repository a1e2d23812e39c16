#include "pipeline/convert/convert.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "io/atomic_directory.h"
#include "io/file.h"
#include "pipeline/convert/component_config.h"
#include "pipeline/convert/components.h"
#include "pipeline/convert/output_plan.h"
#include "pipeline/convert/write_weights.h"
#include "pipeline/open_model.h"
#include "pipeline/overhead.h"

namespace steadyflux::convert {
namespace {

namespace fs = std::filesystem;

// Larger chunks are no faster.
constexpr std::uint64_t kUsualChunkBytes = std::uint64_t{16} << 20;

Container container_for(DType dtype) {
  return can_hold(Container::kSafetensors, dtype) ? Container::kSafetensors : Container::kGguf;
}

// Of a component that stays as it is: that which holds all of its types, at best.
Container present_container(const WeightIndex& index) {
  const auto in_gguf = [](const auto& item) { return !can_hold(Container::kSafetensors, item.second.dtype); };
  return std::any_of(index.entries().begin(), index.entries().end(), in_gguf) ? Container::kGguf
                                                                              : Container::kSafetensors;
}

std::optional<Container> container_of_file(const fs::path& out) {
  std::string extension = out.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (extension == ".gguf") return Container::kGguf;
  if (extension == ".safetensors") return Container::kSafetensors;
  return std::nullopt;
}

// Nothing that is there is overwritten, and no model changes by being converted.
void check_out(const fs::path& out, const fs::path& model) {
  if (out.empty()) fail(ErrorCode::kInvalidArgument, "an empty name is no place to write to");
  std::error_code error;
  const fs::path from_model = fs::weakly_canonical(out, error).lexically_relative(fs::weakly_canonical(model, error));
  if (!error && !from_model.empty() && *from_model.begin() != "..") {
    fail(ErrorCode::kInvalidArgument, out.string(), " lies in the directory of the model that is converted, ",
         model.string(), "; give a place outside");
  }
  if (container_of_file(out) && fs::exists(out, error)) {
    fail(ErrorCode::kInvalidArgument, out.string(),
         " is there already, and nothing is overwritten; give the name of a new file");
  }
}

// A type that the component has no use for would be silently ignored.
void check_changes(const OutputPlan& plan, const ConvertOptions& options) {
  const auto becomes = [&](const OutputTensor& tensor) { return tensor.dtype == options.to || tensor.fell_back; };
  if (!options.rules.empty() || std::any_of(plan.tensors.begin(), plan.tensors.end(), becomes)) return;
  fail(ErrorCode::kInvalidArgument, "no weight of ", component_name(plan.component), " would become ",
       dtype_name(options.to), ", which linear layers of blocks do; f32, f16 and bf16 are for all weights");
}

std::uint64_t total_elements(std::span<const OutputPlan> plans) {
  std::uint64_t total = 0;
  for (const OutputPlan& plan : plans) {
    for (const OutputTensor& tensor : plan.tensors) total += static_cast<std::uint64_t>(tensor.num_elements());
  }
  return total;
}

class Converter {
 public:
  explicit Converter(const ConvertOptions& options)
      : options_(options),
        num_threads_(threads_or_available(options.threads)),
        model_(open_model(options.model, options.replaced)) {}

  Report run(Progress progress) {
    check_out(options_.out, options_.model);
    const auto container = container_of_file(options_.out);
    choose_components(container.has_value());
    if (components_.contains(Component::kClip) || components_.contains(Component::kT5) ||
        model_.dir.replaced.contains(Component::kClip) || model_.dir.replaced.contains(Component::kT5)) {
      open_encoders(model_);
    }
    plan(container);
    check_room();
    ThreadPool pool(num_threads_);
    const std::uint64_t total = total_elements(plans_);
    std::uint64_t done = 0;
    const auto advance = [&](std::uint64_t elements) { return progress(done += elements, total); };
    ComponentWriter writer(pool, chunk_bytes(), report_.tensors);
    report_.cancelled = !(container ? write_file(writer, advance) : write_directory(writer, advance));
    return std::move(report_);
  }

 private:
  void choose_components(bool single_file) {
    components_ = options_.components;
    if (components_.empty()) {
      components_ = {Component::kTransformer};
      if (!single_file && model_.has_encoders()) components_.insert(Component::kT5);
    }
    for (const Component component : components_) {
      if (model_.dir.has(component_name(component))) continue;
      fail(ErrorCode::kInvalidArgument, model_.name, " has no ", component_name(component), " to convert");
    }
    if (single_file && components_.size() != 1) {
      fail(ErrorCode::kInvalidArgument, options_.out.string(),
           " holds one component; name it, or a directory for more");
    }
    for (const auto& [component, file] : model_.dir.replaced) {
      if (!single_file || components_.contains(component)) continue;
      fail(ErrorCode::kInvalidArgument, file.string(), " is taken for the ", component_name(component), ", of which ",
           options_.out.string(), " holds nothing");
    }
  }

  void plan(std::optional<Container> container) {
    for (const Component component : kComponents) {
      const bool convert = components_.contains(component);
      const bool moved = !container && model_.dir.replaced.contains(component);
      if (!convert && !moved) continue;
      const WeightIndex& index = index_of(model_, component);
      const Container own = convert ? container.value_or(container_for(options_.to)) : present_container(index);
      plans_.push_back(plan_output(index, component, own, weights_of(model_, component), options_, convert));
      if (convert) check_changes(plans_.back(), options_);
    }
    check_rules(options_.rules, plans_);
  }

  std::uint64_t chunk_bytes() const {
    if (options_.ram_bytes == 0) return kUsualChunkBytes;
    const std::uint64_t least = overhead_bytes(num_threads_) + fixed_bytes(plans_, num_threads_);
    const std::uint64_t needed = least + largest_row_bytes(plans_);
    if (options_.ram_bytes < needed) {
      const BytesApart bytes = format_apart(needed, options_.ram_bytes);
      fail(ErrorCode::kDoesNotFit, "converting ", model_.name, " needs ", bytes.first, " of memory, more than ",
           bytes.second);
    }
    return std::min(kUsualChunkBytes, options_.ram_bytes - least);
  }

  // What is copied is small, or as large as a component that stays.
  void check_room() const {
    std::uint64_t needed = 0;
    for (const OutputPlan& plan : plans_) needed += total_bytes(plan);
    std::error_code error;
    const fs::path directory = fs::absolute(options_.out).lexically_normal().parent_path();
    const fs::space_info space = fs::space(directory, error);
    if (error || needed <= space.available) return;
    const BytesApart bytes = format_apart(needed, space.available);
    fail(ErrorCode::kIo, options_.out.string(), " takes ", bytes.first, ", but the disk has ", bytes.second, " left");
  }

  bool write_file(ComponentWriter& writer, Advance advance) const {
    const OutputPlan& plan = plans_.front();
    return writer.write_file(options_.out, index_of(model_, plan.component), plan, plan.tensors, advance);
  }

  bool write_directory(ComponentWriter& writer, Advance advance) const {
    AtomicDirectory out(options_.out);
    try {
      for (const auto& [name, component] : model_.dir.components) {
        const auto plan = std::find_if(plans_.begin(), plans_.end(),
                                       [&](const OutputPlan& p) { return component_name(p.component) == name; });
        if (plan == plans_.end()) {
          copy_component(name, out.path());
        } else if (!write_component(writer, *plan, out.path(), advance)) {
          return false;
        }
      }
      for (const char* file : {"model_index.json", "steadyflux.json"}) {
        if (fs::exists(model_.dir.root / file)) copy_whole_file(model_.dir.root / file, out.path() / file);
      }
    } catch (const fs::filesystem_error& error) {
      fail(ErrorCode::kIo, error.what());
    }
    out.commit();
    return true;
  }

  bool write_component(ComponentWriter& writer, const OutputPlan& plan, const fs::path& out, Advance advance) const {
    const fs::path directory = out / component_name(plan.component);
    fs::create_directory(directory);
    const bool encoder = plan.component == Component::kClip || plan.component == Component::kT5;
    const std::string_view stem = encoder ? kTransformersStem : kDiffusersStem;
    if (!writer.write_directory(directory, stem, index_of(model_, plan.component), plan, advance)) return false;
    AtomicFile config(directory / "config.json");
    config.write(component_config(model_, plan));
    config.commit();
    return true;
  }

  // Links are followed: caches are made of them.
  void copy_component(std::string_view name, const fs::path& out) const {
    const fs::path from = model_.dir.component_dir(name);
    if (!fs::is_directory(from)) return;
    fs::create_directory(out / name);
    for (const auto& entry : fs::directory_iterator(from)) {
      if (entry.is_regular_file()) copy_whole_file(entry.path(), out / name / entry.path().filename());
    }
  }

  const ConvertOptions& options_;
  int num_threads_;
  OpenModel model_;
  std::set<Component> components_;
  std::vector<OutputPlan> plans_;
  Report report_;
};

}  // namespace

Report convert(const ConvertOptions& options, Progress progress) { return Converter(options).run(progress); }

}  // namespace steadyflux::convert
