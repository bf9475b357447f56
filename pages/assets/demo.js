// The demo page's forms that call a JSON API and show what it answers.
"use strict";

const send = async (form) => {
  const answer = form.querySelector(".answer");
  const body = JSON.stringify(Object.fromEntries(new FormData(form)));
  try {
    const response = await fetch(form.dataset.json, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
    const data = await response.json();
    answer.textContent = `${response.status}\n${JSON.stringify(data, null, 2)}`;
    const token = data?.data?.response?.data?.token;
    if (form.dataset.tokenInto && token) {
      document.getElementById(form.dataset.tokenInto).value = token;
    }
  } catch (error) {
    answer.textContent = String(error);
  }
};

for (const form of document.querySelectorAll("form[data-json]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}
