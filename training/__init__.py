"""The offline half: data, networks, fitting, evaluation, and publishing through model_store."""
