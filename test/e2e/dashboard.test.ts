import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { makeToken, parseTokenFile } from '../../src/api/tokens.ts';
import { minuteMs } from '../../src/domain/time.ts';
import { describeInBrowser, launchChromium } from '../support/chromium.ts';
import {
  faintTexts,
  firstRowIs,
  focusedName,
  longestFrameWhileScrolling,
  nothingIsBeingRead,
  sideways,
} from './in-page.mjs';
import { fleetView, happened, hourOfDemand, onProbation, thousand, unprotected } from './dashboard-fleet.ts';
import { startDashboardServer } from './dashboard-server.ts';

const pages = ['/', '/vm/shop', '/capacity?node=pve1', '/foresight', '/edges', '/events'];

describeInBrowser('the dashboard in Chromium', () => {
  let server: Awaited<ReturnType<typeof startDashboardServer>>;
  let browser: Browser;
  let page: Page;
  /** Errors of the console, failed requests and requests to other hosts: there should be none. */
  let trouble: string[];

  beforeAll(async () => {
    [server, browser] = await Promise.all([startDashboardServer(), launchChromium()]);
    const now = Date.now();
    await server.stores.demand.maintain(now);
    await server.stores.demand.write(hourOfDemand(['shop', 'blog'], now));
    await server.stores.demand.maintain(now);
    await restoreFleet();
  }, 90_000);
  afterAll(async () => {
    await Promise.all([browser.close(), server.close()]);
  });
  beforeEach(async () => {
    page = await open({ viewport: { width: 1280, height: 800 } });
  });
  afterEach(async () => {
    await page.context().close();
    expect(trouble).toEqual([]);
  });

  async function restoreFleet(): Promise<void> {
    const now = Date.now();
    const told = happened('shop-1', 'shop', now - 5 * minuteMs, 'shadow-warm', 'shop/1 answers its health check');
    await server.stores.registry.save(fleetView('shop', now), [told]);
    await server.stores.registry.save(onProbation('blog', now), []);
    await server.stores.registry.save(unprotected('mail', now), []);
  }

  async function open(options: BrowserContextOptions): Promise<Page> {
    trouble = [];
    const context = await browser.newContext(options);
    context.setDefaultTimeout(10_000);
    const opened = await context.newPage();
    opened.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) trouble.push(message.text());
    });
    opened.on('pageerror', (error) => trouble.push(error.message));
    opened.on('request', (request) => {
      const { origin } = new URL(request.url());
      if (origin !== server.url && origin !== 'null' && !origin.startsWith('http://127.0.0.1'))
        trouble.push(request.url());
    });
    return opened;
  }

  /** Opens a page and waits until it shows what it has read and says that it is live. */
  async function visit(path: string, at = server.url): Promise<void> {
    await page.goto(at + path);
    await page.getByRole('banner').getByText(/live$/).waitFor();
    await page.waitForFunction(nothingIsBeingRead);
  }

  test('says first whether everyone is safe, then shows who is not', async () => {
    await visit('/');
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(
      '1 protected, 1 on its shadow (17 h of probation left), 1 without protection',
    );
    const names = await page.getByRole('rowheader').getByRole('link').allInnerTexts();
    expect(names).toEqual(['mail', 'blog', 'shop']);
    const row = page.getByRole('row').filter({ hasText: 'shop.example.net' });
    await row.getByText('412 / 1000 q/s, p90 740').waitFor();
    expect(await row.innerText()).toMatch(/22 raised\s+p90 reaches 74% of capacity/);
  });

  test('shows a change that somebody else has made without being asked', async () => {
    await visit('/');
    await server.stores.registry.save(onProbation('shop', Date.now() + 1), []);
    await page.getByText('2 on their shadows', { exact: false }).waitFor();
    await server.stores.registry.save(fleetView('shop', Date.now() + 2), []);
    await page.getByText('1 on its shadow', { exact: false }).waitFor();
  });

  test('keeps rows where they are while the pointer rests on them', async () => {
    await visit('/');
    await page.getByRole('row').filter({ hasText: 'mail.example.net' }).hover();
    await server.stores.registry.save(fleetView('mail', Date.now() + 1), []);
    await page.getByText('2 protected', { exact: false }).waitFor();
    const names = page.getByRole('rowheader').getByRole('link');
    expect(await names.allInnerTexts()).toEqual(['mail', 'blog', 'shop']);
    await page.mouse.move(5, 5);
    await server.stores.registry.save(fleetView('mail', Date.now() + 2), []);
    await page.waitForFunction(firstRowIs, 'blog');
    await server.stores.registry.save(unprotected('mail', Date.now() + 3), []);
  });

  test('fails over by keyboard alone, and shows pending until the workflow has answered', async () => {
    await visit('/vm/shop');
    const button = page.getByRole('button', { name: 'Fail over …' });
    await tabTo('Fail over …');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('127.10.0.11', { exact: false }).waitFor();
    await dialog.getByText('is fenced: stopped, with proof', { exact: false }).waitFor();
    const confirm = dialog.getByRole('button', { name: 'Fail over' });
    expect(await confirm.isDisabled()).toBe(true);
    await tabTo('To');
    await page.keyboard.press('ArrowDown');
    await dialog.getByText('shop/1 carries 1000 q/s; predicted p90 is 740 q/s: enough.').waitFor();
    await tabTo('Reason (kept with the event)');
    await page.keyboard.type('drill on Friday');
    await page.keyboard.press('Enter');
    await page.getByText('waiting for the workflow to answer', { exact: false }).waitFor();
    expect(await button.count()).toBe(0);
    const asked = server.asked.at(-1)!;
    expect(asked).toMatchObject({ command: 'failover', args: { reason: 'drill on Friday', to: 'shop/1' } });
    asked.answer({ kind: 'accepted', text: 'moving shop to shop/1' });
    await page.getByText('Fail over: accepted: moving shop to shop/1').waitFor();
  });

  test('shows a refusal as the workflow gave it, and why other commands are not allowed now', async () => {
    await visit('/vm/shop');
    const handBack = page.getByRole('button', { name: 'Hand back' });
    expect(await handBack.getAttribute('aria-disabled')).toBe('true');
    await page.getByText('handing back needs a hosted VM that is on probation', { exact: false }).waitFor();
    await page.getByRole('button', { name: 'Pause …' }).click();
    await page.getByLabel('Reason (kept with the event)').fill('storage maintenance');
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click();
    await page.getByText('waiting for the workflow to answer', { exact: false }).waitFor();
    // A refusal is an answer with status 409, which Chromium mentions in its console.
    server.asked.at(-1)!.answer({ kind: 'refused', reason: { code: 'busy', text: 'a failover is under way' } });
    await page.getByText('Pause: refused: a failover is under way').waitFor();
    trouble = trouble.filter((line) => !line.includes('409'));
  });

  test('changes nothing when the dialog is left with Escape', async () => {
    await visit('/vm/shop');
    const before = server.asked.length;
    await page.getByRole('button', { name: 'Retire …' }).click();
    await page.getByText('Nothing protects it afterwards.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(server.asked.length).toBe(before);
  });

  test('plots demand with its gap, and has the figures in a table behind', async () => {
    await visit('/vm/shop?range=1h');
    await page.locator('.plot canvas').waitFor();
    expect(await page.locator('.plot .u-legend').innerText()).toMatch(/Demand.*p10.*p90.*Capacity/s);
    await page.getByText('Figures as a table').click();
    const table = page.getByRole('region', { name: 'figures', exact: false });
    await table.getByText('1000 q/s').first().waitFor();
    expect(await table.getByText('no data').count()).toBeGreaterThan(5);
    expect(await table.getByRole('columnheader').allInnerTexts()).toEqual(
      expect.arrayContaining(['Time', 'Demand', 'p90', 'Capacity']),
    );
    await page.getByText('shop/1 answers its health check').waitFor();
  });

  test('keeps the view in the address, so that it can be pasted into a chat', async () => {
    await visit('/');
    await page.getByLabel('Find').fill('blog');
    await page.waitForURL('**/?q=blog');
    const pasted = page.url();
    await page.goto('about:blank');
    await visit(pasted.slice(server.url.length));
    expect(await page.getByRole('rowheader').getByRole('link').allInnerTexts()).toEqual(['blog']);
    await page.getByRole('link', { name: 'blog', exact: true }).click();
    await page.waitForURL('**/vm/blog');
    await page.goBack();
    await page.waitForURL('**/?q=blog');
  });

  test('tells who fits when a node dies', async () => {
    await visit('/capacity');
    const first = await page.getByRole('heading', { level: 1 }).innerText();
    expect(first).toBe(
      'If pve1 dies now, mail does not fit elsewhere. 1 other node would leave somebody without, too.',
    );
    await page.getByRole('button', { name: 'pve1' }).click();
    await page.waitForURL('**/capacity?node=pve1');
    const table = page.getByRole('table', { name: 'If pve1 dies now' });
    expect(await table.getByRole('row').allInnerTexts()).toEqual([
      expect.stringContaining('Hosted VM'),
      expect.stringMatching(/mail\s+no shadow elsewhere/),
      expect.stringMatching(/shop\s+fits\s+shop\/1 \(1×, pve2\)\s+1000 q\/s\s+740 q\/s/),
    ]);
  });

  test.each([
    ['a phone', { viewport: { width: 360, height: 740 } }],
    ['a dark room', { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' }],
    ['a desk', { viewport: { width: 1280, height: 800 } }],
  ] as const)('is readable on %s: contrast, no sideways scrolling, one heading, landmarks', async (_where, options) => {
    await page.context().close();
    page = await open(options);
    for (const path of pages) {
      await visit(path);
      expect({ path, sideways: await page.evaluate(sideways) }).toEqual({ path, sideways: 0 });
      expect({ path, faint: await page.evaluate(faintTexts, 4.5) }).toEqual({ path, faint: [] });
      expect(await page.getByRole('heading', { level: 1 }).count()).toBe(1);
      for (const landmark of ['banner', 'navigation', 'main'] as const) {
        expect(await page.getByRole(landmark).count()).toBeGreaterThan(0);
      }
    }
  });

  test('tells how far the forecasts can be trusted, and what was known when they missed', async () => {
    await visit('/foresight');
    expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(
      'Yes: demand stayed below the predicted p90 90% of the time on 2 hosted VMs.',
    );
    const inUse = page.getByRole('region', { name: 'In use now' }).getByRole('row');
    // Those in doubt first.
    expect(await inUse.allInnerTexts()).toEqual([
      expect.stringContaining('Below p90 / p99 lately'),
      expect.stringMatching(
        /blog\s+seasonal-naive-day\s+1\.00×\s+50% \/ 80% of 40 steps\s+not used\s+demand passed p90 in 20 of 40 steps/,
      ),
      expect.stringMatching(/shop\s+umbra\s+0\.62×\s+91% \/ 99% of 2016 steps\s+believed\s+capacity: 980 q\/s/),
    ]);
    await page.getByText('908 evaluations, 13 needs: Brier score 0.0102, skill 0.31 over the base rate.').waitFor();
    // A bin without moments is no point in the diagram.
    expect(await page.locator('.reliability circle').count()).toBe(2);
    await page.getByText('A warm shadow stood ready for 12 of 13 needs in the last 30 days.').waitFor();
    await page.getByText('Shadows idled 432 hours without being needed.').waitFor();
    const miss = page.getByRole('listitem').filter({ hasText: 'no shadow was ready' });
    expect(await miss.innerText()).toMatch(/^2 h ago\s+blog .* Known then: risk 4; p90 98 q\/s by seasonal-naive-day/);
    await miss.getByRole('link', { name: 'blog' }).click();
    await page.waitForURL('**/vm/blog');
  });

  test('is small, sets no cookie and asks nobody else', async () => {
    const bytes: Promise<number>[] = [];
    page.on('response', (response) => {
      if (!response.url().includes('/api/')) bytes.push(response.body().then((body) => gzipSync(body).length));
    });
    const answer = await page.goto(`${server.url}/vm/shop`);
    await page.locator('.plot canvas').waitFor();
    const kibibytes = (await Promise.all(bytes)).reduce((sum, each) => sum + each, 0) / 1024;
    expect(bytes.length).toBeGreaterThan(2);
    expect(kibibytes).toBeLessThan(150);
    expect(answer!.headers()['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/);
    expect(await page.context().cookies()).toEqual([]);
  });

  test('says that it is reconnecting, keeps what it shows with its age, and is live again by itself', async () => {
    const first = await server.startAnother();
    const at = new URL(first.url);
    await visit('/', first.url);
    await first.close();
    await page.getByRole('banner').getByText('reconnecting').waitFor();
    expect(await page.getByRole('rowheader').count()).toBe(3);
    const again = await server.startAnother(Number(at.port));
    await page.getByRole('banner').getByText(/live$/).waitFor();
    await page.goto('about:blank');
    await again.close();
    // Requests to nobody are errors in the console.
    trouble = trouble.filter((line) => !/ERR_|Failed to fetch|network/i.test(line));
  });

  test('a figure older than three intervals is grey and says so', async () => {
    const now = Date.now();
    const { evaluation } = fleetView('shop', now - 65 * minuteMs);
    await server.stores.registry.save(fleetView('shop', now + 1, { evaluation }), []);
    await visit('/');
    const age = page.getByRole('row').filter({ hasText: 'shop.example.net' }).locator('.age.old');
    expect(await age.innerText()).toBe('(old: 1 h ago)');
    await restoreFleet();
  });

  test('shows a thousand hosted VMs, worst first, and finds one of them', async () => {
    const now = Date.now();
    for (const view of thousand(now)) await server.stores.registry.save(view, []);
    const startedAt = performance.now();
    await visit('/');
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(await page.getByRole('rowheader').count()).toBe(100);
    expect(await page.getByRole('rowheader').first().innerText()).toMatch(/mail|vm-0017/);
    const longest = await page.evaluate(longestFrameWhileScrolling);
    expect(longest).toBeLessThan(500);
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByText('101 to 200 of 1003').waitFor();
    await page.getByLabel('Find').fill('vm-0777');
    await page.getByRole('link', { name: 'vm-0777' }).waitFor();
    expect(await page.getByRole('rowheader').count()).toBe(1);
  });

  test('asks for a token where the API wants one, and keeps it to this tab', async () => {
    const { token, line } = makeToken('viewer', 'ada');
    const guarded = await server.startGuarded(parseTokenFile(line, 'tokens'));
    try {
      const at = `http://127.0.0.1:${new URL(guarded.url).port}`;
      await page.goto(at);
      await page.getByRole('heading', { name: 'Umbra wants a token.' }).waitFor();
      await page.getByLabel('Token').fill(token);
      await page.getByRole('button', { name: 'Open the dashboard' }).click();
      await page
        .getByRole('link', { name: 'blog' })
        .or(page.getByRole('link', { name: 'mail' }))
        .first()
        .waitFor();
      await page.getByRole('banner').getByText(/live$/).waitFor();
      expect(await page.context().cookies()).toEqual([]);
      // Left first: a stream that ends with its server is an error in the console.
      await page.goto('about:blank');
    } finally {
      await guarded.close();
    }
    // The first answers were 401.
    trouble = trouble.filter((text) => !text.includes('401'));
  });

  /** Presses Tab until the control with this name has the focus, as somebody without a mouse would. */
  async function tabTo(name: string): Promise<void> {
    for (let presses = 0; presses < 80; presses += 1) {
      await page.keyboard.press('Tab');
      const focused = await page.evaluate(focusedName);
      if (focused === name) return;
    }
    throw new Error(`Tab never reached ${name}`);
  }
});
