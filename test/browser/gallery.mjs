// Visits every sign-in page in Chromium and judges it: accessibility by axe-core, the page's own security policy, its width,
// its headings, and whether it works without JavaScript.
//
// usage: node gallery.mjs URL NAME,NAME,...
// SCREENSHOTS names a directory for a picture of every page.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const [base, list] = process.argv.slice(2);
const names = list.split(',');
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const pictures = process.env.SCREENSHOTS;
const problems = [];
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
});

async function visit(page, name, language, what) {
  const complain = (text) => problems.push(`${name} (${what}): ${text}`);
  const onConsole = (m) => { if (m.type() === 'error') complain('console: ' + m.text()); };
  const onError = (e) => complain('error: ' + e.message);
  const onDialog = (d) => { complain('a dialog: ' + d.message()); d.dismiss(); };
  page.on('console', onConsole).on('pageerror', onError).on('dialog', onDialog);
  await page.goto(`${base}/page/${name}?lang=${language}`);
  if (name === 'formpost') { // it leaves by itself
    await page.waitForURL('**/posted');
  } else {
    const facts = await page.evaluate(() => ({
      lang: document.documentElement.lang, h1: document.querySelectorAll('h1').length, title: document.title,
      wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
      missing: document.body.innerText.match(/\[[a-z]+\.[\w.]+\]/)?.[0],
      small: [...document.querySelectorAll('button:not([hidden]), a.button')].filter((e) => e.getBoundingClientRect().height < 24).map((e) => e.textContent),
    }));
    if (facts.lang !== language) complain(`lang is ${facts.lang}`);
    if (facts.h1 !== 1) complain(`${facts.h1} first headings`);
    if (!facts.title) complain('no title');
    if (facts.wide) complain('wider than the screen');
    if (facts.missing) complain(`no words for ${facts.missing}`);
    if (facts.small.length) complain(`small targets: ${facts.small}`);
  }
  if (pictures && name !== 'formpost') await page.screenshot({ path: `${pictures}/${name}-${what}.png`, fullPage: true });
  page.off('console', onConsole).off('pageerror', onError).off('dialog', onDialog);
}

async function judge(page, name, what) {
  // The page's own policy forbids scripts from elsewhere; the judge comes in by the debugger.
  await page.evaluate(axe + ';undefined');
  const result = await page.evaluate(() => axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  for (const v of result.violations) problems.push(`${name} (${what}): ${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' | ').slice(0, 300)}`);
}

for (const [what, width, scheme, language] of [['en-light-1440', 1440, 'light', 'en'], ['ja-dark-390', 390, 'dark', 'ja'], ['ja-light-320', 320, 'light', 'ja'], ['en-dark-390', 390, 'dark', 'en']]) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
  const page = await context.newPage();
  for (const name of names) {
    // Refusals differ in their words alone: a few of them are enough for the judge, and for every surrounding.
    const alike = name.startsWith('refusal-') && !/noDevice|homeNotTrusted|hostile|bare/.test(name);
    if (alike && !/en-light-1440|ja-light-320/.test(what)) continue;
    await visit(page, name, language, what);
    if (name !== 'formpost' && !alike) await judge(page, name, what);
  }
  await context.close();
}

const plain = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 390, height: 900 } });
const page = await plain.newPage();
for (const name of names) {
  await page.goto(`${base}/page/${name}`);
  if ((await page.locator('h1').count()) !== 1) problems.push(`${name}: nothing to see without JavaScript`);
}
await page.goto(`${base}/page/formpost`);
await page.getByRole('button').last().click();
await page.waitForURL('**/posted');
await plain.close();

// Everything that can be used is reached by the keyboard, in the order of the page.
const keys = await (await browser.newContext()).newPage();
for (const name of ['password', 'picker', 'factor-both', 'consent', 'deviceconfirm', 'refusal-noDevice', 'me']) {
  await keys.goto(`${base}/page/${name}`);
  const wanted = await keys.locator('main a:visible, main button:visible, main input:visible, main summary:visible').count();
  const reached = new Set();
  await keys.evaluate(() => document.activeElement?.blur());
  for (let n = 0; n < wanted + 12; n++) {
    await keys.keyboard.press('Tab');
    const id = await keys.evaluate(() => {
      const e = document.activeElement;
      if (!e || !e.closest('main')) return '';
      e.dataset.seen ||= String(Math.random());
      return e.dataset.seen;
    });
    if (id) reached.add(id);
  }
  if (reached.size < wanted) problems.push(`${name}: the keyboard reaches ${reached.size} of ${wanted}`);
}
await browser.close();
console.log(`${names.length} pages`);
if (problems.length) {
  console.log(problems.join('\n'));
  process.exit(1);
}
