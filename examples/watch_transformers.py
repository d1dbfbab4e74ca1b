"""Has training by Transformers equilibrated? One callback. About fifteen seconds.

A GPT-2 of one layer, made from a configuration, learns a random language: each word is followed by one of two.
"""

import tempfile

import torch
from transformers import GPT2Config, GPT2LMHeadModel, PrinterCallback, Trainer, TrainingArguments

from thermograd.training.integrations.transformers import WatchCallback

WORDS, LENGTH, SENTENCES = 12, 12, 256


def language():
    generator = torch.Generator().manual_seed(0)
    following = torch.randint(WORDS, (WORDS, 2), generator=generator)
    words = [torch.randint(WORDS, (SENTENCES,), generator=generator)]
    for _ in range(LENGTH - 1):
        words.append(following[words[-1], torch.randint(2, (SENTENCES,), generator=generator)])
    return [{"input_ids": sentence, "labels": sentence} for sentence in torch.stack(words, 1)]


def main():
    torch.manual_seed(0)
    off = {
        "loss_type": "ForCausalLM",
        "attn_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "bos_token_id": 0,
        "eos_token_id": 0,
    }
    shape = GPT2Config(vocab_size=WORDS, n_positions=LENGTH, n_embd=16, n_layer=1, n_head=2, **off)
    callback = WatchCallback()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=80,
            per_device_train_batch_size=32,
            learning_rate=3e-3,
            lr_scheduler_type="constant",  # a rate that always changes has no stationary state
            weight_decay=0.1,
            logging_steps=1,  # so the loss of every step is known
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
        )
        trainer = Trainer(GPT2LMHeadModel(shape), arguments, train_dataset=language(), callbacks=[callback])
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    print(callback.watch.report())


if __name__ == "__main__":
    main()
