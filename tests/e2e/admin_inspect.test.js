// admin_inspect.test.js: /documents/inspect of the Admin UI: what others do is seen, what is done here others see.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { assertStatus, documentPath, startPair, until } from './harness.js';
import { Browser, skipWithoutChromium, vanishOnDemand } from './lib/browser.js';

describe('/documents/inspect', { skip: skipWithoutChromium }, () => {
	let pair, browser, id, path;
	let count = 0;
	const pages = [];
	before(async () => {
		pair = await startPair({ settings: { workers: 2, 'redis.encoding': 'string' } }); // which keeps the text of numbers
		browser = await Browser.start();
	});
	after(async () => {
		await browser?.stop();
		await pair?.stop();
	});
	beforeEach(async () => {
		id = `call_${++count}`;
		path = documentPath('session', id);
		assertStatus(
			await pair.rest.put(path, { data: { status: 'ringing', people: [{ name: 'Ann', muted: true }], deep: { a: { b: 1 } } } }),
			201,
		);
	});

	const address = () => `${pair.daemon.url}/documents/inspect?service=session&id=${id}`;
	async function open(options) {
		const page = await browser.open(address(), options);
		await page.waitForSelector('.timeline li[data-revision]');
		pages.push(page);
		return page;
	}
	async function close() {
		for (const page of pages.splice(0)) {
			assert.deepEqual(page.complaints, []);
			await page.context().close();
		}
	}
	const revision = (page, number) => page.waitForSelector(`#revision:text-is("revision ${number}")`);
	const row = (page, text) =>
		page.waitForFunction(wanted => [...document.querySelectorAll('.tree-row')].some(each => each.textContent === wanted), text);
	async function edit(page, text, mode) {
		if (!(await page.isVisible('.editor'))) await page.click('#edit');
		if (mode) await page.click(`.editor [data-mode=${mode}]`);
		await page.fill('.editor textarea', text);
	}

	test('a merge in one page appears highlighted in the other', async () => {
		const one = await open(),
			other = await open();
		await edit(one, '{"status": "active", "people": [{"name": "Ann", "muted": false}]}');
		await one.waitForSelector('.editor-preview >> text=2 changed');
		await one.click('.editor button[type=submit]');
		await revision(other, 2);
		await other.waitForSelector('.tree-row[data-has-flashed]:has-text("active")');
		await other.waitForSelector('.tree-row[data-has-flashed] >> text=false');
		assert.equal(await other.$$eval('.tree-row[data-has-flashed]', all => all.length), 2);
		await row(other, 'status:"active"');
		assert.match(await other.textContent('#last-change'), /Revision 2: 2 changed/);
		await revision(one, 2);
		await other.waitForSelector('.timeline li[data-revision="2"] .badge:text("merge")');
		await other.click('.timeline li[data-revision="2"] summary');
		await other.waitForSelector('.timeline li[data-revision="2"] .changed >> text=status');
		await one.waitForSelector('.editor', { state: 'hidden' });
		await close();
	});

	test('a change in a closed branch highlights the branch, and added and removed members come and go', async () => {
		const page = await open();
		await page.click('.tree-row:has-text("deep")');
		await pair.rest.patch(path, { data: { deep: { a: { b: 2 } }, status: null, fresh: [1, 2] } });
		await revision(page, 2);
		await page.waitForSelector('.tree-row[data-has-flashed] >> text=deep');
		await page.waitForSelector('.tree-row[data-has-flashed] >> text=fresh');
		assert.equal(await page.$$eval('.tree-row', all => all.filter(each => each.textContent.startsWith('status')).length), 0);
		await page.click('.tree-row:has-text("deep")');
		await page.click('.tree-row:has-text("a:{")');
		await row(page, 'b:2');
		await close();
	});

	test('presence appears, changes and disappears', async () => {
		const page = await open();
		await page.waitForSelector('.people li[data-mode=viewing] >> text=(you)');
		const guest = await pair.daemon.connect();
		await guest.request({ type: 'presence.join', service: 'session', documentId: id, mode: 'editing', data: { name: 'Björn' } });
		await page.waitForSelector('.people li[data-mode=editing] >> text=Björn');
		await guest.request({ type: 'presence.update', service: 'session', documentId: id, mode: 'viewing' });
		await page.waitForSelector('.people li[data-mode=viewing] >> text=Björn');
		guest.close();
		await page.waitForSelector('.people >> text=Björn', { state: 'detached' });

		const other = await open();
		await page.waitForFunction(() => document.querySelectorAll('.people li').length === 2);
		await other.click('#edit');
		await page.waitForSelector('.people li[data-mode=editing]');
		await other.click('.editor button:text-is("Cancel")');
		await page.waitForSelector('.people li[data-mode=editing]', { state: 'detached' });
		pages.pop();
		await other.context().close();
		await page.waitForFunction(() => document.querySelectorAll('.people li').length === 1);
		await close();
	});

	test('old revisions are viewed, compared and restored', async () => {
		await pair.rest.patch(path, { data: { status: 'active', added: 1 } });
		await pair.rest.patch(path, { data: { status: 'ended' } });
		const page = await open();
		await page.click('.timeline li[data-revision="1"] button[aria-label^="View"]');
		await page.waitForSelector('dialog .text-line:has-text("ringing")');
		await page.click('dialog button:has-text("Compare")');
		await page.waitForSelector('dialog .changed >> text=status');
		await page.waitForSelector('dialog .added >> text=added');
		await page.selectOption('#compare-to', '2');
		await page.waitForSelector('dialog .changed ins:text-is("\\"active\\"")');
		await page.keyboard.press('Escape');
		await page.click('.timeline li[data-revision="1"] button[aria-label^="Restore"]');
		await page.waitForSelector('dialog >> text=becomes revision 4');
		await page.click('#confirm');
		await revision(page, 4);
		await row(page, 'status:"ringing"');
		await page.waitForSelector('.timeline li[data-revision="4"] .badge:text("restore")');
		assert.deepEqual((await pair.rest.get(path)).json.data.status, 'ringing');
		await close();
	});

	test('409: what changed meanwhile is shown, and the change sent on top of it', async () => {
		const page = await open({ allow: [/409/] });
		await edit(page, '{"status": "mine", "other": 1}');
		// The page must not learn of it first: what comes over its socket is held back.
		await page.route(
			'**/v1/services/**',
			async route => {
				await pair.rest.patch(path, { data: { status: 'theirs', quiet: true } });
				await route.continue();
			},
			{ times: 1 },
		);
		await page.click('.editor button[type=submit]');
		await page.waitForSelector('.meanwhile.bad >> text=the document changed meanwhile (409)');
		await page.waitForSelector('.meanwhile .both >> text=status');
		assert.equal(await page.$$eval('.meanwhile .changes li', all => all.length), 2);
		assert.equal(await page.evaluate(() => document.activeElement.id), 'rebase');
		await page.click('#rebase');
		await revision(page, 3);
		assert.deepEqual((await pair.rest.get(path)).json.data, {
			status: 'mine',
			people: [{ name: 'Ann', muted: true }],
			deep: { a: { b: 1 } },
			quiet: true,
			other: 1,
		});
		await page.waitForSelector('.editor', { state: 'hidden' });
		await close();
	});

	test('a change while one edits is told before it is sent', async () => {
		const page = await open();
		await edit(page, '{"status": "mine"}');
		await pair.rest.patch(path, { data: { quiet: 1 } });
		await page.waitForSelector('.meanwhile.warn >> text=You began at revision 1, it is at 2 now. None of it meets your changes.');
		await page.click('.meanwhile button:has-text("Go on from revision 2")');
		await page.click('.editor button[type=submit]');
		await revision(page, 3);
		await close();
	});

	test('a text that nobody has touched follows the document', async () => {
		const page = await open();
		await page.click('#edit');
		await page.click('.editor [data-mode=replace]');
		await until(async () => (await page.inputValue('.editor textarea')).includes('ringing'));
		await pair.rest.patch(path, { data: { status: 'active' } });
		await until(async () => (await page.inputValue('.editor textarea')).includes('active'));
		await page.waitForSelector('.editor-options >> text=Only if it is still at revision 2');
		assert.equal(await page.isVisible('.meanwhile'), false);
		await page.click('.editor [data-mode=merge]');
		await pair.rest.patch(path, { data: { status: 'ended' } });
		await page.waitForSelector('.editor-options >> text=Only if it is still at revision 3');
		await edit(page, '{"status": "mine"}');
		await page.click('.editor button[type=submit]');
		await revision(page, 4);
		await close();
	});

	test('JSON that is none is marked at its place, and not sent', async () => {
		const page = await open();
		await edit(page, '{\n  "a": 1,\n  "b": tru\n}');
		await page.waitForSelector('.json-fault >> text=Line 3, column 8: a value is expected, not “t”');
		assert.equal(await page.getAttribute('.editor textarea', 'aria-invalid'), 'true');
		assert.equal(await page.textContent('.json-numbers .faulty'), '3');
		await page.click('.editor button[type=submit]');
		assert.equal(await page.$eval('.editor textarea', area => area.value.slice(area.selectionStart, area.selectionEnd)), 't');
		assert.equal((await pair.rest.get(path)).json.revision, 1);
		await close();
	});

	test('replacing keeps every digit of numbers that browsers round', async () => {
		await pair.rest.request('PUT', path, { body: '{"data":{"big":9007199254740993,"pi":3.14159265358979323846}}' });
		const page = await open();
		await page.waitForSelector('.tree-row:has-text("big") >> text=rounded');
		await page.click('#tab-text');
		await page.waitForSelector('.text-line >> text=9007199254740993');
		await page.click('#edit');
		await page.click('.editor [data-mode=replace]');
		await until(async () => (await page.inputValue('.editor textarea')).includes('9007199254740993'));
		const text = await page.inputValue('.editor textarea');
		assert.match(text, /3\.14159265358979323846/);
		await page.fill('.editor textarea', text.replace('"pi"', '"PI"'));
		await page.click('.editor button[type=submit]');
		await revision(page, 3);
		assert.match((await pair.rest.get(path)).text, /"data":\{"big":9007199254740993,"PI":3\.14159265358979323846\}/);
		await close();
	});

	test('a long text is indented beside the page, and where that is not possible in it', async () => {
		await pair.rest.put(path, { data: { list: Array.from({ length: 5000 }, (_, i) => `item ${i}`) } });
		for (const before of [undefined, () => delete window.Worker]) {
			const page = await browser.open(address(), { before });
			await page.waitForSelector('.timeline li[data-revision]');
			await page.click('#tab-text');
			await page.waitForSelector('.text-line >> text=item 5');
			assert.equal(page.workers().length, before ? 0 : 1);
			pages.push(page);
		}
		await close();
	});

	test('deleting asks first; everybody is told, and it can be restored', async () => {
		const one = await open(),
			other = await open();
		await one.waitForFunction(() => document.querySelectorAll('.people li').length === 2);
		await one.click('#delete');
		await one.waitForSelector('dialog .notice >> text=1 other user is at this document now.');
		await one.click('dialog button:text-is("Cancel")');
		assert.equal((await pair.rest.get(path)).status, 200);
		await one.click('#delete');
		await one.click('#confirm');
		await other.waitForSelector('.notice >> text=This document is deleted.');
		await other.waitForSelector('#state:text-is("deleted")');
		assert.equal(await other.isDisabled('#edit'), true);
		assert.equal((await pair.rest.get(path)).status, 410);
		await other.click('.notice button:has-text("Restore revision 1")');
		await other.click('#confirm');
		await revision(one, 3);
		await one.waitForSelector('.notice', { state: 'hidden' });
		await close();
	});

	test('deleted with the keyboard: it goes on from the content of the page', async () => {
		const page = await open();
		await page.focus('#delete');
		await page.keyboard.press('Enter');
		await page.waitForSelector('dialog #confirm:focus');
		await page.keyboard.press('Enter');
		await page.waitForSelector('.notice.bad:not([hidden])');
		await page.waitForSelector('main:focus');
		await page.keyboard.press('Tab');
		assert.equal(await page.evaluate(() => document.activeElement.textContent), 'session');
		await close();
	});

	test('what takes long says so, and offers nothing for what is not there yet', async () => {
		const page = await open();
		await page.context().route('**/v1/services', () => {}); // never answered
		await page.emulateMedia({ reducedMotion: 'reduce' });
		await page.reload();
		await page.waitForSelector('.skeletons .late');
		assert.deepEqual([await page.isVisible('#edit'), await page.isVisible('#revision')], [false, false]);
		assert.equal(await page.$eval('.skeleton', each => getComputedStyle(each).animationIterationCount), '1');
		await close();
	});

	test('counts down to the end, and says so when it has come', async () => {
		await pair.rest.patch(path, { data: {}, ttl: 5000 });
		const page = await open();
		await page.waitForSelector('#expiry:text-matches("expires in 1 h 23 min")');
		await pair.rest.patch(path, { data: {}, ttl: 9 });
		await page.waitForSelector('#expiry.bad'); // for as long as the document lives
		await pair.rest.patch(path, { data: {}, ttl: 1 });
		await page.waitForSelector('.notice >> text=This document has expired.');
		assert.equal(await page.isVisible('#expiry'), false);
		await close();
	});

	test('a document that is not there appears when it is created', async () => {
		id = 'later';
		const page = await browser.open(address());
		await page.waitForSelector('.empty >> text=There is no such document');
		await pair.rest.put(documentPath('session', 'later'), { data: { here: true } });
		await row(page, 'here:true');
		await page.waitForSelector('.timeline li[data-revision="1"]');
		pages.push(page);
		await close();
	});

	test('a document that goes while one looks offers nothing, also when its history is answered behind that', async () => {
		const page = await open({ before: vanishOnDemand });
		await page.evaluate(() => (vanishing.isGone = true));
		await pair.rest.put(path, { data: { last: true } });
		await page.waitForFunction(() => vanishing.answers.length === 1); // its history is asked for
		await page.evaluate(() => vanishing.sockets.at(-1).close());
		await page.waitForSelector('.empty >> text=There is no such document');
		// Once more over the new connection; and as a whole, for the newest entries are none.
		for (const count of [2, 3]) {
			await page.waitForFunction(wanted => vanishing.answers.length === wanted, count);
			await page.evaluate(() => vanishing.answers.at(-1)());
		}
		assert.deepEqual([await page.isVisible('#edit'), await page.isVisible('#delete'), await page.isVisible('#revision')], [false, false, false]);
		await close();
	});

	test('the tree is walked with the keyboard', async () => {
		const page = await open();
		const active = () => page.evaluate(() => document.activeElement.textContent);
		await page.focus('.tree [tabindex="0"]');
		assert.equal(await active(), 'status:"ringing"');
		await page.keyboard.press('ArrowDown');
		assert.equal(await active(), 'people:[ 1 item ]');
		await page.keyboard.press('ArrowLeft');
		assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-expanded')), 'false');
		await page.keyboard.press('ArrowRight');
		await page.keyboard.press('ArrowRight');
		assert.equal(await active(), '0:{ 2 members }');
		await page.keyboard.press('ArrowLeft');
		await page.keyboard.press('ArrowLeft');
		assert.equal(await active(), 'people:[ 1 item ]');
		await page.keyboard.press('End');
		assert.equal(await active(), 'b:1');
		await close();
	});

	test('markup in names and values stays text', async () => {
		const evil = '<img src=x onerror="document.title=1">';
		await pair.rest.put(path, { data: { [evil]: evil, '<script>x</script>': [evil] } });
		const page = await open();
		await page.waitForSelector('.tree-row >> text=onerror');
		assert.equal(await page.$('.tree img, .tree script'), null);
		await close();
	});

	test('what turns the direction of writing is named, and does not turn what is beside it', async () => {
		await pair.rest.put(path, { data: { 'a\u202eb': '\u202etxt.exe', العنوان: 'مرحبا' } });
		const page = await open();
		await row(page, 'a\\u202eb:"\\u202etxt.exe"');
		// The name is left of its value, whatever it is written in.
		const [name, value] = await page.$$eval('.tree-row:has-text("مرحبا") .tree-line > span:not(.tree-colon)', all =>
			all.map(each => each.getBoundingClientRect().left),
		);
		assert.ok(name < value, `${name} ${value}`);
		await page.click('.timeline summary >> nth=0');
		await page.waitForSelector('.timeline ins:text-is("\\"\\\\u202etxt.exe\\"")');
		await page.click('#tab-text');
		await page.waitForSelector('.text-line >> text="\\"\\\\u202etxt.exe\\""');
		await close();
	});

	test('only integers that browsers round are said to be rounded', async () => {
		await pair.rest.request('PUT', path, { body: '{"data":{"exact":1e300,"rounded":9007199254740993}}' });
		const page = await open();
		await row(page, 'exact:1e+300');
		await row(page, 'rounded:9007199254740992rounded');
		await close();
	});

	test('an expired document is said to be expired, also by who comes later', async () => {
		await pair.rest.put(path, { data: { was: 'here' }, ttl: 1 });
		await until(async () => (await pair.rest.get(path)).status === 410);
		const page = await open();
		await page.waitForSelector('#state:text-is("expired")');
		await page.waitForSelector('.notice >> text=This document has expired.');
		assert.match(await page.textContent('#updated'), /^expired /);
		await close();
	});

	test('the names of many people can be scrolled with the keyboard; of few there is nothing to stop at', async () => {
		const page = await open();
		await page.waitForSelector('.people li >> text=(you)');
		assert.equal(await page.getAttribute('.people', 'tabindex'), '-1');
		for (let i = 0; i < 20; i++) await pair.rest.put(`${path}/presence/member_${i}`, { mode: 'viewing', ttl: 60 });
		await page.waitForSelector('.people[tabindex="0"]');
		await page.focus('.people');
		await page.keyboard.press('End');
		await page.waitForFunction(() => document.querySelector('.people').scrollTop > 0);
		await close();
	});

	test('names that are none are refused with words', async () => {
		const page = await browser.open(`${pair.daemon.url}/documents/inspect?service=session&id=not%20valid`, { allow: [/400/] });
		await page.waitForSelector('.empty[role=alert] >> text=“not valid” is no id of a document.');
		assert.deepEqual(page.complaints, []);
		await page.context().close();
		const none = await browser.open(`${pair.daemon.url}/documents/inspect`);
		await none.waitForSelector('.empty >> text=Which document?');
		await none.context().close();
	});
});
