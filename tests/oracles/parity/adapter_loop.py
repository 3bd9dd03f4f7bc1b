"""LlamaIndex's training of adapters (llama-index-finetuning 0.4.2, adapter_utils.py), written out
because it cannot be installed beside the other peers: rows in their order and the same in every
epoch, the queries through the adapter, cosine times 20, cross entropy, torch's AdamW with its
defaults on every parameter, the linear schedule with int(0.1 T) steps of warm-up, clipping at 1.
"""

import torch


def peer_loop(adapter, queries, passages, settings):
    """Losses of every step; trains `adapter` in place, on the device of its weights and of both
    matrices.
    """
    parameters = list(adapter.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate)
    batches = -(-len(queries) // settings.batch_size)
    total = batches * settings.epochs
    warm_up = int(total * 0.1)

    def factor(step):
        if step < warm_up:
            return step / max(1, warm_up)
        return max(0.0, (total - step) / max(1, total - warm_up))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    losses = []
    for _ in range(settings.epochs):
        for first in range(0, len(queries), settings.batch_size):
            q = queries[first : first + settings.batch_size]
            d = passages[first : first + settings.batch_size]
            unit_q = torch.nn.functional.normalize(adapter(q), dim=1)
            unit_d = torch.nn.functional.normalize(d, dim=1)
            scores = unit_q @ unit_d.T * 20
            loss = torch.nn.functional.cross_entropy(scores, torch.arange(len(q), device=q.device))
            losses.append(loss.detach())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return [float(loss) for loss in losses]  # read at the end: a step need not wait for a GPU
