"""Has training by Transformers equilibrated? One callback. About fifteen seconds.

A Llama of one layer, made from a configuration, learns a random language: each word is followed by one of two.
"""

import tempfile

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PrinterCallback, Trainer, TrainingArguments

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
    shape = LlamaConfig(
        vocab_size=WORDS, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    callback = WatchCallback()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=100,
            per_device_train_batch_size=32,
            learning_rate=1e-2,
            lr_scheduler_type="constant",  # a rate that always changes has no stationary state
            weight_decay=1.0,
            logging_steps=1,  # so the loss of every step is known
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            dataloader_pin_memory=False,
        )
        trainer = Trainer(LlamaForCausalLM(shape), arguments, train_dataset=language(), callbacks=[callback])
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    print(callback.watch.report())


if __name__ == "__main__":
    main()
