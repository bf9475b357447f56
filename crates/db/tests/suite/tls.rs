//! TLS to the server: who is let in as the server, and who is not.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use vestibule_db::{Db, Options};

use crate::place::postgres_url;
use crate::wire::server;

fn certificate(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/certificates")
        .join(name)
}

/// A server with a certificate for `localhost`; answers its port.
async fn with_tls() -> u16 {
    let chain = CertificateDer::from_pem_file(certificate("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificate("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // PostgreSQL's SSLRequest, and yes.
                let mut request = [0; 8];
                client.read_exact(&mut request).await.ok()?;
                assert_eq!(request[4..], 80_877_103_u32.to_be_bytes());
                client.write_all(b"S").await.ok()?;
                let mut client = acceptor.accept(client).await.ok()?;
                let mut server = TcpStream::connect(server()).await.ok()?;
                copy_bidirectional(&mut client, &mut server).await.ok()
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_server_that_was_meant_is_talked_to() {
    let port = with_tls().await;
    let file = |name: &str| format!("&sslrootcert={}", certificate(name).display());
    let cases = [
        ("localhost", "require", file("ca.pem"), true),
        ("localhost", "verify-full", file("ca.pem"), true),
        ("localhost", "verify-ca", file("ca.pem"), true),
        ("localhost", "prefer", file("ca.pem"), true),
        // It encrypts, and says nothing of to whom.
        ("localhost", "prefer", String::new(), true),
        ("localhost", "require", String::new(), false),
        (
            "localhost",
            "require",
            "&sslrootcert=system".to_owned(),
            false,
        ),
        ("localhost", "verify-full", file("other.pem"), false),
        ("localhost", "prefer", file("other.pem"), false),
        // The certificate is for another name.
        ("127.0.0.1", "verify-full", file("ca.pem"), false),
        ("127.0.0.1", "require", file("ca.pem"), false),
    ];
    for (host, mode, root, good) in cases {
        let url = postgres_url().replace(&server(), &format!("{host}:{port}"));
        let url = format!("{url}?sslmode={mode}{root}");
        let opened = Db::open(&Options::new(&url)).await;
        assert_eq!(opened.is_ok(), good, "{url}: {opened:?}");
        if let Ok(db) = opened {
            db.ping().await.unwrap();
        }
    }
    for (name, says) in [
        ("nothing.pem", "nothing.pem"),
        ("README.md", "holds no certificate"),
    ] {
        let url = format!("{}?sslmode=require{}", postgres_url(), file(name));
        let error = Db::open(&Options::new(&url)).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
