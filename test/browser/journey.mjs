// Goes through the sign-in pages of a running server as a person does: in real Chromium, by keyboard and pointer, in both
// languages, with a passkey and an authenticator application, and judges each page by axe-core on the way.
//
// usage: node journey.mjs SERVER USER PASSWORD STEP...
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const [server, user, password, ...steps] = process.argv.slice(2);
const office = 'd3590ed6-52b3-4102-aeff-aad2292ab01c';
const exchange = 'https://outlook.office365.com/.default';
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const { hostname, port } = new URL(server);

function check(holds, what) {
  if (!holds) throw new Error(what);
  console.log('ok', what);
}

// The browser trusts this one key, as it would trust an organisation's own authority.
const spki = await new Promise((resolve, reject) => {
  const socket = tls.connect({ host: hostname, port: Number(port), servername: hostname }, () => {
    const key = socket.getPeerX509Certificate().publicKey.export({ type: 'spki', format: 'der' });
    socket.end();
    resolve(crypto.createHash('sha256').update(key).digest('base64'));
  });
  socket.on('error', reject);
});
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'boundgate-browser-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: '/usr/bin/chromium', locale: 'en-GB', viewport: { width: 1024, height: 900 },
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run', `--ignore-certificate-errors-spki-list=${spki}`],
});
const page = context.pages()[0] ?? await context.newPage();
const complaints = [];
page.on('console', (m) => { if (m.type() === 'error' && !/favicon|status of 4\d\d/.test(m.text())) complaints.push(m.text()); });
page.on('pageerror', (e) => complaints.push(e.message));

// The application waits for its code at a loopback address.
const arrivals = [];
const application = http.createServer((req, res) => {
  let body = '';
  req.on('data', (d) => { body += d; });
  req.on('end', () => {
    const url = new URL(req.url, 'http://localhost');
    if (url.pathname === '/') arrivals.push(Object.fromEntries(req.method === 'POST' ? new URLSearchParams(body) : url.searchParams));
    if (url.pathname === '/msal.js') {
      res.setHeader('content-type', 'text/javascript');
      return res.end(fs.readFileSync(createRequire(import.meta.url).resolve('@azure/msal-browser').replace(/lib.*$/, 'lib/msal-browser.min.js')));
    }
    res.setHeader('content-type', 'text/html');
    if (url.pathname === '/spa') return res.end('<!doctype html><html lang="en"><title>Page</title><script src="/msal.js"></script><h1>Page</h1></html>');
    res.end('<!doctype html><html lang="en"><title>Application</title><h1>You may close this page</h1></html>');
  });
});
await new Promise((resolve) => application.listen(0, 'localhost', resolve));
const redirect = `http://localhost:${application.address().port}`;

const verifier = crypto.randomBytes(32).toString('base64url');
const authorize = (more = {}) => `${server}/contoso.example/oauth2/v2.0/authorize?` + new URLSearchParams({
  client_id: office, redirect_uri: redirect, response_type: 'code', scope: `openid profile offline_access ${exchange}`, state: crypto.randomUUID(),
  code_challenge: crypto.createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256', ...more,
});

function post(address, fields) {
  return new Promise((resolve, reject) => {
    const req = https.request(server + address, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, (res) => {
      let text = '';
      res.on('data', (d) => { text += d; });
      res.on('end', () => resolve(JSON.parse(text)));
    });
    req.on('error', reject);
    req.end(new URLSearchParams(fields).toString());
  });
}

async function arrival() {
  await page.waitForURL(redirect + '/**');
  return arrivals.pop();
}

async function redeem(answer) {
  return post('/contoso.example/oauth2/v2.0/token', { grant_type: 'authorization_code', client_id: office, code: answer.code, redirect_uri: redirect, code_verifier: verifier });
}

async function judge(what) {
  await page.evaluate(axe + ';undefined');
  const result = await page.evaluate(() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }));
  check(result.violations.length === 0, `axe-core finds nothing: ${what}` + result.violations.map((v) => ` ${v.id} ${v.nodes[0].html}`).join());
  if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/journey-${what.replace(/\W+/g, '-')}.png`, fullPage: true });
}

async function signIn() {
  await judge('account');
  await page.getByLabel('Email address or user name').fill(user);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Enter password' }).waitFor();
  await judge('password');
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.keyboard.press('Enter');
}

function totp(key, at = Date.now()) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...key.replace(/ /g, '')].map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('');
  const secret = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30000)));
  const mac = crypto.createHmac('sha1', secret).update(counter).digest();
  const offset = mac[19] & 15;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1e6).padStart(6, '0');
}

const journeys = {
  async signin() {
    await page.goto(authorize());
    await page.getByText('to continue to Microsoft Office').waitFor();
    await page.getByLabel('Email address or user name').fill('nonsense');
    await page.getByRole('button', { name: 'Next' }).click();
    // The browser itself holds back what is no address; a person with such a browser never sees the server's own words.
    await page.getByLabel('Email address or user name').fill('');
    await signIn();
    const tokens = await redeem(await arrival());
    check(tokens.access_token && tokens.refresh_token, 'the return key signs in, and the code is redeemed');
    await page.goto(authorize({ prompt: 'none' }));
    check((await arrival()).code, 'the browser is signed in: no question is asked');
    await page.goto(authorize({ response_mode: 'form_post' }));
    check((await arrival()).code, 'an answer by form_post leaves the page by itself');
    await page.goto(authorize({ response_mode: 'fragment' }));
    await page.waitForURL(redirect + '/#*');
    check(new URLSearchParams(new URL(page.url()).hash.slice(1)).get('code'), 'an answer in the fragment');
  },
  async wrong() {
    await page.goto(authorize({ prompt: 'login', login_hint: user }));
    await page.getByLabel('Password', { exact: true }).fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    check((await page.getByLabel('Password', { exact: true }).getAttribute('aria-describedby')) === 'problem', 'a wrong password is said at its field');
    await judge('wrong password');
    await page.getByRole('button', { name: 'Cancel' }).click();
    check((await arrival()).error === 'access_denied', 'who cancels is back at the application');
  },
  async blocked() {
    await page.goto(authorize());
    if (await page.getByLabel('Email address or user name').isVisible()) await signIn();
    await page.getByRole('heading', { name: 'This device is not registered' }).waitFor();
    await judge('block screen');
    check((await page.locator('main').innerText()).includes('Unbound, 1002'), 'the block screen names the code');
    await page.getByRole('button', { name: '日本語' }).click();
    await page.getByRole('heading', { name: 'このデバイスは登録されていません' }).waitFor();
    await judge('block screen in Japanese');
    await page.getByRole('button', { name: 'English' }).click();
    await page.getByRole('heading', { name: 'This device is not registered' }).waitFor();
    await page.getByRole('button', { name: 'Back to the application' }).click();
    const answer = await arrival();
    check(answer.error === 'access_denied' && !answer.code, 'and leads back to the application, without a code');
  },
  async enrol() {
    await page.goto(authorize({ prompt: 'login' }));
    await signIn();
    await page.getByRole('heading', { name: 'Set up a second way to verify' }).waitFor();
    await judge('set up a second factor');
    await page.getByText('I cannot scan the code').click();
    const key = await page.locator('.key code').innerText();
    await page.getByLabel('Enter the six digits').fill(totp(key));
    await page.keyboard.press('Enter');
    const tokens = await redeem(await arrival());
    const claims = JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url').toString());
    check(claims.amr.includes('mfa'), 'an authenticator application is set up, and the token says mfa');
  },
  async passkey() {
    const cdp = await context.newCDPSession(page);
    await cdp.send('WebAuthn.enable');
    await cdp.send('WebAuthn.addVirtualAuthenticator', { options: { protocol: 'ctap2', transport: 'usb', hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true } });
    await page.goto(authorize({ prompt: 'login' }));
    await signIn();
    await page.getByRole('button', { name: 'Create a passkey' }).click();
    check((await redeem(await arrival())).access_token, 'a passkey is created');
    await page.goto(authorize({ prompt: 'login' }));
    await signIn();
    await page.getByRole('heading', { name: 'Verify your identity' }).waitFor();
    await judge('passkey');
    await page.getByRole('button', { name: 'Use a passkey' }).click();
    check((await redeem(await arrival())).access_token, 'and signs in');
  },
  // MSAL for JavaScript, unmodified, in a single-page application.
  async spa() {
    const app = '66666666-6666-4666-8666-666666666666';
    execFileSync('boundgate', ['app', 'add', 'Page', '--app-id', app, '--spa-redirect-uri', `${redirect}/spa`]);
    const config = {
      auth: { clientId: app, authority: `${server}/contoso.example`, knownAuthorities: [new URL(server).host], redirectUri: `${redirect}/spa` }, cache: { cacheLocation: 'localStorage' },
    };
    const request = { scopes: ['openid', 'profile', 'https://graph.microsoft.com/.default'] };
    await page.goto(redirect + '/spa');
    await page.evaluate(async ([config, request]) => {
      const client = new msal.PublicClientApplication(config);
      await client.initialize();
      await client.handleRedirectPromise();
      client.loginRedirect(request);
    }, [config, request]);
    await page.getByRole('heading', { name: 'Permissions requested' }).waitFor(); // who is signed in is not asked again
    await judge('consent');
    await page.getByRole('button', { name: 'Accept' }).click();
    await page.waitForURL(redirect + '/spa#*');
    const got = await page.evaluate(async ([config, request]) => {
      const client = new msal.PublicClientApplication(config);
      await client.initialize();
      const signedIn = await client.handleRedirectPromise();
      const silent = await client.acquireTokenSilent({ ...request, account: signedIn.account, forceRefresh: true });
      return { user: signedIn.account.username, first: signedIn.accessToken, second: silent.accessToken };
    }, [config, request]);
    check(got.user === user && got.second && got.second !== got.first, 'MSAL for JavaScript signs in and refreshes in a page');
    // A page that opens the sign-in in a window of its own sees where that window ends.
    await page.goto(redirect + '/');
    const ended = await page.evaluate((url) => new Promise((resolve) => {
      const opened = window.open(url, 'signin', 'width=500,height=600');
      const watch = setInterval(() => {
        try {
          if (opened.closed) { clearInterval(watch); resolve('closed'); }
          if (opened.location.origin === location.origin) { clearInterval(watch); resolve(opened.location.search); opened.close(); }
        } catch { /* still at the server */ }
      }, 50);
      setTimeout(() => opened.postMessage('x', '*'), 100);
    }), authorize());
    check(new URLSearchParams(ended).get('code'), 'a window of its own comes back with a code');
    arrivals.length = 0;
  },
  async signout() {
    await page.goto(`${server}/contoso.example/oauth2/v2.0/logout?` + new URLSearchParams({ client_id: office, post_logout_redirect_uri: redirect + '/', state: 'out' }));
    await page.getByRole('heading', { name: 'Sign out' }).waitFor();
    await judge('sign out');
    await page.getByRole('button', { name: 'Sign out of all accounts' }).click();
    check((await arrival()).state === 'out', 'who signs out is back at the application');
    await page.goto(authorize({ prompt: 'none' }));
    check((await arrival()).error === 'login_required', 'and signed out');
  },
  async device() {
    const asked = await post('/organizations/oauth2/v2.0/devicecode', { client_id: '04b07795-8ddb-461a-bbee-02f9e1bf7b46', scope: 'openid offline_access https://graph.microsoft.com/.default' });
    const poll = () => post('/organizations/oauth2/v2.0/token', { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', client_id: '04b07795-8ddb-461a-bbee-02f9e1bf7b46', device_code: asked.device_code });
    check((await poll()).error === 'authorization_pending', 'a device waits for its answer');
    await page.goto(asked.verification_uri);
    await judge('device code');
    await page.getByLabel('Code', { exact: true }).fill('WRNGCDXYZ');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Code', { exact: true }).fill(asked.user_code.toLowerCase());
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: /Pick an account|Sign in/ }).waitFor();
    if (await page.getByRole('heading', { name: 'Pick an account' }).isVisible()) {
      await judge('pick an account');
      await page.getByRole('button', { name: user }).click();
    } else await signIn();
    await page.getByRole('heading', { name: 'Are you signing in on another device?' }).waitFor();
    await judge('confirm a device code');
    await page.getByRole('button', { name: 'Yes, sign it in' }).click();
    await page.getByRole('heading', { name: 'You have signed in on the other device' }).waitFor();
    const tokens = await poll();
    check(tokens.access_token, 'a person approves a device code');
    check((await poll()).error === 'invalid_grant', 'and it is redeemed once');
  },
  async me() {
    await page.goto(server + '/me');
    await page.getByRole('heading', { name: 'Your account' }).waitFor();
    await page.getByRole('heading', { name: 'Recent sign-ins' }).waitFor();
    for (let n = 0; n < 20 && !(await page.getByRole('button', { name: /This wasn’t me: Microsoft Office/ }).first().isVisible()); n++) {
      await page.waitForTimeout(500);
      await page.reload();
    }
    await judge('own account');
    await page.getByRole('button', { name: /This wasn’t me: Microsoft Office/ }).first().click();
    await page.getByRole('heading', { name: 'Was this sign-in really not you?' }).waitFor();
    await judge('report a sign-in');
    await page.getByRole('button', { name: 'It was not me' }).click();
    await page.getByText('Every session of your account has been ended').waitFor();
    await page.goto(authorize({ prompt: 'none' }));
    check((await arrival()).error === 'login_required', 'who reports a sign-in is signed out everywhere');
  },
};

try {
  for (const step of steps) {
    console.log('--', step);
    await journeys[step]();
  }
  check(complaints.length === 0, 'the browser complains of nothing' + complaints.join());
} catch (e) {
  console.log(await page.locator('body').innerText().catch(() => ''), page.url());
  throw e;
} finally {
  await context.close();
  application.close();
  fs.rmSync(profile, { recursive: true, force: true });
}
