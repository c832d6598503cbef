// long_poll.test.js: GET with ?wait answers when the document changes, and at the end of the wait.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Rest, assertProblem, assertStatus, documentPath, startPair, until } from './harness.js';

describe('long poll', () => {
	let pair, daemon, rest;
	before(async () => {
		pair = await startPair({ settings: { 'limits.request_timeout': 1 } });
		({ daemon, rest } = pair);
	});
	after(() => pair?.stop());
	const make = async id => (await rest.put(documentPath('poll', id), { data: { n: 1 } })).headers.etag;
	const wait = (id, etag, seconds = '30s') =>
		rest.get(`${documentPath('poll', id)}?wait=${seconds}`, { 'If-None-Match': etag });

	test('another ETag: 200 at once', async () => {
		const etag = await make('at-once');
		const answer = await wait('at-once', '"7-1760000000000"');
		assert.equal(assertStatus(answer, 200).revision, 1);
		assert.equal(answer.headers.etag, etag);
		assertProblem(await wait('unknown', etag), 404);
	});

	test('200 after the write that comes meanwhile, beyond limits.request_timeout', async () => {
		const etag = await make('later');
		const poll = wait('later', etag);
		let answered = false;
		poll.then(() => (answered = true));
		await make('somebody-else');
		const until1500 = Date.now() + 1500; // limits.request_timeout is 1 s
		await until(() => Date.now() > until1500);
		assert.equal(answered, false);
		const written = await rest.put(documentPath('poll', 'later'), { data: { n: 2 } });
		const answer = await poll;
		assert.deepEqual(assertStatus(answer, 200).data, { n: 2 });
		assert.equal(answer.headers.etag, written.headers.etag);
	});

	test('410 after a DELETE, 200 with deleted=true', async () => {
		const etag = await make('deleted');
		const poll = wait('deleted', etag);
		const shown = rest.get(`${documentPath('poll', 'deleted')}?wait=30&deleted=true`, { 'If-None-Match': etag });
		assertStatus(await rest.delete(documentPath('poll', 'deleted')), 200);
		assertProblem(await poll, 410, 'document_deleted');
		assert.equal(assertStatus(await shown, 200).deleted, true);
	});

	test('304 at the end of the wait, not before', async () => {
		const etag = await make('quiet');
		const began = Date.now();
		const answer = await wait('quiet', etag, '2');
		assert.equal(answer.status, 304);
		assert.equal(answer.headers.etag, etag);
		assert.equal(answer.text, '');
		assert.ok(Date.now() - began >= 1900, `${Date.now() - began} ms`);
	});

	test('many wait for one document: one write answers all', async () => {
		const etag = await make('many');
		const polls = Array.from({ length: 20 }, () => wait('many', etag));
		assertStatus(await rest.put(documentPath('poll', 'many'), { data: { n: 2 } }), 200);
		for (const answer of await Promise.all(polls)) assert.equal(assertStatus(answer, 200).revision, 2);
	});

	test('200 races of a write and a poll: none waits in vain', async () => {
		const path = documentPath('poll', 'race');
		let etag = await make('race');
		const poller = daemon.client(),
			writer = new Rest(daemon.url);
		for (let i = 2; i <= 201; i++) {
			const write = () => writer.put(path, { data: { i } });
			const poll = () => poller.get(`${path}?wait=10`, { 'If-None-Match': etag });
			const [written, answer] =
				i % 2 ? await Promise.all([write(), poll()]) : (await Promise.all([poll(), write()])).reverse();
			assertStatus(written, 200);
			assert.equal(assertStatus(answer, 200, `race ${i}`).revision, i);
			({ etag } = answer.headers);
		}
		writer.close();
	});

	test('a client that goes away while it waits harms nobody', async () => {
		const etag = await make('gone');
		const client = new Rest(daemon.url);
		const poll = client
			.request('GET', `${documentPath('poll', 'gone')}?wait=30`, { headers: { 'If-None-Match': etag } })
			.catch(error => error);
		assert.equal((await wait('gone', etag, '1')).status, 304);
		client.close();
		assert.ok((await poll) instanceof Error);
		assertStatus(await rest.put(documentPath('poll', 'gone'), { data: { n: 2 } }), 200);
		assertStatus(await wait('gone', etag, '1'), 200);
	});

	const etag = '"1-1760000000000"';
	const refused = [
		['?wait=30s', {}],
		...['', '0', '61', '0s', '1m', 's', '-1', '1.5', '030', '1 s'].map(text => [
			`?wait=${encodeURIComponent(text)}`,
			{ 'If-None-Match': etag },
		]),
		['?wait=5&wait=5', { 'If-None-Match': etag }],
		['?wait=5&revision=1', { 'If-None-Match': etag }],
	];
	for (const [query, headers] of refused)
		test(`${query} ${headers['If-None-Match'] ? 'with' : 'without'} If-None-Match is 400`, async () => {
			await make('input');
			assertProblem(await rest.get(documentPath('poll', 'input') + query, headers), 400, 'invalid_query');
		});
});
