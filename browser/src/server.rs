//! The program as it is built, as `vestibule demo` with data of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

/// A password that is good enough for every tenant of the demo.
pub const PASSWORD: &str = "green-valley-74";

/// A running demo; ends with this value, and its data with it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    facts: Value,
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The program that `VESTIBULE_TEST_PROGRAM` names, or else one built from what is there now.
fn program() -> PathBuf {
    if let Some(built) = std::env::var_os("VESTIBULE_TEST_PROGRAM") {
        return built.into();
    }
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--locked", "-p", "vestibule"]);
        let built = build.current_dir(root()).status().expect("cargo starts");
        assert!(built.success(), "the server does not build");
    });
    // Beside the folder of test programs in which this one is.
    let here = std::env::current_exe().unwrap();
    let profile = here.ancestors().find(|folder| folder.ends_with("debug"));
    let profile = profile.map_or_else(|| root().join("target/debug"), Path::to_path_buf);
    profile.join("vestibule")
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

impl Server {
    /// Starts on a free port.
    pub fn start() -> Server {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "vestibule-browser-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        let mut command = Command::new(program());
        command
            .args(["demo", "--json", "--listen", "127.0.0.1:0", "--data"])
            .arg(&folder)
            .current_dir(root())
            // Every browser here comes from one address.
            .env(
                "VESTIBULE_LIMITS",
                "sign_up_address=1000,forgot_address=1000",
            )
            .env("VESTIBULE_HASH_MEMORY_KIB", "8192")
            .env("VESTIBULE_LOG", "off")
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the demo starts");
        let mut facts = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut facts).unwrap();
        let facts = serde_json::from_str(&facts)
            .unwrap_or_else(|error| panic!("the demo said {facts:?}: {error}"));
        Server {
            child,
            facts,
            folder,
        }
    }

    /// Applies a tenant's file, and more files beside it, by name.
    pub fn apply(&self, files: &[(&str, &[u8])]) {
        let folder = self.folder.join("tenants");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, content) in files {
            std::fs::write(folder.join(name), content).unwrap();
        }
        let file = folder.join(files[0].0);
        self.command(&["apply", file.to_str().unwrap()]);
    }

    /// Runs another command of the program, on the same data.
    pub fn command(&self, arguments: &[&str]) {
        let mut command = Command::new(program());
        command.args(arguments).arg("--data").arg(&self.folder);
        command.env("VESTIBULE_PUBLIC_URL", self.at(""));
        let done = command.current_dir(&self.folder).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{arguments:?}: {said}");
    }

    /// Where files of a test may lie; gone with the server.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// An address at the first tenant; `path` begins with `/`.
    pub fn at(&self, path: &str) -> String {
        self.of("demo", path)
    }

    /// An address at another tenant, by its slug; its domain is that or, with `.localhost`, the slug.
    pub fn of(&self, slug: &str, path: &str) -> String {
        let base = self.facts["url"].as_str().unwrap();
        match slug {
            "demo" => format!("{base}{path}"),
            slug => format!(
                "{}{path}",
                base.replace("localhost", &format!("{slug}.localhost"))
            ),
        }
    }

    /// Address and password of the first tenant's first person.
    pub fn person(&self) -> (String, String) {
        let person = &self.facts["tenants"][0]["people"][0];
        let text = |name: &str| person[name].as_str().unwrap().to_owned();
        (text("email"), text("password"))
    }

    /// Signs somebody up at the first tenant as an app does: the address is not proven.
    pub fn register(&self, email: &str) {
        let body = json!({ "email": email, "password": PASSWORD, "name": "Ada King" });
        ureq::post(self.at("/api/register"))
            .header("content-type", "application/json")
            .send(body.to_string())
            .unwrap();
    }

    /// The six digits in the newest mail to that address that has some; waits for it.
    pub fn mailed_code(&self, to: &str) -> String {
        let is_code =
            |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
        for _ in 0..200 {
            let page = ureq::get(self.at("/dev/inbox")).call().unwrap();
            let page = page.into_body().read_to_string().unwrap();
            let mails = page.split("<article").skip(1);
            let mut codes = mails
                .filter(|mail| mail.contains(&format!(" to {to}, ")))
                .filter_map(|mail| mail.lines().find(is_code));
            if let Some(code) = codes.next() {
                return code.to_owned();
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("no mail to {to} with a code came");
    }

    /// The link in the newest mail to that address that has one which begins so after the host; waits for it.
    pub fn mailed_link(&self, to: &str, path: &str) -> String {
        let start = format!("href=\"{}", self.at(path));
        for _ in 0..200 {
            let page = ureq::get(self.at("/dev/inbox")).call().unwrap();
            let page = page.into_body().read_to_string().unwrap();
            let mut mails = page.split("<article").skip(1);
            if let Some(mail) =
                mails.find(|mail| mail.contains(&format!(" to {to}, ")) && mail.contains(&start))
            {
                let link = &mail[mail.find(&start).unwrap() + 6..];
                return link.split('"').next().unwrap().to_owned();
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("no mail to {to} with a link to {path} came");
    }
}
