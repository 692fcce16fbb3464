// Opens every page of the built book in Chromium as a phone does, searches it, and says what it saw: one JSON
// document. Called by tests/living/book.rs: book.mjs NODE_MODULES SITE PICTURES PAGES QUERIES, the last two
// as JSON lists. Pictures of the first pages, on a phone and a desk, are left in PICTURES.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

const [modules, site, pictures] = process.argv.slice(2);
const [pages, queries] = process.argv.slice(5).map((list) => JSON.parse(list));
const require = createRequire(modules + '/');
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const PICTURED = 6;

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const watched = async (options) => {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(120000);
  page.said = [];
  page.outside = [];
  page.on('console', (message) => page.said.push(message.text()));
  page.on('pageerror', (error) => page.said.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith('file:') && !request.url().startsWith('data:')) page.outside.push(request.url());
  });
  return page;
};

const phone = await watched({ viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
const seen = [];
for (const [at, name] of pages.entries()) {
  phone.said.length = phone.outside.length = 0;
  await phone.goto(`file://${site}/${name}`);
  const facts = await phone.evaluate(() => ({
    wider: document.documentElement.scrollWidth - innerWidth,
    // What is cut off, though nothing can be scrolled there.
    cut: [...document.querySelectorAll('main *')].filter((element) => {
      const scrolls = (one) => /auto|scroll/.test(getComputedStyle(one).overflowX);
      for (let one = element; one; one = one.parentElement) if (scrolls(one)) return false;
      return element.getBoundingClientRect().right > innerWidth + 1;
    }).length,
    empty: [...document.images].filter((image) => !image.complete || !image.naturalWidth).length,
    pictures: document.images.length,
    chapters: document.querySelectorAll('mdbook-sidebar-scrollbox a, #mdbook-sidebar a').length,
  }));
  let faults = [];
  if (at < PICTURED) {
    await phone.evaluate(axe);
    // What the pages hold; the frame round them is mdBook's.
    const { violations } = await phone.evaluate(() => axe.run('main', { preload: false }));
    faults = violations.map((one) => `${one.impact}: ${one.id}: ${one.nodes[0].html}`);
    await phone.screenshot({ path: `${pictures}/phone-${basename(name, '.html')}.png` });
  }
  seen.push({ page: name, said: [...phone.said], outside: [...phone.outside], faults, ...facts });
}

// As a reader searches: the key that opens the field, then letters.
const desk = await watched({ viewport: { width: 1280, height: 900 } });
await desk.goto(`file://${site}/index.html`);
await desk.keyboard.press('s');
await desk.waitForSelector('#mdbook-searchbar:visible');
await desk.waitForFunction(() => window.search.index);
const found = {};
for (const query of queries) {
  await desk.fill('#mdbook-searchbar', query);
  await desk.press('#mdbook-searchbar', 'End');
  found[query] = await desk.evaluate(() =>
    [...document.querySelectorAll('#mdbook-searchresults a')].map((link) => link.getAttribute('href').split(/[?#]/)[0]));
}
await desk.screenshot({ path: `${pictures}/search.png` });
for (const name of pages.slice(0, PICTURED)) {
  await desk.goto(`file://${site}/${name}`);
  await desk.screenshot({ path: `${pictures}/desk-${basename(name, '.html')}.png` });
}
await browser.close();
console.log(JSON.stringify({ seen, found, said: desk.said, outside: desk.outside }));
