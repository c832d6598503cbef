// admin.test.js: what all pages of the Admin UI share: the connection and its loss, themes, tokens, copy buttons; and /status.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { after, before, describe, test } from 'node:test';
import { Daemon, assertStatus, documentPath, startPair, until } from './harness.js';
import { Browser, skipWithoutChromium } from './lib/browser.js';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const AWAY = [/ERR_CONNECTION_|ERR_EMPTY_RESPONSE/, /WebSocket connection to/, /status of 503/]; // back, Redis may be a moment late

let pair, browser;
before(async () => {
	if (skipWithoutChromium) return;
	pair = await startPair({ settings: { workers: 2 } });
	browser = await Browser.start();
	await pair.rest.put(documentPath('session', 'call'), { data: { status: 'ringing', people: [{ name: 'Ann' }] }, ttl: 4000 });
	await pair.rest.patch(documentPath('session', 'call'), { data: { status: 'active' } });
	await pair.rest.put(documentPath('session', 'gone'), { data: { was: 'here' } });
	await pair.rest.delete(documentPath('session', 'gone'));
});
after(async () => {
	await browser?.stop();
	await pair?.stop();
});

const open = (path, options) => browser.open(pair.daemon.url + path, options);
async function close(page) {
	assert.deepEqual(page.complaints, []);
	await page.context().close();
}
const inspect = id => `/documents/inspect?service=session&id=${id}`;
const LONG = `long-id_${'x'.repeat(110)}`;
const LONG_SERVICE = `service_${'x'.repeat(56)}`;

describe('connection', { skip: skipWithoutChromium }, () => {
	test('a server that goes is told by a banner; when it is back, what was missed is there', async () => {
		const state = { redis: pair.redis, settings: { workers: 1 } };
		let daemon = await Daemon.start(state);
		const path = documentPath('session', 'restart');
		await daemon.rest.put(path, { data: { n: 1 } });
		const page = await browser.open(`${daemon.url}${inspect('restart')}`, { allow: AWAY });
		const list = await browser.open(`${daemon.url}/documents?service=session`, { allow: AWAY });
		try {
			await page.waitForSelector('.connection[data-state=open]');
			await list.waitForSelector('table.documents >> text=restart');
			await daemon.stop();
			await page.waitForSelector('#banner >> text=The connection to the server is lost');
			await list.waitForSelector('#banner >> text=The connection to the server is lost');
			assert.equal(await page.textContent('.connection'), 'Offline');
			await pair.rest.patch(path, { data: { n: 2 } });
			const isBack = page.waitForSelector('#banner >> text=Connected again'); // it goes by itself
			daemon = await Daemon.start({ ...state, port: daemon.port });
			await isBack;
			await page.waitForSelector('#revision:text-is("revision 2")');
			await page.waitForSelector('.tree-row[data-has-flashed]:has-text("n:2")');
			await page.waitForSelector('.people li >> text=(you)');
			await page.waitForSelector('#banner', { state: 'hidden' });
			await list.waitForFunction(() =>
				document.querySelector('table.documents tbody tr:not(.spacer)').textContent.startsWith('restart2'),
			);
			await close(page);
			await close(list);
		} finally {
			await daemon.stop();
		}
	});
});

describe('theme', { skip: skipWithoutChromium }, () => {
	test('follows the system, and the switch, which is remembered', async () => {
		const page = await open('/status', { theme: 'dark' });
		const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
		await page.waitForSelector('#theme');
		const dark = await background();
		await page.click('#theme');
		assert.equal(await page.getAttribute('#theme', 'aria-label'), 'Theme: light');
		assert.notEqual(await background(), dark);
		await page.reload();
		await page.waitForSelector('#theme[aria-label="Theme: light"]');
		assert.notEqual(await background(), dark);
		await page.click('#theme');
		assert.equal(await background(), dark);
		await close(page);
	});
});

describe('token', { skip: skipWithoutChromium }, () => {
	// A proxy that wants a token, as a server with auth.mode does for REST.
	async function guard(page, token) {
		const seen = [];
		await page.context().route('**/v1/**', route => {
			const sent = route.request().headers().authorization;
			seen.push(sent);
			if (sent === `Bearer ${token}`) return route.continue();
			const problem = {
				type: 'urn:syncdoc:error:unauthorized',
				title: 'Unauthorized',
				status: 401,
				code: 'unauthorized',
				detail: sent ? 'the token is not known' : 'a token is needed',
			};
			return route.fulfill({ status: 401, contentType: 'application/problem+json', body: JSON.stringify(problem) });
		});
		return seen;
	}

	test('is asked for at a 401, again when it is refused, kept for the tab, and sent from then on', async () => {
		const page = await open('/status', { allow: [/401/] });
		const seen = await guard(page, 'secret');
		await page.goto(`${pair.daemon.url}/documents?service=session`);
		await page.fill('#token', 'wrong');
		await page.click('dialog button[type=submit]');
		await page.waitForSelector('dialog .fault >> text=the token is not known');
		await page.fill('#token', 'secret');
		await page.keyboard.press('Enter');
		await until(() => seen.includes('Bearer secret'));
		await page.waitForSelector('.services a');
		assert.equal(await page.evaluate(() => sessionStorage.getItem('syncdoc.token')), 'secret');
		assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes('secret')), false);
		const isCopied = page.waitForSelector('.toast >> text=copied'); // it goes by itself
		await page.click('.toolbar .copy-pair button >> nth=0');
		await isCopied;
		const command = await page.evaluate(() => navigator.clipboard.readText());
		assert.match(command, /\$SYNCDOC_TOKEN/);
		assert.doesNotMatch(command, /secret/);
		await page.click('button:has-text("Sign out")');
		await page.waitForSelector('#token');
		assert.equal(await page.evaluate(() => sessionStorage.getItem('syncdoc.token')), null);
		await page.keyboard.press('Escape');
		await page.waitForSelector('.empty >> text=A token is needed');
		await close(page);
	});
});

describe('copy buttons', { skip: skipWithoutChromium }, () => {
	async function copied(page, selector) {
		const isSaid = page.waitForSelector('.toast.good'); // it goes by itself
		await page.click(selector);
		await isSaid;
		await page.$$eval('.toast button', all => all.forEach(each => each.click()));
		return page.evaluate(() => navigator.clipboard.readText());
	}

	test('give a curl command and a WebSocket message that do the same', async t => {
		const path = documentPath('session', 'copy');
		await pair.rest.put(path, { data: { n: 1 } });
		const page = await open(inspect('copy'));
		await page.waitForSelector('.timeline li');
		await page.click('#edit');
		await page.fill('.editor textarea', `{ "said": "it's \\"so\\" $HOME", "n": 9007199254740993 }`);
		const command = await copied(page, '.editor .copy-pair button >> nth=0');
		const message = await copied(page, '.editor .copy-pair button >> nth=1');
		const socket = await pair.daemon.connect();
		socket.socket.send(message);
		const answer = await socket.next(each => each.id === 1);
		assert.equal(answer.type, 'result', answer.text);
		assert.match(answer.text, /"n":9007199254740993/);
		assert.equal(answer.document.data.said, 'it\'s "so" $HOME');
		try {
			await promisify(execFile)('curl', ['--version']);
		} catch {
			t.diagnostic('no curl here: the command was not run');
			return close(page);
		}
		// The guard holds for it, too: the document is at revision 2 by now.
		const { stdout } = await promisify(execFile)('sh', ['-c', command]);
		assert.equal(JSON.parse(stdout).code, 'revision_conflict');
		const again = await promisify(execFile)('sh', ['-c', command.replace('"expectedRevision":1', '"expectedRevision":2')]);
		assert.equal(JSON.parse(again.stdout).revision, 3);
		assert.equal(assertStatus(await pair.rest.get(path), 200).data.said, 'it\'s "so" $HOME');
		await close(page);
	});
});

describe('/status', { skip: skipWithoutChromium }, () => {
	test('shows health, workers and charts that follow what happens', async () => {
		const page = await open('/status');
		await page.waitForSelector('#health:text-is("ready")');
		await page.waitForFunction(() => document.querySelectorAll('.workers tbody tr').length === 2);
		await until(
			async () => {
				await pair.rest.patch(documentPath('session', 'busy'), { data: { n: Math.random() } });
				await pair.rest.put(documentPath('session', 'busy'), { data: {} });
				const writes = await page.$$eval(
					'.chart',
					all => all.find(each => each.textContent.startsWith('Writes')).querySelector('.chart-value').textContent,
				);
				return Number(writes) > 0;
			},
			undefined,
			'writes in the chart',
		);
		const label = await page.$$eval('.chart svg', all => all[0].getAttribute('aria-label'));
		assert.match(label, /^WebSocket connections: \d+/);
		assert.equal(
			await page.$$eval('.chart path.chart-line', all => all.some(each => /NaN|undefined/.test(each.getAttribute('d')))),
			false,
		);
		await close(page);
	});

	test('says what is wrong when Redis is away', async () => {
		const other = await startPair();
		try {
			const page = await browser.open(`${other.daemon.url}/status`, { allow: [/503/] });
			await page.waitForSelector('#health:text-is("ready")');
			await other.redis.process.kill9();
			await page.waitForSelector('#health:text-is("not ready")');
			await page.waitForSelector('.conditions .dot.bad');
			await close(page);
		} finally {
			await other.stop().catch(() => {});
		}
	});

	test('without /metrics it says so, and shows health all the same', async () => {
		const page = await open('/documents', { allow: [/404|403/] });
		for (const [status, said] of [
			[404, 'This server has no /metrics'],
			[403, 'needs a token with the right'],
		]) {
			await page.context().unrouteAll();
			await page.context().route('**/metrics', route =>
				route.fulfill({
					status,
					contentType: 'application/problem+json',
					body: JSON.stringify({ status, code: 'x', title: 'x' }),
				}),
			);
			await page.goto(`${pair.daemon.url}/status`);
			await page.waitForSelector(`#no-metrics >> text=${said}`);
			await page.waitForSelector('#health:text-is("ready")');
		}
		await close(page);
	});
});

describe('accessibility (axe-core), console and Content-Security-Policy', { skip: skipWithoutChromium }, () => {
	const ready = selector => page => page.waitForSelector(selector);
	const PAGES = {
		documents: ['/documents?service=session&deleted=true', ready('table.documents tbody a')],
		'documents, empty': ['/documents?service=none', ready('.empty')],
		'create dialog': [
			'/documents?service=session',
			async page => {
				await page.waitForSelector('table.documents tbody a');
				await page.click('#create');
				await page.fill('dialog textarea', '{ oops');
				await page.waitForSelector('.json-fault button:not([hidden])');
			},
		],
		document: [
			inspect('call'),
			async page => {
				await page.click('.timeline summary >> nth=0');
				await page.waitForSelector('.timeline .changes');
			},
		],
		'document as text': [
			inspect('call'),
			async page => {
				await page.waitForSelector('.timeline li');
				await page.click('#tab-text');
				await page.waitForSelector('.text-line');
			},
		],
		'deleted document': [inspect('gone'), ready('.notice.bad:not([hidden])')],
		'no document': [inspect('nowhere'), ready('.empty')],
		editor: [
			inspect('call'),
			async page => {
				await page.waitForSelector('.timeline li');
				await page.click('#edit');
				await page.fill('.editor textarea', '{"status": null, "new": 1, "people": []}');
				await page.waitForSelector('.editor-preview .changes');
				await pair.rest.patch(documentPath('session', 'call'), { data: { status: `x${Math.random()}` } });
				await page.waitForSelector('.meanwhile .both');
			},
		],
		compare: [
			inspect('call'),
			async page => {
				await page.click('#compare:enabled');
				await page.waitForSelector('dialog .changes');
			},
		],
		'delete dialog': [
			inspect('call'),
			async page => {
				await page.waitForSelector('.timeline li');
				await page.click('#delete');
				await page.waitForSelector('dialog #confirm');
			},
		],
		'bad name': [inspect('a%20b'), ready('.empty a.button')],
		'no name': ['/documents/inspect', ready('.empty a.button')],
		'long service': [`/documents?service=${LONG_SERVICE}`, ready('.empty')],
		'many people, no data': [
			inspect('people'),
			async page => {
				const path = documentPath('session', 'people');
				await pair.rest.put(path, { data: {} });
				for (let i = 0; i < 20; i++) await pair.rest.put(`${path}/presence/member_${i}`, { mode: 'viewing', ttl: 60 });
				await page.waitForSelector('.people[tabindex="0"]');
			},
		],
		'long names': [
			inspect(LONG),
			async page => {
				await pair.rest.put(documentPath('session', LONG), { data: { ['name '.repeat(30)]: 'text '.repeat(60) } });
				await page.waitForSelector('.timeline li');
				await page.click('#edit');
				await page.fill('.editor textarea', '{"n": 1}');
				await page.click('.editor button[type=submit]');
				await page.waitForSelector('.toast');
				await page.click('#delete');
				await page.click('dialog #confirm');
				await page.waitForSelector('.toast >> text=deleted');
				await page.click('.notice button');
				await page.waitForSelector('dialog #confirm');
			},
		],
		status: ['/status', ready('.workers tbody tr')],
	};
	for (const theme of ['light', 'dark'])
		for (const [name, [path, prepare]] of Object.entries(PAGES))
			test(`${name}, ${theme}`, async () => {
				const page = await open(path, { theme, width: 1600 });
				await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
				await prepare(page);
				await page.evaluate(axe);
				for (const width of [1600, 360]) {
					await page.setViewportSize({ width, height: 800 });
					const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
					assert.deepEqual(
						violations.map(({ id, help, nodes }) => ({
							id,
							help,
							nodes: nodes.slice(0, 4).map(node => `${node.html} ${node.failureSummary}`),
						})),
						[],
						`${width} px`,
					);
					assert.ok(
						(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0,
						`wider than ${width} px`,
					);
					// What is fixed to the window does not make the page wider.
					const outside = await page.evaluate(() =>
						[...document.querySelectorAll('.top *, .banner *, dialog *, .toasts *')]
							.filter(element => !element.closest('.visually-hidden, .skip') && element.getBoundingClientRect().right > innerWidth)
							.map(element => element.outerHTML.slice(0, 100)),
					);
					assert.deepEqual(outside, [], `outside of ${width} px`);
				}
				await close(page);
			});
});
