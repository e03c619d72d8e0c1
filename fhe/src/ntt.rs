//! The negacyclic number-theoretic transform of `Z_M[X]/(X^N + 1)`: products in the ring are products of evaluations.
//!
//! On processors with AVX512-IFMA our own kernels, made for moduli a little below 2^48 or 2^50: they take half of the time
//! of the library's, which is used everywhere else (and to test ours). The order of the evaluations is an inner matter of
//! either; no evaluation ever leaves the process.

#[cfg(target_arch = "x86_64")]
mod ifma;
#[cfg(target_arch = "x86_64")]
mod twiddles;

use crate::params::N;
use concrete_ntt::prime64::Plan;
use zeroize::Zeroize;

/// The transform modulo the prime `M`, which is 1 mod 2N.
pub(crate) struct Ntt<const M: u64>(Kind<M>);

/// A polynomial by its reduced evaluations. Wiped when dropped; no `Debug`, no `Clone`: most are secret.
pub(crate) struct Prepared {
    values: Box<[u64; N]>,
    /// `floor(2^52·value / M)` of each, for our kernels only.
    quotients: Box<[u64; N]>,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        self.values.zeroize();
        self.quotients.zeroize();
    }
}

enum Kind<const M: u64> {
    #[cfg(target_arch = "x86_64")]
    Ifma(Box<ifma::Ifma<M>>),
    Library(Plan),
}

impl<const M: u64> Ntt<M> {
    /// The transform with the best kernels of this machine.
    pub(crate) fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(ifma) = ifma::Ifma::new() {
            return Self(Kind::Ifma(Box::new(ifma)));
        }
        Self::library()
    }

    /// The transform with the library's kernels.
    fn library() -> Self {
        let plan = Plan::try_new(N, M).expect("M is a prime below 2^63 and 1 mod 2N, tested");
        Self(Kind::Library(plan))
    }

    /// Whether products run on AVX512-IFMA.
    pub(crate) fn uses_ifma(&self) -> bool {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Ifma(_) => true,
            Kind::Library(plan) => plan.use_ifma(),
        }
    }

    /// Transforms reduced coefficients, for products with many others.
    pub(crate) fn prepare(&self, coefficients: &[u64; N]) -> Prepared {
        let (values, quotients) = (Box::new(*coefficients), Box::new([0; N]));
        let mut prepared = Prepared { values, quotients };
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Ifma(ifma) => ifma.prepare(&mut prepared.values, &mut prepared.quotients),
            Kind::Library(plan) => plan.fwd(&mut prepared.values[..]),
        }
        prepared
    }

    /// From reduced evaluations to reduced coefficients.
    pub(crate) fn inverse(&self, poly: &mut [u64; N]) {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Ifma(ifma) => ifma.inverse(poly),
            Kind::Library(plan) => {
                plan.inv(poly);
                plan.normalize(poly);
            }
        }
    }

    /// `sum += a·b`: `sum` by its reduced evaluations, `b` by reduced coefficients, which are used up.
    pub(crate) fn add_product(&self, sum: &mut [u64; N], a: &Prepared, b: &mut [u64; N]) {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Ifma(ifma) => ifma.add_product(sum, a, b),
            Kind::Library(plan) => {
                plan.fwd(b);
                plan.mul_accumulate(sum, &a.values[..], b);
            }
        }
    }

    /// From reduced coefficients to reduced evaluations.
    pub(crate) fn evaluate(&self, poly: &mut [u64; N]) {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Ifma(ifma) => ifma.evaluate(poly),
            Kind::Library(plan) => plan.fwd(poly),
        }
    }

    /// `product := factor·other`, `other` by its reduced evaluations.
    pub(crate) fn multiply_evaluations(
        &self,
        factor: &Prepared,
        other: &[u64; N],
        product: &mut [u64; N],
    ) {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Ifma(ifma) => ifma.multiply_evaluations(factor, other, product),
            Kind::Library(plan) => {
                *product = *other;
                plan.mul_assign_normalize(product, &factor.values[..]);
                plan.inv(product);
            }
        }
    }

    /// `other := other·factor`, `other` by reduced coefficients.
    pub(crate) fn multiply_into(&self, factor: &Prepared, other: &mut [u64; N]) {
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Ifma(ifma) => ifma.multiply_into(factor, other),
            Kind::Library(plan) => {
                plan.fwd(other);
                plan.mul_assign_normalize(other, &factor.values[..]);
                plan.inv(other);
            }
        }
    }
}

/// A sum of very many products, by its evaluations; reduced only now and then. For public numbers: it is not wiped.
pub(crate) struct ProductSum<const M: u64> {
    /// The sum is `low + 2^52·high`.
    low: Box<[u64; N]>,
    high: Box<[u64; N]>,
    /// Products added since it was last reduced.
    products: u32,
}

impl<const M: u64> ProductSum<M> {
    /// Products between two reductions. Each adds less than 2^52 to either half, so both stay below 2^63.
    const UNREDUCED: u32 = 1 << 10;

    /// The sum of nothing.
    pub(crate) fn new() -> Self {
        Self {
            low: Box::new([0; N]),
            high: Box::new([0; N]),
            products: 0,
        }
    }

    /// Adds `a·b`: `a` by its reduced evaluations, `b` by reduced coefficients, which are used up.
    pub(crate) fn add_product(&mut self, ntt: &Ntt<M>, a: &[u64; N], b: &mut [u64; N]) {
        match &ntt.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Ifma(ifma) => ifma.add_unreduced([&mut self.low, &mut self.high], a, b),
            Kind::Library(plan) => {
                plan.fwd(b);
                plan.mul_accumulate(&mut self.low[..], a, b);
            }
        }
        self.products += 1;
        if self.products == Self::UNREDUCED {
            self.settle(ntt);
        }
    }

    /// Adds another sum.
    pub(crate) fn add(&mut self, ntt: &Ntt<M>, mut other: Self) {
        self.settle(ntt);
        other.settle(ntt);
        for (sum, &term) in self.low.iter_mut().zip(&*other.low) {
            let total = *sum + term;
            *sum = total.min(total.wrapping_sub(M));
        }
    }

    /// The sum by its reduced coefficients.
    pub(crate) fn into_coefficients(mut self, ntt: &Ntt<M>) -> Box<[u64; N]> {
        self.settle(ntt);
        ntt.inverse(&mut self.low);
        self.low
    }

    fn settle(&mut self, ntt: &Ntt<M>) {
        match &ntt.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Ifma(ifma) => ifma.settle(&mut self.low, &mut self.high),
            Kind::Library(_) => {}
        }
        self.products = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hash_ring::HASH_MODULUS, params::Q, xof::Xof};

    fn random<const M: u64>(name: &str) -> [u64; N] {
        let mut xof = Xof::new(name, &[]);
        std::array::from_fn(|_| ((u128::from(xof.next_u64()) * u128::from(M)) >> 64) as u64)
    }

    /// Polynomials at the edges of what is reduced, and random ones.
    fn samples<const M: u64>() -> Vec<[u64; N]> {
        let mut alternating = [M - 1; N];
        alternating.iter_mut().step_by(2).for_each(|word| *word = 0);
        let mut first = [0; N];
        first[0] = M - 1;
        let mut last = [0; N];
        last[N - 1] = 1;
        vec![
            [0; N],
            [1; N],
            [M - 1; N],
            alternating,
            first,
            last,
            random::<M>("ntt a"),
            random::<M>("ntt b"),
        ]
    }

    fn agrees_with_the_library<const M: u64>() {
        let (ours, library) = (Ntt::<M>::new(), Ntt::<M>::library());
        for a in samples::<M>() {
            let prepared = [&ours, &library].map(|ntt| ntt.prepare(&a));
            let mut round_trip = *prepared[0].values;
            assert!(round_trip.iter().all(|&value| value < M));
            ours.inverse(&mut round_trip);
            assert_eq!(round_trip, a);
            for b in samples::<M>() {
                let results =
                    [&ours, &library]
                        .into_iter()
                        .zip(&prepared)
                        .map(|(ntt, a_prepared)| {
                            let mut product = b;
                            ntt.multiply_into(a_prepared, &mut product);
                            let (mut evaluations, mut same) = (b, [M - 1; N]);
                            ntt.evaluate(&mut evaluations);
                            ntt.multiply_evaluations(a_prepared, &evaluations, &mut same);
                            assert!(same == product);
                            let mut sum = *ntt.prepare(&[M - 1; N]).values;
                            for _ in 0..3 {
                                ntt.add_product(&mut sum, a_prepared, &mut b.clone());
                                assert!(sum.iter().all(|&value| value < M));
                            }
                            ntt.inverse(&mut sum);
                            (product, sum)
                        });
                let results: Vec<_> = results.collect();
                assert!(results[0] == results[1]);
            }
        }
    }

    /// The largest products, more of them than are added without a reduction, and sums of sums.
    fn sums_of_products_agree_with_the_library<const M: u64>() {
        let sums = [Ntt::<M>::new(), Ntt::<M>::library()].map(|ntt| {
            let mut total = ProductSum::new();
            for a in samples::<M>() {
                let mut evaluations = a;
                ntt.evaluate(&mut evaluations);
                assert!(evaluations.iter().all(|&value| value < M));
                let mut sum = ProductSum::new();
                for _ in 0..ProductSum::<M>::UNREDUCED / 8 + 5 {
                    for b in samples::<M>() {
                        sum.add_product(&ntt, &evaluations, &mut b.clone());
                    }
                }
                total.add(&ntt, sum);
            }
            *total.into_coefficients(&ntt)
        });
        assert!(sums[0] == sums[1] && sums[0].iter().all(|&value| value < M));
    }

    #[test]
    fn sums_of_products_agree_modulo_q_and_p() {
        sums_of_products_agree_with_the_library::<Q>();
        sums_of_products_agree_with_the_library::<HASH_MODULUS>();
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn unreduced_sums_are_settled_exactly_up_to_their_bounds() {
        fn check<const M: u64>() {
            let ours = Ntt::<M>::new();
            let Kind::Ifma(ifma) = &ours.0 else { return };
            let mut xof = Xof::new("settle test", &[]);
            let mut low: [u64; N] = std::array::from_fn(|_| xof.next_u64() >> 1);
            let mut high: [u64; N] = std::array::from_fn(|_| xof.next_u64() >> 1);
            let edges = [0, 1, M - 1, M, (1 << 52) - 1, 1 << 52, (1 << 63) - 1];
            for (i, low) in low.iter_mut().take(49).enumerate() {
                (*low, high[i]) = (edges[i % 7], edges[i / 7]);
            }
            let expected: Vec<u64> = low
                .iter()
                .zip(&high)
                .map(|(&low, &high)| {
                    ((u128::from(low) + (u128::from(high) << 52)) % u128::from(M)) as u64
                })
                .collect();
            ifma.settle(&mut low, &mut high);
            assert_eq!(low[..], expected);
            assert_eq!(high, [0; N]);
        }
        check::<Q>();
        check::<HASH_MODULUS>();
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn quotients_are_exact() {
        fn check<const M: u64>() {
            let ours = Ntt::<M>::new();
            if let Kind::Ifma(_) = ours.0 {
                for coefficients in samples::<M>() {
                    let prepared = ours.prepare(&coefficients);
                    for (&value, &quotient) in prepared.values.iter().zip(&*prepared.quotients) {
                        assert_eq!(
                            u128::from(quotient),
                            (u128::from(value) << 52) / u128::from(M)
                        );
                    }
                }
            }
        }
        check::<Q>();
        check::<HASH_MODULUS>();
    }

    #[test]
    fn products_agree_with_the_library_modulo_q() {
        agrees_with_the_library::<Q>();
    }

    #[test]
    fn products_agree_with_the_library_modulo_p() {
        agrees_with_the_library::<HASH_MODULUS>();
    }
}
