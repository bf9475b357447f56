//! Tenants and people that tests begin with, and what the server has to tell of them: mails, the audit log.

use secrecy::{ExposeSecret, SecretString};
use vestibule_identity::{Account, CreateApiKey, CreateUser, Cx, Mail, MailKind, TenantFile};

use super::TestApp;

impl TestApp {
    /// Applies tenant files, as `vestibule apply` does.
    pub async fn apply(&self, toml: &str) -> Cx {
        let file: TenantFile = toml::from_str(toml).unwrap();
        self.identity.apply(&file, false).await.unwrap();
        self.cx(&file.slug).await
    }

    /// An operator's context on the tenant.
    pub async fn cx(&self, slug: &str) -> Cx {
        let tenant = self
            .identity
            .directory()
            .by_slug(slug)
            .await
            .unwrap()
            .expect("the tenant is there");
        self.identity.operator_cx(tenant)
    }

    /// The tenant that most tests use: `acme` on lms.acme.test, with every dialect and everything set.
    pub async fn acme(&self) -> Cx {
        self.apply(ACME).await
    }

    /// The same tenant with further tables in its file.
    pub async fn acme_with(&self, tables: &str) -> Cx {
        self.apply(&format!("{ACME}\n{tables}")).await
    }

    /// A second one that must never see anything of the first: `zeta` on lms.zeta.test.
    pub async fn zeta(&self) -> Cx {
        self.apply(&ACME.replace("acme", "zeta").replace("Acme", "Zeta"))
            .await
    }

    /// A verified person with a password.
    pub async fn person(&self, cx: &Cx, email: &str, password: &str, role: &str) -> Account {
        let new = CreateUser {
            email: email.into(),
            role: Some(role.into()),
            first_name: Some("Pooja".into()),
            last_name: Some("G".into()),
            verified: true,
            password: Some(SecretString::from(password)),
        };
        self.identity.create_user(cx, new).await.unwrap()
    }

    /// A private key of the tenant.
    pub async fn api_key(&self, cx: &Cx) -> String {
        let new = CreateApiKey {
            name: "test".into(),
            ..CreateApiKey::default()
        };
        self.identity
            .create_api_key(cx, new)
            .await
            .unwrap()
            .key
            .expose_secret()
            .to_owned()
    }

    /// Every mail waiting to be sent, taken as the worker takes them and sent.
    pub async fn mails(&self) -> Vec<Mail> {
        let jobs = self.identity.claim_mail(100).await.unwrap();
        for job in &jobs {
            vestibule_http::mail::render(&job.tenant, &job.mail).unwrap();
            self.identity.mail_sent(&job.id).await.unwrap();
        }
        jobs.into_iter().map(|job| job.mail).collect()
    }

    /// The one mail waiting, which must be of this kind; its link.
    pub async fn mailed_link(&self, kind: MailKind) -> String {
        let mails = self.mails().await;
        assert_eq!(
            mails.iter().map(|mail| mail.kind).collect::<Vec<_>>(),
            [kind]
        );
        mails[0].link.as_ref().unwrap().expose_secret().to_owned()
    }

    /// Takes the mails waiting, of which there is one or more, all of this kind.
    pub async fn mailed_nothing_but(&self, kind: MailKind) {
        let kinds: Vec<_> = self.mails().await.iter().map(|mail| mail.kind).collect();
        assert!(
            !kinds.is_empty() && kinds.iter().all(|sent| *sent == kind),
            "{kinds:?}"
        );
    }

    /// The token at the end of the one mailed link.
    pub async fn mailed_token(&self, kind: MailKind) -> String {
        self.mailed_link(kind)
            .await
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned()
    }

    /// The events of the tenant's audit log, newest first, as `event outcome reason`.
    pub async fn audit(&self, slug: &str) -> Vec<String> {
        let entries = self
            .identity
            .audit_entries(&self.cx(slug).await, 1_000)
            .await
            .unwrap();
        entries
            .into_iter()
            .map(|entry| {
                format!(
                    "{} {} {}",
                    entry.event,
                    entry.outcome,
                    entry.reason.unwrap_or_default()
                )
                .trim()
                .to_owned()
            })
            .collect()
    }
}

pub const ACME: &str = r#"
slug = "acme"
name = "Acme Learning"
domains = ["lms.acme.test", "alias.acme.test"]
app_url = "https://app.acme.test/"
dialects = ["rezi", "enclaive", "alphalearn"]
redirect_hosts = ["www.acme.test"]

[defaults]
role = "Trainee"
locale = "en-US"
timezone = "Asia/Kolkata"

[handoff]
admin = "/admin/enrollments/{enrollmentId}"
trainee = "/course/{enrollmentId}"
"#;
