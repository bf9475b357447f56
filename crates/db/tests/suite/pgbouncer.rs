//! A PgBouncer of a test's own, in front of the tests' PostgreSQL. Also used by the server's suite.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// PgBouncer in transaction mode with two server connections, on a socket in a folder of its own, and a database of its
/// own behind it.
pub(crate) struct PgBouncer {
    folder: PathBuf,
    process: Child,
    server: String,
    name: String,
}

impl PgBouncer {
    /// `server` is PostgreSQL's URL, `settings` further lines of its file. Answers once it listens.
    pub(crate) async fn start(server: &str, name: String, settings: &str) -> Self {
        let folder = std::env::temp_dir().join(&name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let address = server.split('@').nth(1).unwrap();
        let address = address.split('/').next().unwrap();
        let (host, port) = address.split_once(':').unwrap();
        let file = folder.join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={host} port={port} user=postgres\n[pgbouncer]\nlisten_addr =\n\
             listen_port = 6432\nunix_socket_dir = {}\nauth_type = any\npool_mode = transaction\n\
             default_pool_size = 2\nlogfile =\npidfile =\n{settings}\n",
            folder.display()
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(program());
        // It refuses to be root.
        if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
            let mut owner = Command::new("chown");
            owner.arg("-R").arg("postgres").arg(&folder);
            assert!(owner.status().unwrap().success());
            command.args(["-u", "postgres"]);
        }
        command.arg("-q").arg(&file);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = command
            .spawn()
            .expect("PgBouncer is not there: `cargo xtask test` installs it");
        outside(server, &format!("CREATE DATABASE {name}")).await;
        let server = server.to_owned();
        let started = Self {
            folder,
            process,
            server,
            name,
        };
        started.listens().await;
        started
    }

    pub(crate) fn url(&self) -> String {
        let socket = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{socket}:6432/{}", self.name)
    }

    async fn listens(&self) {
        let start = std::time::Instant::now();
        while tokio_postgres::connect(&self.url(), tokio_postgres::NoTls)
            .await
            .is_err()
        {
            assert!(start.elapsed().as_secs() < 10, "PgBouncer does not start");
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn stop(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        outside(&self.server, &drop).await;
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Debian keeps it where only root looks.
fn program() -> &'static str {
    ["/usr/sbin/pgbouncer", "/usr/local/sbin/pgbouncer"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .unwrap_or("pgbouncer")
}

/// One statement, not within a transaction.
async fn outside(server: &str, sql: &str) {
    let connected = tokio_postgres::connect(server, tokio_postgres::NoTls).await;
    let (client, connection) = connected.unwrap();
    tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
}
