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


SQUASHES = {'tanh': torch.tanh, 'relu': torch.relu, 'sigmoid': torch.sigmoid,
            'softsign': torch.nn.functional.softsign}
BLOCKS = {'elman': 1, 'gru': 3, 'lstm': 4}


def step(o, p, a, h, c, running):
    """One step of a cell with options `o`, written with PyTorch's own operations; `a` is U x, before its norm and bias."""
    cell, norm = o['cell'], o.get('norm', 'none')

    def normalize(x, gain, place):
        if norm == 'layer':
            return torch.nn.functional.layer_norm(x, x.shape[1:]) * gain
        if norm == 'batch':
            mean, variance = running[place]
            return torch.nn.functional.batch_norm(x, mean, variance, gain, training=True, momentum=1)
        return x

    a, injected = a
    a = normalize(a, p.get('gainIh'), 'input') + p['biasIh'] + injected
    recurrent = o.get('recurrent', True)
    gain = p.get('gainHh')

    def product(x, rows):
        return normalize(x @ p['weightHh'][rows].T, None if gain is None else gain[rows], ('hidden', rows.start)) + p['biasHh'][rows]

    everything = slice(0, BLOCKS[cell] * H)
    if cell == 'elman':
        new = SQUASHES[o.get('activation', 'tanh')](a + product(h, everything) if recurrent else a)
    elif cell == 'gru':
        before = o.get('reset') == 'before'
        rz = slice(0, 2 * H)
        b = product(h, rz if before else everything)
        r, z = torch.sigmoid(a[:, rz] + b[:, rz]).chunk(2, 1)
        inner = product(r * h, slice(2 * H, 3 * H)) if before else r * b[:, 2 * H:]
        new = (1 - z) * torch.tanh(a[:, 2 * H:] + inner) + z * h
    else:
        i, f, g, out = (a + product(h, everything)).chunk(4, 1)
        peephole = p.get('peephole', torch.zeros(3, H))
        i, f = torch.sigmoid(i + peephole[0] * c), torch.sigmoid(f + peephole[1] * c)
        fresh = f * c + i * SQUASHES[o.get('candidateActivation', 'tanh')](g)
        inner = normalize(fresh, p.get('gainCell'), 'cell') + p['biasCell'] if 'gainCell' in p else fresh
        new = torch.sigmoid(out + peephole[2] * fresh) * torch.tanh(inner)
        kept = o.get('zoneout', {}).get('cell', 0)
        c = kept * c + (1 - kept) * fresh
    kept = o.get('zoneout', {}).get('hidden', 0)
    return kept * h + (1 - kept) * new, c


def options(seed, o, steps=3, rows=3):
    """One layer of a cell with options, every input and gradient; running statistics take the batch's whole (momentum 1)."""
    g = torch.Generator().manual_seed(seed)
    G = BLOCKS[o['cell']] * H
    norm, recurrent, is_lstm = o.get('norm', 'none') != 'none', o.get('recurrent', True), o['cell'] == 'lstm'
    shapes = {'weightIh': (G, C), 'biasIh': (G,)}
    if recurrent:
        shapes.update(weightHh=(G, H), biasHh=(G,))
    if o.get('peephole'):
        shapes['peephole'] = (3, H)
    if norm:
        shapes['gainIh'] = (G,)
        if recurrent:
            shapes['gainHh'] = (G,)
        if is_lstm:
            shapes.update(gainCell=(H,), biasCell=(H,))
    p = {name: inputs(g, *shape).requires_grad_() for name, shape in shapes.items()}
    given = {'x': inputs(g, steps, rows, C), 'injected': inputs(g, steps, rows, G)}
    if recurrent:
        given['h0'] = inputs(g, rows, H)
    if is_lstm:
        given['c0'] = inputs(g, rows, H)
    given = {name: value.requires_grad_() for name, value in given.items()}
    h, c = given.get('h0', torch.zeros(rows, H)), given.get('c0', torch.zeros(rows, H))
    products = given['x'] @ p['weightIh'].T
    outputs, moments = [], []
    for t in range(steps):
        places = [('input', G), (('hidden', 0), G if o.get('reset') != 'before' else 2 * H), (('hidden', 2 * H), H), ('cell', H)]
        running = {place: (torch.zeros(size), torch.ones(size)) for place, size in places}
        h, c = step(o, p, (products[t], given['injected'][t]), h, c, running)
        outputs.append(h)
        used = [running['input']] + ([running[('hidden', 0)]] if recurrent else [])
        used += [running[('hidden', 2 * H)]] if o.get('reset') == 'before' else []
        used += [running['cell']] if is_lstm else []
        moments.append([torch.cat(each) for each in zip(*used)])
    output = torch.stack(outputs)
    weights = {'dOutput': inputs(g, steps, rows, H), 'dhT': inputs(g, rows, H), 'dcT': inputs(g, rows, H)}
    loss = (output * weights['dOutput']).sum()
    if recurrent:
        loss = loss + (h * weights['dhT']).sum()
    if is_lstm:
        loss = loss + (c * weights['dcT']).sum()
    loss.backward()
    return {
        'options': o, 'sizes': {'T': steps, 'N': rows, 'C': C, 'H': H},
        'inputs': {name: flat(value) for name, value in {**p, **given}.items()},
        'weights': {name: flat(value) for name, value in weights.items()},
        'output': flat(output), 'hT': flat(h), 'cT': flat(c) if is_lstm else [],
        'gradients': {name: flat(value.grad) for name, value in {**p, **given}.items()},
        'mean': flat(torch.stack([mean for mean, _ in moments])),
        'variance': flat(torch.stack([variance for _, variance in moments])),
    }


def option_layers():
    cases = [
        {'cell': 'elman', 'activation': 'sigmoid'},
        {'cell': 'elman', 'activation': 'softsign'},
        {'cell': 'elman', 'recurrent': False},
        {'cell': 'elman', 'norm': 'layer'},
        {'cell': 'elman', 'norm': 'batch'},
        {'cell': 'elman', 'zoneout': {'hidden': 0.25, 'cell': 0}},
        {'cell': 'lstm', 'candidateActivation': 'relu'},
        {'cell': 'lstm', 'candidateActivation': 'sigmoid'},
        {'cell': 'lstm', 'candidateActivation': 'softsign'},
        {'cell': 'lstm', 'peephole': True},
        {'cell': 'lstm', 'norm': 'layer'},
        {'cell': 'lstm', 'norm': 'batch'},
        {'cell': 'lstm', 'zoneout': {'hidden': 0.25, 'cell': 0.5}},
        {'cell': 'lstm', 'norm': 'layer', 'peephole': True, 'candidateActivation': 'softsign',
         'zoneout': {'hidden': 0.25, 'cell': 0.5}},
        {'cell': 'gru', 'reset': 'before'},
        {'cell': 'gru', 'norm': 'layer'},
        {'cell': 'gru', 'norm': 'layer', 'reset': 'before'},
        {'cell': 'gru', 'norm': 'batch'},
        {'cell': 'gru', 'norm': 'batch', 'reset': 'before'},
    ]
    write('options', {'cases': [options(100 + index, o) for index, o in enumerate(cases)]})


def row_losses():
    """Squared error and Bernoulli cross-entropy, summed over columns and averaged over rows that are not masked."""
    g = torch.Generator().manual_seed(7)
    x, y = inputs(g, 6, V, scale=200).requires_grad_(), (inputs(g, 6, V) + 0.75) / 1.5
    mask = torch.tensor([1, 0, 1, 1, 0, 1])
    losses = {}
    for name, function in [('squared', torch.nn.functional.mse_loss),
                           ('bernoulli', torch.nn.functional.binary_cross_entropy_with_logits)]:
        rows = function(x, y, reduction='none').sum(1) * mask
        x.grad = None
        (rows.sum() / mask.sum()).backward()
        losses[name] = {'losses': flat(rows), 'loss': (rows.sum() / mask.sum()).item(), 'gradient': flat(x.grad)}
    write('row-losses', {'sizes': {'rows': 6, 'D': V}, 'x': flat(x), 'y': flat(y), 'mask': mask.tolist(), **losses})


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
        {'type': 'adamw', 'learning_rate': 0.05, 'beta1': 0.8, 'beta2': 0.95, 'epsilon': 1e-3, 'weight_decay': 0.1},
        {'type': 'rmsprop', 'learning_rate': 0.01, 'alpha': 0.99, 'epsilon': 1e-8, 'momentum': 0, 'weight_decay': 0},
        {'type': 'rmsprop', 'learning_rate': 0.01, 'alpha': 0.9, 'epsilon': 1e-3, 'momentum': 0.8, 'weight_decay': 0.1},
        {'type': 'adagrad', 'learning_rate': 0.1, 'epsilon': 1e-10, 'weight_decay': 0},
        {'type': 'adagrad', 'learning_rate': 0.1, 'epsilon': 1e-3, 'weight_decay': 0.1},
    ]
    for run in runs:
        p = start.clone().requires_grad_()
        if run['type'] == 'sgd':
            optimizer = torch.optim.SGD([p], lr=run['learning_rate'], momentum=run['momentum'],
                                        nesterov=run['nesterov'], weight_decay=run['weight_decay'])
        elif run['type'] == 'rmsprop':
            optimizer = torch.optim.RMSprop([p], lr=run['learning_rate'], alpha=run['alpha'], eps=run['epsilon'],
                                            momentum=run['momentum'], weight_decay=run['weight_decay'])
        elif run['type'] == 'adagrad':
            optimizer = torch.optim.Adagrad([p], lr=run['learning_rate'], eps=run['epsilon'],
                                            weight_decay=run['weight_decay'])
        else:
            adam = torch.optim.AdamW if run['type'] == 'adamw' else torch.optim.Adam
            optimizer = adam([p], lr=run['learning_rate'], betas=(run['beta1'], run['beta2']),
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
    option_layers()
    row_losses()
    trajectories()
