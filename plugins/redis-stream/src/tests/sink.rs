//! What is in the streams after the sink was disturbed.
