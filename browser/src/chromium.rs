//! One Chromium window, driven as a person would: keys, clicks, the Back button.

use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};

use crate::driver::Driver;

/// How the window and its person are.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
    pub scripts: bool,
    /// As `Accept-Language` sends it.
    pub language: &'static str,
}

impl Look {
    pub const PHONE: Look = Look {
        width: 390,
        height: 844,
        dark: false,
        scripts: true,
        language: "en-GB",
    };
    pub const DESK: Look = Look {
        width: 1280,
        height: 800,
        ..Look::PHONE
    };

    pub const fn dark(self) -> Look {
        Look { dark: true, ..self }
    }

    pub const fn without_scripts(self) -> Look {
        Look {
            scripts: false,
            ..self
        }
    }

    pub const fn in_language(self, language: &'static str) -> Look {
        Look { language, ..self }
    }
}

/// A browser with an empty profile; ends with this value.
#[derive(Debug)]
pub struct Chromium {
    session: String,
    agent: ureq::Agent,
    _driver: Driver,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
    }
}

/// What WebDriver calls the keys that have no character (section 17.4.2).
const KEYS: [(&str, char); 5] = [
    ("Tab", '\u{e004}'),
    ("Enter", '\u{e007}'),
    ("Shift", '\u{e008}'),
    ("Space", ' '),
    ("Escape", '\u{e00c}'),
];

/// How many times Tab is to be pressed to come to what fits, 0 where that cannot be told.
const STOPS: &str = "
    const stops = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
        .filter(stop => stop.tabIndex >= 0 && !stop.disabled && stop.type !== 'hidden' && stop.checkVisibility());
    const ahead = stops.slice(stops.indexOf(document.activeElement) + 1);
    return ahead.findIndex(stop => stop.matches(arguments[0])) + 1";

impl Chromium {
    pub fn start(look: Look) -> Chromium {
        let driver = Driver::start();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        let mut browser = Chromium {
            session: format!("http://127.0.0.1:{}/session", driver.port),
            agent,
            _driver: driver,
        };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "pageLoadStrategy": "normal",
        } } });
        let answer = browser.call("", wanted);
        let id = answer["sessionId"].as_str().expect("a session").to_owned();
        browser.session = format!("{}/{id}", browser.session);
        browser.set(look);
        browser
    }

    fn call(&self, path: &str, body: Value) -> Value {
        let answer = self
            .agent
            .post(format!("{}{path}", self.session))
            .header("content-type", "application/json")
            .send(body.to_string())
            .unwrap();
        value(answer, path)
    }

    fn ask(&self, path: &str) -> Value {
        let answer = self.agent.get(format!("{}{path}", self.session));
        value(answer.call().unwrap(), path)
    }

    /// A command of the DevTools protocol.
    pub fn devtools(&self, command: &str, params: Value) -> Value {
        let body = json!({ "cmd": command, "params": params });
        self.call("/goog/cdp/execute", body)
    }

    /// Makes the window so, from the next page on.
    pub fn set(&self, look: Look) {
        let size = json!({ "width": look.width, "height": look.height, "deviceScaleFactor": 1, "mobile": look.width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
        let scheme = if look.dark { "dark" } else { "light" };
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.devtools("Emulation.setEmulatedMedia", media);
        let off = json!({ "value": !look.scripts });
        self.devtools("Emulation.setScriptExecutionDisabled", off);
        let agent = self.run("return navigator.userAgent", &[]);
        let agent = json!({ "userAgent": agent, "acceptLanguage": look.language });
        self.devtools("Emulation.setUserAgentOverride", agent);
    }

    /// Forgets every cookie.
    pub fn forget(&self) {
        self.devtools("Network.clearBrowserCookies", json!({}));
    }

    /// Files that pages send go into that folder from now on.
    pub fn downloads_to(&self, folder: &std::path::Path) {
        let wanted = json!({ "behavior": "allow", "downloadPath": folder });
        self.devtools("Browser.setDownloadBehavior", wanted);
    }

    pub fn open(&self, url: &str) {
        self.call("/url", json!({ "url": url }));
    }

    pub fn url(&self) -> String {
        text(&self.ask("/url"))
    }

    pub fn title(&self) -> String {
        text(&self.ask("/title"))
    }

    pub fn back(&self) {
        self.call("/back", json!({}));
    }

    pub fn reload(&self) {
        self.call("/refresh", json!({}));
    }

    /// Opens another tab and works in it; answers its name.
    pub fn new_tab(&self) -> String {
        let tab = text(&self.call("/window/new", json!({ "type": "tab" }))["handle"]);
        self.to_tab(&tab);
        tab
    }

    pub fn tab(&self) -> String {
        text(&self.ask("/window"))
    }

    pub fn to_tab(&self, tab: &str) {
        self.call("/window", json!({ "handle": tab }));
    }

    /// Runs a function's body in the page, and waits for a promise.
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        let body = json!({ "script": script, "args": arguments });
        self.call("/execute/sync", body)
    }

    /// The text of the first element that fits; of the whole page with `body`.
    pub fn says(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        text(&self.run(script, &[json!(selector)]))
    }

    pub fn has(&self, selector: &str) -> bool {
        let script = "return document.querySelector(arguments[0]) !== null";
        self.run(script, &[json!(selector)]) == true
    }

    fn element(&self, selector: &str) -> String {
        let found = self.call(
            "/element",
            json!({ "using": "css selector", "value": selector }),
        );
        let id = found.as_object().and_then(|found| found.values().next());
        text(id.unwrap_or_else(|| panic!("no {selector} in {}", self.url())))
    }

    pub fn click(&self, selector: &str) {
        let id = self.element(selector);
        self.call(&format!("/element/{id}/click"), json!({}));
    }

    /// Clicks on what leads to another page, and waits for that.
    pub fn follow(&self, selector: &str) {
        self.awaiting(|| self.click(selector));
    }

    /// Presses Enter where that leads to another page, and waits for that.
    pub fn enter(&self) {
        self.awaiting(|| self.press("Enter"));
    }

    /// Does what leads to another page, and waits for that.
    pub fn awaiting(&self, act: impl FnOnce()) {
        self.run("window.before = true", &[]);
        act();
        let arrived = "return window.before === undefined && document.readyState === 'complete'";
        for _ in 0..500 {
            if self.run(arrived, &[]) == true {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no other page came: {}: {}", self.url(), self.says("main"));
    }

    /// Waits until a page that goes on by itself has done so.
    pub fn comes_to(&self, wanted: &str) {
        let there =
            "return location.pathname === arguments[0] && document.readyState === 'complete'";
        for _ in 0..500 {
            if self.run(there, &[json!(wanted)]) == true {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.is_at(wanted);
    }

    /// Ends the test unless the window is at an address of that path and begin of a query.
    pub fn is_at(&self, wanted: &str) {
        let url = self.url();
        let (_, rest) = url.split_once("://").unwrap();
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        assert!(
            path.starts_with(wanted),
            "at {path}, not {wanted}: {}",
            self.says("main")
        );
    }

    /// Replaces what a field holds.
    pub fn fill(&self, selector: &str, value: &str) {
        let id = self.element(selector);
        self.call(&format!("/element/{id}/clear"), json!({}));
        self.call(&format!("/element/{id}/value"), json!({ "text": value }));
    }

    /// Presses a key by its name, or types a text.
    pub fn press(&self, keys: &str) {
        let special = KEYS.iter().find(|(name, _)| *name == keys);
        self.strike(&special.map_or_else(|| keys.to_owned(), |(_, key)| key.to_string()));
    }

    fn strike(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let body = json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] });
        self.call("/actions", body);
    }

    /// Goes on with Tab until the focus is on what fits.
    pub fn tab_to(&self, selector: &str) {
        // As often as there are stops on the way, at once; then one by one, should one not have been seen.
        let stops = self.run(STOPS, &[json!(selector)]).as_u64().unwrap_or(0);
        if stops > 0 {
            let (_, tab) = KEYS[0];
            self.strike(&std::iter::repeat_n(tab, stops as usize).collect::<String>());
        }
        let there = "return document.activeElement?.matches(arguments[0]) ?? false";
        for _ in 0..60 {
            if self.run(there, &[json!(selector)]) == true {
                return;
            }
            self.press("Tab");
        }
        panic!("{selector} cannot be reached by Tab in {}", self.url());
    }

    /// Goes to a field by Tab and types into it.
    pub fn type_into(&self, selector: &str, value: &str) {
        self.tab_to(selector);
        self.press(value);
    }

    /// The window as a PNG.
    pub fn picture(&self) -> Vec<u8> {
        let encoded = text(&self.ask("/screenshot"));
        base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .unwrap()
    }

    /// The whole page as a PNG, however long it is.
    pub fn whole_picture(&self) -> Vec<u8> {
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.devtools("Page.captureScreenshot", params);
        base64::engine::general_purpose::STANDARD
            .decode(text(&answer["data"]))
            .unwrap()
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not a text"))
        .to_owned()
}

fn value(answer: ureq::http::Response<ureq::Body>, path: &str) -> Value {
    let (status, text) = (
        answer.status(),
        answer
            .into_body()
            .with_config()
            .limit(50_000_000)
            .read_to_string()
            .unwrap(),
    );
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    assert!(
        status.is_success(),
        "{path}: {} {}",
        answer["value"]["error"],
        answer["value"]["message"]
    );
    answer["value"].clone()
}
