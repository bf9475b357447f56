//! Two tabs, the Back button, a reload: there is always a way to the goal.

use browser::{Chromium, Look, PASSWORD, Server, sign_up};

fn sign_in(browser: &Chromium, server: &Server) {
    let (email, password) = server.person();
    browser.fill("[name=email]", &email);
    browser.fill("[name=password]", &password);
    browser.follow("form[action='/sign-in'] .primary");
}

#[test]
fn two_tabs() {
    let (server, browser) = (Server::start(), Chromium::start(Look::DESK));
    let first = browser.tab();
    browser.open(&server.at("/sign-in?next=/account"));
    let second = browser.new_tab();
    browser.open(&server.at("/sign-in?next=/onboarding"));
    sign_in(&browser, &server);
    browser.is_at("/onboarding");
    // The first tab still shows its form.
    browser.to_tab(&first);
    sign_in(&browser, &server);
    browser.is_at("/account");
    // Signed out in one, a form in the other leads to sign-in and not to a dead end.
    browser.to_tab(&second);
    browser.open(&server.at("/account"));
    browser.to_tab(&first);
    browser.reload();
    browser.follow("#sign-out");
    browser.to_tab(&second);
    browser.fill("[name=first_name]", "Ada");
    browser.follow("form[action='/account/profile'] .primary");
    browser.is_at("/sign-in?next=%2Faccount");
    sign_in(&browser, &server);
    browser.is_at("/account");
}

#[test]
fn back_and_reload() {
    let (server, browser) = (Server::start(), Chromium::start(Look::PHONE));
    browser.open(&server.at("/sign-in?next=/account"));
    sign_in(&browser, &server);
    // Back to the form, which knows by now that somebody is signed in.
    browser.back();
    browser.reload();
    browser.is_at("/account");
    browser.follow("form[action='/account/profile'] .primary");
    browser.reload();
    assert!(browser.has("#sign-out"), "{}", browser.url());
    browser.follow("#sign-out");
    browser.back();
    browser.reload();
    browser.is_at("/sign-in?next=");
}

#[test]
fn a_link_that_was_used_already_leads_on() {
    let (server, browser) = (Server::start(), Chromium::start(Look::PHONE));
    sign_up(&server, &browser, "twice@example.com");
    let link = server.mailed_link("twice@example.com", "/verify-email/");
    browser.open(&link);
    browser.comes_to("/onboarding");
    browser.open(&link);
    browser.follow("main .primary");
    assert!(
        !browser.url().contains("/verify-email"),
        "{}",
        browser.url()
    );
    // Elsewhere, where nobody is signed in, it says how to go on.
    let elsewhere = Chromium::start(Look::DESK);
    elsewhere.open(&link);
    elsewhere.follow("main .primary");
    elsewhere.fill("[name=email]", "twice@example.com");
    elsewhere.fill("[name=password]", PASSWORD);
    elsewhere.follow("form[action='/sign-in'] .primary");
    assert!(!elsewhere.url().contains("/sign-in"), "{}", elsewhere.url());
}
