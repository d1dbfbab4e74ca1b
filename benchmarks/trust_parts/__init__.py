"""Parts of `trust.py`: reading the pages that measurements have written, and the sections made of them."""
