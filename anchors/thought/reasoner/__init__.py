"""A reasoner whose truth is known: a probabilistic program, its exact importances, and a tiny Llama that learnt it."""
