//! A walk past every page there is.

use crate::{Chromium, PASSWORD, Server, awaited};

/// Somebody who wants an account at the first tenant; the window shows the page that tells of the mail.
pub fn sign_up(server: &Server, browser: &Chromium, email: &str) {
    browser.open(&server.at("/sign-up"));
    browser.fill("[name=name]", "Ada King");
    browser.fill("[name=email]", email);
    browser.fill("[name=password]", PASSWORD);
    browser.follow("form[action='/sign-up'] .primary");
    browser.is_at("/sign-up/sent");
}

/// The same, with the code of the mail typed: a new person, signed in, is asked a few things.
pub fn newcomer(server: &Server, browser: &Chromium, email: &str) {
    sign_up(server, browser, email);
    browser.fill("[name=code]", &server.mailed_code(email));
    browser.follow("main form .primary");
    browser.is_at("/onboarding");
}

/// Invites somebody to the first tenant, as its operator does.
pub fn invite(server: &Server, email: &str) {
    let who = ["--email", email, "--first-name", "Grace"];
    let command = ["user", "invite", "--tenant", "demo"];
    server.command(&[command.as_slice(), &who].concat());
}

/// Shows every page in turn, in its usual states, to a browser in which nobody is signed in; `see` gets each page's name.
pub fn tour(server: &Server, browser: &Chromium, mut see: impl FnMut(&str)) {
    let mut open = |name: &str, path: &str| {
        browser.open(&server.at(path));
        see(name);
    };
    open("sign-in", "/sign-in");
    open("sign-in-notice", "/sign-in?notice=signed-out");
    open("sign-up", "/sign-up");
    open("forgot-password", "/forgot-password");
    open("link-spent", "/verify-email/x");
    open("reset-spent", "/reset-password/x");
    open("not-found", "/nothing");
    open("demo", "/");
    try_the_dialects(browser);
    see("demo-tried");

    browser.open(&server.of("nobody", "/sign-in"));
    see("unknown-host");

    browser.open(&server.at("/sign-in"));
    browser.fill("[name=email]", "ada@example.com");
    browser.fill("[name=password]", "wrong");
    browser.follow("form[action='/sign-in'] .primary");
    see("sign-in-refused");

    browser.open(&server.at("/sign-up"));
    browser.fill("[name=name]", "Ada");
    browser.fill("[name=email]", "ada@example.com");
    browser.fill("[name=password]", "12345678");
    browser.follow("form[action='/sign-up'] .primary");
    see("sign-up-refused");

    let email = "tour@example.com";
    whose_address_is_not_proven(server, browser, &mut see);
    as_a_new_person(server, browser, email, &mut see);
    from_a_partner(server, browser, &mut see);
    and_leaves(server, browser, email, &mut see);
    as_a_guest(server, browser, &mut see);
}

/// On the demo's page: two of the dialects, until what went over the wire and the mail that came of it are shown.
fn try_the_dialects(browser: &Chromium) {
    for form in ["/api/register", "/authorize/login"] {
        let form = format!("form[data-json='{form}']");
        browser.click(&format!("{form} .primary"));
        awaited("an answer", || {
            let wire = browser.says(&format!("{form} .wire"));
            wire.contains("HTTP/1.1").then_some(())
        });
    }
    awaited("a mail", || browser.has("#mails details").then_some(()));
}

fn as_a_new_person(server: &Server, browser: &Chromium, email: &str, see: &mut impl FnMut(&str)) {
    sign_up(server, browser, email);
    see("sign-up-sent");
    let link = server.mailed_link(email, "/verify-email/");
    // Elsewhere: where it began, the page would press its button by itself.
    browser.forget();
    browser.open(&link);
    see("verify-email");
    browser.fill("[name=password]", PASSWORD);
    browser.follow("main form .primary");
    see("onboarding");
    browser.open(&link);
    see("link-spent-confirmed");
    browser.open(&server.at("/account"));
    see("account");
    for section in ["change-email", "change-password", "take-data", "leave"] {
        browser.click(&format!("#{section} summary"));
    }
    see("account-unfolded");
    browser.reload();
    to_another_address(server, browser, email, see);
    browser.open(&server.at("/app"));
    see("demo-app");
    browser.open(&server.at("/forgot-password"));
    browser.fill("[name=email]", email);
    browser.follow("form[action='/forgot-password'] .primary");
    see("forgot-password-sent");
    browser.open(&server.mailed_link(email, "/reset-password/"));
    see("reset-password");
    browser.open(&server.at("/dev/inbox"));
    see("demo-inbox");
}

fn whose_address_is_not_proven(server: &Server, browser: &Chromium, see: &mut impl FnMut(&str)) {
    let email = "unproven@example.com";
    server.register(email);
    browser.forget();
    browser.open(&server.at("/sign-in?next=/verify-email"));
    browser.fill("[name=email]", email);
    browser.fill("[name=password]", PASSWORD);
    browser.follow("form[action='/sign-in'] .primary");
    browser.is_at("/verify-email");
    see("verify-email-told");
    browser.forget();
}

fn to_another_address(
    server: &Server,
    browser: &Chromium,
    email: &str,
    see: &mut impl FnMut(&str),
) {
    let new = format!("new-{email}");
    browser.click("#change-email summary");
    browser.fill("#new_email", &new);
    browser.fill("#email_password", "wrong");
    browser.follow("form[action='/account/email'] .primary");
    see("account-refused");
    browser.fill("#email_password", PASSWORD);
    browser.follow("form[action='/account/email'] .primary");
    see("account-email-asked");
    browser.open(&server.mailed_link(email, "/account/email/"));
    see("email-change-old");
    browser.follow("[name=answer][value=yes]");
    see("account-email-half");
    let link = server.mailed_link(&new, "/account/email/");
    browser.open(&link);
    see("email-change-new");
    browser.follow("[name=answer][value=no]");
    browser.open(&link);
    see("email-change-spent");
    browser.open(&server.at("/account"));
}

fn and_leaves(server: &Server, browser: &Chromium, email: &str, see: &mut impl FnMut(&str)) {
    browser.open(&server.at("/account"));
    browser.click("#leave summary");
    browser.fill("#deletion_password", PASSWORD);
    browser.follow("form[action='/account/delete'] .danger");
    see("sign-in-deletion-asked");
    browser.fill("[name=email]", email);
    browser.fill("[name=password]", PASSWORD);
    browser.follow("form[action='/sign-in'] .primary");
    browser.is_at("/account/keep");
    see("keep-account");
    browser.open(&server.at("/account"));
    see("account-deletion-due");
    browser.forget();
}

fn as_a_guest(server: &Server, browser: &Chromium, see: &mut impl FnMut(&str)) {
    let email = "guest@example.com";
    invite(server, email);
    let link = server.mailed_link(email, "/invitation/");
    browser.open(&link);
    see("invitation");
    browser.fill("[name=password]", PASSWORD);
    browser.follow("main form .primary");
    browser.is_at("/onboarding");
    browser.forget();
    browser.open(&link);
    see("invitation-spent");
}

fn from_a_partner(server: &Server, browser: &Chromium, see: &mut impl FnMut(&str)) {
    browser.open(&server.at("/"));
    browser.follow("form[action='/demo/partner'] .primary");
    see("demo-partner");
    browser.follow("#go");
    browser.is_at("/sign-in/choose");
    see("choose");
}
