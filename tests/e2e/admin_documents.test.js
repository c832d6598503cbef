// admin_documents.test.js: /documents of the Admin UI in a real browser.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { collectionPath, documentPath, startPair, until } from './harness.js';
import { Browser, skipWithoutChromium } from './lib/browser.js';

const MANY = 450;

describe('/documents', { skip: skipWithoutChromium }, () => {
	let pair, browser, page;
	before(async () => {
		pair = await startPair();
		browser = await Browser.start();
		for (let i = 0; i < MANY; i++)
			await pair.rest.put(documentPath('many', `doc_${String(i).padStart(4, '0')}`), { data: { i } });
		for (const id of ['a', 'b', 'c']) await pair.rest.put(documentPath('few', id), { data: {} });
	});
	after(async () => {
		await browser?.stop();
		await pair?.stop();
	});

	const open = async (path, options) => (page = await browser.open(pair.daemon.url + path, options));
	const close = async () => {
		assert.deepEqual(page.complaints, []);
		await page.context().close();
	};
	const rows = () => page.$$eval('table.documents tbody tr:not(.spacer)', all => all.map(row => row.cells[0].textContent));
	const waitForRows = expected =>
		until(
			async () => JSON.stringify(await rows()) === JSON.stringify(expected),
			undefined,
			async () => `rows ${expected}; there are ${await rows()}`,
		);

	test('shows services with their counts, and the newest documents of one', async () => {
		await open('/documents?service=few');
		await waitForRows(['c', 'b', 'a']);
		const services = await page.$$eval('.services a', all =>
			all.map(each => [each.dataset.service, each.querySelector('.badge').textContent]),
		);
		assert.deepEqual(services, [
			['few', '3'],
			['many', String(MANY)],
		]);
		await page.click('.services a[data-service="many"]');
		await page.waitForSelector(`text=doc_0${MANY - 1}`);
		assert.equal(new URL(page.url()).searchParams.get('service'), 'many');
		await page.goBack();
		await waitForRows(['c', 'b', 'a']);
		await close();
	});

	test('only rows in sight are in the page, and scrolling reaches the last document', async () => {
		await open('/documents?service=many');
		await page.waitForSelector(`text=doc_0${MANY - 1}`);
		await until(
			async () => {
				await page.$eval('.table-scroller', scroller => scroller.scrollTo(0, scroller.scrollHeight));
				const list = await rows();
				assert.ok(list.length < 100, `${list.length} rows in the page`);
				return list.includes('doc_0000');
			},
			undefined,
			'the last row',
		);
		assert.match(await page.textContent('.table-foot'), new RegExp(`^${MANY} documents`));
		await close();
	});

	test('new and changed rows appear without reload, deleted ones go', async () => {
		await open('/documents?service=few');
		await waitForRows(['c', 'b', 'a']);
		await pair.rest.put(documentPath('few', 'd'), { data: {} });
		await waitForRows(['d', 'c', 'b', 'a']);
		await pair.rest.patch(documentPath('few', 'a'), { data: { x: 1 } });
		await waitForRows(['a', 'd', 'c', 'b']);
		await page.waitForSelector('tr[data-has-flashed] >> text=a');
		assert.equal(await page.textContent('table.documents tbody tr:not(.spacer) td.column-revision'), '2');
		await pair.rest.delete(documentPath('few', 'd'));
		await waitForRows(['a', 'c', 'b']);
		await page.waitForFunction(() => document.querySelector('.services a[data-service="few"] .badge').textContent === '3');
		await page.check('#deleted');
		await waitForRows(['d', 'a', 'c', 'b']);
		await page.waitForSelector('tr.deleted .badge:text("deleted")');
		await close();
	});

	test('searches by the start of ids, sorts by id, and says so in the address', async () => {
		await open('/documents?service=many');
		await page.fill('#search', 'doc_044');
		const found = Array.from({ length: 10 }, (_, i) => `doc_044${i}`);
		await waitForRows([...found].reverse());
		await page.selectOption('#order', 'id');
		await waitForRows(found);
		await page.reload();
		await waitForRows(found);
		assert.equal(await page.inputValue('#search'), 'doc_044');
		await pair.rest.put(documentPath('many', 'doc_0445a'), { data: {} });
		await waitForRows([...found.slice(0, 6), 'doc_0445a', ...found.slice(6)]);
		await page.fill('#search', 'nothing');
		await page.waitForSelector('.empty >> text=Nothing begins with that');
		await page.fill('#search', 'no blanks');
		await page.waitForSelector('#search-fault >> text=Ids hold');
		await page.fill('#search', '');
		await page.waitForSelector('text=doc_0000');
		await close();
	});

	test('rows are walked with the keyboard, and lead to the document', async () => {
		await open('/documents?service=few&order=id');
		await page.focus('table.documents tbody a');
		await page.keyboard.press('End');
		await page.keyboard.press('ArrowUp');
		await page.keyboard.press('Home');
		await page.keyboard.press('ArrowDown');
		assert.equal(await page.evaluate(() => document.activeElement.textContent), 'b');
		await page.keyboard.press('Enter');
		await page.waitForURL('**/documents/inspect?service=few&id=b');
		await close();
	});

	test('creates a document; what is wrong is said at its place', async () => {
		await open('/documents?service=few', { allow: [/409/] });
		await page.waitForSelector('table.documents tbody a'); // the page is put together: what is clicked stays where it is
		await page.click('#create');
		await page.fill('#create-id', 'not valid');
		await page.fill('dialog textarea', '{\n  "a": 1,\n  "a": 2\n}');
		await page.click('dialog button[type=submit]');
		await page.waitForSelector('#create-id-fault >> text=Letters');
		await page.waitForSelector('.json-fault >> text=Line 3, column 3: “a” is here twice');
		assert.equal(await page.textContent('.json-numbers .faulty'), '3');
		await page.fill('#create-id', 'b');
		await page.fill('dialog textarea', '{"big": 9007199254740993}');
		await page.click('dialog button[type=submit]');
		await page.waitForSelector('#create-id-fault >> text=There is a document with this id already');
		await page.fill('#create-id', 'fresh');
		await page.fill('#create-ttl', '3600');
		await page.click('dialog button[type=submit]');
		await page.waitForSelector('.toast >> text=fresh created');
		await page.waitForSelector('table.documents >> text=fresh');
		await page.waitForSelector('table.documents .badge time:text-matches("^expires in")');
		const { text, json } = await pair.rest.get(documentPath('few', 'fresh'));
		assert.match(text, /"big":9007199254740993/);
		assert.ok(json.expiresAt > Date.now());
		await close();
	});

	test('a name that is none is refused with words, and a way on', async () => {
		await open('/documents?service=not%20valid');
		await page.waitForSelector('.empty[role=alert] >> text=“not valid” is no name of a service.');
		await page.click('.empty a >> text=Browse documents');
		await page.waitForSelector('table.documents tbody a');
		await close();
	});

	test('the chosen service is in sight among many', async () => {
		for (let i = 0; i < 60; i++) await pair.rest.put(documentPath(`many_${String(i).padStart(2, '0')}`, 'one'), { data: {} });
		await open('/documents?service=many_55', { width: 360, height: 480 });
		await page.waitForSelector('.services a[aria-current]');
		await page.waitForFunction(() => {
			const { left, right } = document.querySelector('.services a[aria-current]').getBoundingClientRect();
			return left >= 0 && right <= innerWidth;
		});
		// Who looks elsewhere stays there when the same service is shown in another order.
		const moved = await page.evaluate(() => {
			const services = document.querySelector('.services'),
				order = document.querySelector('#order'),
				places = () => [services.scrollLeft, scrollY];
			services.scrollLeft = 0;
			scrollTo(0, document.body.scrollHeight);
			const before = places();
			order.value = 'id';
			order.dispatchEvent(new Event('change'));
			return { before, after: places(), address: location.search };
		});
		assert.match(moved.address, /order=id/);
		assert.deepEqual(moved.after, moved.before);
		assert.ok(moved.before[1] > 0, 'there was nothing to scroll');
		await close();
	});

	test('a service without documents, and a server without any, say what to do', async () => {
		await open('/documents?service=unknown');
		await page.waitForSelector('.empty >> text=No documents yet');
		await page.click('.empty button');
		await page.waitForSelector('dialog #create-service');
		assert.equal(await page.inputValue('#create-service'), 'unknown');
		await page.keyboard.press('Escape');
		await page.waitForSelector('dialog', { state: 'detached' });
		await close();
		const empty = await startPair();
		try {
			page = await browser.open(`${empty.daemon.url}/`, {});
			await page.waitForSelector('.empty >> text=Nothing here yet');
			assert.equal(new URL(page.url()).pathname, '/documents');
			await empty.rest.post(collectionPath('first'), { id: 'one', data: {} });
			await page.waitForSelector('table.documents >> text=one');
			await close();
		} finally {
			await empty.stop();
		}
	});
});
