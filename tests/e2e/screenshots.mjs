// screenshots.mjs: every page of the Admin UI, both themes, 360, 768 and 1600 px, as PNG files, to be looked at.
//
//     node screenshots.mjs DIRECTORY [PAGE…]        (SYNCDOC_BUILD as for the tests)
import fs from 'node:fs';
import path from 'node:path';
import { Browser } from './lib/browser.js';
import { documentPath, startPair, turn, until } from './harness.js';

const [directory, ...only] = process.argv.slice(2);
if (!directory) {
	console.error('usage: node screenshots.mjs DIRECTORY [PAGE…]');
	process.exit(2);
}
fs.mkdirSync(directory, { recursive: true });

const ID = 'call_8f3k2m';
const inspectOf = (service, id) => `/documents/inspect?service=${service}&id=${id}`;
const inspect = inspectOf('session', ID);
const LONG = `${'a'.repeat(60)}_${'b'.repeat(67)}`,
	LONG_SERVICE = `service_${'x'.repeat(56)}`;

// What is as long, deep, many or strange as it may be.
async function fillExtremes({ rest }) {
	const put = (id, body, service = 'extreme') => rest.put(documentPath(service, id), body);
	for (const letter of 'vw')
		await put(LONG, { data: { ['k'.repeat(200)]: letter.repeat(600), ['a name '.repeat(9)]: [letter.repeat(300)] } });
	await put('one', { data: {} }, LONG_SERVICE);
	let data = { end: true };
	for (let level = 29; level > 0; level--) data = { [`level_${level}`]: data };
	await put('deep', { data });
	await put('directions', {
		data: { العنوان: 'مرحبا بالعالم', mixed: 'abc שלום 123 def', turned: '\u202etxt.exe', '': '', 'a.b\\c': 'Z\u0351\u036b\u0343\u036aA\u0334\u0335' },
	});
	await put('people', { data: {} });
	for (let i = 0; i < 200; i++)
		await rest.put(`${documentPath('extreme', 'people')}/presence/member_${i}`, {
			mode: i % 3 ? 'viewing' : 'editing',
			data: { name: i === 3 ? 'N'.repeat(150) : `Person ${i}` },
			ttl: 3600,
		});
	await put('expired', { data: { was: 'here' }, ttl: 1 });
	await until(async () => (await rest.get(documentPath('extreme', 'expired'))).status === 410);
}

async function fill({ rest, daemon }) {
	for (const [service, count] of [
		['board', 12],
		['lobby', 3],
		['session', 60],
	])
		for (let i = 0; i < count; i++)
			await rest.put(documentPath(service, `${service === 'session' ? 'call' : service}_${(i * 7919 + 104729).toString(36)}`), {
				data: { status: i % 3 ? 'active' : 'ringing', participants: i },
				...(i % 9 === 0 ? { ttl: 3600 + i } : {}),
			});
	const file = documentPath('session', ID);
	await rest.put(file, {
		data: {
			status: 'ringing',
			title: 'Weekly planning',
			participants: [{ name: 'Ann', muted: true }],
			settings: { recording: false, codec: 'opus' },
		},
		ttl: 5400,
	});
	await rest.patch(file, {
		data: {
			status: 'active',
			participants: [
				{ name: 'Ann', muted: false },
				{ name: 'Björn', muted: true },
			],
		},
	});
	await rest.patch(file, { data: { settings: { recording: true, bitrate: 48000 }, title: null } });
	await rest.put(file, {
		data: {
			status: 'active',
			participants: [
				{ name: 'Ann', muted: false },
				{ name: 'Björn', muted: false },
				{ name: 'Chloé', muted: true },
			],
			settings: { recording: true, codec: 'opus', bitrate: 64000 },
			limits: { minutes: 60, people: 12 },
			tags: ['planning', 'weekly'],
			room: null,
			score: 4.75,
		},
	});
	await rest.patch(file, { data: { limits: { people: 25 } } });
	await rest.put(documentPath('board', 'board_gone'), { data: { title: 'Sprint 12', cards: 14 } });
	await rest.delete(documentPath('board', 'board_gone'));
	const guest = await daemon.connect();
	await guest.request({ type: 'presence.join', service: 'session', documentId: ID, mode: 'editing', data: { name: 'Ann' } });
}

const settled = page => page.waitForLoadState('networkidle');
const PAGES = {
	documents: { url: '/documents?service=session', ready: page => page.waitForSelector('table.documents tbody a') },
	create: {
		url: '/documents?service=session',
		ready: async page => {
			await page.waitForSelector('table.documents tbody a');
			await page.click('#create');
			await page.fill('dialog textarea', '{\n  "status": "active",\n  "people": 3,\n  oops\n}');
			await page.waitForSelector('.json-fault .button:not([hidden])');
		},
	},
	empty: { url: '/documents?service=nothing', ready: page => page.waitForSelector('.empty') },
	inspect: { url: inspect, ready: page => page.waitForSelector('.timeline li') },
	edit: {
		url: inspect,
		ready: async page => {
			await page.waitForSelector('.timeline li');
			await page.click('#edit');
			await page.fill('.editor textarea', '{\n  "limits": { "people": 30 },\n  "score": null,\n  "note": "hello"\n}');
			await page.waitForSelector('.editor .changes');
		},
	},
	compare: {
		url: inspect,
		ready: async page => {
			await page.waitForSelector('.timeline li');
			await page.click('#compare');
			await page.waitForSelector('dialog .changes');
		},
	},
	missing: { url: '/documents/inspect?service=session&id=nowhere', ready: page => page.waitForSelector('.empty') },
	conflict: {
		url: inspect,
		ready: async (page, { rest }) => {
			await page.waitForSelector('.timeline li');
			await page.click('#edit');
			await page.fill('.editor textarea', '{\n  "status": "ended",\n  "note": "hello"\n}');
			await rest.patch(documentPath('session', ID), {
				data: { status: `held-${Math.floor(Math.random() * 100)}`, score: Math.random() },
			});
			await page.waitForSelector('.meanwhile .both');
		},
	},
	deleted: {
		url: '/documents/inspect?service=board&id=board_gone',
		ready: page => page.waitForSelector('.notice.bad:not([hidden])'),
	},
	revision: {
		url: inspect,
		ready: async page => {
			await page.click('.timeline li[data-revision="4"] button >> nth=0');
			await page.waitForSelector('dialog .text-line');
		},
	},
	long: {
		url: inspectOf('extreme', LONG),
		ready: async page => {
			await page.click('.timeline summary >> nth=0');
			await page.waitForSelector('.timeline .changes');
		},
	},
	'long-service': { url: `/documents?service=${LONG_SERVICE}`, ready: page => page.waitForSelector('table.documents tbody a') },
	deep: {
		url: inspectOf('extreme', 'deep'),
		ready: async page => {
			await page.waitForSelector('.timeline li');
			await page.click('text=Expand');
		},
	},
	directions: { url: inspectOf('extreme', 'directions'), ready: page => page.waitForSelector('.timeline li') },
	people: { url: inspectOf('extreme', 'people'), ready: page => page.waitForSelector('.people[tabindex="0"]') },
	expired: { url: inspectOf('extreme', 'expired'), ready: page => page.waitForSelector('#state:text-is("expired")') },
	'no-name': { url: '/documents/inspect', ready: page => page.waitForSelector('.empty') },
	status: {
		url: '/status',
		ready: async (page, { rest }) => {
			await page.waitForSelector('.workers tbody tr');
			const end = Date.now() + 12000;
			for (let i = 0; Date.now() < end; i++) {
				for (let j = 0; j < 20 + 15 * Math.sin(i / 3); j++)
					await rest.put(documentPath('lobby', `busy_${j}`), { data: { i, j } });
				await turn(200);
			}
		},
	},
};

const pair = await startPair({ settings: { workers: 2 } });
const browser = await Browser.start();
let complaints = 0;
try {
	await fill(pair);
	await fillExtremes(pair);
	for (const [name, { url, ready }] of Object.entries(PAGES)) {
		if (only.length && !only.includes(name)) continue;
		for (const theme of ['light', 'dark'])
			for (const width of [360, 768, 1600]) {
				const page = await browser.open(pair.daemon.url + url, {
					theme,
					width,
					height: width < 500 ? 740 : 1000,
					allow: [/404/],
				});
				try {
					await ready(page, pair);
					await settled(page).catch(() => {});
				} catch (error) {
					console.log(`${name} ${theme} ${width}: ${error.message.split('\n')[0]}`);
				}
				await page.screenshot({ path: path.join(directory, `${name}-${theme}-${width}.png`), fullPage: width < 500 });
				const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
				if (wider > 0) console.log(`${name} ${theme} ${width}: ${wider} px too wide`);
				for (const complaint of page.complaints) console.log(`${name} ${theme} ${width}: ${complaint}`, ++complaints);
				await page.context().close();
			}
	}
} finally {
	await browser.stop();
	await pair.stop();
}
process.exitCode = complaints ? 1 : 0;
