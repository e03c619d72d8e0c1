//! Whoever has no certificate takes no place of those who have one.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use unsilo_coordinator::{ConnectionLimits, ServeOptions, Server};

use crate::federation::{Federation, Home, PATIENCE};

/// Few, so that a test can take them all.
const FEW: usize = 8;

fn few() -> ConnectionLimits {
    ConnectionLimits {
        members: FEW,
        of_a_member: 2,
        strangers: FEW,
        of_an_address: 4,
        handshakes: FEW,
        ..ConnectionLimits::default()
    }
}

/// A federation that takes contributions, served with these limits; nobody is connected.
async fn open(connections: ConnectionLimits) -> Federation {
    let options = ServeOptions {
        connections,
        ..ServeOptions::default()
    };
    Federation::open().await.serve_with(&options).await
}

/// From where members connect.
const HOME: u8 = 0;

/// A connection from one of many addresses of this machine, on which nothing has been said.
async fn silent(server: &Server, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let address = match from {
        HOME => Ipv4Addr::LOCALHOST,
        other => Ipv4Addr::new(127, 0, 1, other),
    };
    socket
        .bind(SocketAddr::from((address, 0)))
        .expect("an address of this machine");
    let to = SocketAddr::from(([127, 0, 0, 1], server.address().port()));
    socket.connect(to).await.expect("connects")
}

/// A stranger with a finished handshake; an error if it is dropped.
async fn stranger(home: &Home, server: &Server, from: u8) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let authority = std::fs::read(home.path().join("authority.der")).expect("there");
    roots
        .add(CertificateDer::from(authority))
        .expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = silent(server, from).await;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    timeout(PATIENCE, connecting).await.expect("in time")
}

/// Asks whether the server lives, over a connection that stays open.
async fn asks(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = vec![0; 4096];
    let read = timeout(PATIENCE, stream.read(&mut answer))
        .await
        .expect("in time")?;
    answer.truncate(read);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Whether somebody who was let in is answered.
async fn is_served(home: &Home, server: &Server, from: u8) -> bool {
    match stranger(home, server, from).await {
        Ok(mut stream) => asks(&mut stream)
            .await
            .is_ok_and(|said| said.contains("200 OK")),
        Err(_) => false,
    }
}

/// Whether the server has dropped the connection; anything that it says before is read.
async fn is_dropped(stream: &mut TlsStream<TcpStream>) -> bool {
    let mut said = [0; 4096];
    loop {
        match timeout(PATIENCE, stream.read(&mut said)).await {
            Err(_) => return false,
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(_)) => {}
        }
    }
}

/// Everybody connects and contributes.
async fn contribute(federation: &mut Federation) {
    for company in &mut federation.companies {
        company.connect(&federation.home, &federation.server).await;
    }
    for company in 0..federation.companies.len() {
        let made = federation.contribution(company, 1).await;
        let sent = federation.send(company, made.header, &made.ciphertext);
        sent.await.expect("a receipt");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_connect_and_contribute_while_strangers_take_every_handshake_and_say_nothing() {
    let mut federation = open(few()).await;
    let mut crowd = Vec::new();
    for from in HOME..=20 {
        for _ in 0..6 {
            crowd.push(silent(&federation.server, from).await);
        }
    }
    let began = std::time::Instant::now();
    contribute(&mut federation).await;
    // Not because the handshakes of the crowd had run out of time.
    assert!(began.elapsed() < few().handshake_time);
    drop(crowd);
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_connect_and_contribute_while_strangers_hold_all_places_of_theirs() {
    let mut federation = open(few()).await;
    let (home, server) = (&federation.home, &federation.server);
    let mut crowd = Vec::new();
    for number in 0..FEW {
        let from = HOME + number as u8 / 4;
        let mut stream = stranger(home, server, from).await.expect("a place");
        assert!(
            asks(&mut stream)
                .await
                .expect("answered")
                .contains("200 OK")
        );
        crowd.push(stream);
    }
    // One more of another address finds none, and is told so by the end of its connection.
    assert!(!is_served(home, server, 9).await);
    contribute(&mut federation).await;
    let (home, server) = (&federation.home, &federation.server);
    crowd.pop();
    let mut free = false;
    for _ in 0..100 {
        free |= is_served(home, server, 9).await;
        if free {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(free, "a place that became free is given to the next");
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_and_one_member_have_their_share_of_connections() {
    let limits = ConnectionLimits {
        strangers: 100,
        handshakes: 100,
        members: 100,
        ..few()
    };
    let mut federation = open(limits).await;
    let (home, server) = (&federation.home, &federation.server);
    let mut held = Vec::new();
    for _ in 0..limits.of_an_address {
        held.push(stranger(home, server, HOME).await.expect("its share"));
    }
    // Whoever keeps silent there as well keeps nobody out.
    let mut crowd = Vec::new();
    for _ in 0..=limits.of_an_address {
        crowd.push(silent(server, HOME).await);
    }
    assert!(!is_served(home, server, HOME).await);
    assert!(
        is_served(home, server, 2).await,
        "another address has its own"
    );

    // Two connections of one company, from the strangers' address; a third one is not served.
    let mut links = Vec::new();
    for _ in 0..limits.of_a_member {
        federation.companies[0]
            .connect(&federation.home, &federation.server)
            .await;
        federation.companies[0].entries().await;
        links.push(federation.companies[0].channel.take());
    }
    let identity = federation.companies[0].tls_identity();
    let authority = federation.home.authority_pem();
    let third = crate::federation::channel(&federation.server, &authority, Some(identity)).await;
    let served = match third {
        Err(_) => false,
        Ok(channel) => {
            let mut log = unsilo_proto::v1::ledger_log_client::LedgerLogClient::new(channel);
            let request = unsilo_proto::v1::EntriesRequest { from: 0 };
            log.entries(request).await.is_ok()
        }
    };
    assert!(!served);
    federation.companies[1]
        .connect(&federation.home, &federation.server)
        .await;
    federation.companies[1].entries().await;
    drop((held, crowd));
    federation.server.stop().await.expect("stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_is_silent_slow_or_old_is_dropped_and_a_member_is_not() {
    let limits = ConnectionLimits {
        idle_time: Duration::from_millis(300),
        stranger_time: Duration::from_millis(1200),
        ..ConnectionLimits::default()
    };
    let mut federation = open(limits).await;
    for company in &mut federation.companies {
        company.connect(&federation.home, &federation.server).await;
    }
    let (home, server) = (&federation.home, &federation.server);
    let mut silent = stranger(home, server, 1).await.expect("a place");
    assert!(is_dropped(&mut silent).await);
    // Slowly said headers and requests one after the other keep it for as long as it may last, and no longer.
    let mut slow = stranger(home, server, 1).await.expect("a place");
    let began = std::time::Instant::now();
    slow.write_all(b"GET /healthz HTTP/1.1\r\n")
        .await
        .expect("said");
    while slow.write_all(b"X-Slow: 1\r\n").await.is_ok() {
        assert!(began.elapsed() < PATIENCE, "it is never dropped");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(began.elapsed() > limits.idle_time);
    let mut busy = stranger(home, server, 1).await.expect("a place");
    let began = std::time::Instant::now();
    while asks(&mut busy).await.is_ok_and(|said| !said.is_empty()) {
        assert!(began.elapsed() < PATIENCE, "it is never dropped");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(began.elapsed() > limits.idle_time);
    // Members connected before all of that, and have said nothing since.
    for company in &federation.companies {
        company.entries().await;
    }
    federation.server.stop().await.expect("stops");
}
