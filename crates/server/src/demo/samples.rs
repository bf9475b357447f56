//! The demo's tenants, people and keys.

use anyhow::Context;
use secrecy::SecretString;
use vestibule_http::{Demo, DemoPerson, DemoTenant};
use vestibule_identity::{CreateApiKey, CreateUser, Kind, TenantFile};

use crate::node::{Node, core_error};
use crate::tenant_file;

const DEMO: &str = include_str!("demo.toml");
const OTHER: &str = include_str!("other.toml");

/// One sample account.
struct Person {
    email: &'static str,
    password: &'static str,
    role: &'static str,
    name: (&'static str, &'static str),
}

const DEMO_PEOPLE: &[Person] = &[
    Person {
        email: "tara@demo.test",
        password: "sunny-meadow-41",
        role: "Trainee",
        name: ("Tara", "Trainee"),
    },
    Person {
        email: "mani@demo.test",
        password: "quiet-harbour-52",
        role: "Manager",
        name: ("Mani", "Manager"),
    },
];

/// The first address is known to both tenants, with another password.
const OTHER_PEOPLE: &[Person] = &[Person {
    email: "tara@demo.test",
    password: "misty-canyon-63",
    role: "Trainee",
    name: ("Tara", "Trainee"),
}];

/// Creates what is not there yet; each start makes a new API key for each tenant.
pub(super) async fn create(node: &Node) -> anyhow::Result<Demo> {
    // Side by side: hashing the passwords is most of the work.
    let (demo, other) = tokio::try_join!(
        tenant(node, DEMO, DEMO_PEOPLE),
        tenant(node, OTHER, OTHER_PEOPLE)
    )?;
    Ok(Demo {
        tenants: vec![demo, other],
    })
}

async fn tenant(node: &Node, text: &str, people: &'static [Person]) -> anyhow::Result<DemoTenant> {
    let mut file: TenantFile = tenant_file::parse("the demo's tenant", text, &node.dialects)?;
    let domain = file
        .domains
        .first()
        .context("the demo's tenant has no domain")?;
    let public_url = node
        .settings
        .public_url
        .as_ref()
        .context("the demo has no public URL")?;
    let mut app = public_url.join("/app")?;
    app.set_host(Some(domain))?;
    file.app_url = Some(app.into());
    node.identity
        .apply(&file, false)
        .await
        .map_err(core_error)?;
    let cx = node.cx(&file.slug).await?;
    for person in people {
        let (first, last) = person.name;
        let new = CreateUser {
            email: person.email.to_owned(),
            role: Some(person.role.to_owned()),
            first_name: Some(first.to_owned()),
            last_name: Some(last.to_owned()),
            verified: true,
            password: Some(SecretString::from(person.password)),
        };
        match node.identity.create_user(&cx, new).await {
            Err(error) if error.kind != Kind::EmailTaken => return Err(core_error(error)),
            _ => {}
        }
    }
    let new = CreateApiKey {
        name: "demo".to_owned(),
        expires_in: None,
        test: true,
    };
    let key = node
        .identity
        .create_api_key(&cx, new)
        .await
        .map_err(core_error)?;
    let people = people.iter().map(|person| DemoPerson {
        email: person.email.to_owned(),
        password: SecretString::from(person.password),
        role: person.role.to_owned(),
    });
    Ok(DemoTenant {
        slug: file.slug,
        api_key: key.key,
        people: people.collect(),
    })
}
