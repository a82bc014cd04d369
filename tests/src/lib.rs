//! Everything is in `it/`: tests through the real parts.
