// The Microsoft Graph client for JavaScript, unmodified, manages a tenant: v1.0 and beta.
//
// usage: node graph.mjs SERVER USER PASSWORD
import { PublicClientApplication } from '@azure/msal-node';
import { BatchRequestContent, BatchResponseContent, Client, GraphError, PageIterator } from '@microsoft/microsoft-graph-client';

const [server, username, password] = process.argv.slice(2);
const host = new URL(server).host;

function check(holds, what) {
  if (!holds) throw new Error(what);
  console.log('ok', what);
}

// refused returns the error that a call ends with.
async function refused(call) {
  try {
    await call();
  } catch (e) {
    if (e instanceof GraphError) return e;
    throw e;
  }
  throw new Error('the call succeeds');
}

const app = new PublicClientApplication({ auth: { clientId: '14d82eec-204b-4c2f-b7e8-296a70dab67e', authority: `${server}/contoso.example`, knownAuthorities: [host] } });
const { accessToken } = await app.acquireTokenByUsernamePassword({ scopes: ['https://graph.microsoft.com/.default'], username, password });

const graph = Client.init({ baseUrl: `${server}/`, defaultVersion: 'v1.0', customHosts: new Set([new URL(server).hostname]), authProvider: (done) => done(null, accessToken) });
const policies = '/identity/conditionalAccess/policies';
const exchange = '00000002-0000-0ff1-ce00-000000000000';

async function directory() {
  const me = await graph.api('/me').select('id,userPrincipalName').get();
  check(me.userPrincipalName === username && me.id && me.displayName === undefined, 'me, with $select');
  const pilot = await graph.api('/groups').post({ displayName: 'グラフ', mailEnabled: false, mailNickname: 'graph', securityEnabled: true });
  const inner = await graph.api('/groups').post({ displayName: 'Inner', mailEnabled: false, mailNickname: 'inner', securityEnabled: true });
  const users = [];
  for (let n = 0; n < 5; n++) {
    users.push(await graph.api('/users').post({ accountEnabled: true, displayName: `Page ${n}`, mailNickname: `page${n}`, userPrincipalName: `page${n}@contoso.example`, passwordProfile: { password: 'Correct-Horse-7-Battery', forceChangePasswordNextSignIn: false } }));
  }
  await graph.api(`/groups/${pilot.id}/members/$ref`).post({ '@odata.id': `https://graph.microsoft.com/v1.0/directoryObjects/${inner.id}` });
  await graph.api(`/groups/${inner.id}/members/$ref`).post({ '@odata.id': `https://graph.microsoft.com/v1.0/directoryObjects/${users[0].id}` });

  const names = [];
  const first = await graph.api('/users').filter("startswith(userPrincipalName,'page')").orderby('userPrincipalName desc').select('userPrincipalName').top(2).get();
  const pages = new PageIterator(graph, first, (u) => { names.push(u.userPrincipalName); return true; });
  await pages.iterate();
  check(names.join() === [4, 3, 2, 1, 0].map((n) => `page${n}@contoso.example`).join(), 'users in pages, filtered and in order');
  const counted = await graph.api('/users').header('ConsistencyLevel', 'eventual').count(true).search('"displayName:Page"').top(1).get();
  check(counted['@odata.count'] === 5 && counted.value.length === 1, 'users searched and counted');
  const within = await graph.api(`/groups/${pilot.id}/transitiveMembers`).get();
  check(within.value.some((m) => m.id === users[0].id && m['@odata.type'] === '#microsoft.graph.user'), 'transitive members');
  const groups = await graph.api(`/users/${users[0].id}/checkMemberGroups`).post({ groupIds: [pilot.id, crypto.randomUUID()] });
  check(groups.value.length === 1 && groups.value[0] === pilot.id, 'checkMemberGroups');
  for (const u of users) await graph.api(`/users/${u.id}`).delete();
  const gone = await refused(() => graph.api(`/users/${users[0].id}`).get());
  check(gone.statusCode === 404 && gone.code === 'Request_ResourceNotFound' && gone.requestId && gone.date instanceof Date, 'an error of Graph has its code, request id and date');
  await graph.api(`/groups/${inner.id}`).delete();
  return pilot;
}

async function conditionalAccess(pilot) {
  const created = await graph.api(policies).post({
    displayName: 'JS 保護', state: 'enabledForReportingButNotEnforced',
    conditions: { clientAppTypes: ['mobileAppsAndDesktopClients'], applications: { includeApplications: [exchange] }, users: { includeGroups: [pilot.id] }, platforms: { includePlatforms: ['windows'] } },
    sessionControls: { secureSignInSession: { isEnabled: true } },
  });
  check(created.id && created.sessionControls.secureSignInSession.isEnabled && created.conditions.locations === null, 'a policy created');
  await graph.api(`${policies}/${created.id}`).patch({ displayName: 'JS renamed', conditions: { users: { excludeUsers: [] } } });
  const read = await graph.api(`${policies}/${created.id}`).get();
  check(read.displayName === 'JS renamed' && read.conditions.users.includeGroups[0] === pilot.id && read.modifiedDateTime, 'a policy changed, member by member');
  const named = await graph.api(policies).filter("displayName eq 'JS renamed' and state eq 'enabledForReportingButNotEnforced'").get();
  check(named.value.length === 1 && named.value[0].id === created.id, 'a policy found by its name and state');
  const bad = await refused(() => graph.api(policies).post({ displayName: 'x', state: 'enabled', conditions: { clientAppTypes: [], applications: { includeApplications: ['All'] }, users: { includeUsers: ['All'] } } }));
  check(bad.statusCode === 400 && bad.code === 'BadRequest' && /^1064: /.test(bad.message), 'a policy that is not valid is refused under its number');
  const beta = await graph.api(`${policies}/${created.id}`).version('beta').get();
  check('description' in beta && !('description' in read), 'members that only beta has');
  return created;
}

async function batch(policy) {
  const root = 'https://graph.microsoft.com'; // the library takes the path alone
  const content = new BatchRequestContent([
    { id: '1', request: new Request(`${root}${policies}/${policy.id}`, { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ displayName: 'JS batched' }) }) },
    { id: '2', request: new Request(`${root}${policies}/${policy.id}`, { method: 'GET' }), dependsOn: ['1'] },
    { id: '3', request: new Request(`${root}/users/nobody@contoso.example`, { method: 'GET' }), dependsOn: ['2'] },
  ]);
  const answers = new BatchResponseContent(await graph.api('/$batch').post(await content.getContent()));
  check(answers.getResponseById('1').status === 204 && (await answers.getResponseById('2').json()).displayName === 'JS batched', 'a batch, in order');
  check(answers.getResponseById('3').status === 404, 'one request of a batch fails by itself');
}

async function logs() {
  const first = await graph.api('/auditLogs/directoryAudits').top(2).get();
  check(first.value.length === 2 && first['@odata.nextLink'], 'the audit log in pages');
  const rows = await graph.api('/auditLogs/signIns').version('beta').filter(`userPrincipalName eq '${username}' and signInEventTypes/any(t: t eq 'nonInteractiveUser' or t eq 'interactiveUser')`).top(5).get();
  check(rows.value.every((r) => r.userPrincipalName === username && 'tokenProtectionStatusDetails' in r), 'sign-ins of beta');
}

const pilot = await directory();
const policy = await conditionalAccess(pilot);
await batch(policy);
await logs();
await graph.api(`${policies}/${policy.id}`).delete();
await graph.api(`/groups/${pilot.id}`).delete();
