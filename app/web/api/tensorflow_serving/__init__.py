"""TensorFlow Serving's REST API, for programs that were written for it."""
