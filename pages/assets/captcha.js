// Tells the ALTCHA widget where its worker is. Everything comes from the folder of this file.
import "./altcha.js";

const worker = new URL("altcha-pbkdf2.js", import.meta.url);
globalThis.$altcha.algorithms.set("PBKDF2/SHA-256", () => new Worker(worker));
