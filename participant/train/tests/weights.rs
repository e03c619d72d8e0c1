//! Weights files: what is written is read back, and nothing else is accepted.

use std::collections::HashMap;

use safetensors::serialize;
use safetensors::tensor::{Dtype, TensorView};
use unsilo_train::weights::{WeightsError, from_safetensors, to_safetensors};
use unsilo_train::{Activation, MlpConfig};

fn config() -> MlpConfig {
    MlpConfig {
        layers: vec![3, 2, 2],
        activation: Activation::Relu,
    }
}

/// A file of the given tensors, all bytes 0 unless `fill` says otherwise.
fn file(tensors: &[(&str, Dtype, &[usize])], fill: f32) -> Vec<u8> {
    let bytes: Vec<u8> = fill.to_le_bytes().repeat(64);
    let views = tensors.iter().map(|(name, dtype, shape)| {
        let length = shape.iter().product::<usize>() * if *dtype == Dtype::F64 { 8 } else { 4 };
        (
            *name,
            TensorView::new(*dtype, shape.to_vec(), &bytes[..length]).expect("sizes agree"),
        )
    });
    serialize(views.collect::<Vec<_>>(), None).expect("serialises")
}

const GOOD: [(&str, Dtype, &[usize]); 4] = [
    ("layers.0.weight", Dtype::F32, &[3, 2]),
    ("layers.0.bias", Dtype::F32, &[2]),
    ("layers.1.weight", Dtype::F32, &[2, 2]),
    ("layers.1.bias", Dtype::F32, &[2]),
];

#[test]
fn weights_survive_a_round_trip_and_the_bytes_repeat() {
    // Eleven layers: "layers.10" sorts before "layers.2", which must not matter.
    let deep = MlpConfig {
        layers: vec![2; 12],
        activation: Activation::Tanh,
    };
    for config in [config(), deep] {
        let weights = config.initial_weights(11);
        let bytes = to_safetensors(&config, &weights).expect("writes");
        assert_eq!(bytes, to_safetensors(&config, &weights).expect("writes"));
        assert_eq!(from_safetensors(&config, &bytes).expect("reads"), weights);
    }
}

#[test]
fn a_file_without_our_metadata_is_read() {
    let weights = from_safetensors(&config(), &file(&GOOD, 0.5)).expect("reads");
    assert_eq!(weights, vec![0.5; config().parameters()]);
}

#[test]
fn names_are_checked_both_ways() {
    let renamed = [
        GOOD[0],
        ("layers.0.offset", Dtype::F32, &[2]),
        GOOD[2],
        GOOD[3],
    ];
    let error = from_safetensors(&config(), &file(&renamed, 0.0)).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "the file does not hold mlp 3-2-2 relu: missing tensors [layers.0.bias], unknown tensors \
         [layers.0.offset]"
    );
    let extra = [
        GOOD[0],
        GOOD[1],
        GOOD[2],
        GOOD[3],
        ("layers.2.bias", Dtype::F32, &[2]),
    ];
    assert!(matches!(
        from_safetensors(&config(), &file(&extra, 0.0)),
        Err(WeightsError::Names { missing, unknown, .. })
            if missing.is_empty() && unknown == ["layers.2.bias"]
    ));
}

#[test]
fn shape_type_and_values_are_checked() {
    let transposed = [
        ("layers.0.weight", Dtype::F32, &[2, 3][..]),
        GOOD[1],
        GOOD[2],
        GOOD[3],
    ];
    assert!(matches!(
        from_safetensors(&config(), &file(&transposed, 0.0)),
        Err(WeightsError::Shape { name, .. }) if name == "layers.0.weight"
    ));
    let double = [
        GOOD[0],
        ("layers.0.bias", Dtype::F64, &[2][..]),
        GOOD[2],
        GOOD[3],
    ];
    assert!(matches!(
        from_safetensors(&config(), &file(&double, 0.0)),
        Err(WeightsError::Dtype { name, found }) if name == "layers.0.bias" && found == "F64"
    ));
    assert!(matches!(
        from_safetensors(&config(), &file(&GOOD, f32::NEG_INFINITY)),
        Err(WeightsError::NotFinite { index: 0, .. })
    ));
    let tanh = MlpConfig {
        activation: Activation::Tanh,
        ..config()
    };
    let bytes = to_safetensors(&tanh, &vec![0.0; tanh.parameters()]).expect("writes");
    assert!(matches!(
        from_safetensors(&config(), &bytes),
        Err(WeightsError::Activation { .. })
    ));
}

#[test]
fn damaged_and_oversized_files_are_refused() {
    let bytes = file(&GOOD, 0.0);
    for length in 0..bytes.len() {
        assert!(
            from_safetensors(&config(), &bytes[..length]).is_err(),
            "cut at {length}"
        );
    }
    for position in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[position] ^= 0xff;
        let _ = from_safetensors(&config(), &damaged); // an error or other weights, never a panic
    }
    assert!(matches!(
        from_safetensors(&config(), &vec![0; 2 << 20]),
        Err(WeightsError::TooLarge { .. })
    ));
    let many = HashMap::from([("note".to_owned(), "x".repeat(2 << 20))]);
    let empty: [(&str, TensorView<'_>); 0] = [];
    let padded = serialize(empty, Some(many)).expect("serialises");
    assert!(matches!(
        from_safetensors(&config(), &padded),
        Err(WeightsError::TooLarge { .. })
    ));
}

#[test]
fn only_weights_that_fit_are_written() {
    assert!(to_safetensors(&config(), &[0.0; 3]).is_err());
    assert!(to_safetensors(&config(), &vec![f32::NAN; config().parameters()]).is_err());
}
