//! What people change and take along of their own, by keyboard alone, with scripts and without: another address, their data,
//! and the account itself.

use std::path::Path;

use browser::{Chromium, PASSWORD, Server, awaited, newcomer};
use serde_json::Value;

use crate::journeys::{each, sign_in, unfold, unique};

/// A new person, signed in, whose account page is shown.
fn somebody(server: &Server, browser: &Chromium) -> String {
    let email = format!("somebody-{}@example.com", unique());
    newcomer(server, browser, &email);
    browser.open(&server.at("/account"));
    email
}

#[test]
fn an_address_changes_when_both_mailboxes_have_said_yes() {
    each(|server, browser| {
        let old = somebody(server, browser);
        let new = format!("new-{old}");
        unfold(browser, "change-email");
        browser.type_into("#new_email", &new);
        browser.type_into("#email_password", "not my password");
        browser.enter();
        assert!(
            browser.has("#email_password[aria-invalid]"),
            "{}",
            browser.says("main")
        );
        browser.type_into("#email_password", PASSWORD);
        browser.enter();
        browser.is_at("/account?notice=email-change-asked");
        for (mailbox, notice) in [(&old, "email-half"), (&new, "email-changed")] {
            browser.open(&server.mailed_link(mailbox, "/account/email/"));
            assert!(browser.says("main").contains(&old) && browser.says("main").contains(&new));
            browser.tab_to("[name=answer][value=yes]");
            browser.enter();
            browser.is_at(&format!("/account?notice={notice}"));
            assert!(browser.has("[role=status]"));
        }
        browser.follow("#sign-out");
        sign_in(browser, &old, PASSWORD);
        assert!(
            browser.has("[role=alert]"),
            "the old address is good no longer"
        );
        browser.run("document.querySelector('[name=email]').value = ''", &[]);
        sign_in(browser, &new, PASSWORD);
        browser.is_at("/app");
    });
}

#[test]
fn whoever_is_invited_sets_a_password_and_is_in() {
    each(|server, browser| {
        let email = format!("guest-{}@example.com", unique());
        browser::invite(server, &email);
        browser.open(&server.mailed_link(&email, "/invitation/"));
        browser.type_into("[name=password]", "guest");
        browser.run(
            "document.querySelector('[name=password]').minLength = 0",
            &[],
        );
        browser.enter();
        assert!(
            browser.has("[name=password][aria-invalid]"),
            "{}",
            browser.says("main")
        );
        browser.type_into("[name=password]", PASSWORD);
        browser.enter();
        browser.is_at("/onboarding");
        browser.tab_to("#close");
        browser.enter();
        browser.is_at("/app");
        assert!(browser.says("main").contains(&email));
    });
}

/// The file, once all of it is there.
fn arrived(file: &Path) -> Value {
    awaited(&file.display().to_string(), || {
        let text = std::fs::read_to_string(file).ok()?;
        serde_json::from_str(&text).ok()
    })
}

#[test]
fn people_take_their_data_along() {
    each(|server, browser| {
        let email = somebody(server, browser);
        let folder = server.folder().join(&email);
        std::fs::create_dir(&folder).unwrap();
        browser.downloads_to(&folder);
        let file = folder.join("demo-account.json");
        unfold(browser, "take-data");
        // A second time too: the page stays, and its button with it.
        for _ in 0..2 {
            browser.type_into("#export_password", PASSWORD);
            browser.press("Enter");
            assert!(arrived(&file).to_string().contains(&email));
            std::fs::remove_file(&file).unwrap();
            browser.run("document.querySelector('#export_password').value = ''", &[]);
        }
        assert!(!browser.has("[aria-busy]"));
    });
}

#[test]
fn an_account_goes_unless_its_owner_comes_back_and_keeps_it() {
    each(|server, browser| {
        let email = somebody(server, browser);
        unfold(browser, "leave");
        browser.type_into("#deletion_password", PASSWORD);
        browser.enter();
        browser.is_at("/sign-in?notice=deletion-asked");
        for (answer, leads_to) in [("leave", "/sign-in?notice=signed-out"), ("keep", "/app")] {
            sign_in(browser, &email, PASSWORD);
            browser.is_at("/account/keep");
            browser.tab_to(&format!("[name=answer][value={answer}]"));
            browser.enter();
            browser.is_at(leads_to);
        }
        browser.open(&server.at("/account"));
        assert!(
            browser.has("#deletion_password"),
            "{}",
            browser.says("main")
        );
    });
}
