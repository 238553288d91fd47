"""What tests share: real servers, a driver of the pipeline, a running platform."""
