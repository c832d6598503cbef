// list.test.js: services and pages of documents.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertProblem, assertStatus, collectionPath, documentPath, startPair } from './harness.js';

let pair, rest;
before(async () => {
	pair = await startPair();
	({ rest } = pair);
});
after(() => pair?.stop());

const ids = list => list.map(item => item.id);

async function allPages(path, size) {
	const pages = [];
	let token = '';
	do {
		const answer = await rest.get(
			`${path}&page_size=${size}${token && `&page_token=${encodeURIComponent(token)}`}`,
		);
		const page = assertStatus(answer, 200);
		assert.ok(page.items.length <= size);
		pages.push(page.items);
		token = page.next_page_token;
	} while (token);
	return pages;
}

describe('services', () => {
	test('are listed with the numbers of their living documents, the latest written first', async () => {
		assert.deepEqual(assertStatus(await rest.get('/v1/services'), 200).items, []);
		for (const [service, id] of [
			['alpha', 'a'],
			['alpha', 'b'],
			['beta', 'a'],
			['gamma', 'a'],
			['alpha', 'c'],
		])
			await rest.put(documentPath(service, id), { data: {} });
		await rest.delete(documentPath('beta', 'a'));
		const { items } = assertStatus(await rest.get('/v1/services'), 200);
		assert.deepEqual(
			items.map(item => [item.service, item.documents]),
			[
				['beta', 0],
				['alpha', 3],
				['gamma', 1],
			],
		);
	});
});

describe('list', () => {
	const names = [];
	before(async () => {
		for (let i = 0; i < 23; i++) names.push(`${i % 2 ? 'odd' : 'even'}-${String(i).padStart(3, '0')}`);
		for (const id of names) await rest.put(documentPath('list', id), { data: { id } });
		await rest.put(documentPath('list', names[4]), { data: { id: names[4], late: true } });
		await rest.delete(documentPath('list', names[7]));
	});

	const path = `${collectionPath('list')}?`;
	const living = () => names.filter((_, i) => i !== 7);
	const newestFirst = list => [...list.filter((_, i) => i !== 4), list[4]].reverse();

	test('by default shows the newest first, without data', async () => {
		const page = assertStatus(await rest.get(collectionPath('list')), 200);
		assert.deepEqual(ids(page.items), newestFirst(living()));
		assert.equal(page.next_page_token, undefined);
		for (const item of page.items)
			assert.deepEqual(Object.keys(item), ['revision', 'updatedAt', 'createdAt', 'service', 'id']);
	});

	test('order=id is lexical; data=true brings the envelopes', async () => {
		const { items } = assertStatus(await rest.get(`${path}order=id&data=true`), 200);
		assert.deepEqual(ids(items), living().sort());
		for (const item of items) assert.equal(item.data.id, item.id);
	});

	test('deleted=true shows tombstones among the others', async () => {
		const { items } = assertStatus(await rest.get(`${path}order=id&deleted=true`), 200);
		assert.deepEqual(ids(items), [...names].sort());
		assert.deepEqual(ids(items.filter(item => item.deleted)), [names[7]]);
		const newest = assertStatus(await rest.get(`${path}order=updated&deleted=true&page_size=1`), 200).items;
		assert.deepEqual(ids(newest), [names[7]]);
	});

	for (const order of ['updated', 'id'])
		for (const prefix of ['', 'odd-', 'even-02', 'nothing', 'odd-001'])
			for (const size of [1, 4, 11, 1000])
				test(`pages of ${size}, order=${order}, prefix=${prefix} bring each document once`, async () => {
					const pages = await allPages(`${path}order=${order}&prefix=${prefix}`, size);
					const all = order === 'id' ? living().sort() : newestFirst(living());
					assert.deepEqual(
						ids(pages.flat()),
						all.filter(id => id.startsWith(prefix)),
					);
					for (const page of pages.slice(0, -1)) assert.equal(page.length, size);
				});

	test('what changes while paging is on a new first page', async () => {
		for (let i = 0; i < 6; i++) await rest.put(documentPath('moving', `m${i}`), { data: {} });
		const first = assertStatus(await rest.get(`${collectionPath('moving')}?page_size=3`), 200);
		assert.deepEqual(ids(first.items), ['m5', 'm4', 'm3']);
		await rest.put(documentPath('moving', 'm1'), { data: { a: 1 } });
		const token = encodeURIComponent(first.next_page_token);
		const second = assertStatus(await rest.get(`${collectionPath('moving')}?page_size=3&page_token=${token}`), 200);
		assert.deepEqual(ids(second.items), ['m2', 'm0']);
		const fresh = assertStatus(await rest.get(`${collectionPath('moving')}?page_size=1`), 200);
		assert.deepEqual(ids(fresh.items), ['m1']);
	});

	test('a page ends early at 4 MiB and goes on where it ended', async () => {
		const text = 'x'.repeat(60000);
		const wanted = [];
		for (let i = 0; i < 80; i++) {
			wanted.push(`big${String(i).padStart(2, '0')}`);
			assertStatus(await rest.put(documentPath('big', wanted[i]), { data: { text } }), 201);
		}
		const path = `${collectionPath('big')}?order=id&data=true`;
		const first = await rest.get(`${path}&page_size=1000`);
		assert.ok(first.text.length < (4 << 20) + (256 << 10), `${first.text.length} bytes`);
		assert.ok(assertStatus(first, 200).items.length < 80);
		const pages = await allPages(path, 1000);
		assert.deepEqual(ids(pages.flat()), wanted);
		assert.equal(pages.length, 2);
		assert.equal(
			assertStatus(await rest.get(`${collectionPath('big')}?page_size=1000`), 200).items.length,
			80,
			'heads are small',
		);
	});

	for (const query of [
		'page_size=0',
		'page_size=1001',
		'page_size=-1',
		'page_size=abc',
		'page_size=',
		'page_size=1.5',
		'page_size=99999999999999999999',
		'page_token=nonsense',
		'page_token=u0000000000000000',
		'order=random',
		'deleted=1',
		'data=yes',
		'prefix=a%20b',
		'page_sise=3',
		'order=id&order=id',
	])
		test(`?${query} is 400`, async () => {
			assertProblem(await rest.get(`${path}${query}`), 400);
		});

	test('a page token of another list, or changed by hand, is 400', async () => {
		const token = assertStatus(await rest.get(`${path}order=id&page_size=3`), 200).next_page_token;
		for (const other of [
			`${path}order=updated&page_token=${token}`,
			`${path}order=id&prefix=odd&page_token=${token}`,
			`${collectionPath('other')}?order=id&page_token=${token}`,
			`${path}order=id&page_token=${token}x`,
		])
			assertProblem(await rest.get(other), 400);
	});

	test('a service that does not exist has no documents; a bad name is 400', async () => {
		assert.deepEqual(assertStatus(await rest.get(collectionPath('nowhere')), 200), { items: [] });
		assertProblem(await rest.get(collectionPath('no%20where')), 400);
	});
});
