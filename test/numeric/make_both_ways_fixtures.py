"""Writes fixtures/both-ways.json: bidirectional stacks over packed sequences, computed by PyTorch in double precision.

    /usr/bin/python3 test/numeric/make_both_ways_fixtures.py

A classification reads the last states of both directions, a labeling the outputs of every step, some of which have no target. Made with
PyTorch 1.13 (Debian 12, python3-torch).
"""

import json
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

torch.set_default_dtype(torch.float64)
STEPS, SEQUENCES, INPUTS, HIDDEN, OUTPUTS, LAYERS = 6, 4, 3, 4, 5, 2
LENGTHS = [4, 6, 1, 3]


def flat(tensor):
    return [float(f"{value:.15g}") for value in tensor.detach().reshape(-1).tolist()]


def case(cell, task, seed):
    torch.manual_seed(seed)
    rnn = {"lstm": nn.LSTM, "gru": nn.GRU, "elman": nn.RNN}[cell](INPUTS, HIDDEN, LAYERS, bidirectional=True)
    decoder = nn.Linear(2 * HIDDEN, OUTPUTS)
    x = torch.randint(-48, 49, (STEPS, SEQUENCES, INPUTS)).double() / 64
    for n, length in enumerate(LENGTHS):
        x[length:, n] = 0
    outputs, state = rnn(pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False))
    if task == "classification":
        last = state[0] if cell == "lstm" else state
        targets = torch.randint(0, OUTPUTS, (SEQUENCES,))
        logits = decoder(torch.cat([last[-2], last[-1]], dim=-1))
    else:
        hidden, _ = pad_packed_sequence(outputs, total_length=STEPS)
        targets = torch.randint(0, OUTPUTS, (STEPS, SEQUENCES))
        targets[1] = -1
        for n, length in enumerate(LENGTHS):
            targets[length:, n] = -1
        logits = decoder(hidden)
    loss = functional.cross_entropy(logits.reshape(-1, OUTPUTS), targets.reshape(-1), ignore_index=-1)
    loss.backward()
    named = {f"rnn.{name}": value for name, value in rnn.named_parameters()}
    named.update({f"decoder.{name}": value for name, value in decoder.named_parameters()})
    return {
        "cell": cell,
        "task": task,
        "parameters": {name: flat(value) for name, value in named.items()},
        "inputs": flat(x),
        "targets": targets.reshape(-1).tolist(),
        "loss": loss.item(),
        "gradients": {name: flat(value.grad) for name, value in named.items()},
    }


def main():
    cases = [case(cell, task, seed) for seed, (cell, task) in enumerate(
        (cell, task) for cell in ("elman", "lstm", "gru") for task in ("classification", "sequence_labeling")
    )]
    sizes = {"steps": STEPS, "sequences": SEQUENCES, "inputs": INPUTS, "hidden": HIDDEN, "outputs": OUTPUTS, "layers": LAYERS}
    path = Path(__file__).parent / "fixtures/both-ways.json"
    path.write_text(json.dumps({"torch": torch.__version__, **sizes, "lengths": LENGTHS, "cases": cases}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
