use super::*;

const GOOD: &str =
    "slug = \"acme\"\nname = \"Acme\"\ndialects = [\"rezi\"]\n\n[session]\nidle = \"7d\"\n";

fn refusal(text: &str) -> String {
    format!(
        "{:#}",
        parse("acme.toml", text, &Dialects::builtin().unwrap()).unwrap_err()
    )
}

#[test]
fn a_good_file_is_read() {
    let file = parse("acme.toml", GOOD, &Dialects::builtin().unwrap()).unwrap();
    assert_eq!(file.slug, "acme");
}

#[test]
fn misspelt_words_are_told_with_line_and_right_word() {
    for (text, message) in [
        (
            GOOD.replace("name =", "nam ="),
            "acme.toml:2: unknown setting `nam`; did you mean `name`?",
        ),
        (
            GOOD.replace("idle", "idel"),
            "acme.toml:6: unknown setting `idel`; did you mean `idle`?",
        ),
        (
            format!("{GOOD}[registration]\ncaptcha = \"turnstil\"\n"),
            "acme.toml:8: unknown value `turnstil`; did you mean `turnstile`?",
        ),
        (
            GOOD.replace("rezi", "rezzi"),
            "acme.toml:3: `dialects`: there is no dialect `rezzi`; did you mean `rezi`?",
        ),
        (
            GOOD.replace("rezi", "somebody-elses-api"),
            "acme.toml:3: `dialects`: there is no dialect `somebody-elses-api`; there are alphalearn, enclaive, rezi; your own come \
             with the folder that `--dialects` names",
        ),
        (
            format!("{GOOD}[texts.de]\nsign_in.titel = \"x\"\n"),
            "acme.toml:8: `texts.de.sign_in.titel`: there is no such text; did you mean `sign_in.title`?",
        ),
        (
            format!("{GOOD}[dialect.enclave]\n"),
            "acme.toml:7: `dialect.enclave`: there is no dialect `enclave`; did you mean `enclaive`?",
        ),
    ] {
        assert_eq!(refusal(&text), message);
    }
}

#[test]
fn wrong_values_are_told_with_their_line() {
    let provider = "[[provider]]\nkind = \"google\"\nclient_id = \"x\"\n";
    for (text, start) in [
        (
            GOOD.replace("7d", "7 days"),
            "acme.toml:6: `7 days` is not a span of time",
        ),
        (GOOD.replace("7d", "95d"), "acme.toml:6: `session.idle`: "),
        (
            GOOD.replace("\"acme\"", "\"Acme!\""),
            "acme.toml:1: `slug`: ",
        ),
        (GOOD.replace("\"Acme\"", "5"), "acme.toml:2: "),
        (
            GOOD.replace("name = \"Acme\"", "name = \"Acme"),
            "acme.toml:2: ",
        ),
        (
            format!("{GOOD}[password]\nmin_length = 4\n"),
            "acme.toml:8: `password.min_length`: ",
        ),
        (
            format!("{GOOD}[branding]\nterms = \"acme.test/terms\"\n"),
            "acme.toml:8: `branding.terms`: ",
        ),
        (
            format!("{GOOD}[mail]\nfrom = \"nobody\"\n"),
            "acme.toml:8: `mail.from`: ",
        ),
        (
            format!("{GOOD}[mail]\nsmtp_url = \"smtp://u:hunter2@mail\"\n"),
            "acme.toml:8: `mail.smtp_url`: holds a password",
        ),
        (
            format!("{GOOD}[[provider]]\nkind = \"google\"\nclient_id = \" \"\n"),
            "acme.toml:9: `provider.client_id`: ",
        ),
        (
            format!("{GOOD}{provider}{provider}"),
            "acme.toml:11: `provider.kind`: there is a provider of this kind already",
        ),
        (
            GOOD.replace("[\"rezi\"]", "[\n  \"rezi\",\n  \"rezi\",\n]"),
            "acme.toml:5: `dialects`: `rezi` is listed twice",
        ),
        (
            format!("domains = [\n\"a.test\",\n\"b.test\",\n\"A.test\"]\n{GOOD}"),
            "acme.toml:4: `domains`: `A.test` is listed twice",
        ),
        (
            format!("{GOOD}[registration]\ncaptcha_secret = \"hunter2\"\n"),
            "acme.toml:8: `registration.captcha_secret`: names where the secret is",
        ),
        (
            format!("{GOOD}[mail]\nfrom = \"Acme\\n<a@acme.test>\"\n"),
            "acme.toml:8: `mail.from`: a sender is one line",
        ),
        (
            format!("{GOOD}[dialect.enclaive]\naudience = \"\"\n"),
            "acme.toml:8: `dialect.enclaive.audience`: ",
        ),
    ] {
        let message = refusal(&text);
        assert!(
            message.starts_with(start) && !message.contains("hunter2") && !message.contains('\n'),
            "{message}"
        );
    }
}

fn refusal_of_both(one: &str, other: &str) -> String {
    let folder = crate::temporary::Folder::create("tenants").unwrap();
    let paths = [("one.toml", one), ("other.toml", other)].map(|(name, text)| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    });
    let error = read_all(&paths, &Dialects::builtin().unwrap()).unwrap_err();
    format!("{error:#}").replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_logo_lies_beside_its_file() {
    let folder = crate::temporary::Folder::create("logo").unwrap();
    let place = folder.path().join("acme.toml");
    let dialects = Dialects::builtin().unwrap();
    let read = |logo: &str| {
        fs::write(&place, format!("{GOOD}[branding]\nlogo = \"{logo}\"\n")).unwrap();
        read_all(std::slice::from_ref(&place), &dialects)
    };
    fs::write(folder.path().join("logo.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    fs::write(folder.path().join("page.png"), b"<html>").unwrap();
    let described = read("logo.png").unwrap().remove(0);
    let picture = described.picture.unwrap();
    assert_eq!(
        described.file.branding.logo.as_deref(),
        Some(picture.name())
    );
    for (logo, message) in [
        ("page.png", "is neither PNG, JPEG, WebP nor SVG"),
        ("none.png", "cannot read"),
        ("../logo.png", "is not the name of a file beside this one"),
        ("/etc/passwd", "is not the name of a file beside this one"),
    ] {
        let error = format!("{:#}", read(logo).unwrap_err());
        let place = format!("{}:8: `branding.logo`: ", place.display());
        assert!(
            error.starts_with(&place) && error.contains(message),
            "{error}"
        );
    }
}

#[test]
fn templates_lie_beside_their_file() {
    let folder = crate::temporary::Folder::create("templates").unwrap();
    let place = folder.path().join("acme.toml");
    let dialects = Dialects::builtin().unwrap();
    fs::write(folder.path().join("page.html"), "hush").unwrap();
    let above = format!("file:{}", folder.path().join("page.html").display());
    for name in [
        &*above,
        "file:/etc/x.html",
        "file:../x.html",
        "file:a/../../x.txt",
    ] {
        fs::write(
            &place,
            format!("{GOOD}[templates]\n\"sign-in.html\" = \"{name}\"\n"),
        )
        .unwrap();
        let read = read_all(std::slice::from_ref(&place), &dialects);
        let error = format!("{:#}", read.unwrap_err());
        assert!(
            error.contains("is not the name of a file beside this one"),
            "{error}"
        );
    }
}

/// A template is shown to everybody; settings, keys and other tenants' files lie in the same folder.
#[test]
fn only_texts_are_read_as_templates() {
    let folder = crate::temporary::Folder::create("published").unwrap();
    let place = folder.path().join("acme.toml");
    let dialects = Dialects::builtin().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    for (name, is_read) in [
        ("data/secret.key", false),
        ("database-url", false),
        ("acme.toml", false),
        ("vestibule.db", false),
        (".env", false),
        (".html", false),
        ("page.html", true),
        ("data/page.txt", true),
    ] {
        fs::write(folder.path().join(name), "hush").unwrap();
        let text = format!("{GOOD}[templates]\n\"sign-in.html\" = \"file:{name}\"\n");
        fs::write(&place, text).unwrap();
        match (is_read, read_all(std::slice::from_ref(&place), &dialects)) {
            (true, read) => assert!(read.is_ok(), "{name}: {read:?}"),
            (false, read) => {
                let error = format!("{:#}", read.unwrap_err());
                let says = format!(
                    "`{name}` will be shown to everybody: its name must end in `.html` or `.txt`"
                );
                assert!(error.contains(&says), "{error}");
            }
        }
    }
}

#[test]
fn files_of_one_call_must_not_contradict_each_other() {
    let domains = "domains = [\"lms.acme.test\"]\n";
    let other = GOOD.replace("acme", "other");
    assert_eq!(
        refusal_of_both(
            &format!("{domains}{GOOD}"),
            &format!("domains = [\n  \"x.test\",\n  \"LMS.acme.test\",\n]\n{other}")
        ),
        "other.toml:3: `domains`: `lms.acme.test` belongs to `acme`, as one.toml says"
    );
    assert_eq!(
        refusal_of_both(GOOD, GOOD),
        "other.toml:1: `slug`: one.toml describes this tenant already"
    );
}
