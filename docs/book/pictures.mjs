// Pictures of the HTML report in Debian's Chromium: pictures.mjs NODE_MODULES REPORT OUT
import { createRequire } from 'node:module';

const [modules, report, out] = process.argv.slice(2);
const { chromium } = createRequire(modules + '/')('playwright-core');

const SIZES = { desk: { width: 1100, height: 1000, scale: 1 }, phone: { width: 390, height: 844, scale: 2 } };

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
for (const [name, { width, height, scale }] of Object.entries(SIZES)) {
  for (const scheme of ['light', 'dark']) {
    const viewport = { width, height };
    const context = await browser.newContext({ colorScheme: scheme, viewport, deviceScaleFactor: scale });
    const page = await context.newPage();
    await page.goto('file://' + report);
    await page.screenshot({ path: `${out}/html-${name}-${scheme}.png` });
    await context.close();
  }
}
await browser.close();
