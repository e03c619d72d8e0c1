//! Starting and stopping.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use unsilo_coordinator::{CoordinatorError, ServeOptions, Server};
use unsilo_proto::v1::step::Kind;

use crate::federation::{Federation, Home, PATIENCE};

async fn refused(home: &Home, listen: Option<String>) -> CoordinatorError {
    Server::start(
        &home.path(),
        &ServeOptions {
            listen,
            ..ServeOptions::default()
        },
    )
    .await
    .err()
    .expect("does not start")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_and_a_directory_in_use_are_said_to_be() {
    let home = Home::new();
    let other = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = other.local_addr().expect("bound").to_string();
    let error = refused(&home, Some(address.clone())).await;
    assert!(matches!(error, CoordinatorError::Listen { .. }), "{error}");
    assert!(error.to_string().contains(&address) && error.to_string().contains("--listen"));
    // The failure left nothing behind: it serves elsewhere, and only once.
    let server = home.serve().await;
    let error = refused(&home, None).await;
    assert!(error.to_string().contains("already serves"), "{error}");
    let same = refused(&home, Some(server.address().to_string())).await;
    assert!(same.to_string().contains("already serves"), "{same}");
    server.stop().await.expect("stops");
    home.serve().await.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_not_usable_is_named() {
    let home = Home::new();
    let nowhere = Server::start(&home.path().join("nothing"), &ServeOptions::default()).await;
    let error = nowhere.err().expect("does not start").to_string();
    assert!(error.contains("coordinator init"), "{error}");

    // A file where a directory must be made: as unwritable as it gets, for every user.
    std::fs::remove_dir_all(home.path().join("contributions")).ok();
    std::fs::write(home.path().join("contributions"), b"in the way").expect("written");
    let error = refused(&home, None).await;
    assert!(error.to_string().contains("contributions"), "{error}");
    std::fs::remove_file(home.path().join("contributions")).expect("removed");

    let settings = home.path().join("coordinator.toml");
    let text = std::fs::read_to_string(&settings).expect("there");
    std::fs::write(&settings, format!("{text}colour = 1\n")).expect("written");
    let error = refused(&home, None).await.to_string();
    assert!(
        error.contains("coordinator.toml") && error.contains("colour"),
        "{error}"
    );
    std::fs::write(&settings, text).expect("written");

    let key = home.path().join("secrets/identity");
    let seed = std::fs::read(&key).expect("there");
    std::fs::write(&key, [1; 32]).expect("written");
    let error = refused(&home, None).await.to_string();
    assert!(error.contains("secrets/identity"), "{error}");
    std::fs::write(&key, seed).expect("written");
    home.serve().await.stop().await.expect("stops");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_unwritable_directory_says_who_needs_which_right() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let mode = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(home.path(), permissions).expect("set");
    };
    mode(0o500);
    let probe = home.path().join("probe");
    let everything_is_writable = std::fs::write(&probe, b"").is_ok();
    if everything_is_writable {
        mode(0o700);
        return; // A superuser is refused nothing: there is nothing to see here.
    }
    let error = refused(&home, None).await.to_string();
    mode(0o700);
    assert!(error.contains("lock") && error.contains("right"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_step_streams_at_once_and_frees_the_directory() {
    let federation = Federation::founded().await;
    let mut steps = federation.companies[0].steps().await.expect("a stream");
    let first = steps
        .message()
        .await
        .expect("a step")
        .expect("the step under way");
    assert!(matches!(first.kind, Some(Kind::Seating(_))));
    let ends = tokio::spawn(async move { while let Ok(Some(_)) = steps.message().await {} });
    let started = Instant::now();
    let Federation {
        home,
        server,
        companies,
        ..
    } = federation;
    // Nobody hangs up: the connections of all companies stay open.
    server.stop().await.expect("stops");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    tokio::time::timeout(PATIENCE, ends)
        .await
        .expect("the stream ends")
        .expect("without a panic");
    assert!(companies[0].steps().await.is_err());
    // Free at once, and what was founded is there.
    let again = home.serve().await;
    let mut company = companies.into_iter().next().expect("one");
    company.connect(&home, &again).await;
    assert!(company.state().await.federation_id().is_some());
    let next = company.step(|kind| matches!(kind, Kind::Seating(_))).await;
    assert!(matches!(next, Kind::Seating(seating) if seating.round == 1));
    again.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_carry_ids_that_grow_over_a_restart() {
    let federation = Federation::founded().await;
    let id = |federation: Federation| async move {
        let mut steps = federation.companies[0].steps().await.expect("a stream");
        let step = steps.message().await.expect("a step").expect("one");
        drop(steps);
        (step.id, federation)
    };
    let (before, federation) = id(federation).await;
    let federation = federation.restart().await;
    let (after, federation) = id(federation).await;
    assert!(after > before);
    federation.server.stop().await.expect("stops");
}
