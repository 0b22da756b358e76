"""Runtimes for SavedModels; only this package imports OpenVINO or TensorFlow."""
