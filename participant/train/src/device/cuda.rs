//! Finds out whether CUDA can be used before burn touches it.
//!
//! burn-cuda panics where the driver, the run-time compiler (NVRTC) or the CUDA headers are
//! missing, so each is looked for first, in the places where the backend will look.

use std::any::Any;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use burn::backend::Autodiff;
use burn_cuda::{Cuda, CudaDevice};
use libloading::Library;

use super::{Backend, Device, DeviceError};
use crate::config::{Activation, MlpConfig};
use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::training::{self, TrainConfig};

#[cfg(windows)]
const DRIVER: &[&str] = &["nvcuda.dll"];
#[cfg(not(windows))]
const DRIVER: &[&str] = &["libcuda.so.1", "libcuda.so"];

#[cfg(windows)]
const COMPILER: &[&str] = &["nvrtc.dll", "nvrtc64_130_0.dll", "nvrtc64_120_0.dll"];
#[cfg(not(windows))]
const COMPILER: &[&str] = &[
    "libnvrtc.so",
    "libnvrtc.so.13",
    "libnvrtc.so.12",
    "libnvrtc.so.11",
];

/// Every kernel the backend compiles includes this file.
const HEADER: &str = "cuda_runtime.h";

/// The first CUDA device, after everything it needs was found and a first training step worked.
pub(super) fn device() -> Result<Device, DeviceError> {
    let mut missing = Vec::new();
    let count = match count_devices() {
        Ok(count) => count,
        Err(problem) => {
            missing.push(problem);
            0
        }
    };
    if open(COMPILER).is_none() {
        missing.push(format!(
            "the CUDA run-time compiler was not found (looked for {}): install the CUDA toolkit's \
             NVRTC and put it on the library path",
            COMPILER.join(", ")
        ));
    }
    missing.extend(missing_header());
    if !missing.is_empty() {
        return Err(DeviceError::Missing { missing });
    }
    let device = CudaDevice::default();
    try_out(&device)?;
    let why = format!("device 0 of {count}");
    Ok(Device {
        backend: Backend::Cuda(device),
        why,
    })
}

impl Device {
    /// Runs `work` on the GPU, turning a panic of the backend (out of memory, a lost device) into
    /// an error. Only values owned by `work` are in an unknown state afterwards, and they are gone.
    pub(crate) fn guard<T>(
        &self,
        work: impl FnOnce() -> Result<T, TrainError>,
    ) -> Result<T, TrainError> {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            Err(TrainError::Backend {
                device: self.to_string(),
                reason: words(panic.as_ref()),
            })
        })
    }
}

/// One training step of a tiny model: it compiles kernels, so it finds a compiler that does not
/// know the GPU or a driver too old for it.
fn try_out(device: &CudaDevice) -> Result<(), DeviceError> {
    let failed = |reason| DeviceError::Failed { reason };
    let config = MlpConfig {
        layers: vec![2, 3, 2],
        activation: Activation::Relu,
    };
    let data = Dataset::new(vec![0.0, 1.0, 1.0, 0.0], vec![0, 1], 2, 2)
        .map_err(|error| failed(error.to_string()))?;
    let settings = TrainConfig {
        steps: 1,
        batch: 2,
        ..TrainConfig::default()
    };
    let weights = config.initial_weights(0);
    catch_unwind(AssertUnwindSafe(|| {
        training::train::<Autodiff<Cuda>>(&config, &weights, &data, &settings, device, &mut |_| {})
    }))
    .map_err(|panic| failed(words(panic.as_ref())))?
    .map(|_| ())
    .map_err(|error| failed(error.to_string()))
}

/// Number of devices the driver offers, at least 1.
#[expect(
    unsafe_code,
    reason = "the CUDA driver is a C library that is only there at run time"
)]
fn count_devices() -> Result<c_int, String> {
    let driver = open(DRIVER).ok_or_else(|| {
        format!(
            "the NVIDIA driver's library {} was not found: install the driver",
            DRIVER[0]
        )
    })?;
    let symbol = |name: &str| format!("the NVIDIA driver's library has no function {name}");
    // SAFETY: both are the driver API's documented signatures (cuda.h): CUresult is a C enum, and
    // cuDeviceGetCount writes one int through a pointer that is valid for the call.
    let (initialised, counted, count) = unsafe {
        let init = driver
            .get::<unsafe extern "C" fn(flags: u32) -> c_int>(c"cuInit")
            .map_err(|_| symbol("cuInit"))?;
        let get_count = driver
            .get::<unsafe extern "C" fn(count: *mut c_int) -> c_int>(c"cuDeviceGetCount")
            .map_err(|_| symbol("cuDeviceGetCount"))?;
        let mut count: c_int = 0;
        let initialised = init(0);
        let counted = if initialised == 0 {
            get_count(&raw mut count)
        } else {
            0
        };
        (initialised, counted, count)
    };
    // The backend opens the driver again: keep it loaded rather than end and restart it.
    std::mem::forget(driver);
    match (initialised, counted) {
        (0, 0) if count > 0 => Ok(count),
        (0, 0) | (100, _) => Err("the NVIDIA driver found no GPU".to_owned()),
        (0, code) => Err(format!(
            "the NVIDIA driver cannot count its GPUs (CUDA error {code})"
        )),
        (code, _) => Err(format!(
            "the NVIDIA driver does not start (cuInit: CUDA error {code})"
        )),
    }
}

/// Opens the first of `names` that the dynamic linker finds.
#[expect(unsafe_code, reason = "loading a library runs its initialisers")]
fn open(names: &[&str]) -> Option<Library> {
    // SAFETY: NVIDIA's own libraries by their official names, found by the system's linker; their
    // initialisers expect nothing of the process.
    names
        .iter()
        .find_map(|name| unsafe { Library::new(*name) }.ok())
}

/// What is wrong with the include directory the backend will use, if anything.
fn missing_header() -> Option<String> {
    let advice = "install the CUDA toolkit's headers and set CUDA_PATH to the directory above \
                  their \"include\"";
    let Some(root) = toolkit() else {
        return Some(format!(
            "no CUDA include directory (CUDA_PATH is not set and /usr/local/cuda does not exist): \
             {advice}"
        ));
    };
    let header = root.join("include").join(HEADER);
    (!header.is_file()).then(|| format!("{} does not exist: {advice}", header.display()))
}

/// The directory the backend takes for the toolkit, by the same rules in the same order.
fn toolkit() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CUDA_PATH") {
        return Some(path.into());
    }
    if cfg!(windows) {
        return Some("C:/Program Files/NVIDIA GPU Computing Toolkit/CUDA/".into());
    }
    ["/usr/local/cuda", "/opt/cuda"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .or_else(|| Path::new("/usr/bin/nvcc").exists().then_some("/usr"))
        .map(PathBuf::from)
}

/// The message of a panic.
fn words(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_else(|| "the backend stopped without a message".to_owned())
}
