"""Loads an exported bidirectional classifier of vectors strictly and prints each sequence's probabilities, as a list of lists.

    python3 both_ways_torch.py WEIGHTS SEQUENCES      SEQUENCES: JSON, a list of lists of vectors
"""

import json
import sys

import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from language_model_torch import read_safetensors


def main():
    path, sequences = sys.argv[1], json.loads(sys.argv[2])
    tensors, metadata = read_safetensors(path)
    model = json.loads(metadata["spec"])["model"]
    rows = [torch.tensor(sequence, dtype=torch.float32) for sequence in sequences]
    cell = {"elman": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[model["cell"]]
    rnn = cell(rows[0].shape[1], model["hidden_size"], num_layers=model["num_layers"], bidirectional=True)
    decoder = nn.Linear(2 * model["hidden_size"], tensors["decoder.bias"].shape[0])
    module = nn.ModuleDict({"rnn": rnn, "decoder": decoder})
    module.load_state_dict(tensors, strict=True)
    with torch.no_grad():
        _, state = rnn(pack_sequence(rows, enforce_sorted=False))
        last = state[0] if model["cell"] == "lstm" else state
        print(json.dumps(decoder(torch.cat([last[-2], last[-1]], dim=-1)).softmax(-1).tolist()))


if __name__ == "__main__":
    main()
