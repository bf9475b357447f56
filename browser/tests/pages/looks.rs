//! What holds for every page in every look.

use browser::{Chromium, Look, PASSWORD, Server, tour};
use serde_json::json;

/// The page is no wider than the window, nothing that is clicked is smaller than 24 pixels (WCAG 2.2, 2.5.8), and no button
/// lies on what is typed beside it.
const FITS: &str = "
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const small = [...document.querySelectorAll('button, .button, input:not([type=hidden]):not([hidden]):not([type=checkbox]), select')]
        .filter(element => element.checkVisibility() && element.getBoundingClientRect().height < 24)
        .map(element => element.outerHTML);
    const covered = [...document.querySelectorAll('.with-reveal')].filter(around => around.checkVisibility()).filter(around => {
        const [input, button] = [...around.children].map(part => part.getBoundingClientRect());
        const style = getComputedStyle(around.firstElementChild);
        return button.left < input.right - parseFloat(style.paddingRight) && button.right > input.left + parseFloat(style.paddingLeft);
    }).map(around => `covers what is typed: ${around.innerHTML}`);
    return [...covered, ...(wide > 0 ? [`${wide} pixels too wide`] : []), ...small]";

/// What came over the wire for the page, in bytes, and scripts that keep it from being shown.
const WEIGHT: &str = "
    const parts = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
    const blocking = [...document.scripts].filter(script => !script.defer && !script.async && script.type !== 'module');
    return [parts.reduce((sum, part) => sum + part.encodedBodySize, 0), blocking.length]";
const MOST_BYTES: i64 = 30 * 1024;

fn every_page(look: Look) {
    let (server, browser) = (Server::start(), Chromium::start(look));
    let mut faults = Vec::new();
    let mut seen = 0;
    tour(&server, &browser, |name| {
        seen += 1;
        let misfits = browser.run(FITS, &[]);
        if misfits != json!([]) {
            faults.push(format!("{name}: {misfits}"));
        }
        let weight = browser.run(WEIGHT, &[]);
        let light = weight[0]
            .as_i64()
            .is_some_and(|bytes| (1..MOST_BYTES).contains(&bytes));
        if (!light && !name.starts_with("demo")) || weight[1] != 0 {
            faults.push(format!("{name}: bytes and blocking scripts: {weight}"));
        }
        let direction = browser.run("return document.documentElement.dir", &[]);
        if !name.starts_with("demo") && (direction == "rtl") != (look.language == "ar") {
            faults.push(format!("{name}: not in {}", look.language));
        }
        let barriers = browser.barriers().into_iter();
        faults.extend(barriers.map(|barrier| format!("{name}: {barrier}")));
    });
    assert!(seen > 30, "{seen} pages");
    assert!(faults.is_empty(), "{look:?}:\n{}", faults.join("\n"));
}

#[test]
fn every_page_is_good_on_a_phone_by_day_from_right_to_left() {
    every_page(Look::PHONE.in_language("ar"));
}

#[test]
fn every_page_is_good_on_a_desk_by_night() {
    every_page(Look::DESK.dark());
}

#[test]
fn comforts_that_scripts_bring() {
    let (server, browser) = (Server::start(), Chromium::start(Look::DESK));
    browser.open(&server.at("/sign-up"));
    browser.fill("[name=name]", "Ada King");
    browser.fill("[name=email]", "once@example.com");
    browser.fill("[name=password]", "aaaa");
    assert!(browser.has(".strength[data-is='1']"));
    browser.fill("[name=password]", PASSWORD);
    assert!(browser.has(".strength[data-is='3']"));
    browser.click(".with-reveal button");
    assert!(browser.has("[name=password][type=text] + [aria-pressed=true]"));
    // Pressed twice, sent once: a second sign-up would send a second mail.
    let count = "sessionStorage.sent = 0; addEventListener('submit', event => event.defaultPrevented || sessionStorage.sent++)";
    browser.run(count, &[]);
    let twice = "const button = document.querySelector('form[action=\"/sign-up\"] .primary'); button.click(); button.click()";
    browser.awaiting(|| drop(browser.run(twice, &[])));
    browser.is_at("/sign-up/sent");
    assert_eq!(browser.run("return sessionStorage.sent", &[]), json!("1"));
}

const BRIGHT: &str = r##"
slug = "bright"
name = "Bright"
domains = ["bright.localhost"]
branding = { logo = "logo.svg", color = "#ffff00", terms = "https://bright.test/terms" }
texts.en.sign_in.title = "Come in"
"##;

#[test]
fn a_tenants_own_logo_words_and_the_worst_of_colours() {
    let server = Server::start();
    let logo = b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 3'><path fill='#222' d='M0 0h9v3H0z'/></svg>";
    server.apply(&[("bright.toml", BRIGHT.as_bytes()), ("logo.svg", logo)]);
    let browser = Chromium::start(Look::PHONE);
    for look in [Look::PHONE, Look::DESK.dark()] {
        browser.set(look);
        for path in ["/sign-in", "/sign-up", "/forgot-password", "/nothing"] {
            browser.open(&server.of("bright", path));
            let wide = "return document.querySelector('.logo').naturalWidth > 0";
            assert_eq!(browser.run(wide, &[]), true, "{path}: the logo is shown");
            assert_eq!(browser.barriers(), [""; 0], "{path} in {look:?}");
        }
        browser.open(&server.of("bright", "/sign-in"));
        assert_eq!(browser.says("h1"), "Come in");
    }
}
