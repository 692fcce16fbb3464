// Opens each page in Chromium at two widths, dark and light, and says what is wrong with it: one
// JSON document. Called by tests/living/html_real.rs: look.mjs NODE_MODULES PICTURES PAGE...
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

const [modules, pictures, ...pages] = process.argv.slice(2);
const require = createRequire(modules + '/');
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const seen = [];
for (const path of pages) {
  for (const scheme of ['light', 'dark']) {
    for (const width of [360, 1280]) {
      const viewport = { width, height: 800 };
      // The page forbids scripts; axe has to run all the same.
      const context = await browser.newContext({ colorScheme: scheme, viewport, bypassCSP: true });
      const page = await context.newPage();
      page.setDefaultTimeout(0);
      const asked = [];
      const said = [];
      page.on('request', (request) => asked.push(request.url()));
      page.on('console', (message) => said.push(message.text()));
      page.on('dialog', (dialog) => { said.push('a dialog'); dialog.dismiss(); });
      await page.goto('file://' + path);
      const facts = await page.evaluate(() => ({
        wider: document.documentElement.scrollWidth - innerWidth,
        scripts: document.scripts.length,
        foreign: document.querySelectorAll('img, iframe, object, link, form, video, audio').length,
        handlers: [...document.querySelectorAll('*')]
          .filter((element) => [...element.attributes].some((one) => one.name.startsWith('on')))
          .length,
        findings: document.querySelectorAll('article').length,
        broken: document.querySelectorAll('.arrow.broken').length,
        back: getComputedStyle(document.body).backgroundColor,
        small: [...document.querySelectorAll('svg text')]
          .filter((text) => text.getBoundingClientRect().height < 11).length,
        beside: [...document.querySelectorAll('svg')].filter((picture) => {
          const frame = picture.getBoundingClientRect();
          const out = (text) => text.getBoundingClientRect().right > frame.right + 1;
          return [...picture.querySelectorAll('text')].some(out);
        }).length,
      }));
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => axe.run());
      const faults = violations.map((one) => `${one.impact}: ${one.id}: ${one.nodes[0].html}`);
      const picture = `${pictures}/${basename(path, '.html')}-${scheme}-${width}.png`;
      const tall = await page.evaluate(() => document.documentElement.scrollHeight);
      await page.setViewportSize({ width, height: Math.min(tall, 6000) });
      await page.screenshot({ path: picture, timeout: 0 });
      seen.push({ page: basename(path, '.html'), scheme, width, asked: asked.length - 1, said, faults, ...facts });
      await context.close();
    }
  }
}
await browser.close();
console.log(JSON.stringify(seen));
