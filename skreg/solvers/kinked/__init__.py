"""The exact solver of losses that are linear between kinks."""
