"""Writes fixtures/language-model.json: ten training steps of each cell, computed by PyTorch in double precision.

    /usr/bin/python3 test/numeric/make_language_model_fixtures.py

Made with PyTorch 1.13 (Debian 12, python3-torch).
"""

import json
import math
from pathlib import Path

import torch
from torch.nn import functional

from language_model_torch import LanguageModel, log_probabilities

TEXT = (
    "a fib: one, one, two, three, five, eight. add a pair, and tell a friend; then do it again, "
    "for it never ends. one and two are three, two and three are five, and on and on it goes. "
) * 2
SCORED = "two and three are five"
STEPS = 10

CASES = {
    "lstm, two layers, one-hot, adam, clipped by norm": {
        "model": {"cell": "lstm", "hidden_size": 5, "num_layers": 2, "embedding_size": None},
        "training": {
            "optimizer": {"type": "adam", "learning_rate": 0.01},
            "clip": {"norm": 0.05},
            "bptt": {"window": None, "stateful": True},
            "schedule": {"type": "constant"},
        },
    },
    "gru, embedding, nesterov, clipped by value, weight decay, truncated": {
        "model": {"cell": "gru", "hidden_size": 5, "num_layers": 1, "embedding_size": 3},
        "training": {
            "optimizer": {
                "type": "sgd", "learning_rate": 0.5, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01,
            },
            "clip": {"value": 0.02},
            "bptt": {"window": 3, "stateful": True},
            "schedule": {"type": "constant"},
        },
    },
    "elman, two layers, tied, adam with decay and a cosine, state not carried": {
        "model": {
            "cell": "elman", "activation": "tanh", "hidden_size": 4, "num_layers": 2, "embedding_size": 4,
            "tie_weights": True,
        },
        "training": {
            "optimizer": {"type": "adam", "learning_rate": 0.02, "weight_decay": 0.1, "epsilon": 1e-6},
            "clip": None,
            "bptt": {"window": None, "stateful": False},
            "schedule": {"type": "cosine", "minimum": 0.001, "warmup_steps": 2},
        },
    },
    "elman, relu, one-hot, sgd": {
        "model": {
            "cell": "elman", "activation": "relu", "hidden_size": 6, "num_layers": 1, "embedding_size": None,
        },
        "training": {
            "optimizer": {"type": "sgd", "learning_rate": 0.5},
            "clip": {"norm": 5},
            "bptt": {"window": 4, "stateful": True},
            "schedule": {"type": "step", "every": 3, "factor": 0.5},
        },
    },
}
BATCH_SIZE, SEQUENCE_LENGTH, VALIDATION_FRACTION = 4, 8, 0.2


def lanes_of(ids, lanes):
    """[laneSteps + 1, lanes]: contiguous stretches, each with the target of its last step"""
    steps = (len(ids) - 1) // lanes
    return torch.tensor([ids[k * steps : k * steps + steps + 1] for k in range(lanes)]).t()


def rate_at(step, rate, schedule):
    warmup = schedule.get("warmup_steps", 0)
    if step <= warmup:
        return rate * step / warmup
    i = step - warmup - 1
    if schedule["type"] == "step":
        return rate * schedule["factor"] ** (i // schedule["every"])
    if schedule["type"] == "cosine":
        low = schedule["minimum"]
        return low + (rate - low) * (1 + math.cos(math.pi * i / (STEPS - warmup))) / 2
    return rate


def detached(state):
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def run(case):
    model, training = case["model"], case["training"]
    border = int(len(TEXT) * (1 - VALIDATION_FRACTION))
    tokens = ["<unk>"] + sorted(set(TEXT[:border]))
    ids = [tokens.index(character) if character in tokens else 0 for character in TEXT]
    torch.manual_seed(20)
    module = LanguageModel(model, len(tokens))
    # What is stored is float32; double precision starts from exactly that.
    module = module.float().double()
    start = {name: value.flatten().tolist() for name, value in module.state_dict().items()}

    options = dict(training["optimizer"])
    kind, rate, decay = options.pop("type"), options.pop("learning_rate"), options.pop("weight_decay", 0)
    if "epsilon" in options:
        options["eps"] = options.pop("epsilon")
    named = list(module.named_parameters())
    groups = [
        {"params": [p for name, p in named if "bias" not in name], "weight_decay": decay},
        {"params": [p for name, p in named if "bias" in name], "weight_decay": 0},
    ]
    optimizer = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[kind](groups, lr=rate, **options)

    lanes = lanes_of(ids[:border], BATCH_SIZE)
    windows = (len(lanes) - 1) // SEQUENCE_LENGTH
    curve, state = [], None
    for step in range(1, STEPS + 1):
        window = (step - 1) % windows
        if window == 0 or not training["bptt"]["stateful"]:
            state = None
        first = window * SEQUENCE_LENGTH
        cut = training["bptt"]["window"] or SEQUENCE_LENGTH
        optimizer.zero_grad()
        loss = 0.0
        for at in range(first, first + SEQUENCE_LENGTH, cut):
            end = min(at + cut, first + SEQUENCE_LENGTH)
            logits, state = module(lanes[at:end], state)
            state = detached(state)
            targets = lanes[at + 1 : end + 1]
            part = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
            part = part / (SEQUENCE_LENGTH * BATCH_SIZE)
            part.backward()
            loss += part.item()
        norm = torch.sqrt(sum((p.grad**2).sum() for p in module.parameters())).item()
        clip = training["clip"]
        if clip and "norm" in clip:
            torch.nn.utils.clip_grad_norm_(module.parameters(), clip["norm"])
        elif clip:
            torch.nn.utils.clip_grad_value_(module.parameters(), clip["value"])
        now = rate_at(step, rate, training["schedule"])
        for group in optimizer.param_groups:
            group["lr"] = now
        optimizer.step()
        curve.append({"loss": loss, "gradient_norm": norm, "learning_rate": now})

    held = ids[border:]
    validation_lanes = min(BATCH_SIZE, (len(held) - 1) // SEQUENCE_LENGTH)
    validation = lanes_of(held, validation_lanes)
    with torch.no_grad():
        if training["bptt"]["stateful"]:
            pieces = [module(validation[:-1])[0]]
        else:
            starts = range(0, len(validation) - 1, SEQUENCE_LENGTH)
            pieces = [module(validation[:-1][at : at + SEQUENCE_LENGTH])[0] for at in starts]
        logits = torch.cat(pieces)
    validation_loss = functional.cross_entropy(logits.flatten(0, 1), validation[1:].flatten()).item()
    return {
        **case,
        "start": start,
        "curve": curve,
        "validation_loss": validation_loss,
        "end": {name: value.flatten().tolist() for name, value in module.state_dict().items()},
        "log_probabilities": log_probabilities(module, [tokens.index(c) for c in SCORED]),
    }


def main():
    fixtures = {
        "text": TEXT,
        "scored": SCORED,
        "steps": STEPS,
        "batch_size": BATCH_SIZE,
        "sequence_length": SEQUENCE_LENGTH,
        "validation_fraction": VALIDATION_FRACTION,
        "cases": {name: run(case) for name, case in CASES.items()},
    }
    path = Path(__file__).parent / "fixtures" / "language-model.json"
    path.write_text(json.dumps(fixtures, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
