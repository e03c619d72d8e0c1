use std::fs;

use unsilo_fhe::{Params, ParamsLiteral};

use super::{MARKER, Payload};

#[test]
fn only_a_benchmark_build_runs_on_a_directory_that_is_marked_as_not_encrypted() {
    let directory = tempfile::tempdir().unwrap();
    let params = Params::new(&ParamsLiteral {
        profile: "default".to_owned(),
        parameters: 10_000,
    })
    .unwrap();
    let unmarked = Payload::of(directory.path(), params).unwrap();
    assert!(matches!(unmarked, Payload::Encrypted(_)));

    fs::write(directory.path().join(MARKER), b"").unwrap();
    let marked = Payload::of(directory.path(), params);
    if cfg!(feature = "plaintext-bench") {
        let reader = marked.unwrap().sum_reader(16).unwrap();
        assert_eq!(reader.expected(), 40_000);
    } else {
        let error = marked.unwrap_err().to_string();
        assert!(
            error.contains("feature `plaintext-bench`") && error.contains("not encrypted"),
            "{error}"
        );
    }
}
