//! What a `User-Agent` header says, in words that people know.

/// Brands before those that they claim to be as well.
const BROWSERS: [(&str, &str); 13] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("UCBrowser/", "UC Browser"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 9] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("FreeBSD", "FreeBSD"),
    ("Linux", "Linux"),
];

/// What programs that are no browsers call themselves.
const PROGRAMS: [&str; 14] = [
    "Apache-HttpClient",
    "CFNetwork",
    "Dalvik",
    "Dart",
    "Go-http-client",
    "Java",
    "PostmanRuntime",
    "Wget",
    "axios",
    "curl",
    "node",
    "okhttp",
    "python-httpx",
    "python-requests",
];

/// A browser and the system it runs on, as far as they are told.
#[derive(Debug, PartialEq)]
pub(crate) struct Agent {
    pub(crate) browser: Option<&'static str>,
    pub(crate) system: Option<&'static str>,
    /// What a program that is no browser calls itself.
    pub(crate) program: Option<&'static str>,
}

pub(crate) fn read(user_agent: &str) -> Agent {
    let find = |table: &[(&str, &'static str)]| {
        let known = table.iter().find(|(sign, _)| user_agent.contains(sign));
        known.map(|(_, name)| *name)
    };
    let browser = find(&BROWSERS);
    // Any other word would be a stranger's own, in a mail of ours.
    let first = user_agent.split(['/', ' ']).next().unwrap_or_default();
    Agent {
        browser,
        system: find(&SYSTEMS),
        program: PROGRAMS
            .into_iter()
            .find(|name| browser.is_none() && *name == first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_systems() {
        for (agent, browser, system) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Firefox",
                "Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                "Chrome",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                "Edge",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                "Safari",
                "macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 Mobile/15E148 Safari/604.1",
                "Chrome",
                "iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0 Mobile Safari/537.36",
                "Samsung Internet",
                "Android",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                "Chrome",
                "ChromeOS",
            ),
        ] {
            let told = read(agent);
            assert_eq!(
                (told.browser, told.system, told.program),
                (Some(browser), Some(system), None),
                "{agent}"
            );
        }
    }

    #[test]
    fn programs_and_noise() {
        for (agent, program) in [
            ("curl/8.5.0", Some("curl")),
            ("okhttp/4.12.0", Some("okhttp")),
            ("python-requests/2.31", Some("python-requests")),
            ("Mozilla/5.0", None),
            ("<img src=x>", None),
            ("", None),
            ("x", None),
            ("www.evil-help.test/1", None),
            ("CALL-0800-555-HELP", None),
        ] {
            assert_eq!(read(agent).program, program, "{agent}");
        }
    }
}
