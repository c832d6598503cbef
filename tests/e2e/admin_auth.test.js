// admin_auth.test.js: the Admin UI on a server that asks for tokens: pages are open, data is not.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { documentPath, jwtSettings, makeDirectory, secret, startPair, tokensOf, until, writeFile } from './harness.js';
import { Browser, skipWithoutChromium } from './lib/browser.js';

const key = secret();
const REFUSED = [/401|403/];

const sign = tokensOf(key);

describe('a server that asks for tokens', { skip: skipWithoutChromium }, () => {
	let pair, browser;
	const headers = { Authorization: `Bearer ${sign({ sub: 'setup' })}` };
	const file = documentPath('session', 'call');
	before(async () => {
		const keyFile = writeFile(path.join(makeDirectory('admin-auth'), 'key'), key);
		pair = await startPair({ settings: jwtSettings(keyFile, { workers: 2 }) });
		browser = await Browser.start();
		await pair.rest.put(file, { data: { status: 'ringing' } }, headers);
		await pair.rest.put(documentPath('board', 'one'), { data: {} }, headers);
	});
	after(async () => {
		await browser?.stop();
		await pair?.stop();
	});

	async function enter(address, text) {
		const page = await browser.open(pair.daemon.url + address, { allow: REFUSED });
		await page.fill('#token', text);
		await page.keyboard.press('Enter');
		await page.waitForSelector('dialog', { state: 'detached' });
		return page;
	}
	async function close(page) {
		assert.deepEqual(page.complaints, []);
		await page.context().close();
	}
	const inspect = '/documents/inspect?service=session&id=call';

	test('lets in who has one: documents, events, presence, and the name of who writes', async () => {
		const page = await enter('/documents?service=session', sign({}));
		await page.click('table.documents >> text=call');
		await page.waitForSelector('.people li >> text=ann');
		await page.click('#edit');
		await page.fill('.editor textarea', '{"status": "active"}');
		await page.click('.editor button[type=submit]');
		await page.waitForSelector('#revision:text-is("revision 2")');
		await page.waitForSelector('.timeline li[data-revision="2"] .timeline-by:text-is("ann")');
		await pair.rest.patch(file, { data: { status: 'ended' } }, undefined, headers);
		await page.waitForSelector('.tree-row[data-has-flashed]:has-text("ended")');
		await close(page);
	});

	test('names that turn the direction of writing do not turn what is beside them', async () => {
		await pair.rest.put(documentPath('session', 'turned'), { data: {} }, { Authorization: `Bearer ${sign({ sub: 'eve\u202eadmin' })}` });
		const page = await enter('/documents/inspect?service=session&id=turned', sign({ sub: 'bob\u2067' }));
		const by = await page.waitForSelector('.timeline-by:text-is("eve\\\\u202eadmin")');
		assert.equal(await by.getAttribute('title'), 'eve\\u202eadmin');
		const guest = await pair.daemon.connect({ headers });
		await guest.request({ type: 'presence.join', service: 'session', documentId: 'turned', mode: 'editing', data: { name: '\u202eAnn' } });
		await page.waitForSelector('.people li[data-mode=editing] >> text=u202eAnn');
		assert.doesNotMatch(await page.$eval('.people', people => people.outerHTML), /[\u202e\u2067]/);
		await close(page);
	});

	test('refuses a wrong one with words, and asks again', async () => {
		const page = await browser.open(`${pair.daemon.url}/documents`, { allow: REFUSED });
		await page.fill('#token', sign({ seconds: -120 }));
		await page.keyboard.press('Enter');
		await page.waitForSelector('dialog .fault:not(:empty)');
		await page.fill('#token', sign({}));
		await page.keyboard.press('Enter');
		await page.waitForSelector('.services a >> text=board');
		await close(page);
	});

	test('shows a reader what is to be read, and says what is not allowed', async () => {
		const page = await enter(inspect, sign({ sub: 'reader', rights: { session: 'r' } }));
		await page.waitForSelector('.timeline li');
		await page.waitForSelector('text=This page is not shown to others');
		await page.click('#edit');
		await page.fill('.editor textarea', '{"status": "mine"}');
		await page.click('.editor button[type=submit]');
		await page.waitForSelector('.editor .fault >> text=forbidden');
		await page.goto(`${pair.daemon.url}/documents`);
		await page.waitForSelector('table.documents >> text=call');
		assert.deepEqual(await page.$$eval('.services a', all => all.map(each => each.dataset.service)), ['session']);
		await page.goto(`${pair.daemon.url}/documents/inspect?service=board&id=one`);
		await page.waitForSelector('.empty >> text=Not allowed');
		await close(page);
	});

	test('asks for the next token before the old one ends, and goes on with it', async () => {
		const page = await enter(inspect, sign({ seconds: 12 })); // asked for 3 s before; a slow machine takes seconds to get there
		await page.waitForSelector('.connection[data-state=open]');
		await page.waitForSelector('dialog .fault >> text=about to end');
		await page.fill('#token', sign({}));
		await page.keyboard.press('Enter');
		await page.waitForSelector('dialog', { state: 'detached' });
		await pair.rest.patch(file, { data: { status: 'after' } }, undefined, headers);
		await page.waitForSelector('.tree-row:has-text("after")');
		await until(() => page.evaluate(() => document.querySelector('.connection').dataset.state === 'open'));
		await close(page);
	});
});
