"""The same training step in PyTorch, for bench:compare. Prints one JSON object: seconds per step, best of what it was asked to time.

usage: train_torch.py CELL LAYERS HIDDEN THREADS SECONDS
"""
import json
import sys
import time

import torch

cell, layers, hidden, threads, seconds = sys.argv[1], *map(int, sys.argv[2:5]), float(sys.argv[5])
torch.set_num_threads(threads)
torch.set_flush_denormal(True)
torch.manual_seed(1)
V, N, T = 96, 64, 64


class Model(torch.nn.Module):
    """Character language model on one-hot inputs: the fastest form that PyTorch 1.13 has for it (an embedding before it is slower)."""

    def __init__(self):
        super().__init__()
        kinds = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "elman": torch.nn.RNN}
        self.rnn = kinds[cell](V, hidden, layers)
        self.head = torch.nn.Linear(hidden, V)

    def forward(self, x, state):
        y, state = self.rnn(x, state)
        return self.head(y), state


model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, foreach=True)
ids = torch.randint(V, (T, N))
x = torch.nn.functional.one_hot(ids, V).float()
y = (ids * 7 + 3) % V
state = None


def step():
    global state
    optimizer.zero_grad(set_to_none=False)
    logits, new = model(x, state)
    loss = torch.nn.functional.cross_entropy(logits.view(-1, V), y.view(-1))
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5)
    optimizer.step()
    state = tuple(each.detach() for each in new) if cell == "lstm" else new.detach()
    return loss


for _ in range(2):
    loss = step()
times = []
end = time.perf_counter() + seconds
while time.perf_counter() < end or len(times) < 5:
    start = time.perf_counter()
    loss = step()
    times.append(time.perf_counter() - start)
print(json.dumps({"version": torch.__version__, "times": times, "loss": loss.item()}))
