"""The parts of the gallery: which figures, taken from which pages, drawn how."""
