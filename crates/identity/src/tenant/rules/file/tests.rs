use super::*;
use crate::tenant::tests::tenant;
use crate::tenant::{Captcha, CaptchaAt, ProviderKind, Registration};

fn fields(change: impl Fn(&mut TenantFile)) -> Vec<String> {
    let mut file = tenant("acme", "Acme").file;
    change(&mut file);
    let faults = check_file(&file).into_iter();
    faults.map(|fault| fault.field).collect()
}

fn provider(client_id: &str) -> Provider {
    Provider {
        kind: ProviderKind::Google,
        client_id: client_id.into(),
        create: false,
        jwks_url: None,
        issuer: None,
    }
}

#[test]
fn a_plain_file_has_no_fault() {
    assert_eq!(fields(|_| ()), Vec::<String>::new());
}

#[test]
fn names_and_hosts() {
    assert_eq!(fields(|file| file.slug = "../x".into()), ["slug"]);
    assert_eq!(fields(|file| file.name = " ".into()), ["name"]);
    let url = "https://x.test";
    assert_eq!(
        fields(|file| file.domains = vec!["x.test".into(), url.into()]),
        ["domains.1"]
    );
    assert_eq!(
        fields(|file| file.redirect_hosts = vec![url.into()]),
        ["redirect_hosts.0"]
    );
    assert_eq!(
        fields(|file| file.app_url = Some("javascript:alert(1)".into())),
        ["app_url"]
    );
    for (one, other) in [
        ("x.test", "X.Test"),
        ("b\u{fc}cher.test", "xn--bcher-kva.test"),
        ("[::1]", "0:0:0:0:0:0:0:1"),
    ] {
        let found =
            fields(|file| file.domains = vec![one.into(), "between.test".into(), other.into()]);
        assert_eq!(found, ["domains.2"], "{one} and {other}");
    }
}

#[test]
fn dialects_are_listed_once_and_name_somebody() {
    assert_eq!(
        fields(|file| file.dialects = vec!["rezi".into(), "rezi".into()]),
        ["dialects.1"]
    );
    for (issuer, audience, field) in [("", "x", "issuer"), ("x", " ", "audience")] {
        let found = fields(|file| {
            let mount = file.dialect.entry("rezi".into()).or_default();
            mount.issuer = Some(issuer.into());
            mount.audience = Some(audience.into());
        });
        assert_eq!(found, [format!("dialect.rezi.{field}")]);
    }
}

#[test]
fn defaults_by_their_shape() {
    assert_eq!(
        fields(|file| file.defaults.role = " ".into()),
        ["defaults.role"]
    );
    for good in ["en", "en-US", "zh-Hans-CN", "de-1996", "sr-Latn"] {
        assert!(
            fields(|file| file.defaults.locale = good.into()).is_empty(),
            "{good}"
        );
    }
    for bad in [
        "",
        "e",
        "en_US",
        "en-",
        "english language",
        "12",
        "en-abcdefghi",
    ] {
        assert_eq!(
            fields(|file| file.defaults.locale = bad.into()),
            ["defaults.locale"],
            "{bad}"
        );
    }
    for good in [
        "UTC",
        "Asia/Kolkata",
        "Etc/GMT+5",
        "America/Argentina/Ushuaia",
        "Asia/Calcutta",
        "US/Eastern",
    ] {
        assert!(
            fields(|file| file.defaults.timezone = good.into()).is_empty(),
            "{good}"
        );
    }
    for bad in [
        "",
        "+05:30",
        "Asia/",
        "/Asia",
        "Asia Kolkata",
        "Asia//Kolkata",
        "Asia/Nowhere",
        "asia/kolkata",
        "Berlin",
        "5",
    ] {
        assert_eq!(
            fields(|file| file.defaults.timezone = bad.into()),
            ["defaults.timezone"],
            "{bad}"
        );
    }
}

#[test]
fn secrets_are_named_by_reference_only() {
    for (secret, ok) in [
        ("env:ACME_SECRET", true),
        ("file:/run/secrets/acme", true),
        ("plain-secret", false),
        ("", false),
        ("env:", false),
        ("env: ", false),
        ("env:A B", false),
        ("file:", false),
        ("vault:acme", false),
    ] {
        let mut file = tenant("acme", "Acme").file;
        file.registration.captcha = Captcha::Turnstile;
        file.registration.captcha_secret = Some(secret.into());
        let faults = check_file(&file);
        assert_eq!(faults.is_empty(), ok, "{secret}: {faults:?}");
        assert!(
            !format!("{faults:?}").contains("plain-secret"),
            "{faults:?}"
        );
    }
    let captcha = |file: &mut TenantFile| file.registration.captcha = Captcha::Hcaptcha;
    assert_eq!(fields(captcha), ["registration.captcha_secret"]);
    for empty in ["env:", "file:"] {
        let found = fields(|file| file.mail.smtp_url = Some(empty.into()));
        assert_eq!(found, ["mail.smtp_url"], "{empty}");
    }
}

#[test]
fn each_kind_of_captcha_has_what_it_needs_and_no_more() {
    let pow = |change: fn(&mut Registration)| {
        fields(|file| {
            file.registration.captcha = Captcha::Pow;
            change(&mut file.registration);
        })
    };
    assert_eq!(pow(|_| ()), [""; 0]);
    assert_eq!(
        pow(|given| given.captcha_on = vec![CaptchaAt::SignIn, CaptchaAt::ForgotPassword]),
        [""; 0]
    );
    assert_eq!(
        pow(|given| given.captcha_on = Vec::new()),
        ["registration.captcha_on"]
    );
    assert_eq!(
        pow(|given| given.captcha_on = vec![CaptchaAt::SignIn; 2]),
        ["registration.captcha_on.1"]
    );
    for cost in [0, 99, 50_001] {
        let found = fields(|file| file.registration.captcha_cost = cost);
        assert_eq!(found, ["registration.captcha_cost"], "{cost}");
    }
    assert_eq!(
        pow(|given| given.captcha_secret = Some("env:SECRET".into())),
        ["registration.captcha_secret"]
    );
    assert_eq!(
        pow(|given| given.captcha_site_key = Some("key".into())),
        ["registration.captcha_site_key"]
    );
    assert_eq!(
        pow(|given| given.captcha_url = Some("https://x.test/".into())),
        ["registration.captcha_url"]
    );
    let turnstile = |key: Option<&str>, at| {
        fields(|file| {
            file.registration.captcha = Captcha::Turnstile;
            file.registration.captcha_secret = Some("env:SECRET".into());
            file.registration.captcha_site_key = key.map(str::to_owned);
            file.registration.captcha_on = vec![at];
        })
    };
    assert_eq!(turnstile(None, CaptchaAt::SignUp), [""; 0]);
    assert_eq!(turnstile(Some("0x4AAA_b-c"), CaptchaAt::SignIn), [""; 0]);
    for (key, at) in [
        (None, CaptchaAt::SignIn),
        (Some(""), CaptchaAt::SignUp),
        (Some("a\"b"), CaptchaAt::SignUp),
    ] {
        assert_eq!(turnstile(key, at), ["registration.captcha_site_key"]);
    }
}

#[test]
fn policies_have_bounds() {
    assert_eq!(
        fields(|file| file.password.min_length = 4),
        ["password.min_length"]
    );
    assert_eq!(
        fields(|file| file.login_token.lifetime = "2h".parse().unwrap()),
        ["login_token.lifetime"]
    );
}

#[test]
fn destinations_are_paths_with_whole_placeholders() {
    for (path, ok) in [
        ("/course/{enrollmentId}/x", true),
        ("/{a}/{b_2}", true),
        ("//evil", false),
        ("/\\evil", false),
        ("/{", false),
        ("/}", false),
        ("/{}", false),
        ("/{a}}", false),
        ("/{{a}}", false),
        ("/}{a}", false),
        ("/{a b}", false),
    ] {
        let found = fields(|file| {
            file.handoff.insert("x".into(), path.into());
        });
        assert_eq!(found.is_empty(), ok, "{path}: {found:?}");
        assert!(found.iter().all(|field| field == "handoff.x"), "{found:?}");
    }
}

#[test]
fn mail_and_branding() {
    let from = "Acme\r\nBcc: x@x.test <no-reply@acme.test>";
    assert_eq!(
        fields(|file| file.mail.from = Some(from.into())),
        ["mail.from"]
    );
    assert_eq!(
        fields(|file| file.branding.color = Some("red".into())),
        ["branding.color"]
    );
    assert_eq!(
        fields(|file| file.branding.product = Some(String::new())),
        ["branding.product"]
    );
    for (support, ok) in [
        ("help@acme.test", true),
        ("https://acme.test/help", true),
        ("acme.test", false),
        ("javascript:alert(1)", false),
        ("", false),
    ] {
        let found = fields(|file| file.branding.support = Some(support.into()));
        assert_eq!(found.is_empty(), ok, "{support}: {found:?}");
    }
}

#[test]
fn one_provider_of_each_kind() {
    assert_eq!(
        fields(|file| file.provider = vec![provider("a"), provider("b")]),
        ["provider.1.kind"]
    );
    assert_eq!(
        fields(|file| file.provider = vec![provider(" ")]),
        ["provider.0.client_id"]
    );
}
