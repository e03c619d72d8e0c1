use std::fs;

use super::{MARKER, Payload};

#[test]
fn only_a_benchmark_build_opens_a_directory_that_is_marked_as_not_encrypted() {
    let directory = tempfile::tempdir().expect("made");
    let unmarked = Payload::of(directory.path(), 10_000).expect("opens");
    assert!(matches!(unmarked, Payload::Encrypted(_)));
    assert!(unmarked.is_opened_by_members());

    fs::write(directory.path().join(MARKER), b"").expect("written");
    let marked = Payload::of(directory.path(), 10_000);
    if cfg!(feature = "plaintext-bench") {
        assert!(marked.is_ok_and(|payload| payload.bytes() == 40_000));
    } else {
        let error = marked.expect_err("refused").to_string();
        assert!(
            error.contains("feature `plaintext-bench`") && error.contains("not encrypted"),
            "{error}"
        );
    }
}
