"""What can run a SavedModel; the only place that imports OpenVINO or TensorFlow."""
