"""The language model of packages/rnn as a plain PyTorch module, for the fixtures and for tests that load our files.

    python3 language_model_torch.py logprobs TEXT WEIGHTS...     loads each file strictly
    python3 language_model_torch.py make TEXT (SPEC WEIGHTS)...  saves modules of its own, with spec and tokenizer

Both print the log-probabilities of TEXT under each model, as a list of lists.
"""

import json
import struct
import sys

import torch
from torch import nn
from torch.nn import functional


class LanguageModel(nn.Module):
    def __init__(self, model, vocabulary_size):
        super().__init__()
        self.vocabulary_size = vocabulary_size
        columns = model.get("embedding_size")
        if columns is not None:
            self.encoder = nn.Embedding(vocabulary_size, columns)
        cell = {"elman": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[model["cell"]]
        options = {"nonlinearity": model["activation"]} if model["cell"] == "elman" else {}
        width = vocabulary_size if columns is None else columns
        self.rnn = cell(width, model["hidden_size"], num_layers=model["num_layers"], **options)
        self.decoder = nn.Linear(model["hidden_size"], vocabulary_size)
        if model.get("tie_weights"):
            self.decoder.weight = self.encoder.weight

    def forward(self, tokens, state=None):
        """tokens [T, N] -> logits [T, N, V], state"""
        if hasattr(self, "encoder"):
            inputs = self.encoder(tokens)
        else:
            inputs = functional.one_hot(tokens, self.vocabulary_size).to(self.decoder.bias.dtype)
        outputs, state = self.rnn(inputs, state)
        return self.decoder(outputs), state


def log_probabilities(module, ids):
    """log P(ids[t] | ids[0..t-1]) for t >= 1, from the zero state"""
    tokens = torch.tensor(ids).unsqueeze(1)
    with torch.no_grad():
        logits, _ = module(tokens[:-1])
    return functional.log_softmax(logits, -1).gather(-1, tokens[1:].unsqueeze(-1)).flatten().tolist()


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", "exports hold float32 only"
        begin, end = entry["data_offsets"]
        values = struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
        tensors[name] = torch.tensor(values, dtype=torch.float32).reshape(entry["shape"])
    return tensors, metadata


def write_safetensors(path, tensors, metadata):
    header, blocks, end = {"__metadata__": metadata}, [], 0
    for name, tensor in tensors.items():
        block = struct.pack(f"<{tensor.numel()}f", *tensor.flatten().tolist())
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [end, end + len(block)]}
        blocks.append(block)
        end += len(block)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blocks))


def load(path):
    tensors, metadata = read_safetensors(path)
    spec, tokens = json.loads(metadata["spec"]), json.loads(metadata["tokenizer"])["tokens"]
    module = LanguageModel(spec["model"], len(tokens))
    module.load_state_dict(tensors, strict=True)
    return module, tokens


def make(spec, path, text):
    tokens = sorted(set(text))
    module = LanguageModel(json.loads(spec)["model"], len(tokens))
    metadata = {"spec": spec, "tokenizer": json.dumps({"level": "char", "tokens": tokens})}
    write_safetensors(path, module.state_dict(), metadata)
    return module, tokens


def main():
    command, text, *rest = sys.argv[1:]
    torch.manual_seed(1)
    if command == "logprobs":
        models = [load(path) for path in rest]
    else:
        models = [make(spec, path, text) for spec, path in zip(rest[::2], rest[1::2])]
    print(json.dumps([log_probabilities(m, [tokens.index(c) for c in text]) for m, tokens in models]))


if __name__ == "__main__":
    main()
