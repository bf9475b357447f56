//! A walk past every page there is.

use crate::{Chromium, PASSWORD, Server};

/// A new person of the first tenant who came by its sign-up page; the window shows the page after it.
pub fn sign_up(server: &Server, browser: &Chromium, email: &str) {
    browser.open(&server.at("/sign-up"));
    browser.fill("[name=name]", "Ada King");
    browser.fill("[name=email]", email);
    browser.fill("[name=password]", PASSWORD);
    browser.follow("form[action='/sign-up'] .primary");
    browser.is_at("/verify-email");
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

    as_a_new_person(server, browser, &mut see);
    from_a_partner(server, browser, &mut see);
}

fn as_a_new_person(server: &Server, browser: &Chromium, see: &mut impl FnMut(&str)) {
    let email = "tour@example.com";
    sign_up(server, browser, email);
    see("verify-email-told");
    let link = server.mailed_link(email, "/verify-email/");
    // Elsewhere: where it began, the page would press its button by itself.
    browser.forget();
    browser.open(&link);
    see("verify-email");
    browser.follow("main form .primary");
    see("onboarding");
    browser.open(&link);
    see("link-spent-confirmed");
    browser.open(&server.at("/account"));
    see("account");
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

fn from_a_partner(server: &Server, browser: &Chromium, see: &mut impl FnMut(&str)) {
    browser.open(&server.at("/"));
    browser.follow("form[action='/demo/partner'] .primary");
    see("demo-partner");
    browser.follow("#go");
    browser.is_at("/sign-in/choose");
    see("choose");
}
