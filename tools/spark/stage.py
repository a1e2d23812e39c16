"""One stage of training: the loop, the learning rate, the average of the weights, and replay on a GPU."""

import copy
import random
import time

import torch


def mixed_precision(device):
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False)


class Plan:
    """How long a stage trains: `steps` batches, or `seconds` when those are over first."""

    def __init__(self, batch, steps, seconds):
        self.batch, self.steps, self.seconds = int(batch), int(steps), float(seconds)


class Learner:
    """A model's weights, its optimiser and one update of them."""

    def __init__(self, model, device, factor=1.0):
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.factor = factor
        graphed = device.type == "cuda"
        self.rate = torch.tensor(0.0, device=device) if graphed else 0.0
        options = {"capturable": True, "fused": True} if graphed else {}
        self.optimizer = torch.optim.AdamW(self.weights, lr=self.rate, betas=(0.9, 0.99), weight_decay=0.01, **options)

    def update(self, loss):
        """One step down `loss`, a function that returns what to descend and what to report."""
        self.optimizer.zero_grad(set_to_none=True)
        value, report = loss()
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        return report.detach()

    def set_rate(self, rate):
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate * self.factor)
            else:
                group["lr"] = rate * self.factor


class Stage:
    """Trains `model` and keeps an exponential moving average of its weights, which is the result.

    On a GPU one step for each size of picture is recorded as a CUDA graph and replayed: these networks are so small
    that starting their kernels one by one takes far longer than running them. A loss must therefore be free of host
    reads and draw its random numbers on the device.
    """

    REPORT_SECONDS = 10

    def __init__(self, name, model, plan, peak_rate, average_decay, descent=0.6):
        self.name, self.model, self.plan, self.peak_rate, self.decay = name, model, plan, peak_rate, average_decay
        self.descent = descent
        self.average = copy.deepcopy(model).requires_grad_(False)
        self.step = 0

    def run(self, losses, device, shares=(1.0,), rival=None):
        """Trains with `losses` drawn in `shares`; `rival` is another model and its loss, updated at every step too."""
        learners = [Learner(self.model, device)]
        if rival:
            learners.append(Learner(rival[0], device, factor=0.3))
        self.learners = learners
        self.averages = [a for a, p in zip(self.average.parameters(), self.model.parameters()) if p.requires_grad]

        def update(loss):
            report = learners[0].update(loss)
            if rival:
                learners[1].update(rival[1])
            return report

        start = time.time()
        steps = [lambda loss=loss: update(loss) for loss in losses]
        if device.type == "cuda":
            pool = torch.cuda.graph_pool_handle()
            for i, step in enumerate(steps):
                steps[i] = self._record(step, pool)
                print(f"{self.name}: recorded {i + 1} of {len(steps)}, {time.time() - start:.0f} s", flush=True)
        print(f"{self.name}: ready after {time.time() - start:.0f} s", flush=True)
        self._loop(steps, shares, stride=100 if device.type == "cuda" else 1)
        return self.average.eval()

    def _record(self, update, pool):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(4):  # the rate is still zero: this only warms up
                update()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            value = update()

        def replay():
            graph.replay()
            return value

        return replay

    def _loop(self, steps, shares, stride):
        """Replays are asynchronous: the host waits for them only once in a stride."""
        start = reported = time.time()
        done, order = 0.0, random.Random(self.step)
        while done < 1:
            self._set_rate(done)
            value = order.choices(steps, shares)[0]()
            self.step += 1
            self._update_average()
            if self.step % stride == 0:
                losses = value.flatten().tolist()
                if any(loss != loss for loss in losses):
                    raise RuntimeError(f"{self.name}: the loss is not a number at step {self.step}")
                if time.time() - reported > self.REPORT_SECONDS:
                    reported = time.time()
                    told = ", ".join(f"{loss:.5f}" for loss in losses)
                    print(f"{self.name}: step {self.step}, {reported - start:.0f} s, loss {told}", flush=True)
            done = max(self.step / self.plan.steps, (time.time() - start) / self.plan.seconds)
        print(f"{self.name}: {self.step} steps in {time.time() - start:.0f} s", flush=True)

    def _set_rate(self, done):
        """Linear warm-up (300 steps, or 5 % of a short stage), a plateau, a linear descent over the last part."""
        warm_up = max((self.step + 1) / 300, done / 0.05)
        rate = self.peak_rate * max(0.0, min(1.0, warm_up, (1 - done) / self.descent))
        for learner in self.learners:
            learner.set_rate(rate)

    @torch.no_grad()
    def _update_average(self):
        weight = 1 - min(self.decay, self.step / (self.step + 10))
        torch._foreach_lerp_(self.averages, self.learners[0].weights, weight)
