"""The numerics flags."""

import torch
from torch.nn import functional


def test_bits_of_a_product_do_not_depend_on_where_its_operands_lie():
    rows, features, outputs = 20, 294, 10  # on an AMD processor MKL has four answers for this
    generator = torch.Generator().manual_seed(0)
    images, weights = (torch.randn(n, features, generator=generator) for n in (rows, outputs))
    found = set()
    for offset in range(8):
        wide = torch.zeros(rows, features + offset)
        wide[:, offset:] = images
        moved = torch.zeros(offset + weights.numel())[offset:].view_as(weights).copy_(weights)
        found.add(functional.linear(wide[:, offset:], moved).numpy().tobytes())
    assert len(found) == 1
