//! simclouds
