"""What a request's body may be: one module for each way to write images, none knows Flask."""
