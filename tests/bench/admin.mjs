// admin.mjs: does the Admin UI keep up with much data? Every task of the browser above 50 ms while a service of 10,000 documents is
// browsed and a document of 1 MB is inspected, named by what was done meanwhile.
//
//     node tests/bench/admin.mjs [DOCUMENTS [BYTES]]     (SYNCDOC_BUILD: a release build; after npm ci in tests/e2e)
import { Browser, skipWithoutChromium } from '../e2e/lib/browser.js';
import { documentPath, randomOf, startPair, turn, until } from '../e2e/harness.js';

const documents = Number(process.argv[2] ?? 10000),
	bytes = Number(process.argv[3] ?? 1 << 20);
if (skipWithoutChromium) {
	console.log(skipWithoutChromium);
	process.exit(77);
}

// About `size` bytes: many members, some deep, one long array.
function largeData(size) {
	const random = randomOf(1),
		data = { items: [], people: {} };
	let left = size;
	for (let i = 0; left > 0; i++) {
		const item = {
			id: i,
			name: `item ${i}`,
			price: random.below(100000) / 100,
			tags: ['red', 'green', 'blue'].slice(random.below(3)),
			active: i % 2 === 0,
			note: null,
		};
		if (i % 3) data.items.push(item);
		else
			data.people[`person_${i}`] = {
				...item,
				address: { street: `Street ${i}`, city: { name: 'Berlin', zip: String(10000 + i) } },
			};
		left -= JSON.stringify(item).length + (i % 3 ? 1 : 90);
	}
	return data;
}

const observe = () => {
	window.longTasks = [];
	new PerformanceObserver(list => {
		for (const { duration } of list.getEntries()) window.longTasks.push(Math.round(duration));
	}).observe({ type: 'longtask', buffered: true });
};

let worst = 0;
async function step(page, name, work) {
	const from = await page.evaluate(() => window.longTasks?.splice(0) && performance.now());
	await work();
	// An entry comes a moment after its task.
	await page.evaluate(() => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve, 100))));
	const [tasks, to, nodes] = await page.evaluate(() => [
		window.longTasks.splice(0),
		performance.now(),
		document.querySelectorAll('*').length,
	]);
	const longest = Math.max(0, ...tasks);
	worst = Math.max(worst, longest);
	console.log(
		`${name.padEnd(52)} ${String(Math.round(to - (to > from ? from : 0))).padStart(6)} ms   ${nodes} elements   ${tasks.length ? `tasks above 50 ms: ${tasks.join(', ')}` : 'no task above 50 ms'}`,
	);
}

async function browse(browser, { daemon, rest }) {
	const page = await browser.open(`${daemon.url}/documents?service=many`, { before: observe, width: 1600, height: 1000 });
	await step(page, `open a service of ${documents} documents`, () => page.waitForSelector('table.documents tbody a'));
	await step(page, 'scroll to the end, page by page', () =>
		until(async () => {
			const loaded = await page.$eval('.table-scroller', scroller => {
				scroller.scrollBy(0, 4000);
				return Number(document.querySelector('.table-foot').textContent.replace(/,/g, '').match(/^\d+/)?.[0] ?? 0);
			});
			return loaded >= documents;
		}, 120000),
	);
	await step(page, 'jump to the top, the middle, the end', async () => {
		for (const share of [0, 0.5, 1, 0.25]) {
			await page.$eval('.table-scroller', (scroller, at) => scroller.scrollTo(0, scroller.scrollHeight * at), share);
			await turn(100);
		}
	});
	await step(page, '200 live changes while all is loaded', async () => {
		for (let i = 0; i < 200; i++) await rest.patch(documentPath('many', `doc_${(i * 37) % documents}`), { data: { n: -i } });
	});
	await step(page, 'search', async () => {
		await page.fill('#search', 'doc_77');
		await page.waitForFunction(
			() =>
				[...document.querySelectorAll('table.documents tbody a')].every(each => each.textContent.startsWith('doc_77')) &&
				document.querySelectorAll('table.documents tbody a').length,
		);
	});
	await page.context().close();
}

async function inspect(browser, { daemon, rest }, data) {
	const page = await browser.open(`${daemon.url}/documents/inspect?service=big&id=big`, {
		before: observe,
		width: 1600,
		height: 1000,
	});
	const size = JSON.stringify(data).length;
	await step(page, `open a document of ${size} bytes`, () => page.waitForSelector('.timeline li'));
	await step(page, 'open a branch of thousands, and more of it', async () => {
		const open = page.locator('.tree-row:has-text("items")').first();
		if ((await open.getAttribute('aria-expanded')) === 'false') await open.click();
		await page.click('.tree-more >> nth=0');
	});
	await step(page, 'expand', () => page.click('button:text-is("Expand")'));
	await step(page, '20 live changes', async () => {
		for (let i = 0; i < 20; i++) await rest.patch(documentPath('big', 'big'), { data: { people: { person_0: { price: i } } } });
		await page.waitForFunction(() => document.querySelector('#revision').textContent === 'revision 21');
	});
	await step(page, 'collapse', () => page.click('button:text-is("Collapse")'));
	await step(page, 'as text', async () => {
		await page.click('#tab-text');
		await page.waitForSelector('.text-line');
	});
	await step(page, 'scroll the text', async () => {
		for (const share of [0.3, 0.6, 1, 0]) {
			await page.$eval('.text-view', (view, at) => view.scrollTo(0, view.scrollHeight * at), share);
			await turn(100);
		}
	});
	await page.click('#tab-tree');
	await step(page, 'merge by hand', async () => {
		await page.click('#edit');
		await page.fill('.editor textarea', '{"people": {"person_0": {"price": 99}}}');
		await page.waitForSelector('.editor-preview .changes');
		await page.click('.editor button[type=submit]');
		await page.waitForFunction(() => document.querySelector('#revision').textContent === 'revision 22');
	});
	await step(page, 'compare two revisions', async () => {
		await page.click('#compare');
		await page.waitForSelector('dialog .changes');
	});
	await page.keyboard.press('Escape');
	await step(page, 'replace: what is large is offered, not loaded', async () => {
		await page.click('#edit');
		await page.click('.editor [data-mode=replace]');
		await page.waitForSelector('#load-large');
	});
	console.log(`longest task: ${worst} ms; and where one insists on having all of it in a field:`);
	await step(page, 'load all of it into the field', async () => {
		await page.click('#load-large');
		await until(async () => (await page.$eval('.editor textarea', area => area.value.length)) > size);
	});
	await step(page, 'type a character there', async () => {
		await page.focus('.editor textarea');
		await page.keyboard.type(' ');
		await turn(800); // the check comes after a pause
	});
	await page.context().close();
}

const pair = await startPair({ settings: { 'documents.max_size': '4MiB', 'ring.size': '128MiB' } });
const browser = await Browser.start();
try {
	for (let i = 0; i < documents; i += 50)
		await Promise.all(
			Array.from({ length: Math.min(50, documents - i) }, (_, j) =>
				pair.rest.put(documentPath('many', `doc_${i + j}`), { data: { n: i + j } }),
			),
		);
	const data = largeData(bytes);
	await pair.rest.put(documentPath('big', 'big'), { data });
	await browse(browser, pair);
	await inspect(browser, pair, data);
} finally {
	await browser.stop();
	await pair.stop();
}
