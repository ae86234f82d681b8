#!/usr/bin/python3
"""Writes what PyTorch computes for cells, losses, clipping and optimizers into fixtures/kernels-*.json.

Needs Debian's python3-torch; the results are committed, so that tests need only Node:

    /usr/bin/python3 test/numeric/make_fixtures.py

Inputs are multiples of 1/64, exact in float32; everything is computed in float64 and written with 12 significant digits.
"""
import json
import os

import torch

torch.set_default_dtype(torch.float64)
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'fixtures')
T, N, C, H, V, LAYERS = 5, 3, 4, 6, 7, 2


def inputs(generator, *shape, scale=48):
    return torch.randint(-scale, scale + 1, shape, generator=generator).to(torch.float64) / 64


def flat(tensor):
    return [float(f'{value:.12g}') for value in tensor.detach().reshape(-1).tolist()]


def write(name, value):
    with open(os.path.join(FOLDER, f'kernels-{name}.json'), 'w') as file:
        json.dump({'torch': torch.__version__, **value}, file, separators=(',', ':'))
        file.write('\n')


def stacked(cell, activation, seed):
    """Two layers of a cell, every input and gradient, then a linear layer with a cross-entropy that ignores some targets."""
    g = torch.Generator().manual_seed(seed)
    if cell == 'lstm':
        rnn = torch.nn.LSTM(C, H, LAYERS)
    elif cell == 'gru':
        rnn = torch.nn.GRU(C, H, LAYERS)
    else:
        rnn = torch.nn.RNN(C, H, LAYERS, nonlinearity=activation)
    head = torch.nn.Linear(H, V)
    with torch.no_grad():
        for parameter in [*rnn.parameters(), *head.parameters()]:
            parameter.copy_(inputs(g, *parameter.shape))
    x = inputs(g, T, N, C).requires_grad_()
    h0 = inputs(g, LAYERS, N, H).requires_grad_()
    c0 = inputs(g, LAYERS, N, H).requires_grad_()
    targets = torch.randint(0, V, (T, N), generator=g)
    targets[1, 0] = targets[3, 2] = -1
    if cell == 'lstm':
        output, (hT, cT) = rnn(x, (h0, c0))
    else:
        output, hT = rnn(x, h0)
        cT = torch.zeros_like(hT)
    logits = head(output)
    rows = logits.reshape(-1, V)
    losses = torch.nn.functional.cross_entropy(rows, targets.reshape(-1), ignore_index=-1, reduction='none')
    loss = torch.nn.functional.cross_entropy(rows, targets.reshape(-1), ignore_index=-1)
    dhT, dcT = inputs(g, LAYERS, N, H), inputs(g, LAYERS, N, H)
    (loss + (dhT * hT).sum() + (dcT * cT).sum()).backward()
    named = {**{f'rnn.{k}': p for k, p in rnn.named_parameters()}, **{f'head.{k}': p for k, p in head.named_parameters()}}
    gradients = {k: flat(p.grad) for k, p in named.items()}
    norm = torch.nn.utils.clip_grad_norm_(named.values(), 0.5)
    write(f'{cell}-{activation}' if cell == 'elman' else cell, {
        'cell': cell, 'activation': activation,
        'sizes': {'T': T, 'N': N, 'C': C, 'H': H, 'V': V, 'layers': LAYERS},
        'parameters': {k: flat(p) for k, p in named.items()},
        'x': flat(x), 'h0': flat(h0), 'c0': flat(c0), 'targets': targets.reshape(-1).tolist(),
        'dhT': flat(dhT), 'dcT': flat(dcT),
        'output': flat(output), 'hT': flat(hT), 'cT': flat(cT),
        'loss': loss.item(), 'losses': flat(losses), 'log_softmax': flat(torch.log_softmax(rows, 1)),
        'gradients': gradients, 'dx': flat(x.grad), 'dh0': flat(h0.grad),
        'dc0': flat(c0.grad) if cell == 'lstm' else [],
        'norm': norm.item(), 'clipped_head_bias': flat(head.bias.grad),
    })


def trajectories():
    """Ten steps of each optimizer on the same gradients."""
    g = torch.Generator().manual_seed(99)
    start, steps = inputs(g, 6), inputs(g, 10, 6)
    runs = [
        {'type': 'sgd', 'learning_rate': 0.1, 'momentum': 0, 'nesterov': False, 'weight_decay': 0},
        {'type': 'sgd', 'learning_rate': 0.1, 'momentum': 0.9, 'nesterov': False, 'weight_decay': 0.01},
        {'type': 'sgd', 'learning_rate': 0.1, 'momentum': 0.9, 'nesterov': True, 'weight_decay': 0.01},
        {'type': 'adam', 'learning_rate': 0.002, 'beta1': 0.9, 'beta2': 0.999, 'epsilon': 1e-8, 'weight_decay': 0},
        {'type': 'adam', 'learning_rate': 0.05, 'beta1': 0.8, 'beta2': 0.95, 'epsilon': 1e-3, 'weight_decay': 0.1},
    ]
    for run in runs:
        p = start.clone().requires_grad_()
        if run['type'] == 'sgd':
            optimizer = torch.optim.SGD([p], lr=run['learning_rate'], momentum=run['momentum'],
                                        nesterov=run['nesterov'], weight_decay=run['weight_decay'])
        else:
            optimizer = torch.optim.Adam([p], lr=run['learning_rate'], betas=(run['beta1'], run['beta2']),
                                         eps=run['epsilon'], weight_decay=run['weight_decay'])
        run['trajectory'] = []
        for gradient in steps:
            p.grad = gradient.clone()
            optimizer.step()
            run['trajectory'].append(flat(p))
    write('optimizers', {'start': flat(start), 'gradients': [flat(row) for row in steps], 'runs': runs})


if __name__ == '__main__':
    os.makedirs(FOLDER, exist_ok=True)
    stacked('lstm', 'tanh', 1)
    stacked('gru', 'tanh', 2)
    stacked('elman', 'tanh', 3)
    stacked('elman', 'relu', 4)
    trajectories()
