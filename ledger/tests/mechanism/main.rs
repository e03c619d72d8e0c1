//! The mechanisms from outside: published and reference vectors, and laws that hold for any input.

mod cases;
mod fixed_vectors;
mod laws;
mod median_laws;
mod median_vectors;
mod power;
mod trust_vectors;
mod yuma_cases;
mod yuma_vectors;
