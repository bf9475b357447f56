//! What a tenant puts its name on: logo, legal links, words of its own.

use vestibule_identity::{Picture, TenantFile};

use super::{EMAIL, HOST, ORIGIN, PASSWORD, submit};
use crate::app::{ACME, TestApp, on_both};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nan image";
const SVG: &[u8] = b"<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0'/></svg>";

const OWN: &str = r#"
[branding]
terms = "https://acme.test/terms"
privacy = "https://acme.test/privacy?a&b"
[texts.en]
sign_in.title = "Come in"
mail.verify-email.subject = "Is this you, {product}?"
[texts.de]
error.invalid_credentials.text = "<b>Nein</b>"
"#;

/// Acme with this logo, as `apply` brings it.
async fn with_logo(app: &TestApp, content: &[u8]) -> Picture {
    let picture = Picture::read(content.to_vec()).unwrap();
    let file = format!("{ACME}\n[branding]\nlogo = \"{}\"\n", picture.name());
    let file: TenantFile = toml::from_str(&file).unwrap();
    let given = Some(picture.clone());
    app.identity.apply_with(&file, given, false).await.unwrap();
    picture
}

/// The address of the logo on a page.
async fn shown(app: &TestApp) -> Option<String> {
    let page = app.get(HOST, "/sign-in", &[]).await.body;
    let (_, rest) = page.split_once("<img class=\"logo\" src=\"")?;
    Some(rest.split('"').next().unwrap().to_owned())
}

on_both! {
    async fn a_logo_is_shown_and_served_for_ever(app: TestApp) {
        app.acme().await;
        assert_eq!(shown(&app).await, None);
        for (content, kind) in [(PNG, "image/png"), (SVG, "image/svg+xml")] {
            with_logo(&app, content).await;
            let address = shown(&app).await.unwrap();
            let logo = app.get(HOST, &address, &[]).await;
            assert_eq!(logo.status(200).body.as_bytes(), String::from_utf8_lossy(content).as_bytes());
            assert_eq!(logo.header("content-type"), kind);
            assert_eq!(logo.header("cache-control"), "public, max-age=31536000, immutable");
            let policy = logo.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none';") && policy.contains("sandbox") && !policy.contains("script"), "{policy}");
            assert_eq!(logo.header("x-content-type-options"), "nosniff");
        }
    }

    async fn a_logo_is_the_tenants_own_and_goes_with_the_setting(app: TestApp) {
        app.acme().await;
        app.apply(&ACME.replace("acme", "zeta").replace("Acme", "Zeta")).await;
        let picture = with_logo(&app, PNG).await;
        let address = shown(&app).await.unwrap();
        app.get("lms.zeta.test", &address, &[]).await.status(404);
        for wrong in ["/assets/0123456789abcdef0123456789abcdef/logo.png", "/assets/x/logo.png", "/assets/x/logo.", "/assets/../logo.png"] {
            app.get(HOST, wrong, &[]).await.status(404);
        }
        // Applied again as it was exported, it stays; without the setting it goes.
        let file = format!("{ACME}\n[branding]\nlogo = \"{}\"\n", picture.name());
        app.apply(&file).await;
        app.get(HOST, &address, &[]).await.status(200);
        app.apply(ACME).await;
        app.get(HOST, &address, &[]).await.status(404);
        let file: TenantFile = toml::from_str(&file).unwrap();
        let refused = app.identity.apply(&file, false).await.unwrap_err();
        assert!(refused.detail().unwrap().starts_with("branding.logo: "), "{refused}");
    }

    async fn legal_links_and_own_words(app: TestApp) {
        let file = [ACME, OWN].concat();
        app.apply(&file).await;
        let page = app.get(HOST, "/sign-in", &[]).await.body;
        for part in ["<h1>Come in", "href=\"https://acme.test/terms\"", "href=\"https://acme.test/privacy?a&amp;b\""] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let german = app.get(HOST, "/sign-in", &[("accept-language", "de")]).await.body;
        assert!(german.contains("<h1>Anmelden</h1>"), "{german}");
        let refused = app.post_form(HOST, "/sign-in", &[ORIGIN, ("accept-language", "de")], &[("email", EMAIL), ("password", "x")]).await;
        assert!(refused.body.contains("&lt;b&gt;Nein&lt;/b&gt;"), "{}", refused.body);
        submit(&app, "/sign-up", "", &[("name", "Ada"), ("email", EMAIL), ("password", PASSWORD)]).await.status(303);
        let jobs = app.identity.claim_mail(1).await.unwrap();
        let mail = vestibule_http::mail::render(&jobs[0].tenant, &jobs[0].mail).unwrap();
        assert!(mail.subject.starts_with("Is this you, Acme"), "{}", mail.subject);
        // Changed words count at once.
        app.apply(ACME).await;
        let page = app.get(HOST, "/sign-in", &[]).await.body;
        assert!(page.contains("<h1>Sign in</h1>"), "{page}");
    }

    async fn the_operators_templates_come_behind_the_tenants_and_before_ours(app: TestApp) {
        app.acme().await;
        let title = "{{ say('sign_in.title') }}";
        let mail = "{{ say('mail.welcome.text') }} Yours, the operator";
        let operators = format!("operator: {title}");
        let app = app.with_templates(&[("sign-in.html", &operators), ("forgot-password.html", "{{ email.x.y }}"), ("mail/welcome.txt", mail)]).await;
        let shown = async |path: &str| app.get(HOST, path, &[]).await.status(200).body.clone();
        assert_eq!(shown("/sign-in").await, "operator: Sign in");
        assert!(shown("/forgot-password").await.contains("<h1>Forgot your password?"), "one that fails gives way to ours");
        assert!(shown("/sign-up").await.contains("<h1>Create your account"));
        let cx = app.cx("acme").await;
        let welcome = vestibule_http::mail::sample(&cx.tenant, vestibule_identity::MailKind::Welcome, "en");
        let rendered = vestibule_http::mail::render(&cx.tenant, &welcome).unwrap();
        assert!(rendered.text.ends_with("Yours, the operator") && rendered.html.contains("<!doctype html>"), "{}", rendered.text);
        // A tenant's words are said by the operator's template, and its own template comes first.
        let words = "\n[texts.en]\nsign_in.title = 'Come in'";
        app.apply(&format!("{ACME}{words}")).await;
        assert_eq!(shown("/sign-in").await, "operator: Come in");
        app.apply(&format!("{ACME}{words}\n[templates]\n'sign-in.html' = \"tenant: {title}\"")).await;
        assert_eq!(shown("/sign-in").await, "tenant: Come in");
        app.apply(&format!("{ACME}\n[templates]\n'sign-in.html' = '{{{{ email.x.y }}}}'")).await;
        assert_eq!(shown("/sign-in").await, "operator: Sign in", "a tenant's that fails gives way to the operator's");
        // However it fails: one that is stored may be older than the bounds that `apply` holds it to.
        for bad in [
            format!("{{{{ {} 1 }}}}", "not ".repeat(15_000)),
            format!("{{% set x = 'xxxxxxxx' %}}{}{{{{ x }}}}", "{% set x = x ~ x %}".repeat(34)),
            "{{ 'a b'|indent(2000000000)|length }}".to_owned(),
            "{{ ['a', 'b']|join('x' * 100000000) }}".to_owned(),
        ] {
            app.apply(&format!("{ACME}\n[templates]\n'sign-in.html' = \"{bad}\"")).await;
            assert_eq!(shown("/sign-in").await, "operator: Sign in", "{bad:.100}");
        }
    }
}
