"""One stage of training: the loop, the learning rate, the average of the weights, and replay on a GPU."""

import copy
import random
import time

import torch

import team


def mixed_precision(device):
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False)


class Plan:
    """How long a stage trains: `steps` batches, or `seconds` when those are over first."""

    def __init__(self, batch, steps, seconds):
        self.batch, self.steps, self.seconds = int(batch), int(steps), float(seconds)


class Learner:
    """A model's weights, its optimiser, and one update of them in two halves: find the gradients, then follow them."""

    def __init__(self, model, device, factor=1.0):
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.factor = factor
        graphed = device.type == "cuda"
        self.rate = torch.tensor(0.0, device=device) if graphed else 0.0
        options = {"capturable": True, "fused": True} if graphed else {}
        self.optimizer = torch.optim.AdamW(self.weights, lr=self.rate, betas=(0.9, 0.99), weight_decay=0.01, **options)
        self.gradients = self._shared_gradients(device)

    def _shared_gradients(self, device):
        """One tensor that every weight's gradient is a part of, laid out as the weight: a team adds it up at once."""
        gradients = torch.zeros(sum(p.numel() for p in self.weights), device=device)
        start = 0
        for weight in self.weights:
            team.follow(weight.data)
            weight.grad = gradients.as_strided(weight.shape, weight.stride(), start)
            start += weight.numel()
        return gradients

    def differentiate(self, loss):
        """The gradients of `loss`, a function that returns what to descend and what to report."""
        self.gradients.zero_()
        value, report = loss()
        value.backward()
        return report.detach()

    def descend(self):
        """One step along the mean of the team's gradients, which were added up."""
        self.gradients.div_(team.size())
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()

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
        self.learners = [Learner(self.model, device)]
        tasks = [(self.learners[0], loss) for loss in losses]
        rivals = []
        if rival:
            self.learners.append(Learner(rival[0], device, factor=0.3))
            rivals = [(self.learners[1], rival[1])]
        self.averages = [a for a, p in zip(self.average.parameters(), self.model.parameters()) if p.requires_grad]

        start = time.time()
        search = [lambda task=task: self._differentiate([task, *rivals]) for task in tasks]
        descend = self._descend
        if device.type == "cuda":
            pool = torch.cuda.graph_pool_handle()
            for i, half in enumerate(search):
                search[i] = self._record(half, pool, lambda half=half: (half(), self._descend()))
                team.say(f"{self.name}: recorded {i + 1} of {len(search)}, {time.time() - start:.0f} s")
            descend = self._record(descend, pool)
        team.say(f"{self.name}: ready after {time.time() - start:.0f} s")
        self._loop(search, descend, shares, stride=25 if device.type == "cuda" else 1)
        return self.average.eval()

    def _differentiate(self, tasks):
        """The gradients of every learner's loss; returns the first one's report."""
        return [learner.differentiate(loss) for learner, loss in tasks][0]

    def _descend(self):
        for learner in self.learners:
            learner.descend()

    def _record(self, work, pool, warm_up=None):
        """`work` as a graph to replay. `warm_up` runs first: what is recorded must find its memory and code ready."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(4):  # the rate is still zero: weights stay as they are
                (warm_up or work)()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            value = work()

        def replay():
            graph.replay()
            return value

        return replay

    def _loop(self, search, descend, shares, stride):
        """Replays are asynchronous: the host waits for them only once in a stride, and a team agrees on how far it is."""
        start = reported = time.time()
        done, order = 0.0, random.Random(self.step)
        clock = torch.zeros((), device=self.averages[0].device)
        while done < 1:
            self._set_rate(done)
            value = order.choices(search, shares)[0]()
            for learner in self.learners:
                team.add_up(learner.gradients)
            descend()
            self.step += 1
            self._update_average()
            if self.step % stride == 0:
                losses = value.flatten().tolist()
                if any(loss != loss for loss in losses):
                    raise RuntimeError(f"{self.name}: the loss is not a number at step {self.step}")
                if time.time() - reported > self.REPORT_SECONDS:
                    reported = time.time()
                    told = ", ".join(f"{loss:.5f}" for loss in losses)
                    team.say(f"{self.name}: step {self.step}, {reported - start:.0f} s, loss {told}")
                done = max(self.step / self.plan.steps, (time.time() - start) / self.plan.seconds)
                done = team.follow(clock.fill_(done)).item()
        team.say(f"{self.name}: {self.step} steps in {time.time() - start:.0f} s")

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
