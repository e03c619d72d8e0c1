//! Ciphertext contents, honest and not, against fresh projections: what the accept rule says.
//!
//! The projections of a contribution are exactly `<r_k, Delta·m + e>`, so the key plays no part: the content is projected
//! as if it were a ciphertext, by the code that projects ciphertexts.

use unsilo_fhe::{
    CHUNK_BYTES, DELTA, N, PROJECTIONS, Params, Projections, Q, RejectionReason, RoundContext,
    check::acceptance, gaussian::ErrorSampler, params::MAX_STEP, project, xof::Xof,
};

/// What a participant encrypts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Content {
    /// Gaussian entries, of this multiple of the clip norm.
    Dense(f64),
    /// Equal entries of random sign, of this multiple of the clip norm.
    Signs(f64),
    /// As few entries as can have the clip norm, each as large as it may be.
    Sparse,
    /// One block of equal entries, as where one layer has all of the update.
    Block,
    /// Nothing but noise, in every coefficient, of this multiple of the clip norm.
    Noise(f64),
    /// Two coordinates of `(q-1)/2`, which cancel for half of all choices of signs.
    HalfModulus,
    /// Every coordinate `(q-1)/2`.
    HalfModulusEverywhere,
    /// Three coordinates of about `q/3`, which cancel whenever they are counted three times.
    ThirdOfModulus,
    /// Entries as large as the modulus allows, at random.
    WrapAround,
    /// The largest entries in the padding and in the blinding chunks only, where nobody looks at them in the sum.
    Hidden(f64),
}

/// How often the rule accepted, and why it did not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) accepted: u64,
    pub(crate) out_of_range: u64,
    pub(crate) too_long: u64,
    /// Norm estimates of the accepted, over the real norm: the mean of the logarithms to base 2, in eighths.
    pub(crate) mean_exponent: f64,
}

/// Runs `trials` with contents and challenges of their own.
pub(crate) fn simulate(params: &Params, content: Content, trials: u64, seed: u64) -> Outcome {
    let context = RoundContext {
        federation: [1; 32],
        round: seed,
        model: [2; 32],
    };
    let mut outcome = Outcome::default();
    let mut exponents = 0.0;
    let mut words = vec![0; params.chunks() * N];
    let mut packed = vec![0; params.ciphertext_bytes()];
    for trial in 0..trials {
        let label = [seed.to_le_bytes(), trial.to_le_bytes()];
        let mut xof = Xof::new("acceptance content", &[&label[0], &label[1]]);
        fill(params, content, &mut xof, &mut words);
        pack(&words, &mut packed);
        let mut challenge = [0; 32];
        xof.fill(&mut challenge);
        let projections = Projections::new(params, &context, challenge);
        let projected = project(&projections, &packed).expect("words are reduced");
        match acceptance(params, &centred(&projected)) {
            Ok(exponent) => {
                outcome.accepted += 1;
                exponents += f64::from(exponent);
            }
            Err(RejectionReason::TooLong) => outcome.too_long += 1,
            Err(_) => outcome.out_of_range += 1,
        }
    }
    outcome.mean_exponent = exponents / outcome.accepted as f64;
    outcome
}

/// `Delta·m + e` in every coefficient, mod q.
fn fill(params: &Params, content: Content, xof: &mut Xof, words: &mut [u64]) {
    let mut seed = [0; 32];
    xof.fill(&mut seed);
    let mut sampler = ErrorSampler::new(Xof::new("acceptance errors", &[&seed]));
    let mut errors = [0; N];
    for words in words.chunks_mut(N) {
        sampler.fill(&mut errors);
        for (word, &error) in words.iter_mut().zip(&errors) {
            *word = residue(error.into());
        }
    }
    let data = params.parameters();
    let clip = params.clip_steps() as f64;
    let mut add = |index: usize, steps: i64| {
        words[index] = (words[index] + residue(steps * DELTA as i64)) % Q;
    };
    match content {
        Content::Dense(times) => {
            for (i, steps) in scaled(times * clip, &gaussian(xof, data))
                .into_iter()
                .enumerate()
            {
                add(i, steps);
            }
        }
        Content::Signs(times) => {
            let signs: Vec<f64> = (0..data)
                .map(|_| (xof.next_u64() & 2) as f64 - 1.0)
                .collect();
            for (i, steps) in scaled(times * clip, &signs).into_iter().enumerate() {
                add(i, steps);
            }
        }
        Content::Sparse => {
            let largest = f64::from(MAX_STEP).min(clip);
            let count = ((clip / largest).powi(2) as usize).clamp(1, data);
            for place in 0..count {
                add(place * (data / count), largest as i64);
            }
        }
        Content::Block => {
            let length = (data / 10).max(1);
            let start = xof.next_u64() as usize % (data - length + 1);
            for (i, steps) in scaled(clip, &vec![1.0; length]).into_iter().enumerate() {
                add(start + i, steps);
            }
        }
        Content::Noise(times) => {
            for (i, steps) in scaled(times * clip, &gaussian(xof, words.len()))
                .into_iter()
                .enumerate()
            {
                words[i] = (words[i] + residue(steps * DELTA as i64)) % Q;
            }
        }
        Content::HalfModulus => {
            for index in [0, data / 2] {
                words[index] = (words[index] + Q / 2) % Q;
            }
        }
        Content::HalfModulusEverywhere => {
            for word in &mut *words {
                *word = (*word + Q / 2) % Q;
            }
        }
        Content::ThirdOfModulus => {
            for index in [0, data / 3, 2 * data / 3] {
                words[index] = (words[index] + Q / 3) % Q;
            }
        }
        Content::WrapAround => {
            for word in &mut words[..data] {
                *word = xof.next_u64() % Q;
            }
        }
        Content::Hidden(times) => {
            let length = words.len() - data;
            for (i, steps) in scaled(times * clip, &gaussian(xof, length))
                .into_iter()
                .enumerate()
            {
                words[data + i] = (words[data + i] + residue(steps * DELTA as i64)) % Q;
            }
        }
    }
}

/// Whole steps in proportion to `values`, whose norm is at most `norm`.
fn scaled(norm: f64, values: &[f64]) -> Vec<i64> {
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values
        .iter()
        // Towards zero, so that rounding never makes it longer.
        .map(|value| (value * norm / length) as i64)
        .collect()
}

fn gaussian(xof: &mut Xof, count: usize) -> Vec<f64> {
    let mut uniform = || (xof.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    (0..count)
        .map(|_| (-2.0 * (1.0 - uniform()).ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos())
        .collect()
}

fn residue(value: i64) -> u64 {
    value.rem_euclid(Q as i64) as u64
}

fn pack(words: &[u64], packed: &mut [u8]) {
    for (word, bytes) in words.iter().zip(packed.as_chunks_mut::<6>().0) {
        bytes.copy_from_slice(&word.to_le_bytes()[..6]);
    }
    debug_assert_eq!(words.len() * 6, packed.len() / CHUNK_BYTES * CHUNK_BYTES);
}

fn centred(words: &[u64; PROJECTIONS]) -> [i64; PROJECTIONS] {
    words.map(|word| word as i64 - if word > Q / 2 { Q as i64 } else { 0 })
}
