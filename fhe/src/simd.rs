//! One source, compiled once per instruction set, chosen at run time.
//!
//! The code stays plain Rust: only the compiler's freedom differs. As no floating-point operation is
//! reordered, and none is fused that is not written so, every copy returns the same bits.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;

/// An instruction set that this processor has been seen to support.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// All levels this processor supports, best first.
    pub(crate) fn available() -> impl Iterator<Item = Self> {
        [
            #[cfg(target_arch = "x86_64")]
            (std::is_x86_feature_detected!("avx512f")
                && std::is_x86_feature_detected!("avx512bw")
                && std::is_x86_feature_detected!("avx512dq")
                && std::is_x86_feature_detected!("avx512vl")
                && std::is_x86_feature_detected!("avx512vbmi")
                && std::is_x86_feature_detected!("avx512vnni"))
            .then_some(Kind::Avx512),
            #[cfg(target_arch = "x86_64")]
            (std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"))
                .then_some(Kind::Avx2),
            Some(Kind::Baseline),
        ]
        .into_iter()
        .flatten()
        .map(Self)
    }

    /// The best level. The standard library remembers the detection.
    pub(crate) fn best() -> Self {
        Self::available().next().unwrap_or(Self(Kind::Baseline))
    }

    pub(crate) fn kind(self) -> Kind {
        self.0
    }
}

/// Defines a function whose first parameter is the [`Level`] to run at, and whose body is compiled for
/// every level.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name(level: crate::simd::Level, $($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn generic($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni")]
            fn avx512($($arg: $ty),*) $(-> $ret)? {
                generic($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) $(-> $ret)? {
                generic($($arg),*)
            }

            match level.kind() {
                crate::simd::Kind::Baseline => generic($($arg),*),
                #[cfg(target_arch = "x86_64")]
                crate::simd::Kind::Avx2 => {
                    #[expect(unsafe_code, reason = "a Level exists only for a detected instruction set")]
                    // SAFETY: `Level::available` has seen avx2 and fma.
                    unsafe { avx2($($arg),*) }
                }
                #[cfg(target_arch = "x86_64")]
                crate::simd::Kind::Avx512 => {
                    #[expect(unsafe_code, reason = "a Level exists only for a detected instruction set")]
                    // SAFETY: `Level::available` has seen each of the features named above.
                    unsafe { avx512($($arg),*) }
                }
            }
        }
    };
}
pub(crate) use vectorised;
