// Passkeys. A form with `data-passkey` asks the browser for one and sends its answer as a field.
// Without this script, or where the browser has no passkeys, such forms stay hidden.
//
// A typed plate. A form with `data-ready` asks the desk at that address first. If the session or the
// claim has ended, it is not sent, and what was typed stays in its field and nowhere else. If somebody
// else has logged in since the page was made for `data-person`, it is not sent, and the form is emptied.
"use strict";
(() => {
  const FRESH_MS = 9 * 60 * 1000; // the challenge in the page ends after ten minutes
  const SIGNED_MS = 4 * 60 * 1000; // a finding is signed within five minutes of the decision

  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

  async function asked(form) {
    const options = JSON.parse(form.dataset.options);
    options.challenge = bytes(options.challenge);
    for (const known of [...(options.allowCredentials ?? []), ...(options.excludeCredentials ?? [])]) {
      known.id = bytes(known.id);
    }
    if (form.dataset.passkey === "get") {
      return navigator.credentials.get({ publicKey: options });
    }
    options.user.id = bytes(options.user.id);
    return navigator.credentials.create({ publicKey: options });
  }

  function told(credential) {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = text(credential.response[name]);
    }
    return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
  }

  for (const place of document.querySelectorAll("[data-origin]")) {
    const here = window.PublicKeyCredential !== undefined && location.origin === place.dataset.origin;
    for (const one of place.querySelectorAll(here ? "[data-here]" : "[data-elsewhere]")) one.hidden = false;
  }
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const failed = form.querySelector("[data-failed]");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button[type=submit]");
      if (performance.now() > (form.dataset.now === undefined ? FRESH_MS : SIGNED_MS)) return location.replace(location.href);
      failed.hidden = true;
      button.disabled = true;
      try {
        form.elements.answer.value = told(await asked(form));
        form.submit();
      } catch {
        failed.hidden = false;
        button.disabled = false;
      }
    });
    if (form.dataset.now !== undefined) form.requestSubmit();
  }
  for (const form of document.querySelectorAll("form[data-ready]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      let said = "away";
      try {
        const headers = { "desk-made-for": form.dataset.person };
        const answer = await fetch(form.dataset.ready, { cache: "no-store", headers, redirect: "manual" });
        if (answer.ok) {
          form.elements.token.value = await answer.text();
          return form.submit();
        }
        if (answer.status === 401 || answer.status === 409) said = "ended";
        if (answer.status === 409 && (await answer.text()) === "other") {
          said = "other";
          form.elements.typed.value = form.elements.reason.value = "";
          for (const one of form.elements.judgement) one.checked = false;
        }
      } catch {
        // It does not answer.
      }
      for (const one of form.querySelectorAll("[data-said]")) one.hidden = one.dataset.said !== said;
    });
  }
})();
