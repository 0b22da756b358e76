"""The Open Inference Protocol V2 over HTTP, as clients of Triton, KServe and MLServer speak it."""
