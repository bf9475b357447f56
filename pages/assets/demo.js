// The demo page's forms that call a JSON API: sends what is typed and shows what went over the wire, both ways.
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
    if (form.dataset.tokenInto && token) document.getElementById(form.dataset.tokenInto).value = token;
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
setInterval(lookForMails, 5000);
