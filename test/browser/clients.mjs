// Real clients, unmodified, go through every flow that they support: @azure/msal-node and openid-client.
//
// usage: node clients.mjs SERVER USER PASSWORD WEB_APP WEB_SECRET API_APP API_SECRET
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { ConfidentialClientApplication, CryptoProvider, PublicClientApplication } from '@azure/msal-node';
import * as oidc from 'openid-client';

const [server, user, password, webApp, webSecret, apiApp, apiSecret, keyFile, certificateFile] = process.argv.slice(2);
const authority = `${server}/contoso.example`;
const office = 'd3590ed6-52b3-4102-aeff-aad2292ab01c';
const graph = 'https://graph.microsoft.com/.default';
const known = [new URL(server).host];

function check(holds, what) {
  if (!holds) throw new Error(what);
  console.log('ok', what);
}

// A browser that fills in the pages' forms, as a person without JavaScript would.
class Browser {
  jar = new Map();
  send(url, body) {
    return new Promise((resolve, reject) => {
      const headers = { cookie: [...this.jar].map(([k, v]) => `${k}=${v}`).join('; ') };
      if (body !== undefined) headers['content-type'] = 'application/x-www-form-urlencoded';
      const req = https.request(url, { method: body === undefined ? 'GET' : 'POST', headers }, (res) => {
        let text = '';
        for (const c of res.headers['set-cookie'] ?? []) {
          const [pair] = c.split(';');
          this.jar.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
        }
        res.on('data', (d) => { text += d; });
        res.on('end', () => resolve({ status: res.statusCode, location: res.headers.location, text }));
      });
      req.on('error', reject);
      req.end(body);
    });
  }
  submit(page, fields) {
    const unescape = (s) => s.replace(/&#34;/g, '"').replace(/&#43;/g, '+').replace(/&amp;/g, '&');
    const action = unescape(page.text.match(/<form method="post" action="([^"]*)"/)[1]);
    const state = unescape(page.text.match(/name="state" value="([^"]*)"/)[1]);
    return this.send(server + action, new URLSearchParams({ state, ...fields }).toString());
  }
  // signIn goes from an authorization request to the address that the application is answered at.
  async signIn(url) {
    let page = await this.send(url);
    for (let n = 0; n < 8 && !page.location; n++) {
      if (page.text.includes('name="username" type="email"')) page = await this.submit(page, { step: 'account', username: user });
      else if (page.text.includes('name="password"')) page = await this.submit(page, { step: 'password', password });
      else if (page.text.includes('value="consent"')) page = await this.submit(page, { step: 'consent' });
      else if (page.text.includes('name="pick"')) page = await this.submit(page, { pick: page.text.match(/name="pick" value="([^"]*)"/)[1] });
      else if (page.text.includes('name="user_code"')) page = await this.submit(page, { step: 'devicecode', user_code: page.text.match(/value="([A-Z0-9]{9})"/)[1] });
      else if (page.text.includes('value="approve"')) page = await this.submit(page, { step: 'approve' });
      else return page;
    }
    if (!page.location) throw new Error('the sign-in leads nowhere: ' + page.text);
    return page.location;
  }
}

const auth = { clientId: office, authority, knownAuthorities: known };
const system = { loggerOptions: { loggerCallback() {} } };

async function msalPublic() {
  const app = new PublicClientApplication({ auth, system });
  const browser = new Browser();
  const interactive = await app.acquireTokenInteractive({
    scopes: [graph], openBrowser: async (url) => { const to = await browser.signIn(url); await new Promise((resolve, reject) => http.get(to, (res) => { res.resume(); res.on('end', resolve); }).on('error', reject)); },
  });
  check(interactive.account.username === user && interactive.accessToken, 'MSAL Node: interactive, through a loopback address');
  const silent = await app.acquireTokenSilent({ account: interactive.account, scopes: [graph], forceRefresh: true });
  check(silent.accessToken && !silent.fromCache && silent.accessToken !== interactive.accessToken, 'MSAL Node: silently, by its refresh token');
  const crypt = new CryptoProvider();
  const { verifier, challenge } = await crypt.generatePkceCodes();
  const url = await app.getAuthCodeUrl({ scopes: [graph], redirectUri: 'http://localhost', codeChallenge: challenge, codeChallengeMethod: 'S256', prompt: 'select_account' });
  const to = new URL(await browser.signIn(url));
  const byCode = await app.acquireTokenByCode({ code: to.searchParams.get('code'), clientInfo: to.searchParams.get('client_info'), redirectUri: 'http://localhost', scopes: [graph], codeVerifier: verifier });
  check(byCode.accessToken && byCode.idTokenClaims.tid, 'MSAL Node: authorization code with PKCE');
  const ropc = await app.acquireTokenByUsernamePassword({ scopes: [graph], username: user, password });
  check(ropc.accessToken, 'MSAL Node: user name and password');
  const other = new PublicClientApplication({ auth: { ...auth, clientId: '04b07795-8ddb-461a-bbee-02f9e1bf7b46' }, system });
  const device = await other.acquireTokenByDeviceCode({
    scopes: [graph], deviceCodeCallback: (r) => { new Browser().signIn(`${r.verificationUri}?user_code=${r.userCode}`).catch((e) => { console.log(e); process.exit(1); }); },
  });
  check(device.account.username === user, 'MSAL Node: device code');
  const stranger = new PublicClientApplication({ auth: { ...auth }, system });
  const refused = await stranger.acquireTokenByUsernamePassword({ scopes: [graph], username: user, password: 'wrong' }).catch((e) => e);
  check(refused.errorCode === 'invalid_grant' && /AADSTS50126/.test(refused.errorMessage) && refused.correlationId, 'MSAL Node: a refusal with its code and correlation id');
}

async function msalConfidential() {
  const app = new ConfidentialClientApplication({ auth: { clientId: webApp, authority, knownAuthorities: known, clientSecret: webSecret }, system });
  const own = await app.acquireTokenByClientCredential({ scopes: [graph] });
  const claims = JSON.parse(Buffer.from(own.accessToken.split('.')[1], 'base64url'));
  check(claims.idtyp === 'app' && claims.azpacr === '1' && !claims.upn, 'MSAL Node: client credentials with a secret');
  const browser = new Browser();
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes();
  const scopes = [`api://${apiApp}/access`];
  const url = await app.getAuthCodeUrl({ scopes, redirectUri: 'https://web.contoso.example/back', codeChallenge: challenge, codeChallengeMethod: 'S256' });
  const to = new URL(await browser.signIn(url));
  const signed = await app.acquireTokenByCode({ code: to.searchParams.get('code'), redirectUri: 'https://web.contoso.example/back', scopes, codeVerifier: verifier });
  check(signed.accessToken, 'MSAL Node: a web application signs a person in, who agrees to what it asks for');
  const api = new ConfidentialClientApplication({ auth: { clientId: apiApp, authority, knownAuthorities: known, clientSecret: apiSecret }, system });
  const behalf = await api.acquireTokenOnBehalfOf({ oboAssertion: signed.accessToken, scopes: [graph] });
  const who = JSON.parse(Buffer.from(behalf.accessToken.split('.')[1], 'base64url'));
  check(who.preferred_username === user && who.azp === apiApp, 'MSAL Node: on behalf of a person');
  const wrong = new ConfidentialClientApplication({ auth: { clientId: webApp, authority, knownAuthorities: known, clientSecret: 'wrong' }, system });
  const refused = await wrong.acquireTokenByClientCredential({ scopes: [graph] }).catch((e) => e);
  check(refused.errorCode === 'invalid_client' && /AADSTS7000215/.test(refused.errorMessage), 'MSAL Node: a wrong secret is refused');
  const privateKey = fs.readFileSync(keyFile, 'utf8');
  const pem = fs.readFileSync(certificateFile, 'utf8');
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const certificate = new ConfidentialClientApplication({
    auth: { clientId: webApp, authority, knownAuthorities: known, clientCertificate: { thumbprintSha256: crypto.createHash('sha256').update(der).digest('hex'), privateKey } }, system,
  });
  const asserted = await certificate.acquireTokenByClientCredential({ scopes: [graph] });
  check(JSON.parse(Buffer.from(asserted.accessToken.split('.')[1], 'base64url')).azpacr === '2', 'MSAL Node: client credentials with a certificate');
}

async function openid() {
  const tenant = JSON.parse((await new Browser().send(`${authority}/v2.0/.well-known/openid-configuration`)).text).issuer;
  const config = await oidc.discovery(new URL(tenant), office, undefined, oidc.None());
  check(config.serverMetadata().supportsPKCE(), 'openid-client: discovery');
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const nonce = oidc.randomNonce();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: 'http://localhost:8400/', scope: `openid profile offline_access ${graph}`, code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', state, nonce, max_age: '600',
  });
  const browser = new Browser();
  const to = new URL(await browser.signIn(url.href));
  const tokens = await oidc.authorizationCodeGrant(config, to, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, maxAge: 600 });
  check(tokens.claims().preferred_username === user, 'openid-client: authorization code; issuer, nonce, state and auth_time hold');
  const info = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  check(info.preferred_username === user, 'openid-client: user info');
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  check(refreshed.access_token, 'openid-client: refresh');
  const reused = await oidc.refreshTokenGrant(config, tokens.refresh_token).catch((e) => e);
  check(reused.error === 'invalid_grant', 'openid-client: a refresh token that was used is refused');
  const ended = await oidc.refreshTokenGrant(config, refreshed.refresh_token).catch((e) => e);
  check(ended.error === 'invalid_grant', 'openid-client: and so are those that came of it');
  const device = await oidc.initiateDeviceAuthorization(config, { scope: `openid ${graph}` });
  const [polled] = await Promise.all([oidc.pollDeviceAuthorizationGrant(config, device), browser.signIn(`${device.verification_uri}?user_code=${device.user_code}`)]);
  check(polled.access_token, 'openid-client: device code');
  for (const [name, method] of [['client_secret_post', oidc.ClientSecretPost(webSecret)], ['client_secret_basic', oidc.ClientSecretBasic(webSecret)]]) {
    const web = await oidc.discovery(new URL(tenant), webApp, undefined, method);
    check((await oidc.clientCredentialsGrant(web, { scope: graph })).access_token, `openid-client: client credentials by ${name}`);
  }
  const key = await crypto.subtle.importKey('pkcs8', crypto.createPrivateKey(fs.readFileSync(keyFile)).export({ type: 'pkcs8', format: 'der' }), { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['sign']);
  const der = Buffer.from(fs.readFileSync(certificateFile, 'utf8').replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const kid = crypto.createHash('sha1').update(der).digest('hex');
  const asserted = await oidc.discovery(new URL(tenant), webApp, undefined, oidc.PrivateKeyJwt({ key, kid }));
  check((await oidc.clientCredentialsGrant(asserted, { scope: graph })).access_token, 'openid-client: client credentials by private_key_jwt');
}

await msalPublic();
await msalConfidential();
await openid();
