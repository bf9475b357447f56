//! `vestibule demo`: everything on this machine, with sample tenants, to click on and to paste.

mod samples;
mod shown;

use std::io::ErrorKind;
use std::net::IpAddr;

use anyhow::{Context, ensure};
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

use crate::cli::{Output, print};
use crate::node::{Node, Schema};
use crate::serve::{Server, Stop};
use crate::settings::Settings;
use crate::temporary;

/// Runs the demo until SIGTERM or SIGINT. Nothing stays behind unless `--data` names a folder for it.
pub async fn demo(mut settings: Settings, output: Output) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    let (socket, moved) = bind(&settings).await?;
    let address = socket.local_addr()?;
    // Removed when this function ends.
    let folder = place(&mut settings)?;
    let public_url = match &settings.public_url {
        Some(url) => url.clone(),
        None => Url::parse(&format!("http://localhost:{}", address.port()))?,
    };
    settings.public_url = Some(public_url);
    let node = Node::open(settings, Schema::Serve).await?;
    let demo = samples::create(&node).await?;
    let server = Server::start(node.clone(), socket, Some(demo.clone())).await?;
    if output.json {
        print(&serde_json::to_string(&json!(shown::document(
            &node, &demo
        )))?)?;
    } else {
        if let Some(taken) = moved {
            print(&format!(
                "Port {taken} is taken; using {} instead.\n",
                address.port()
            ))?;
        }
        if !address.ip().is_loopback() {
            print(&warning(address.ip()))?;
        }
        print(&shown::text(&node, &demo, folder.is_some())?)?;
    }
    stop.wait().await;
    tokio::select! {
        () = server.stop() => {}
        () = stop.wait() => {}
    }
    Ok(())
}

/// The socket, and the port that was meant to be taken but is not free.
async fn bind(settings: &Settings) -> anyhow::Result<(TcpListener, Option<u16>)> {
    let wanted = &settings.listen;
    match TcpListener::bind(wanted).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse && !settings.is_given("listen") => {
            let (host, port) = wanted.rsplit_once(':').context("the default of `listen`")?;
            let socket = TcpListener::bind(format!("{host}:0")).await;
            Ok((
                socket.with_context(|| format!("cannot listen on {host}"))?,
                port.parse().ok(),
            ))
        }
        bound => Ok((
            bound.with_context(|| format!("cannot listen on {wanted}"))?,
            None,
        )),
    }
}

/// Sample accounts with known passwords must never end up in a real database: only flags say where the demo's data is.
fn place(settings: &mut Settings) -> anyhow::Result<Option<temporary::Folder>> {
    let keep = settings.is_flag("data");
    ensure!(
        keep || !settings.is_flag("database_url"),
        "a demo with --database needs --data as well, for its secret key"
    );
    let folder = if keep {
        None
    } else {
        Some(temporary::Folder::create("demo").context("cannot create a temporary folder")?)
    };
    if let Some(folder) = &folder {
        settings.data = folder.path().to_owned();
    }
    settings.secret_key_file = settings.data.join("secret.key");
    if !settings.is_flag("database_url") {
        settings.database_url =
            format!("sqlite:{}", settings.data.join("vestibule.db").display()).into();
    }
    Ok(folder)
}

fn warning(address: IpAddr) -> String {
    format!(
        "WARNING: {address} can be reached from other machines, and everybody can read the sample passwords and the inbox.\n"
    )
}
