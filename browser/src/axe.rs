//! Accessibility, as axe-core sees it.

use serde_json::Value;

use crate::Chromium;

/// axe-core 4.14.1, unchanged; MPL 2.0, `vendor/axe.LICENSE.txt`.
const AXE: &str = include_str!("../vendor/axe.min.js");

const RUN: &str = "return axe.run(document, { resultTypes: ['violations'] }).then(found => found.violations.flatMap(rule =>
    rule.nodes.map(node => `${rule.impact} ${rule.id}: ${rule.help}: ${node.html} ${node.any.concat(node.all, node.none).map(check => check.message).join('; ')}`)))";

impl Chromium {
    /// What axe-core finds wrong with the page, best practices included.
    pub fn barriers(&self) -> Vec<String> {
        self.run(AXE, &[]);
        let found = self.run(RUN, &[]);
        let lines = found.as_array().expect("a list of findings");
        let text = |line: &Value| line.as_str().unwrap_or_default().to_owned();
        lines.iter().map(text).collect()
    }
}
