//! Each flow from its begin to its end, by keyboard alone, with scripts and without.

use std::sync::atomic::{AtomicU32, Ordering};

use browser::{Chromium, Look, PASSWORD, Server};

/// A phone with scripts, and a desk without.
const LOOKS: [Look; 2] = [Look::PHONE, Look::DESK.without_scripts()];

/// Part of an address that nobody has.
pub(crate) fn unique() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn each(journey: impl Fn(&Server, &Chromium)) {
    let (server, browser) = (Server::start(), Chromium::start(LOOKS[0]));
    for look in LOOKS {
        browser.forget();
        browser.set(look);
        journey(&server, &browser);
    }
}

pub(crate) fn sign_in(browser: &Chromium, email: &str, password: &str) {
    browser.type_into("[name=email]", email);
    browser.type_into("[name=password]", password);
    browser.enter();
}

/// Opens what a section of the account page holds folded.
pub(crate) fn unfold(browser: &Chromium, section: &str) {
    browser.tab_to(&format!("#{section} summary"));
    browser.press("Enter");
}

#[test]
fn signing_in_leads_to_the_page_that_was_wanted() {
    each(|server, browser| {
        let (email, password) = server.person();
        browser.open(&server.at("/account"));
        browser.is_at("/sign-in?next=%2Faccount");
        sign_in(browser, &email, "not my password");
        browser.is_at("/sign-in");
        assert!(browser.has("[role=alert]"), "{}", browser.says("main"));
        browser.run("document.querySelector('[name=email]').value = ''", &[]);
        sign_in(browser, &email, &password);
        browser.is_at("/account");
        let history = browser.says("#history");
        assert!(
            history.contains("Signed in") && history.contains("Sign-in refused"),
            "{history}"
        );
        browser.tab_to("#sign-out");
        browser.enter();
        browser.is_at("/sign-in?notice=signed-out");
        assert!(browser.has("[role=status]"));
    });
}

#[test]
fn a_newcomer_signs_up_confirms_and_gets_to_the_app() {
    let turns = std::cell::Cell::new(0);
    each(|server, browser| {
        let turn = turns.replace(turns.get() + 1);
        let email = format!("new-{}@example.com", unique());
        browser.open(&server.at("/sign-up"));
        browser.type_into("[name=name]", "Grace Hopper");
        browser.type_into("[name=email]", &email);
        browser.type_into("[name=password]", PASSWORD);
        browser.enter();
        browser.is_at("/sign-up/sent");
        if turn == 0 {
            // The link goes on by itself where it was asked for.
            browser.open(&server.mailed_link(&email, "/verify-email/"));
            browser.comes_to("/onboarding");
        } else {
            browser.type_into("[name=code]", &server.mailed_code(&email));
            browser.enter();
            browser.is_at("/onboarding");
        }
        browser.tab_to("main form .primary");
        browser.enter();
        browser.is_at("/app");
        assert!(browser.says("main").contains(&email));
    });
}

#[test]
fn a_forgotten_password_is_set_anew() {
    each(|server, browser| {
        let email = format!("old-{}@example.com", unique());
        browser::newcomer(server, browser, &email);
        browser.open(&server.at("/account"));
        browser.follow("#sign-out");
        browser.tab_to("a[href^='/forgot-password']");
        browser.enter();
        browser.type_into("[name=email]", &email);
        browser.enter();
        browser.is_at("/forgot-password/sent");
        browser.open(&server.mailed_link(&email, "/reset-password/"));
        browser.type_into("[name=password]", "purple-mountain-85");
        browser.enter();
        browser.is_at("/sign-in?notice=password-reset");
        sign_in(browser, &email, "purple-mountain-85");
        browser.is_at("/app");
    });
}

#[test]
fn a_forgotten_password_is_set_anew_by_the_code() {
    each(|server, browser| {
        let email = format!("code-{}@example.com", unique());
        browser::newcomer(server, browser, &email);
        browser.forget();
        browser.open(&server.at("/sign-in?next=/account"));
        browser.tab_to("a[href^='/forgot-password']");
        browser.enter();
        browser.type_into("[name=email]", &email);
        browser.enter();
        browser.is_at("/forgot-password/sent");
        browser.reload();
        browser.type_into("[name=code]", "000 000");
        browser.enter();
        assert!(browser.has("[role=alert]"), "{}", browser.says("main"));
        server.mailed_link(&email, "/reset-password/");
        browser.type_into("[name=code]", &server.mailed_code(&email));
        browser.enter();
        browser.is_at("/reset-password/");
        browser.type_into("[name=password]", "purple-mountain-85");
        browser.enter();
        browser.is_at("/sign-in?notice=password-reset&next=%2Faccount");
        sign_in(browser, &email, "purple-mountain-85");
        browser.is_at("/account");
    });
}

#[test]
fn a_password_is_changed_and_every_other_browser_signed_out() {
    each(|server, browser| {
        let email = format!("change-{}@example.com", unique());
        browser::newcomer(server, browser, &email);
        let elsewhere = Chromium::start(Look::DESK);
        elsewhere.open(&server.at("/sign-in?next=/account"));
        sign_in(&elsewhere, &email, PASSWORD);
        elsewhere.is_at("/account");
        browser.open(&server.at("/account"));
        unfold(browser, "change-password");
        browser.type_into("[name=current]", PASSWORD);
        browser.type_into("[name=new]", "purple-mountain-85");
        browser.enter();
        browser.is_at("/account?notice=password-changed");
        assert!(browser.has("[role=status]"));
        elsewhere.reload();
        elsewhere.is_at("/sign-in?next=%2Faccount");
    });
}

#[test]
fn a_partners_link_asks_before_it_changes_who_is_signed_in() {
    each(|server, browser| {
        let (email, password) = server.person();
        browser.open(&server.at("/sign-in"));
        sign_in(browser, &email, &password);
        for (choice, stays) in [("stay", true), ("new", false)] {
            browser.open(&server.at("/"));
            browser.tab_to("form[action='/demo/partner'] .primary");
            browser.enter();
            browser.tab_to("#go");
            browser.enter();
            browser.is_at("/sign-in/choose");
            browser.tab_to(&format!("[name=choice][value={choice}]"));
            browser.enter();
            browser.open(&server.at("/app"));
            assert_eq!(browser.says("main").contains(&email), stays);
        }
    });
}

#[test]
fn a_course_is_opened_by_a_form_and_the_page_shows_what_was_sent() {
    let (server, browser) = (Server::start(), Chromium::start(Look::DESK));
    browser.open(&server.at("/"));
    browser.tab_to("form[data-json='/authorize/login'] .primary");
    browser.press("Enter");
    let wire = browser::awaited("the token", || {
        let wire = browser.says("#alphalearn form[data-navigates] pre");
        wire.contains("\n&type=2").then_some(wire)
    });
    assert!(
        wire.starts_with("POST /site/login-by-jwt-token HTTP/1.1") && wire.contains("\ntoken=ey"),
        "{wire}"
    );
    browser.tab_to("form[data-navigates] .primary");
    browser.enter();
    browser.is_at("/course/12555");
    let wire = browser.says("#led-here pre");
    assert!(
        wire.contains("\ntoken=ey") && wire.contains("303 See Other"),
        "{wire}"
    );
    browser.reload();
    assert!(browser.has("#led-here[hidden]"));
}

#[test]
fn without_scripts_there_are_none() {
    let browser = Chromium::start(Look::DESK);
    let page = "data:text/html,<title>without</title><script>document.title = 'with'</script>";
    for (look, title) in [
        (Look::DESK, "with"),
        (Look::DESK.without_scripts(), "without"),
    ] {
        browser.set(look);
        browser.open(page);
        assert_eq!(browser.title(), title);
    }
}
