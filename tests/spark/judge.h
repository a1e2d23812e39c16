// The judge of spark's pictures without Python: the network of tools/spark/judge.py on the engine's own operations.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/executor.h"
#include "io/image.h"

namespace steadyflux::spark {

// An object in a picture: where it stands, and where the left and right of its outline are, all as the renderer that
// taught the judge counts them (tools/spark/solids.py).
struct Found {
  std::string kind;
  std::string colour;
  double x = 0;  // to the right
  double y = 0;  // height of its foot
  double z = 0;  // away from the camera
  double left = 0;
  double right = 0;
};

struct Seen {
  std::vector<Found> objects;
  std::string ground;
  std::string sky;
};

// Holds the weights and a backend. Thread rule: one thread.
class Judge {
 public:
  // Reads judge.safetensors. Throws Error when the file is not a judge's.
  explicit Judge(const std::filesystem::path& weights);

  // What is in the picture, whose shorter side is 256 pixels and whose sides are multiples of 16.
  Seen look(RgbView picture);

 private:
  const Tensor& weight(const std::string& name) const;
  const std::vector<std::string>& names(const std::string& what) const;

  // [height, width, 5]: the picture in [-1, 1] and how far right and up every pixel is.
  Tensor upload(const Executor& executor, RgbView picture) const;
  Tensor features(const Executor& executor, const Tensor& input) const;
  void normalise(const Executor& executor, const Tensor& x, const std::string& norm, const Tensor& out) const;
  Tensor halved(const Executor& executor, const Tensor& x, const std::string& conv) const;
  void add_block(const Executor& executor, const Tensor& x, const std::string& block) const;
  std::vector<Found> find_objects(const Executor& executor, const Tensor& features) const;
  void name_scene(const Executor& executor, const Tensor& features, Seen& seen) const;

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Region> memory_;
  std::map<std::string, Tensor> weights_;
  std::map<std::string, std::vector<std::string>> names_;  // that logits stand for
};

}  // namespace steadyflux::spark
