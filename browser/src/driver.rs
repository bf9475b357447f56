//! A chromedriver of our own, on a free port.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Ends with this value.
#[derive(Debug)]
pub(crate) struct Driver {
    process: Child,
    pub(crate) port: String,
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Driver {
    /// Of a port that is free for ::1 the driver wants the same for 127.0.0.1, and ends where
    /// somebody has that: then another is tried.
    pub(crate) fn start() -> Driver {
        let mut said = Vec::new();
        for _ in 0..20 {
            let mut process = Command::new("chromedriver")
                .arg("--port=0")
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("chromedriver starts: `cargo xtask test` installs it");
            let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
            if let Some(port) = port(&mut lines, &mut said) {
                // Read on, or a full pipe stops the driver.
                std::thread::spawn(move || lines.for_each(drop));
                return Driver { process, port };
            }
            process.wait().unwrap();
        }
        panic!("chromedriver did not start: {said:#?}");
    }
}

/// The port as the driver tells it; other lines are added to what it said.
fn port(lines: &mut Lines<BufReader<ChildStdout>>, said: &mut Vec<String>) -> Option<String> {
    for line in lines.map_while(Result::ok) {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return Some(port.trim_end_matches('.').to_owned());
        }
        said.push(line);
    }
    None
}
