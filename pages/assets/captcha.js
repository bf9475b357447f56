// Tells the ALTCHA widget where its worker is, and sends a form that was sent before the work was done once it is.
// Everything comes from the folder of this file.
import "./altcha.js";

const worker = new URL("altcha-pbkdf2.js", import.meta.url);
globalThis.$altcha.algorithms.set("PBKDF2/SHA-256", () => new Worker(worker));

for (const widget of document.querySelectorAll("altcha-widget")) {
    let waiting = false;
    const early = (event) => {
        if (widget.getState() === "verifying") {
            event.preventDefault();
            waiting = true;
        }
    };
    widget.addEventListener("invalid", early, true);
    widget.addEventListener("verified", () => {
        if (waiting) {
            waiting = false;
            widget.closest("form").requestSubmit();
        }
    });
}
