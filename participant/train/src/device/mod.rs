//! Where training runs: what was asked for, what the machine has, and what was chosen.

#[cfg(feature = "cuda")]
mod cuda;

use std::fmt;
use std::str::FromStr;

/// What the user asked for (`--device`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// CUDA where this build and this machine have it, else the CPU. Never fails.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// CUDA, or an error that says what is missing.
    Cuda,
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            _ => Err(DeviceError::Unknown {
                found: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        })
    }
}

/// Why the device asked for cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// A name that is no [`DeviceChoice`].
    #[error("\"{found}\" is no device: use auto, cpu or cuda")]
    Unknown {
        /// The name given.
        found: String,
    },
    /// The cargo feature is off.
    #[error("this build has no CUDA support: build with --features cuda")]
    NotBuilt,
    /// The machine lacks something CUDA needs.
    #[error("CUDA cannot be used on this machine: {}. Add what is missing, or choose device auto or cpu", missing.join("; "))]
    Missing {
        /// Everything that is missing, each with what provides it.
        missing: Vec<String>,
    },
    /// All parts are there, but a first computation failed.
    #[error(
        "CUDA is installed, but a first computation on it failed: {reason}. Check that the driver and the CUDA toolkit fit the GPU, or choose device auto or cpu"
    )]
    Failed {
        /// The backend's own words.
        reason: String,
    },
}

/// A chosen device. Its `Display` says which, and why where there was a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    backend: Backend,
    why: String,
}

/// The backend a device runs on, with what the backend needs to find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Backend {
    /// burn-flex.
    Flex,
    /// burn-cuda.
    #[cfg(feature = "cuda")]
    Cuda(burn_cuda::CudaDevice),
}

impl Device {
    /// The CPU, without looking for anything else.
    pub fn cpu() -> Self {
        Self {
            backend: Backend::Flex,
            why: String::new(),
        }
    }

    /// Whether it is a GPU.
    pub fn is_cuda(&self) -> bool {
        match self.backend {
            Backend::Flex => false,
            #[cfg(feature = "cuda")]
            Backend::Cuda(_) => true,
        }
    }

    /// The name `--device` takes: `cpu` or `cuda`.
    pub fn name(&self) -> &'static str {
        if self.is_cuda() { "cuda" } else { "cpu" }
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_cuda() { "GPU (CUDA)" } else { "CPU" })?;
        if self.why.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.why)
        }
    }
}

/// Chooses a device. With [`DeviceChoice::Auto`] it always succeeds.
///
/// # Errors
///
/// For [`DeviceChoice::Cuda`] only: [`DeviceError::NotBuilt`], [`DeviceError::Missing`] or
/// [`DeviceError::Failed`].
pub fn select(choice: DeviceChoice) -> Result<Device, DeviceError> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::cpu()),
        DeviceChoice::Cuda => cuda(),
        DeviceChoice::Auto => Ok(cuda().unwrap_or_else(|why| Device {
            backend: Backend::Flex,
            why: why.to_string(),
        })),
    }
}

#[cfg(feature = "cuda")]
use cuda::device as cuda;

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Device, DeviceError> {
    Err(DeviceError::NotBuilt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_never_fails_and_says_what_it_chose() {
        let device = select(DeviceChoice::Auto).expect("auto always finds a device");
        let shown = device.to_string();
        if !device.is_cuda() {
            assert!(
                shown.starts_with("CPU: ") && shown.contains("CUDA"),
                "{shown}"
            );
        }
        assert_eq!(
            select(DeviceChoice::Cpu).expect("always there").to_string(),
            "CPU"
        );
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn cuda_without_the_feature_says_how_to_get_it() {
        let error = select(DeviceChoice::Cuda).expect_err("not built");
        assert_eq!(
            error.to_string(),
            "this build has no CUDA support: build with --features cuda"
        );
    }

    #[cfg(feature = "cuda")]
    #[test]
    fn cuda_works_or_names_what_is_missing() {
        match select(DeviceChoice::Cuda) {
            Ok(device) => assert!(device.is_cuda()),
            Err(DeviceError::Missing { missing }) => assert!(!missing.is_empty()),
            Err(error) => assert!(matches!(error, DeviceError::Failed { .. }), "{error}"),
        }
    }

    #[test]
    fn names_are_read_back() {
        for choice in [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Cuda] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert_eq!(
            "gpu".parse::<DeviceChoice>(),
            Err(DeviceError::Unknown {
                found: "gpu".to_owned()
            })
        );
    }
}
