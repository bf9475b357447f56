// The demo's pages: sends what is typed to the JSON APIs, and shows what went over the wire, both ways.
"use strict";

const pretty = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

// The mails that came of it, from a fresh copy of this page.
const lookForMails = async () => {
  if (!document.getElementById("mails")) return;
  const page = await (await fetch("/")).text();
  const fresh = new DOMParser().parseFromString(page, "text/html").getElementById("mails");
  const shown = document.getElementById("mails");
  if (fresh && fresh.innerHTML !== shown.innerHTML) shown.replaceChildren(...fresh.childNodes);
};

const send = async (form, path) => {
  const wire = form.querySelector(".wire");
  const body = JSON.stringify(Object.fromEntries(new FormData(form)), null, 2);
  const request = `POST ${path} HTTP/1.1\nHost: ${location.host}\nContent-Type: application/json\n\n${body}`;
  wire.textContent = `${request}\n\n…`;
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
    const text = await response.text();
    const head = `HTTP/1.1 ${response.status} ${response.statusText}\nContent-Type: ${response.headers.get("content-type")}`;
    wire.textContent = `${request}\n\n\n${head}\n\n${pretty(text)}`;
    const token = response.ok && JSON.parse(text)?.data?.response?.data?.token;
    if (form.dataset.tokenInto && token) {
      const field = document.getElementById(form.dataset.tokenInto);
      field.value = token;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  } catch (error) {
    wire.textContent = `${request}\n\n${error}`;
  }
  setTimeout(lookForMails, 700);
};

for (const form of document.querySelectorAll("form[data-json]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, event.submitter?.value || form.dataset.json);
  });
}

// A form that the browser itself sends: shown while it is filled in, and again where it leads to, with the answer.
for (const form of document.querySelectorAll("form[data-navigates]")) {
  const request = () => {
    const body = new URLSearchParams(new FormData(form)).toString().replaceAll("&", "\n&");
    return `POST ${new URL(form.action).pathname} HTTP/1.1\nHost: ${location.host}\nContent-Type: application/x-www-form-urlencoded\n\n${body}`;
  };
  form.addEventListener("input", () => (form.querySelector(".wire").textContent = request()));
  form.addEventListener("submit", () => sessionStorage.setItem("sent", JSON.stringify([Date.now(), request()])));
}
const led = document.getElementById("led-here");
if (led) {
  const [at, request] = JSON.parse(sessionStorage.getItem("sent") ?? "[0]");
  sessionStorage.removeItem("sent");
  // Not where another page came in between.
  if (Math.abs(performance.timeOrigin - at) < 1000) {
    const answer = `HTTP/1.1 303 See Other\nLocation: ${location.pathname}${location.search}\nSet-Cookie: (the session, out of reach of scripts)`;
    led.querySelector(".wire").textContent = `${request}\n\n\n${answer}`;
    led.hidden = false;
  }
}
setInterval(lookForMails, 5000);
