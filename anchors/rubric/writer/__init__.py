"""A writer whose gold rubric is known: a program of prompts and texts, and a tiny Llama that learnt it."""
