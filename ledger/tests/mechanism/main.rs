//! The mechanisms from outside: published and reference vectors, and laws that hold for any input.

mod cases;
mod median_laws;
mod median_vectors;
mod power;
