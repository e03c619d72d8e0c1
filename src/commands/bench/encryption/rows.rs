//! What is measured, each beside its yardstick.

use std::{
    hint::black_box,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;
use unsilo_fhe::{
    DigitSum, DigitSumReader, Direction, Entropy, KeySum, LinearHasher, N, PROJECTIONS,
    ProjectionKeys, Projections, Queries, Summand, decrypt_permuted, encode_permuted,
    encrypt::encrypt_and_forget, gaussian::ErrorSampler, open_key_sum, ring::PublicPolynomials,
    threshold_for, verify_sum, weighted_digit_sum, weighted_digit_sum_into, xof::Xof, yardstick,
};

use super::setup::{CONTEXT, MEMBERS, Round, WEIGHT};
use crate::commands::bench::turns::{Pools, Row, Work};

/// Directions of the openings: the most that are answered in one round.
const DIRECTIONS: usize = 128;
/// The yardstick of the openings has this part of the parameters: 128 vectors of f32 are 64 MB at a million.
const PLAIN_PART: usize = 8;

/// Memory that is used again in every pass.
fn reused<T>(memory: &Mutex<T>) -> MutexGuard<'_, T> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of a pass: whatever it made was needed.
fn done<T>(made: T) -> anyhow::Result<()> {
    drop(black_box(made));
    Ok(())
}

impl Round {
    /// A row whose yardstick is so many bytes of key stream for each coefficient.
    fn beside_stream(
        &self,
        pools: &Pools,
        name: &'static str,
        what: &'static str,
        (bytes, yardstick): (usize, &'static str),
        spread: bool,
        run: &(dyn Fn(usize) -> anyhow::Result<()> + Sync),
    ) -> anyhow::Result<Row> {
        let total = bytes * self.params.chunks() * N;
        pools.measure(&Work {
            name,
            what,
            unit: "parameters",
            items: self.params.parameters() as f64,
            run,
            spread,
            yardstick,
            plain: &|| yardstick::key_stream(total),
            plain_runs: 1.0,
        })
    }

    /// What a participant does with its own update and with the opened sum.
    pub(super) fn own_rows(&self, pools: &Pools) -> anyhow::Result<Vec<Row>> {
        let encode = || encode_permuted(&self.permutation, -14, &self.update, [3; 32]);
        let copy = Mutex::new(self.update.clone());
        let encoded = encode()?;
        let weighted = self.weighted();
        let sum = weighted_digit_sum(self.params.chunks(), &weighted)?.to_ciphertext();
        let opened = open_key_sum(threshold_for(MEMBERS), &self.answers()?.0, |_| true)?;
        Ok(vec![
            pools.measure(&Work {
                name: "encode",
                what: "encode (clip, quantise)",
                unit: "parameters",
                items: self.params.parameters() as f64,
                run: &|_| done(encode()?),
                spread: false,
                yardstick: "copying the update",
                plain: &|| {
                    reused(&copy).copy_from_slice(black_box(&self.update));
                },
                plain_runs: 1.0,
            })?,
            self.beside_stream(
                pools,
                "encrypt",
                "encrypt",
                (12, "its 12 B of AES-CTR"),
                true,
                &|_| {
                    let entropy = Entropy::from_os()?;
                    done(encrypt_and_forget(&CONTEXT, &encoded, entropy))
                },
            )?,
            self.beside_stream(
                pools,
                "decrypt",
                "decrypt",
                (6, "its 6 B of AES-CTR"),
                true,
                &|_| done(self.decrypt(&sum, &opened.key_sum)?),
            )?,
        ])
    }

    fn decrypt(&self, sum: &[u8], key_sum: &KeySum) -> anyhow::Result<unsilo_fhe::WeightedSum> {
        let total = self.total_weight();
        Ok(decrypt_permuted(
            &self.permutation,
            &CONTEXT,
            sum,
            key_sum,
            total,
        )?)
    }

    /// What encryption consists of, one core.
    pub(super) fn stream_rows(&self, pools: &Pools) -> anyhow::Result<Vec<Row>> {
        let chunks = self.params.chunks() as u64;
        Ok(vec![
            self.beside_stream(
                pools,
                "expand",
                "  expand a_k",
                (6, "its 6 B of AES-CTR"),
                false,
                &|_| {
                    let mut public = PublicPolynomials::new(&CONTEXT);
                    let mut coefficients = [0; N];
                    for chunk in 0..chunks {
                        public.expand(chunk, black_box(&mut coefficients));
                    }
                    Ok(())
                },
            )?,
            self.beside_stream(
                pools,
                "gaussian",
                "  draw errors",
                (6, "its 6 B of AES-CTR"),
                false,
                &|_| {
                    let mut sampler = ErrorSampler::new(Xof::new("bench", &[]));
                    let mut errors = [0; N];
                    for _ in 0..chunks {
                        sampler.fill(black_box(&mut errors));
                    }
                    Ok(())
                },
            )?,
        ])
    }

    /// The coordinator's sum, and what makes it verifiable.
    pub(super) fn sum_rows(&self, pools: &Pools) -> anyhow::Result<Vec<Row>> {
        let weighted = self.weighted();
        let copies: Vec<Vec<u8>> = weighted.iter().map(|(bytes, _)| bytes.to_vec()).collect();
        let beside: Vec<(&[u8], u16)> = copies.iter().map(|copy| (&copy[..], WEIGHT)).collect();
        let plain: Vec<Vec<f32>> = weighted.iter().map(|_| self.update.clone()).collect();
        let plain: Vec<&[f32]> = plain.iter().map(Vec::as_slice).collect();
        let weights = vec![f32::from(WEIGHT); plain.len()];
        let plain_sum = Mutex::new(vec![0.0; self.update.len()]);
        let wires = [Mutex::new(Vec::new()), Mutex::new(Vec::new())];
        let ciphertext_bytes = (weighted.len() * self.params.ciphertext_bytes()) as f64;
        let chunks = self.params.chunks();
        let sum = weighted_digit_sum(chunks, &weighted)?;
        let first = self.contributions.first().context("no participant")?;
        Ok(vec![
            pools.measure(&Work {
                name: "sum",
                what: "weighted sum",
                unit: "parameters",
                items: self.update.len() as f64 * weighted.len() as f64,
                run: &|number| {
                    let weighted = [&weighted, &beside][number];
                    weighted_digit_sum_into(chunks, weighted, &mut reused(&wires[number]))?;
                    Ok(())
                },
                spread: true,
                yardstick: "plain f32 sum, per byte",
                plain: &|| {
                    yardstick::plain_sum(&plain, &weights, black_box(&mut reused(&plain_sum)))
                },
                plain_runs: ciphertext_bytes / (4 * plain.len() * self.update.len()) as f64,
            })?,
            self.beside_stream(
                pools,
                "linear_hash",
                "linear hash",
                (24, "its 24 B of AES-CTR"),
                true,
                &|_| {
                    let mut hasher = LinearHasher::new(&self.params);
                    hasher.update(&first.ciphertext);
                    done(hasher.finish()?)
                },
            )?,
            self.beside_stream(
                pools,
                "verify",
                "verify the sum",
                (24, "its 24 B of AES-CTR"),
                true,
                &|_| self.verify(&sum),
            )?,
        ])
    }

    /// What every participant checks before it decrypts.
    fn verify(&self, sum: &DigitSum) -> anyhow::Result<()> {
        let mut reader = DigitSumReader::new(&self.params, sum.total_weight())?;
        reader.update(sum.as_bytes())?;
        let read = reader.finish()?;
        let summands: Vec<_> = (0..)
            .zip(&self.contributions)
            .map(|(participant, made)| Summand {
                participant,
                weight: WEIGHT,
                root: &made.commitment.root,
                chunks_root: made.commitment.chunks_root,
                shares_hash: made.commitment.shares_hash,
                linear_hash: &made.linear_hash,
            })
            .collect();
        Ok(verify_sum(&self.params, &CONTEXT, &summands, &read)?)
    }

    /// Projections and openings.
    pub(super) fn query_rows(&self, pools: &Pools) -> anyhow::Result<Vec<Row>> {
        let ciphertexts: Vec<&[u8]> = self.weighted().iter().map(|(bytes, _)| *bytes).collect();
        let projections = Projections::new(&self.params, &CONTEXT, [3; 32]);
        let directions = (0..DIRECTIONS)
            .map(|k| {
                let values: Vec<i8> = (0..self.update.len())
                    .map(|i| ((i * (2 * k + 1)) % 15) as i8 - 7)
                    .collect();
                Ok(Direction::new(
                    &self.permutation,
                    &values,
                    Entropy::from_os()?,
                )?)
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let directions: Vec<&Direction> = directions.iter().collect();
        let part = self.update.len().div_ceil(PLAIN_PART);
        let plain: Vec<Vec<f32>> = (0..DIRECTIONS)
            .map(|k| {
                self.update[..part]
                    .iter()
                    .map(|value| value + k as f32)
                    .collect()
            })
            .collect();
        let plain: Vec<&[f32]> = plain.iter().map(Vec::as_slice).collect();
        let updates = vec![&self.update[..part]; ciphertexts.len()];
        let products = |vectors: usize| vectors as f64 * self.update.len() as f64;
        let row = |name,
                   what,
                   vectors: usize,
                   contributions: usize,
                   run: &(dyn Fn(usize) -> anyhow::Result<()> + Sync)| {
            pools.measure(&Work {
                name,
                what,
                unit: "products",
                items: products(vectors) * contributions as f64,
                run,
                spread: true,
                yardstick: "plain f32 products",
                plain: &|| {
                    let updates = &updates[..contributions];
                    drop(black_box(yardstick::plain_products(
                        part,
                        &plain[..vectors],
                        updates,
                    )));
                },
                plain_runs: self.update.len() as f64 / part as f64,
            })
        };
        let count = ciphertexts.len();
        Ok(vec![
            row("project", "projections of all", PROJECTIONS, count, &|_| {
                let mut queries = Queries::of_projections(&projections, count);
                queries.add(0, &ciphertexts)?;
                done(queries.finish()?)
            })?,
            row(
                "projection_keys",
                "  a member's keys",
                PROJECTIONS,
                1,
                &|_| done(ProjectionKeys::new(&projections)),
            )?,
            row(
                "openings",
                "128 directions on all",
                DIRECTIONS,
                count,
                &|_| {
                    let mut queries = Queries::of_directions(&self.params, &directions, count)?;
                    queries.add(0, &ciphertexts)?;
                    done(queries.finish()?)
                },
            )?,
        ])
    }
}
