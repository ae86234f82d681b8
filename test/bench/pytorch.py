"""PyTorch's side of bench:compare and bench:gpu. Reads one JSON request a line, answers with one JSON line.

{"work": "train" | "generate", "cell", "layers", "hidden", "vocabulary", "batch", "steps", "threads", "seconds"}
answers {"times": seconds of every repetition}. With "device": "cuda" it trains there, by cuDNN; "tf32": true lets products use
TF32; "round": n times n steps at once, between two waits for the device. The first line, unasked, is {"version", "gpu", "cudnn"}: so a processor that
lacks the instructions of the core type that OpenBLAS was told ends this program before it is measured.
"""
import json
import sys
import time

import torch

KINDS = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "elman": torch.nn.RNN}


def device_of(request):
    return request.get("device", "cpu")


class Model(torch.nn.Module):
    """Character language model on one-hot inputs: the fastest form that PyTorch 1.13 has for it (an embedding before it is slower)."""

    def __init__(self, cell, layers, hidden, vocabulary):
        super().__init__()
        self.rnn = KINDS[cell](vocabulary, hidden, layers)
        self.head = torch.nn.Linear(hidden, vocabulary)

    def forward(self, x, state):
        y, state = self.rnn(x, state)
        return self.head(y), state


def training(model, request):
    """One training step at a call: forward, loss, backward, clipping, Adam; states flow on."""
    V = request["vocabulary"]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=True)
    ids = torch.randint(V, (request["steps"], request["batch"]), device=device_of(request))
    x = torch.nn.functional.one_hot(ids, V).float()
    y = ((ids * 7 + 3) % V).view(-1)
    state = None

    def step():
        nonlocal state
        optimizer.zero_grad(set_to_none=False)
        logits, new = model(x, state)
        torch.nn.functional.cross_entropy(logits.view(-1, V), y).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5)
        optimizer.step()
        state = tuple(each.detach() for each in new) if request["cell"] == "lstm" else new.detach()

    return step


def generation(model, request):
    """One token for every stream at a call."""
    V, N = request["vocabulary"], request["batch"]
    x = torch.zeros(1, N, V)
    rows = torch.arange(N)
    x[0, rows, 1] = 1
    state = None

    @torch.inference_mode()
    def step():
        nonlocal state
        logits, state = model(x, state)
        drawn = torch.multinomial(torch.softmax(logits[0], 1), 1).view(-1)
        x.zero_()
        x[0, rows, drawn] = 1

    return step


def measure(request):
    torch.set_num_threads(request["threads"])
    torch.manual_seed(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = request.get("tf32", False)
    device = device_of(request)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    model = Model(request["cell"], request["layers"], request["hidden"], request["vocabulary"]).to(device)
    step = (training if request["work"] == "train" else generation)(model, request)
    step()
    wait()
    count = request.get("round", 1)
    times = []
    end = time.perf_counter() + request["seconds"]
    while time.perf_counter() < end or len(times) < 2:
        start = time.perf_counter()
        for _ in range(count):
            step()
        wait()
        times.append((time.perf_counter() - start) / count)
    return {"times": times}


torch.set_flush_denormal(True)
torch.mm(torch.ones(64, 64), torch.ones(64, 64))
gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
cudnn = torch.backends.cudnn.version() if gpu else None
print(json.dumps({"version": torch.__version__, "gpu": gpu, "cudnn": cudnn}), flush=True)
for line in sys.stdin:
    print(json.dumps(measure(json.loads(line))), flush=True)
