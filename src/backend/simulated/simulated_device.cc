#include "backend/simulated/simulated_device.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "backend/host_backend.h"
#include "backend/simulated/device_pool.h"
#include "backend/simulated/held_op.h"
#include "backend/simulated/work_queue.h"
#include "base/error.h"

namespace steadyflux {
namespace {

using simulated::DevicePool;
using simulated::HeldOp;
using simulated::HostView;
using simulated::WorkQueue;

constexpr std::byte kPoison{0xFF};

class DeviceRegion final : public Region {
 public:
  DeviceRegion(DevicePool& pool, std::size_t bytes) : pool_(pool), address_(pool.reserve(bytes)), bytes_(bytes) {}
  ~DeviceRegion() override { pool_.give_back(address_); }
  std::byte* data() const override { return address_; }
  std::size_t size_bytes() const override { return bytes_; }

 private:
  DevicePool& pool_;
  std::byte* address_;
  std::size_t bytes_;
};

// Which host memory the device may copy from.
class HostRanges {
 public:
  void add(std::span<const std::byte> range) {
    const std::lock_guard lock(mutex_);
    ranges_.insert({range.data(), range.data() + range.size()});
  }
  void remove(std::span<const std::byte> range) noexcept {
    const std::lock_guard lock(mutex_);
    ranges_.erase({range.data(), range.data() + range.size()});
  }
  bool contain(std::span<const std::byte> part) const {
    const std::lock_guard lock(mutex_);
    return std::any_of(ranges_.begin(), ranges_.end(), [&](const auto& range) {
      return range.first <= part.data() && part.data() + part.size() <= range.second;
    });
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::pair<const std::byte*, const std::byte*>> ranges_;
};

class HostRegion final : public Region {
 public:
  HostRegion(HostRanges& ranges, std::size_t bytes) : ranges_(ranges), bytes_(bytes), pages_(bytes) {
    ranges_.add({pages_.data(), bytes_});
  }
  ~HostRegion() override { ranges_.remove({pages_.data(), bytes_}); }
  std::byte* data() const override { return pages_.data(); }
  std::size_t size_bytes() const override { return bytes_; }

 private:
  HostRanges& ranges_;
  std::size_t bytes_;
  PageRegion pages_;
};

void sleep_for_seconds(double seconds) {
  if (seconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

class SimulatedDevice final : public Backend {
 public:
  SimulatedDevice(const std::function<std::unique_ptr<Backend>()>& make, const SimulatedOptions& options)
      : options_(options),
        inner_(make()),
        scratch_planner_(make()),
        pool_(options.memory_bytes - std::min(options.memory_bytes, options.overhead_bytes)) {
    ensure(!inner_->is_discrete(), "the simulated device computes on the host");
  }
  // Each queue's work may wait for the other's.
  ~SimulatedDevice() override {
    compute_.wait(compute_.last());
    copy_.wait(copy_.last());
  }

  std::string_view name() const override { return "simulated"; }
  std::string arithmetic() const override { return scratch_planner_->arithmetic(); }
  bool is_discrete() const override { return true; }
  DeviceMemory device_memory() const override {
    return {options_.memory_bytes, options_.overhead_bytes, pool_.reserved_bytes(), 0};
  }

  std::size_t scratch_bytes(const ops::Op& op) override { return scratch_planner_->scratch_bytes(op); }
  void run(const ops::Op& op, std::span<std::byte> scratch) override;
  Profile profile() override {
    wait(record(Stream::kCompute));
    return inner_->profile();
  }

  std::unique_ptr<Region> reserve(std::size_t bytes) override { return std::make_unique<DeviceRegion>(pool_, bytes); }
  std::unique_ptr<Region> reserve_host(std::size_t bytes) override {
    return std::make_unique<HostRegion>(host_ranges_, bytes);
  }

  void upload(std::span<const std::byte> host, const Tensor& tensor) override;
  void download(const Tensor& tensor, std::span<std::byte> host) override;
  Event copy_async(std::span<const std::byte> host, std::byte* device) override;

  Event record(Stream stream) noexcept override { return {stream, queue(stream).last()}; }
  void wait(Event event) override;
  void wait_on(Stream stream, Event event) override;

 private:
  WorkQueue& queue(Stream stream) { return stream == Stream::kCompute ? compute_ : copy_; }
  void copy(std::span<const std::byte> host, std::byte* device) const;

  const SimulatedOptions options_;
  std::unique_ptr<Backend> inner_;            // used by the compute queue's thread
  std::unique_ptr<Backend> scratch_planner_;  // used by the caller's
  DevicePool pool_;
  HostRanges host_ranges_;
  WorkQueue compute_;
  WorkQueue copy_;
};

void SimulatedDevice::run(const ops::Op& op, std::span<std::byte> scratch) {
  compute_.submit([this, held = std::make_shared<HeldOp>(op, scratch)] {
    sleep_for_seconds(options_.compute_latency_seconds);
    held->place(pool_);
    inner_->run(held->op(), held->scratch());
  });
}

void SimulatedDevice::upload(std::span<const std::byte> host, const Tensor& tensor) {
  check_copy(tensor, host.size());
  compute_.submit([this, tensor, content = std::vector<std::byte>(host.begin(), host.end())] {
    const HostView view = pool_.find(tensor.data, content.size());
    std::copy(content.begin(), content.end(), view.bytes.begin());
  });
}

void SimulatedDevice::download(const Tensor& tensor, std::span<std::byte> host) {
  check_copy(tensor, host.size());
  compute_.submit([this, tensor, host] {
    const HostView view = pool_.find(tensor.data, host.size());
    std::copy(view.bytes.begin(), view.bytes.end(), host.begin());
  });
  wait(record(Stream::kCompute));
}

Event SimulatedDevice::copy_async(std::span<const std::byte> host, std::byte* device) {
  ensure(host.empty() || host_ranges_.contain(host), "a copy of ", host.size(), " bytes that are not of reserve_host");
  return {Stream::kCopy, copy_.submit([this, host, device] { copy(host, device); })};
}

void SimulatedDevice::copy(std::span<const std::byte> host, std::byte* device) const {
  const HostView view = pool_.find(device, host.size());
  std::fill(view.bytes.begin(), view.bytes.end(), kPoison);
  const double rate = options_.copy_bytes_per_second;
  sleep_for_seconds(options_.copy_latency_seconds + (rate > 0 ? static_cast<double>(host.size()) / rate : 0));
  std::copy(host.begin(), host.end(), view.bytes.begin());
}

void SimulatedDevice::wait(Event event) {
  queue(event.stream).wait(event.number);
  for (const WorkQueue* each : {&compute_, &copy_}) {
    if (const std::exception_ptr error = each->error()) std::rethrow_exception(error);
  }
}

void SimulatedDevice::wait_on(Stream stream, Event event) {
  if (event.stream == stream || event.number == 0) return;
  queue(stream).submit([&from = queue(event.stream), number = event.number] { from.wait(number); });
}

}  // namespace

std::unique_ptr<Backend> make_simulated_device(const std::function<std::unique_ptr<Backend>()>& make,
                                               const SimulatedOptions& options) {
  return std::make_unique<SimulatedDevice>(make, options);
}

}  // namespace steadyflux
