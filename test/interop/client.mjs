// A client of its own for the device registration and PRT protocols, written from their description and sharing no code
// with the server: what it does is what roadlib and libhimmelblau do on the wire.
//
// usage: node client.mjs SERVER REGISTRATION_SERVER USER PASSWORD RESOURCE
// NODE_EXTRA_CA_CERTS names the server's certificate authority. openssl makes the certificate request.
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';

const [server, registration, user, password, resource] = process.argv.slice(2);
const drs = 'urn:ms-drs:enterpriseregistration.windows.net';
const broker = '29d9ed98-a469-4536-ade2-f981bc1d605e';
const windows = '38aa3b87-a06d-4817-b275-7a316988d93b';
const office = 'd3590ed6-52b3-4102-aeff-aad2292ab01c';
const bearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const b64u = (v) => Buffer.from(v).toString('base64url');

function check(holds, what) {
  if (!holds) throw new Error(what);
  console.log('ok', what);
}

function send(method, url, headers, body, tls = {}) {
  return new Promise((resolve, reject) => {
    const req = https.request(url, { method, headers, ...tls }, (res) => {
      const parts = [];
      res.on('data', (d) => parts.push(d));
      res.on('end', () => resolve({ status: res.statusCode, text: Buffer.concat(parts).toString() }));
    });
    req.on('error', reject);
    req.end(body);
  });
}

const form = (fields) => new URLSearchParams(fields).toString();
const post = (p, fields, headers = { 'content-type': 'application/x-www-form-urlencoded' }) => send('POST', server + p, headers, form(fields));

// Section 2.4: BCRYPT_RSAPUBLIC_BLOB.
function blob(publicKey) {
  const jwk = publicKey.export({ format: 'jwk' });
  const e = Buffer.from(jwk.e, 'base64url');
  const n = Buffer.from(jwk.n, 'base64url');
  const head = Buffer.alloc(24);
  head.write('RSA1');
  [n.length * 8, e.length, n.length, 0, 0].forEach((v, i) => head.writeUInt32LE(v, 4 + 4 * i));
  return Buffer.concat([head, e, n]).toString('base64');
}

// Section 5.1: NIST SP 800-108 with HMAC-SHA-256.
function derive(key, context) {
  const input = Buffer.concat([Buffer.from([0, 0, 0, 1]), Buffer.from('AzureAD-SecureConversation\0'), context, Buffer.from([0, 0, 1, 0])]);
  return crypto.createHmac('sha256', key).update(input).digest();
}

function signSession(key, claims) {
  const ctx = crypto.randomBytes(24);
  const payload = Buffer.from(JSON.stringify(claims));
  const derived = derive(key, crypto.createHash('sha256').update(ctx).update(payload).digest());
  const input = b64u(JSON.stringify({ alg: 'HS256', typ: 'JWT', ctx: ctx.toString('base64'), kdf_ver: 2 })) + '.' + b64u(payload);
  return input + '.' + crypto.createHmac('sha256', derived).update(input).digest('base64url');
}

function signDevice(key, certificate, claims, asList) {
  const x5c = asList ? [certificate] : certificate;
  const input = b64u(JSON.stringify({ alg: 'RS256', typ: 'JWT', x5c, kdf_ver: 2 })) + '.' + b64u(JSON.stringify(claims));
  return input + '.' + crypto.sign('sha256', Buffer.from(input), key).toString('base64url');
}

// Section 5.4, form A: the header says A256GCM, the cipher is AES-256-CBC with an empty tag.
function openResponse(key, jwe) {
  const [head, wrapped, iv, text, tag] = jwe.split('.');
  const header = JSON.parse(Buffer.from(head, 'base64url'));
  check(header.alg === 'dir' && header.enc === 'A256GCM' && wrapped === '' && tag === '', 'the answer is a JWE under the session key');
  const decipher = crypto.createDecipheriv('aes-256-cbc', derive(key, Buffer.from(header.ctx, 'base64')), Buffer.from(iv, 'base64url'));
  return JSON.parse(Buffer.concat([decipher.update(Buffer.from(text, 'base64url')), decipher.final()]));
}

async function nonce(headers) {
  const reply = await send('POST', server + '/common/oauth2/token', headers, 'grant_type=srv_challenge');
  const value = JSON.parse(reply.text).Nonce;
  check(/^[A-Za-z0-9_.-]+$/.test(value), 'a nonce has characters that every client takes');
  return value;
}

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'boundgate-interop-'));
try {
  const realm = await send('GET', `${server}/common/UserRealm/${user}?api-version=1.0`, {});
  check(JSON.parse(realm.text).account_type === 'Managed', 'the user realm is managed');

  const fresh = await post('/organizations/oauth2/token', { grant_type: 'password', username: user, password, client_id: broker, resource: drs });
  check(fresh.status === 200, 'a password signs in for device registration: ' + fresh.text.slice(0, 200).replace(/eyJ[\w.-]+/g, '…'));
  const tokens = JSON.parse(fresh.text);
  const claims = JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url'));
  check(claims.aud === drs, 'the access token is for exactly the resource that was asked for');
  check(typeof tokens.expires_in === 'string' && tokens.refresh_token.includes('.'), 'v1 numbers are strings, and the refresh token has a dot');

  const transport = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  const device = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keyFile = path.join(dir, 'device.pem');
  fs.writeFileSync(keyFile, device.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const csr = execFileSync('openssl', ['req', '-new', '-sha256', '-key', keyFile, '-subj', '/CN=7E980AD9-B86D-4306-9425-9AC066FB014A', '-outform', 'DER']);
  const join = await send('POST', registration + '/EnrollmentServer/device/?api-version=2.0',
    { authorization: 'Bearer ' + tokens.access_token, 'content-type': 'application/json', 'user-agent': 'Dsreg/10.0 (Windows 10.0.19041.868)' },
    JSON.stringify({
      CertificateRequest: { Type: 'pkcs10', Data: csr.toString('base64') }, TransportKey: blob(transport.publicKey),
      TargetDomain: 'somewhere.else.example', DeviceType: 'Windows', OSVersion: '10.0.19041.928', DeviceDisplayName: 'DESKTOP-1', JoinType: 0,
      attributes: { ReuseDevice: 'true', ReturnClientSid: 'true', SharedDevice: 'false' },
    }));
  check(join.status === 200, 'the device joins: ' + join.text.slice(0, 200));
  const certificate = JSON.parse(join.text).Certificate.RawBody;
  const x509 = new crypto.X509Certificate(Buffer.from(certificate, 'base64'));
  const deviceId = x509.subject.replace('CN=', '');
  check(/^[0-9a-f-]{36}$/.test(deviceId) && x509.checkPrivateKey(device.privateKey), 'the certificate is for the device key, and its subject is one CN');

  // The PRT, once with x5c as text and once as a list, once by password and once without a Content-Type for the nonce.
  let prt;
  for (const asList of [false, true]) {
    const request = signDevice(device.privateKey, certificate, {
      client_id: windows, request_nonce: await nonce(asList ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      scope: 'openid aza ugs', group_sids: [], win_ver: '10.0.19041.868', grant_type: 'password', username: user, password,
    }, asList);
    const reply = await post('/common/oauth2/token', { windows_api_version: '2.2', grant_type: bearer, request, client_info: '1', tgt: 'True' });
    check(reply.status === 200, 'a Primary Refresh Token by password: ' + reply.text.slice(0, 120).replace(/eyJ[\w.-]+|1\.P[\w-]+/g, '…'));
    prt = JSON.parse(reply.text);
  }
  check(typeof prt.expires_on === 'string' && typeof prt.refresh_token_expires_in === 'number', 'the lifetimes have the types that clients read');
  check(prt.access_token === undefined && prt.refresh_token.includes('.'), 'no access token comes with a PRT');
  const idToken = JSON.parse(Buffer.from(prt.id_token.split('.')[1], 'base64url'));
  check(idToken.oid && idToken.tid && idToken.name && idToken.preferred_username === user, 'the ID token names the user');
  const info = JSON.parse(Buffer.from(prt.client_info, 'base64url'));
  check(info.uid === idToken.oid && info.utid === idToken.tid, 'client_info names the account');
  const session = crypto.privateDecrypt(
    { key: transport.privateKey, padding: crypto.constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, Buffer.from(prt.session_key_jwe.split('.')[1], 'base64url'));
  check(session.length === 32, 'the session key opens with the transport key');

  // An application's token, and the renewal of the PRT.
  const use = async (extra) => post('/common/oauth2/token', {
    windows_api_version: '2.2', grant_type: bearer, client_info: '1',
    request: signSession(session, {
      win_ver: '10.0.19041.868', request_nonce: await nonce({}), grant_type: 'refresh_token', refresh_token: prt.refresh_token,
      iss: 'aad:brokerplugin', aud: 'login.microsoftonline.com', iat: String(Math.floor(Date.now() / 1000)), exp: String(Math.floor(Date.now() / 1000) + 60), ...extra,
    }),
  });
  const app = await use({ scope: 'openid', resource, client_id: office, redirect_uri: `ms-appx-web://Microsoft.AAD.BrokerPlugin/${office}` });
  check(app.status === 200 && !app.text.startsWith('{'), 'a token for an application: ' + app.text.slice(0, 120));
  const appTokens = openResponse(session, app.text);
  const access = JSON.parse(Buffer.from(appTokens.access_token.split('.')[1], 'base64url'));
  check(access.aud === resource && access.deviceid === deviceId && Array.isArray(access.amr) && access.upn === user && access.tid && access.exp, 'the access token has the claims that clients read');
  const renewed = openResponse(session, (await use({ client_id: windows, scope: 'openid aza ugs', previous_refresh_token: prt.refresh_token, group_sids: [] })).text);
  check(renewed.refresh_token && renewed.refresh_token !== prt.refresh_token && renewed.id_token && !renewed.access_token, 'the PRT renews');

  // Deleting takes the device's own certificate over TLS.
  const gone = await send('DELETE', `${registration}/EnrollmentServer/device/${deviceId}`, {}, undefined, { cert: x509.toString(), key: device.privateKey.export({ type: 'pkcs8', format: 'pem' }) });
  check(gone.status === 200 && gone.text === '', 'the device deletes itself');
  const late = await use({ scope: 'openid', resource, client_id: office });
  check(late.status === 400 && JSON.parse(late.text).error === 'invalid_grant', 'and its session has ended');
} finally {
  fs.rmSync(dir, { recursive: true });
}
