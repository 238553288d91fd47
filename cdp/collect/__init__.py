"""The collector: the tracking HTTP contract that SDKs of several vendors speak."""
