"""One stage of training: the loop, the learning rate, the average of the weights, and replay on a GPU."""

import copy
import time

import torch


def mixed_precision(device):
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False)


class Stage:
    """Trains `model` and keeps an exponential moving average of its weights, which is the result.

    On a GPU one step is recorded as a CUDA graph and replayed: these networks are so small that starting
    their kernels one by one takes far longer than running them. A loss must therefore be free of host
    reads and draw its random numbers on the device.
    """

    REPORT_SECONDS = 10

    def __init__(self, name, model, plan, peak_rate, average_decay):
        self.name, self.model, self.plan, self.peak_rate, self.decay = name, model, plan, peak_rate, average_decay
        self.average = copy.deepcopy(model).requires_grad_(False)
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.averages = [a for a, p in zip(self.average.parameters(), model.parameters()) if p.requires_grad]
        self.step = 0

    def run(self, loss, device):
        graphed = device.type == "cuda"
        self.stride = 100 if graphed else 1  # replays are asynchronous: waiting for each would cost time
        rate = torch.tensor(0.0, device=device) if graphed else 0.0
        self.optimizer = torch.optim.AdamW(
            self.weights, lr=rate, betas=(0.9, 0.99), weight_decay=0.01, capturable=graphed, foreach=graphed
        )

        def update():
            self.optimizer.zero_grad(set_to_none=True)
            value = loss()
            value.backward()
            torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
            self.optimizer.step()
            return value.detach()

        start = time.time()
        step = self._record(update) if graphed else update
        print(f"{self.name}: ready after {time.time() - start:.0f} s", flush=True)
        self._loop(step)
        return self.average.eval()

    def _record(self, update):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(5):  # the rate is still zero: this only warms up
                update()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            value = update()

        def replay():
            graph.replay()
            return value

        return replay

    def _loop(self, step):
        start = reported = time.time()
        done = 0.0
        while done < 1:
            self._set_rate(done)
            value = step()
            self.step += 1
            self._update_average()
            if self.step % self.stride == 0:
                value = value.item()
                if value != value:
                    raise RuntimeError(f"{self.name}: the loss is not a number at step {self.step}")
                if time.time() - reported > self.REPORT_SECONDS:
                    reported = time.time()
                    print(f"{self.name}: step {self.step}, {reported - start:.0f} s, loss {value:.5f}", flush=True)
            done = max(self.step / self.plan.steps, (time.time() - start) / self.plan.seconds)
        print(f"{self.name}: {self.step} steps in {time.time() - start:.0f} s", flush=True)

    def _set_rate(self, done):
        """Linear warm-up (300 steps, or 5 % of a short stage), a plateau, a linear descent over the last 60 %."""
        warm_up = max((self.step + 1) / 300, done / 0.05)
        rate = self.peak_rate * max(0.0, min(1.0, warm_up, (1 - done) / 0.6))
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    @torch.no_grad()
    def _update_average(self):
        weight = 1 - min(self.decay, self.step / (self.step + 10))
        torch._foreach_lerp_(self.averages, self.weights, weight)
