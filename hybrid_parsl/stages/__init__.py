"""The stages of a run: plain functions of the experiment and of the results before them."""
