// What pages do better with scripts. Without them everything works, but for these comforts.
"use strict";

const words = document.body.dataset;

// Passwords can be shown.
for (const field of document.querySelectorAll("input[type=password]")) {
  const around = document.createElement("span");
  const button = document.createElement("button");
  around.className = "with-reveal";
  // As the field in it: the button stands where the text ends.
  around.dir = "ltr";
  button.type = "button";
  button.setAttribute("aria-controls", field.id);
  button.setAttribute("aria-label", words.showPassword);
  const show = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = shown ? words.hide : words.show;
    button.setAttribute("aria-pressed", shown);
  };
  show(false);
  button.addEventListener("click", () => show(field.type === "password"));
  const focused = document.activeElement === field;
  field.replaceWith(around);
  around.append(field, button);
  if (focused) field.focus();
  // Hidden again when it is sent, or password managers take it for a name.
  field.form?.addEventListener("submit", () => show(false));
}

// A guess at how good a new password is. The server looks closer.
for (const field of document.querySelectorAll("input[autocomplete=new-password]")) {
  const hint = document.createElement("p");
  hint.className = "strength";
  hint.setAttribute("role", "status");
  document.getElementById(field.getAttribute("aria-describedby").split(" ")[0])?.after(hint);
  field.addEventListener("input", () => {
    const text = field.value;
    if (!text) return hint.replaceChildren();
    const kinds = new Set(text.toLowerCase()).size;
    const grade = text.length < field.minLength || kinds < 6 ? 1 : text.length < 14 || kinds < 9 ? 2 : 3;
    hint.dataset.is = grade;
    hint.replaceChildren(document.createElement("i"), [words.weak, words.fair, words.good][grade - 1]);
  });
}

// A form is sent once, however often its button is pressed; but for one whose answer is a file, after which the page stays.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || "json" in form.dataset || "stays" in form.dataset) return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "1";
  event.submitter?.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
});

// A newcomer's time zone is the one that the browser is in.
const zone = document.querySelector("input[data-guess]");
if (zone) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || zone.value;
