import type { Page } from './page.ts';

const script = `const form = document.querySelector('form');
const told = document.querySelector('output');
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const answer = await fetch('/api/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(Object.fromEntries(new FormData(form))),
  });
  const { token, expiresAt, needsMfa, error } = await answer.json();
  form.reset();
  told.textContent = token
    ? 'Logged in until ' + expiresAt + '. Send this with each request: Authorization: Bearer ' + token
    : needsMfa
      ? 'This account needs its second factor: POST /api/mfa/login.'
      : error;
});
`;

/** The login form. `/api/client` redirects clients that are not logged in to it (MC-1.2). */
export const loginHtml = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Log in</title></head>
<body>
<h1>Log in</h1>
<form>
<p><label>Name <input name="username" autocomplete="username" required></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button>Log in</button></p>
</form>
<p><output></output></p>
<p>Programs log in with <code>POST /api/login</code> and send the token as <code>Authorization: Bearer</code>, or name and password by Basic.</p>
<script src="/login.js"></script>
</body>
</html>
`;

/** Content security policy of the page. */
const policy =
  "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const headers = { 'content-security-policy': policy, 'cache-control': 'no-store' } as const;

/** `/login` and its script. */
export const loginPages: readonly Page[] = [
  { path: '/login', type: 'text/html; charset=utf-8', headers, read: () => ({ text: loginHtml }) },
  { path: '/login.js', type: 'text/javascript; charset=utf-8', read: () => ({ text: script }) },
];
