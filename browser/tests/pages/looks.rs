//! What holds for every page in every look.

use browser::{Chromium, Look, Server, tour};
use serde_json::json;

/// The page is no wider than the window, and nothing that is clicked is smaller than 24 pixels (WCAG 2.2, 2.5.8).
const FITS: &str = "
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const small = [...document.querySelectorAll('button, .button, input:not([type=hidden]):not([hidden]):not([type=checkbox]), select')]
        .filter(element => element.checkVisibility() && element.getBoundingClientRect().height < 24)
        .map(element => element.outerHTML);
    return [...(wide > 0 ? [`${wide} pixels too wide`] : []), ...small]";

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
        let barriers = browser.barriers().into_iter();
        faults.extend(barriers.map(|barrier| format!("{name}: {barrier}")));
    });
    assert!(seen > 15, "{seen} pages");
    assert!(faults.is_empty(), "{look:?}:\n{}", faults.join("\n"));
}

#[test]
fn every_page_is_good_on_a_phone_by_day() {
    every_page(Look::PHONE);
}

#[test]
fn every_page_is_good_on_a_desk_by_night() {
    every_page(Look::DESK.dark());
}
