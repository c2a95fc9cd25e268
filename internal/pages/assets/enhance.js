'use strict';
// What the pages can do better with a script. Without one everything but passkeys works.
(() => {
  const fromB64 = (s) => Uint8Array.from(atob(s.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  const toB64 = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

  for (const form of document.querySelectorAll('form[data-submit]')) form.submit();

  for (const input of document.querySelectorAll('input[data-reveal]')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'link';
    button.textContent = input.dataset.reveal;
    button.setAttribute('aria-pressed', 'false');
    button.addEventListener('click', () => {
      const shown = input.type === 'text';
      input.type = shown ? 'password' : 'text';
      button.textContent = shown ? input.dataset.reveal : input.dataset.conceal;
      button.setAttribute('aria-pressed', String(!shown));
    });
    input.after(button);
  }

  for (const button of document.querySelectorAll('button[data-copy]')) {
    button.hidden = false;
    button.addEventListener('click', async () => {
      const rows = [...document.getElementById(button.dataset.copy).querySelectorAll('dt')];
      await navigator.clipboard.writeText(rows.map((dt) => dt.textContent + ': ' + dt.nextElementSibling.textContent).join('\n'));
      button.textContent = button.dataset.copied;
    });
  }

  const decode = (options) => {
    const o = options.publicKey;
    o.challenge = fromB64(o.challenge);
    if (o.user) o.user.id = fromB64(o.user.id);
    for (const list of [o.allowCredentials, o.excludeCredentials]) for (const c of list || []) c.id = fromB64(c.id);
    return options;
  };
  const encode = (c) => {
    const r = c.response;
    const out = { id: c.id, rawId: toB64(c.rawId), type: c.type, response: { clientDataJSON: toB64(r.clientDataJSON) } };
    for (const name of ['attestationObject', 'authenticatorData', 'signature', 'userHandle']) if (r[name]) out.response[name] = toB64(r[name]);
    return JSON.stringify(out);
  };
  for (const block of document.querySelectorAll('[data-passkey]')) {
    const button = block.querySelector('button');
    const problem = block.querySelector('.problem');
    const answer = block.querySelector('input[name=response]');
    let done = false;
    button.addEventListener('click', async (event) => {
      if (done) return;
      event.preventDefault();
      problem.hidden = true;
      try {
        const options = decode(JSON.parse(block.dataset.options));
        const credential = block.dataset.passkey === 'create' ? await navigator.credentials.create(options) : await navigator.credentials.get(options);
        answer.value = encode(credential);
        done = true;
        button.click();
      } catch {
        problem.textContent = block.dataset.failed;
        problem.hidden = false;
      }
    });
  }
})();
