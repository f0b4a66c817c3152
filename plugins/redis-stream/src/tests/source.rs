//! What the source hands on, and under which numbers.
