//! What the sink does as the host calls it.
