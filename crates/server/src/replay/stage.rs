//! A fresh server with what an example takes as given.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use axum::body::Body;
use axum::extract::ConnectInfo;
use secrecy::{ExposeSecret, SecretString};
use tower::ServiceExt as _;
use vestibule_crypto::SystemRandom;
use vestibule_dialect::Dialects;
use vestibule_dialect::examples::{ApiKey, Given, Received, Request, User};
use vestibule_http::FrontDoor;
use vestibule_identity::{Clock, CreateApiKey, CreateUser, Ports, Span, TenantFile};

use super::outside::{LeapClock, Provider};
use crate::mail::{MailWorker, Sender};
use crate::node::{Node, Schema, core_error};
use crate::settings::{Inputs, Settings};
use crate::temporary::Folder;

/// The slug of the tenant that steps speak to.
const FIRST: &str = "example";
const MAX_BODY: usize = 1024 * 1024;

pub(super) struct Stage {
    node: Node,
    door: FrontDoor,
    clock: Arc<LeapClock>,
    mail: MailWorker,
    variables: BTreeMap<String, String>,
    /// Last: removed when everything else is gone.
    _folder: Folder,
}

impl Stage {
    pub(super) async fn set(
        dialects: &Dialects,
        dialect: &str,
        given: &[Given],
    ) -> anyhow::Result<Stage> {
        let folder = Folder::create("replay").context("cannot create a temporary folder")?;
        let settings = settings(&folder)?;
        let (clock, provider) = (Arc::new(LeapClock::default()), Provider::start()?);
        let ports = Ports {
            clock: clock.clone(),
            random: Arc::new(SystemRandom),
            upstream: provider.clone(),
        };
        let mut node = Node::with_ports(settings, Schema::Migrate, ports).await?;
        node.dialects = dialects.clone();
        let door = FrontDoor::new(node.app(None));
        let mail = MailWorker::new(node.identity.clone(), Sender::new(&node.settings));
        let mut stage = Stage {
            node,
            door,
            clock,
            mail,
            variables: BTreeMap::new(),
            _folder: folder,
        };
        stage.tenants(dialect, given).await?;
        for item in given {
            match item {
                Given::Settings(_) | Given::Tenant(_) => {}
                Given::User(user) => stage.user(user).await?,
                Given::ApiKey(key) => stage.api_key(key).await?,
                Given::IdToken(token) => {
                    let text = provider.id_token(token, stage.clock.now())?;
                    stage.variables.insert(token.name.clone(), text);
                }
            }
        }
        Ok(stage)
    }

    async fn tenants(&mut self, dialect: &str, given: &[Given]) -> anyhow::Result<()> {
        let own = given.iter().filter_map(|item| match item {
            Given::Settings(table) => Some(table.clone()),
            _ => None,
        });
        let needs_provider = given.iter().any(|item| matches!(item, Given::IdToken(_)));
        let first = own.flatten().collect();
        self.tenant(FIRST, dialect, first, needs_provider).await?;
        for item in given {
            if let Given::Tenant(name) = item {
                self.tenant(name, dialect, toml::Table::new(), needs_provider)
                    .await?;
            }
        }
        Ok(())
    }

    async fn tenant(
        &mut self,
        slug: &str,
        dialect: &str,
        mut table: toml::Table,
        provider: bool,
    ) -> anyhow::Result<()> {
        let domain = format!("{slug}.test");
        table.insert("slug".to_owned(), slug.into());
        table
            .entry("name")
            .or_insert_with(|| format!("Tenant {slug}").into());
        table
            .entry("domains")
            .or_insert_with(|| vec![domain.clone()].into());
        table
            .entry("dialects")
            .or_insert_with(|| vec![dialect].into());
        if provider {
            table.entry("provider").or_insert_with(|| {
                vec![toml::Table::from_iter([("create".to_owned(), true.into())])].into()
            });
        }
        if let Some(toml::Value::Array(entries)) = table.get_mut("provider") {
            entries
                .iter_mut()
                .filter_map(|entry| entry.as_table_mut())
                .for_each(Provider::complete);
        }
        let file: TenantFile = table.try_into().context("the tenant's settings")?;
        self.node
            .identity
            .apply(&file, false)
            .await
            .map_err(core_error)?;
        let domain = file.domains.into_iter().next().unwrap_or(domain);
        if slug == FIRST {
            self.variables.insert("domain".to_owned(), domain.clone());
        }
        self.variables.insert(format!("{slug}.domain"), domain);
        Ok(())
    }

    async fn user(&self, user: &User) -> anyhow::Result<()> {
        let cx = self
            .node
            .cx(user.tenant.as_deref().unwrap_or(FIRST))
            .await?;
        let new = CreateUser {
            email: user.email.clone(),
            role: user.role.clone(),
            first_name: Some(user.first_name.clone()),
            last_name: Some(user.last_name.clone()),
            verified: user.verified,
            password: user.password.clone().map(SecretString::from),
        };
        self.node
            .identity
            .create_user(&cx, new)
            .await
            .map_err(core_error)?;
        Ok(())
    }

    async fn api_key(&mut self, key: &ApiKey) -> anyhow::Result<()> {
        let cx = self.node.cx(key.tenant.as_deref().unwrap_or(FIRST)).await?;
        let span = key
            .expires
            .as_deref()
            .map(str::parse::<Span>)
            .transpose()
            .map_err(anyhow::Error::msg)?;
        let new = CreateApiKey {
            name: key.name.clone(),
            expires_in: span.map(|span| span.0),
            test: true,
        };
        let created = self
            .node
            .identity
            .create_api_key(&cx, new)
            .await
            .map_err(core_error)?;
        if key.revoked {
            self.node
                .identity
                .revoke_api_key(&created.id)
                .await
                .map_err(core_error)?;
        }
        self.variables
            .insert(key.name.clone(), created.key.expose_secret().to_owned());
        Ok(())
    }

    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    pub(super) fn save(&mut self, saved: BTreeMap<String, String>) {
        self.variables.extend(saved);
    }

    pub(super) fn leap(&self, span: &str) -> Result<(), String> {
        self.clock.leap(span.parse::<Span>()?.0);
        Ok(())
    }

    /// Takes the token from the link of the last mail into `mail.token`.
    pub(super) async fn read_mail(&mut self) -> Result<(), String> {
        let told = |error: vestibule_identity::Error| error.to_string();
        self.mail.run_once().await.map_err(told)?;
        let newest = self.node.identity.inbox(1).await.map_err(told)?;
        let link = newest
            .first()
            .and_then(|job| job.mail.link.as_ref())
            .ok_or("no mail with a link was sent")?;
        let token = link.expose_secret().rsplit('/').next().unwrap_or_default();
        self.variables
            .insert("mail.token".to_owned(), token.to_owned());
        Ok(())
    }

    pub(super) async fn send(&self, request: Request) -> Result<Received, String> {
        let wrong = |error: axum::http::Error| format!("the request cannot be written: {error}");
        let own = self.variables.get("domain").map(String::as_str);
        let host = request.host.as_deref().or(own).unwrap_or_default();
        let mut builder = axum::http::Request::builder()
            .method(request.method.as_str())
            .uri(&request.target)
            .header("host", host);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let body = request.body.unwrap_or_default();
        if !body.is_empty() {
            builder = builder.header("content-length", body.len());
        }
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        let request = builder
            .extension(ConnectInfo(peer))
            .body(Body::from(body))
            .map_err(wrong)?;
        let Ok(response) = self.door.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in &parts.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers
                .entry(name.as_str().to_owned())
                .and_modify(|all| *all = format!("{all}, {value}"))
                .or_insert(value);
        }
        let body = axum::body::to_bytes(body, MAX_BODY)
            .await
            .map_err(|error| format!("the answer broke off: {error}"))?;
        Ok(Received {
            status: parts.status.as_u16(),
            headers,
            body: body.to_vec(),
        })
    }

    pub(super) async fn clear(self) {
        self.node.identity.db().close().await;
    }
}

/// A server that nothing outside reaches into: cheap hashing, no file, no environment.
fn settings(folder: &Folder) -> anyhow::Result<Settings> {
    let data = folder
        .path()
        .to_str()
        .context("the temporary folder's name is not UTF-8")?;
    let flags = [
        ("data", data),
        ("hash_memory_kib", "64"),
        ("hash_iterations", "1"),
        ("hash_workers", "1"),
    ];
    Settings::load(&Inputs::closed(
        flags.map(|(name, value)| (name, value.to_owned())).to_vec(),
    ))
}
