//! Each kind of work in turns with its yardstick, on one thread and on two.

use crate::{
    CONTEXT, D, WEIGHT, decrypt_once, encoded, encrypt_once, hash_linearly, opened, params,
    permutation, pool, read_sum, sum_of_ten, weighted, words,
};
use divan::black_box;
use rayon::ThreadPool;
use std::{sync::Mutex, time::Instant};
use unsilo_fhe::{
    CHUNK_BYTES, N,
    gaussian::ErrorSampler,
    ring::PublicPolynomials,
    weighted_digit_sum, weighted_digit_sum_into,
    xof::Xof,
    yardstick::{key_stream, plain_sum, round_trip_ns},
};

/// Work that is measured. Run 1 may go on beside run 0 and shares no memory with it that is written, or that takes long to
/// read.
type Run<'a> = &'a (dyn Fn(usize) + Sync);

/// Seconds of one work and of its yardstick, in turns so that whatever else the machine does slows down both.
struct Measured {
    /// Median on one thread.
    work: f64,
    yardstick: f64,
    /// How many times as fast two threads are, by the fastest pass of each, which other work disturbed least.
    speedup: f64,
    yardstick_speedup: f64,
    /// How many times as much two runs of the work get done at once, a thread each: the limit of `speedup`.
    at_once: f64,
}

impl Measured {
    fn of(passes: usize, pools: &[ThreadPool; 3], work: Run<'_>, yardstick: Run<'_>) -> Self {
        let [one, two, beside] = pools;
        let at_once = || {
            beside.in_place_scope(|scope| {
                scope.spawn(|_| work(1));
                one.install(|| work(0));
            });
        };
        let turns: [&dyn Fn(); 5] = [
            &|| one.install(|| work(0)),
            &|| two.install(|| work(0)),
            &|| one.install(|| yardstick(0)),
            &|| two.install(|| yardstick(0)),
            &at_once,
        ];
        let mut seconds = [const { Vec::new() }; 5];
        for pass in 0..=passes {
            for (run, seconds) in turns.iter().zip(&mut seconds) {
                let began = Instant::now();
                run();
                // The first pass warms up.
                if pass > 0 {
                    seconds.push(began.elapsed().as_secs_f64());
                }
            }
        }
        seconds
            .iter_mut()
            .for_each(|seconds| seconds.sort_by(f64::total_cmp));
        let median = |turn: usize| seconds[turn][passes / 2];
        let speedup = |turn: usize| seconds[turn][0] / seconds[turn + 1][0];
        Self {
            work: median(0),
            yardstick: median(2),
            speedup: speedup(0),
            yardstick_speedup: speedup(2),
            at_once: 2.0 * seconds[0][0] / seconds[4][0],
        }
    }

    /// `over` is how many times as long as the yardstick the work takes on one thread, for what the table compares.
    fn print(&self, name: &str, rate: &str, over: f64) {
        println!(
            "{name:<20}{rate:>12}{over:>10.2}{:>10.2}{:>12.2}{:>14.2}",
            self.speedup, self.at_once, self.yardstick_speedup
        );
    }
}

/// The table.
pub(crate) fn print() {
    println!(
        "\n1 M parameters. Rates and time (over that of the yardstick): medians of passes in turns, one core. On two threads: by\n\
         the fastest pass of each; two runs at once have a thread and memory each, and are the limit. The yardstick is the AES-CTR key stream that the work uses or, for sums, the sum of plain f32\n\
         updates, per byte read. A cache line goes to the other core and back in {:.0} ns.\n\n\
         {:<20}{:>12}{:>10}{:>10}{:>12}{:>14}",
        round_trip_ns().unwrap_or(f64::NAN),
        "work",
        "rate",
        "time x",
        "on two x",
        "at once x",
        "yardstick x"
    );
    let pools = [pool(1), pool(2), pool(1)];
    let coefficients = params(D).chunks() * N;
    let beside_stream = |name: &str, bytes: usize, work: Run<'_>| {
        let medians = Measured::of(41, &pools, work, &|_| key_stream(bytes * coefficients));
        let rate = format!("{:.1} M/s", D as f64 / medians.work / 1e6);
        medians.print(name, &rate, medians.work / medians.yardstick);
    };
    let encoded = encoded();
    beside_stream("encrypt", 12, &|_| drop(black_box(encrypt_once(&encoded))));
    beside_stream("  expand a_k", 6, &|_| expand_all());
    beside_stream("  draw errors", 6, &|_| draw_all());
    let (permutation, (ciphertext, key)) = (permutation(), opened());
    beside_stream("decrypt", 6, &|_| {
        decrypt_once(&permutation, &ciphertext, &key)
    });
    beside_stream("linear hash", 24, &|_| hash_linearly(&ciphertext));
    let sum = sum_of_ten();
    beside_stream("verify the sum", 24, &|_| read_sum(&sum));
    for n in [10, 50] {
        print_sums(n, &pools);
    }
}

/// All public polynomials of one update, on the thread that calls.
fn expand_all() {
    let mut public = PublicPolynomials::new(&CONTEXT);
    let mut polynomial = [0; N];
    for chunk in 0..params(D).chunks() as u64 {
        public.expand(chunk, black_box(&mut polynomial));
    }
}

/// All errors of one update, on the thread that calls.
fn draw_all() {
    let mut sampler = ErrorSampler::new(Xof::new("bench", &[]));
    let mut errors = [0; N];
    for _ in 0..params(D).chunks() {
        sampler.fill(black_box(&mut errors));
    }
}

/// Sums of `n` contributions, into memory used again and into new memory.
fn print_sums(n: usize, pools: &[ThreadPool; 3]) {
    let chunks = params(D).chunks();
    let ciphertexts: Vec<_> = (0..n).map(|i| words(chunks, i as u64)).collect();
    // For the run beside.
    let copies = ciphertexts.clone();
    let weighted = [weighted(&ciphertexts), weighted(&copies)];
    let updates: Vec<_> = (0..n).map(|i| vec![i as f32; D]).collect();
    let updates: Vec<_> = updates.iter().map(Vec::as_slice).collect();
    let weights = vec![f32::from(WEIGHT); n];
    let sum = Mutex::new(vec![0.0; D]);
    let wires = [Mutex::new(Vec::new()), Mutex::new(Vec::new())];
    let plain = |_| {
        let mut sum = sum.lock().expect("no panic");
        plain_sum(&updates, &weights, black_box(&mut sum));
    };
    let bytes = (n * chunks * CHUNK_BYTES) as f64;
    let print = |name: &str, work: Run<'_>, plain: Run<'_>| {
        let medians = Measured::of(21, pools, work, plain);
        let rate = bytes / medians.work;
        let plain_rate = (n * D * 4) as f64 / medians.yardstick;
        medians.print(
            &format!("{name} {n}"),
            &format!("{:.1} GB/s", rate / 1e9),
            plain_rate / rate,
        );
    };
    print(
        "sum of",
        &|number| {
            let mut wire = wires[number].lock().expect("no panic");
            weighted_digit_sum_into(chunks, &weighted[number], &mut wire).expect("adds");
        },
        &plain,
    );
    print(
        "to new memory, of",
        &|number| drop(black_box(weighted_digit_sum(chunks, &weighted[number]))),
        &|_| {
            let mut sum = vec![0.0; D];
            plain_sum(&updates, &weights, black_box(&mut sum));
        },
    );
}
