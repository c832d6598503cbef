// rest.test.js: documents over REST as section 6 of the contract has them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertProblem, assertStatus, collectionPath, documentPath, inTime, startPair, until } from './harness.js';

let pair, rest;
before(async () => {
	pair = await startPair();
	({ rest } = pair);
});
after(() => pair?.stop());

const items = async path => assertStatus(await rest.get(path), 200).items;
const ids = list => list.map(item => item.id);

describe('create', () => {
	test('gives 201, Location, ETag and the envelope in the order of the contract', async () => {
		const answer = await rest.post(collectionPath('create'), { id: 'one', data: { a: 1 } });
		const envelope = assertStatus(answer, 201);
		assert.equal(answer.headers.location, '/v1/services/create/documents/one');
		assert.equal(answer.headers.etag, `"1-${envelope.updatedAt}"`);
		assert.equal(answer.headers['content-type'], 'application/json');
		assert.equal(
			answer.text,
			`{"revision":1,"updatedAt":${envelope.updatedAt},"createdAt":${envelope.updatedAt},` +
				'"service":"create","id":"one","data":{"a":1}}',
		);
		assert.ok(Math.abs(envelope.updatedAt - Date.now()) < 60000);
		assert.equal((await rest.get(answer.headers.location)).text, answer.text);
	});

	test('makes ids nobody can guess, and needs no body', async () => {
		const seen = new Set();
		for (const body of [undefined, {}, { data: {} }, { data: { b: 2 } }]) {
			const envelope = assertStatus(await rest.post(collectionPath('generated'), body), 201);
			assert.match(envelope.id, /^doc_[0-9a-z]{12}$/);
			assert.deepEqual(envelope.data, body?.data ?? {});
			seen.add(envelope.id);
		}
		assert.equal(seen.size, 4);
	});

	test('is refused while the id lives, and says what lives there', async () => {
		const path = documentPath('exists', 'x');
		const first = assertStatus(await rest.put(path, { data: { a: 1 } }), 201);
		const problem = assertProblem(
			await rest.post(collectionPath('exists'), { id: 'x', data: { a: 2 } }),
			409,
			'document_exists',
		);
		assert.equal(problem.currentRevision, 1);
		assert.deepEqual(problem.document, first);
		assert.deepEqual(assertStatus(await rest.get(path), 200), first);
	});

	test('on a tombstone makes the next revision and keeps createdAt', async () => {
		const path = documentPath('again', 'x');
		const first = assertStatus(await rest.put(path, { data: { a: 1 } }), 201);
		const deleted = assertStatus(await rest.delete(path), 200);
		const second = assertStatus(await rest.post(collectionPath('again'), { id: 'x', data: { b: 2 } }), 201);
		assert.equal(second.revision, 3);
		assert.equal(second.createdAt, first.createdAt);
		assert.ok(second.updatedAt > deleted.updatedAt);
		assert.equal(second.deleted, undefined);
		assert.deepEqual(second.data, { b: 2 });
	});

	const bad = [
		[{ id: '' }, 400],
		[{ id: 'a b' }, 400],
		[{ id: 'a/b' }, 400],
		[{ id: 'é' }, 400],
		[{ id: 'x'.repeat(129) }, 400],
		[{ id: 7 }, 400],
		[{ id: 'x', data: [] }, 422],
		[{ id: 'x', data: 'text' }, 422],
		[{ id: 'x', data: null }, 422],
		[{ id: 'x', ttl: 5, expiresAt: Date.now() + 60000 }, 400],
	];
	for (const [body, status] of bad)
		test(`refuses ${JSON.stringify(body).slice(0, 60)} with ${status}`, async () => {
			assertProblem(await rest.post(collectionPath('bad'), body), status);
			assert.deepEqual(await items(collectionPath('bad')), []);
		});

	test('takes names to the limit and nothing beyond', async () => {
		const service = 'S_-9'.repeat(16),
			id = 'aZ0_.:@-'.repeat(16);
		assertStatus(await rest.put(documentPath(service, encodeURIComponent(id)), { data: {} }), 201);
		assertStatus(await rest.get(documentPath(service, id)), 200);
		assertProblem(await rest.get(documentPath(`${service}x`, 'a')), 400);
		assertProblem(await rest.get(documentPath('s', `${id}x`)), 400);
		assertProblem(await rest.get(documentPath('a.b', 'x')), 400);
	});
});

describe('read', () => {
	test('answers 200 with an ETag and 304 to who has it', async () => {
		const path = documentPath('read', 'x');
		const { headers } = await rest.put(path, { data: { a: 1 } });
		const answer = await rest.get(path);
		assertStatus(answer, 200);
		assert.equal(answer.headers.etag, headers.etag);
		for (const tag of [headers.etag, `W/${headers.etag}`, '*', `"1-1", ${headers.etag}`]) {
			const same = await rest.get(path, { 'If-None-Match': tag });
			assert.equal(same.status, 304, tag);
			assert.equal(same.text, '');
			assert.equal(same.headers.etag, headers.etag);
		}
		assertStatus(await rest.get(path, { 'If-None-Match': '"1-1"' }), 200);
		await rest.put(path, { data: { a: 2 } });
		assertStatus(await rest.get(path, { 'If-None-Match': headers.etag }), 200);
	});

	test('answers 404 for what never was and 410 with the revision for what is deleted', async () => {
		const path = documentPath('gone', 'x');
		assertProblem(await rest.get(path), 404, 'document_not_found');
		await rest.put(path, { data: { a: 1 } });
		await rest.delete(path);
		assert.equal(assertProblem(await rest.get(path), 410, 'document_deleted').currentRevision, 2);
		const shown = assertStatus(await rest.get(`${path}?deleted=true`), 200);
		assert.equal(shown.deleted, true);
		assert.deepEqual(shown.data, { a: 1 });
		assertProblem(await rest.get(`${path}?deleted=perhaps`), 400);
		assertProblem(await rest.get(`${documentPath('gone', 'never')}?deleted=true`), 404);
	});

	test('batchGet answers living envelopes in the order asked for', async () => {
		for (const id of ['a', 'b', 'c', 'dead']) await rest.put(documentPath('batch', id), { data: { id } });
		await rest.delete(documentPath('batch', 'dead'));
		const path = `${collectionPath('batch')}:batchGet`;
		const found = assertStatus(await rest.post(path, { ids: ['c', 'never', 'a', 'dead', 'b'] }), 200).items;
		assert.deepEqual(
			found.map(item => item.data.id),
			['c', 'a', 'b'],
		);
		const hundred = Array.from({ length: 100 }, (_, i) => `n${i}`);
		assert.deepEqual(assertStatus(await rest.post(path, { ids: hundred }), 200).items, []);
		assertProblem(await rest.post(path, { ids: [...hundred, 'more'] }), 422);
		assertProblem(await rest.post(path, { ids: ['a b'] }), 400);
		assertProblem(await rest.post(path, { ids: 'a' }), 422);
		assertProblem(await rest.post(path, {}), 422);
		assertProblem(await rest.post(path, '{"ids":['), 400);
	});
});

describe('write', () => {
	test('every accepted write is the next revision, also one that changes nothing', async () => {
		const path = documentPath('chain', 'x');
		let last = assertStatus(await rest.put(path, { data: { a: 1, o: { k: [1, 2] } } }), 201);
		const steps = [
			() => rest.put(path, { data: { a: 1, o: { k: [1, 2] } } }),
			() => rest.patch(path, { o: { k: null, m: {} } }, 'application/merge-patch+json'),
			() => rest.patch(path, { data: { o: { m: { n: [] } } } }),
			() => rest.patch(path, [{ op: 'add', path: '/o/l', value: 7 }], 'application/json-patch+json'),
			() => rest.patch(path, {}, 'application/merge-patch+json'),
			() => rest.patch(path, [], 'application/json-patch+json'),
		];
		for (const step of steps) {
			const answer = await step();
			const next = assertStatus(answer, 200);
			assert.equal(next.revision, last.revision + 1);
			assert.ok(next.updatedAt > last.updatedAt, 'updatedAt never repeats');
			assert.equal(next.createdAt, last.createdAt);
			assert.equal(answer.headers.etag, `"${next.revision}-${next.updatedAt}"`);
			last = next;
		}
		assert.deepEqual(last.data, { a: 1, o: { m: { n: [] }, l: 7 } });
		assert.deepEqual(assertStatus(await rest.get(path), 200), last);
	});

	test('PUT creates with Location and replaces as a whole', async () => {
		const path = documentPath('put', 'x');
		const created = await rest.put(path, { data: { a: 1 } });
		assertStatus(created, 201);
		assert.equal(created.headers.location, path);
		const replaced = await rest.put(path, { data: { b: [] } });
		assert.deepEqual(assertStatus(replaced, 200).data, { b: [] });
		assertProblem(await rest.put(path, {}), 422);
		assertProblem(await rest.put(path, { data: {}, dat: {} }), 422);
		assertProblem(await rest.put(path, [1]), 422);
		assertProblem(await rest.put(path, { data: 1 }), 422);
	});

	test('merge is RFC 7396: null removes, arrays are replaced', async () => {
		const path = documentPath('merge', 'x');
		await rest.put(path, {
			data: { title: 'a', author: { given: 'J', family: 'D' }, tags: ['x', 'y'], content: 'c' },
		});
		const patch = { title: 'b', phone: '1', author: { family: null }, tags: ['z'] };
		const merged = assertStatus(await rest.patch(path, patch, 'application/merge-patch+json'), 200);
		assert.deepEqual(merged.data, { title: 'b', author: { given: 'J' }, tags: ['z'], content: 'c', phone: '1' });
		assertProblem(await rest.patch(path, [1], 'application/merge-patch+json'), 422);
		assertProblem(await rest.patch(path, '"x"', 'application/merge-patch+json'), 422);
	});

	const start = { a: 1, list: [1, 2, 3], o: { x: true }, 'm/n': 0, '~t': 0 };
	const patches = [
		[
			'all six operations',
			200,
			{ list: [1, 9, 2, 3], o: { y: true }, b: 1, 'm/n': 5 },
			[
				{ op: 'test', path: '/a', value: 1 },
				{ op: 'add', path: '/list/1', value: 9 },
				{ op: 'move', from: '/o/x', path: '/o/y' },
				{ op: 'copy', from: '/a', path: '/b' },
				{ op: 'replace', path: '/m~1n', value: 5 },
				{ op: 'remove', path: '/~0t' },
				{ op: 'remove', path: '/a' },
			],
		],
		['append', 200, { ...start, list: [1, 2, 3, 4] }, [{ op: 'add', path: '/list/-', value: 4 }]],
		[
			'a test that fails, behind a change',
			409,
			'patch_test_failed',
			[
				{ op: 'remove', path: '/a' },
				{ op: 'test', path: '/list', value: [1] },
			],
			1,
		],
		['a missing path', 409, 'patch_path_missing', [{ op: 'remove', path: '/nothing' }], 0],
		[
			'an index out of range',
			409,
			'patch_path_missing',
			[
				{ op: 'test', path: '/a', value: 1 },
				{ op: 'add', path: '/list/4', value: 0 },
			],
			1,
		],
		['a parent that is no container', 409, 'patch_path_missing', [{ op: 'add', path: '/a/b', value: 0 }], 0],
		['an unknown operation', 422, 'patch_invalid', [{ op: 'increment', path: '/a' }]],
		['no path', 422, 'patch_invalid', [{ op: 'remove' }]],
		['a path without slash', 422, 'patch_invalid', [{ op: 'remove', path: 'a' }]],
		['no value', 422, 'patch_invalid', [{ op: 'add', path: '/z' }]],
		['a move into itself', 422, 'patch_invalid', [{ op: 'move', from: '/o', path: '/o/x/z' }]],
		['no array', 422, 'patch_invalid', { op: 'remove', path: '/a' }],
		['a root that is no object', 422, undefined, [{ op: 'replace', path: '', value: [] }]],
	];
	for (const [name, status, expected, operations, failedOp] of patches)
		test(`JSON Patch with ${name}: ${status}, all or nothing`, async () => {
			const path = documentPath('patch', 'x');
			const before = (await rest.put(path, { data: start })).json;
			const answer = await rest.patch(path, operations, 'application/json-patch+json');
			if (status === 200) {
				assert.deepEqual(assertStatus(answer, 200).data, expected);
				return;
			}
			const problem = assertProblem(answer, status, expected);
			if (failedOp !== undefined) assert.equal(problem.failedOp, failedOp);
			assert.deepEqual((await rest.get(path)).json, before);
		});

	test('DELETE leaves a tombstone and happens once', async () => {
		const path = documentPath('delete', 'x');
		assertProblem(await rest.delete(path), 404, 'document_not_found');
		await rest.put(path, { data: { a: 1 } });
		const deleted = assertStatus(await rest.delete(path), 200);
		assert.equal(deleted.deleted, true);
		assert.equal(deleted.revision, 2);
		assert.equal(assertProblem(await rest.delete(path), 410, 'document_deleted').currentRevision, 2);
		assert.equal(assertProblem(await rest.patch(path, { data: {} }), 410, 'document_deleted').currentRevision, 2);
	});

	test('Prefer: return=minimal leaves the body out', async () => {
		const path = documentPath('minimal', 'x'),
			prefer = { Prefer: 'return=minimal' };
		const created = await rest.put(path, { data: { a: 1 } }, prefer);
		assert.equal(created.status, 201);
		assert.equal(created.text, '');
		const replaced = await rest.put(path, { data: { a: 2 } }, prefer);
		assert.ok(replaced.status === 200 || replaced.status === 204);
		assert.equal(replaced.text, '');
		assert.match(replaced.headers.etag, /^"2-\d+"$/);
		const problem = assertProblem(
			await rest.put(path, { data: {}, expectedRevision: 1 }, prefer),
			409,
			'revision_conflict',
		);
		assert.equal(problem.currentRevision, 2);
		assert.equal(problem.document, undefined);
	});

	test('an Idempotency-Key makes one revision however often it is sent', async () => {
		const path = documentPath('idempotent', 'x'),
			key = { 'Idempotency-Key': 'order-17' };
		const first = assertStatus(await rest.put(path, { data: { a: 1 } }, key), 201);
		const second = await rest.put(path, { data: { a: 1 } }, key);
		assert.deepEqual(assertStatus(second, 200), first);
		assert.equal(second.headers['idempotent-replay'], 'true');
		assert.equal(
			assertStatus(await rest.put(path, { data: { a: 2 } }, { 'Idempotency-Key': 'order-18' }), 200).revision,
			2,
		);
	});
});

describe('expiry', () => {
	test('ttl counts from updatedAt, stays when absent, goes with null', async () => {
		const path = documentPath('ttl', 'x');
		let envelope = assertStatus(await rest.put(path, { data: {}, ttl: 100 }), 201);
		assert.equal(envelope.expiresAt, envelope.updatedAt + 100000);
		const { expiresAt } = envelope;
		envelope = assertStatus(await rest.patch(path, { data: { a: 1 } }), 200);
		assert.equal(envelope.expiresAt, expiresAt);
		envelope = assertStatus(await rest.put(path, { data: {}, expiresAt: expiresAt + 5 }), 200);
		assert.equal(envelope.expiresAt, expiresAt + 5);
		envelope = assertStatus(await rest.put(path, { data: {}, ttl: null }), 200);
		assert.equal(envelope.expiresAt, undefined);
		envelope = assertStatus(await rest.put(path, { data: {}, ttl: 31536000 }), 200);
		assert.equal(envelope.expiresAt, envelope.updatedAt + 31536000000);
		envelope = assertStatus(await rest.patch(path, { data: {}, expiresAt: null }), 200);
		assert.equal(envelope.expiresAt, undefined);
	});

	for (const more of [
		{ ttl: 1, expiresAt: 4e12 },
		{ ttl: null, expiresAt: null },
		{ ttl: 0 },
		{ ttl: -1 },
		{ ttl: 31536001 },
		{ ttl: 1.5 },
		{ ttl: '5' },
		{ expiresAt: 1 },
		{ expiresAt: true },
	])
		test(`${JSON.stringify(more)} is 400`, async () => {
			assertProblem(await rest.put(documentPath('ttl', 'bad'), { data: {}, ...more }), 400);
			assertProblem(await rest.get(documentPath('ttl', 'bad')), 404);
		});

	test('past its time a document is 410 document_expired, and a PUT stands on the expired tombstone', async () => {
		const path = documentPath('expiry', 'x');
		const ws = await pair.daemon.connect();
		await ws.subscribe({ topic: 'sync.expiry.*', returnMode: 'both' });
		await inTime(1000, async ms => assertStatus(await rest.put(path, { data: { a: 1 }, expiresAt: Date.now() + ms }), 201));
		const gone = await until(async () => {
			const answer = await rest.get(path);
			return answer.status !== 200 && answer;
		});
		assert.ok(assertProblem(gone, 410, 'document_expired').currentRevision >= 1);
		assertProblem(await rest.patch(path, { data: {} }), 410, 'document_expired');
		assertProblem(await rest.delete(path), 410, 'document_expired');
		assert.deepEqual(await items(collectionPath('expiry')), []);
		assert.deepEqual(ids(await items(`${collectionPath('expiry')}?deleted=true`)), ['x']);
		assertStatus(await rest.get(`${path}?deleted=true`), 200);
		const again = assertStatus(await rest.put(path, { data: { b: 2 } }), 201);
		assert.equal(again.revision, 3);
		assert.equal(again.expiresAt, undefined);
		const events = [];
		for (let i = 0; i < 3; i++) events.push(await ws.event());
		assert.deepEqual(
			events.map(event => [event.topic, event.payload.revision]),
			[
				['sync.expiry.created', 1],
				['sync.expiry.expired', 2],
				['sync.expiry.created', 3],
			],
		);
		assert.equal(events[1].payload.deleted, true);
		assert.deepEqual(events[1].payload.diff, { added: {}, removed: [], changed: {} });
		assert.deepEqual(events[2].payload.diff, { added: { b: 2 }, removed: ['a'], changed: {} });
		ws.close();
	});
});
